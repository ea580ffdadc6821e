package store_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look into files from outside

	"labstatus/internal/health"
	"labstatus/internal/store"
)

var t0 = time.Date(2026, 11, 20, 22, 10, 5, 123456789, time.UTC)

// eachStore runs a test over all stores.
func eachStore(t *testing.T, o store.Options, fn func(*testing.T, store.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, MustOpen(t, filepath.Join(t.TempDir(), "status.db"), o))
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		fn(t, MustOpenMemory(t, o))
	})
	t.Run("late", func(t *testing.T) {
		t.Parallel()
		fn(t, MustLate(t, store.LateOptions{Path: filepath.Join(t.TempDir(), "missing", "missing", "status.db"), Options: o}))
	})
}

func MustLate(tb testing.TB, o store.LateOptions) *store.Late {
	tb.Helper()
	l, err := store.NewLate(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { MustClose(tb, l) })
	return l
}

// MustOpen opens the store at path. Where there is none but a directory for it, it
// begins with a copy of an empty one: each of our own would cost a migration. Those
// tests begin with a migration that have the directory made too.
func MustOpen(tb testing.TB, path string, o store.Options) *store.SQLite {
	tb.Helper()
	b, err := emptyFile()
	if err != nil {
		tb.Fatal(err)
	}
	if err := writeNew(path, b); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		tb.Fatal(err)
	}
	s, err := store.Open(tb.Context(), path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { MustClose(tb, s) })
	return s
}

// emptyFile is a store's file in which nothing is kept yet.
var emptyFile = sync.OnceValues(func() (b []byte, err error) {
	dir, err := os.MkdirTemp("", "empty")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "status.db")
	s, err := store.Open(context.Background(), path, store.Options{})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// writeNew writes a file where there is nothing yet.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// volume is how much of something a test does: the usual, or as much as the
// environment asks for.
func volume(tb testing.TB, variable string, usual int) int {
	tb.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(variable), strconv.Itoa(usual)))
	if err != nil || n < 1 {
		tb.Fatalf("%s: want a number, not %q", variable, os.Getenv(variable))
	}
	return n
}

func MustOpenMemory(tb testing.TB, o store.Options) *store.Memory {
	tb.Helper()
	s, err := store.OpenMemory(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func MustClose(tb testing.TB, s store.Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
}

func MustCommit(tb testing.TB, s store.Store, c store.Commit) {
	tb.Helper()
	if err := s.Commit(tb.Context(), c); err != nil {
		tb.Fatal(err)
	}
}

func MustKept(tb testing.TB, s store.Store) health.Kept {
	tb.Helper()
	kept, warnings, err := s.Kept(tb.Context())
	if err != nil || len(warnings) > 0 {
		tb.Fatal(err, warnings)
	}
	return kept
}

func MustEvents(tb testing.TB, s store.Store, experiment string) []health.Event {
	tb.Helper()
	events, err := s.Events(tb.Context(), experiment)
	if err != nil {
		tb.Fatal(err)
	}
	return events
}

// MustFind reads all pages of a query.
func MustFind(tb testing.TB, s store.Store, q store.EventQuery, limit int) []store.StoredEvent {
	tb.Helper()
	var all []store.StoredEvent
	for next, first := "", true; first || next != ""; first = false {
		page, n, err := s.FindEvents(tb.Context(), q, limit, next)
		if err != nil {
			tb.Fatal(err)
		}
		if len(page) > limit || len(page) == 0 && n != "" {
			tb.Fatalf("page of %d with limit %d, then %q", len(page), limit, n)
		}
		all, next = append(all, page...), n
	}
	return all
}

func MustHistory(tb testing.TB, s store.Store, experiment string, from, to time.Time) []health.StateChange {
	tb.Helper()
	changes, err := s.History(tb.Context(), experiment, from, to)
	if err != nil {
		tb.Fatal(err)
	}
	return changes
}

func MustAllHistory(tb testing.TB, s store.Store, from, to time.Time) (all [][]health.StateChange) {
	tb.Helper()
	for changes, err := range s.AllHistory(tb.Context(), from, to) {
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, changes)
	}
	return all
}

// MustAudit reads all pages of the audit list.
func MustAudit(tb testing.TB, s store.Store, limit int) []health.Act {
	tb.Helper()
	var all []health.Act
	for next, first := "", true; first || next != ""; first = false {
		page, n, err := s.Audit(tb.Context(), limit, next)
		if err != nil {
			tb.Fatal(err)
		}
		all, next = append(all, page...), n
	}
	return all
}

func MustAlive(tb testing.TB, s store.Store, at time.Time) {
	tb.Helper()
	if err := s.Alive(tb.Context(), at); err != nil {
		tb.Fatal(err)
	}
}

func MustWatched(tb testing.TB, s store.Store, from, to time.Time) []store.Span {
	tb.Helper()
	spans, err := s.Watched(tb.Context(), from, to)
	if err != nil {
		tb.Fatal(err)
	}
	return spans
}

// MustMails reads all pages of the outbox.
func MustMails(tb testing.TB, s store.Store, limit int) []health.Mail {
	tb.Helper()
	var all []health.Mail
	for next, first := "", true; first || next != ""; first = false {
		page, n, err := s.Mails(tb.Context(), limit, next)
		if err != nil {
			tb.Fatal(err)
		}
		all, next = append(all, page...), n
	}
	return all
}

func MustDue(tb testing.TB, s store.Store, now time.Time, limit int) []health.Mail {
	tb.Helper()
	due, err := s.DueMail(tb.Context(), now, limit)
	if err != nil {
		tb.Fatal(err)
	}
	return due
}

func MustMark(tb testing.TB, s store.Store, id string, rs ...health.Recipient) {
	tb.Helper()
	if err := s.MarkMail(tb.Context(), id, rs); err != nil {
		tb.Fatal(err)
	}
}

// MustSQL runs SQL on a database from outside, as a person's shell would.
func MustSQL(tb testing.TB, path, query string, args ...any) {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(tb.Context(), query, args...); err != nil {
		tb.Fatal(err)
	}
}

// MustCount gives the one number a query selects.
func MustCount(tb testing.TB, path, query string) int64 {
	tb.Helper()
	return MustCounts(tb, path, query)[0]
}

// MustCounts gives the one number that each query selects: to open a database costs
// more than what most of them ask.
func MustCounts(tb testing.TB, path string, queries ...string) []int64 {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	found := make([]int64, len(queries))
	for i, query := range queries {
		if err := db.QueryRowContext(tb.Context(), query).Scan(&found[i]); err != nil {
			tb.Fatal(err)
		}
	}
	return found
}

// faults counts what is wrong with a database.
const faults = `SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'`

// same fails unless got is want, down to the zone of each time.
func same(tb testing.TB, what string, got, want any) {
	tb.Helper()
	if !reflect.DeepEqual(got, want) {
		tb.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func event(name string, n int) health.Event {
	topic := name + "-st-video"
	e := health.Event{Experiment: name, When: t0.Add(time.Duration(n) * time.Second), Healthy: n%2 == 0, JumpOK: true,
		StreamOK: map[string]bool{topic: n%2 == 0, name + "-st-data": true}, Issues: []string{fmt.Sprintf("event %d", n), "unhealthy " + topic}}
	if n%3 == 0 {
		e.TunnelOK = map[string]bool{"leeds/tunnel-" + name: n%2 == 0}
	}
	return e
}

// record fills every field that matters for keeping.
func record(name string, n int) health.Record {
	at := t0.Add(time.Duration(n) * time.Second)
	return health.Record{Name: name, FirstSeen: t0, State: health.StateUnhealthy, Since: at, Assessed: true, JumpOK: true, JumpSince: at,
		Streams: []health.StreamRecord{
			{Topic: name + "-st-data", OK: true, Since: t0, LastActive: at},
			{Topic: name + "-st-video", Missing: true, Since: at},
		},
		Told:    []health.Issue{{Code: health.MissingRequired, Experiment: name, Subject: name + "-st-video", Since: at}},
		Changes: []time.Time{t0, at}, Unsteady: []string{name + "-st-video"}, Flapping: at, Events: n}
}

// change is what event is about.
func change(name string, n int) health.StateChange {
	state := health.StateHealthy
	if n%2 == 1 {
		state = health.StateUnhealthy
	}
	return health.StateChange{Experiment: name, At: t0.Add(time.Duration(n) * time.Second), State: state, Maintenance: n%3 == 0}
}

func act(n int) health.Act {
	at := t0.Add(time.Duration(n) * time.Second)
	return health.Act{At: at, Kind: health.ActSilence, By: "alice", Experiment: "pend00", Until: at.Add(time.Hour), Text: fmt.Sprintf("act %d <é>", n)}
}

func mail(id string, at time.Time, to ...string) *health.Mail {
	m := &health.Mail{ID: id, At: at, From: "lab@example.org", Subject: "Lab: pend00 é", Raw: []byte("Subject: x\r\n\r\n" + id + "\x00\xff\r\n")}
	for _, address := range to {
		m.Recipients = append(m.Recipients, health.Recipient{Address: address, Fate: health.Queued})
	}
	return m
}

// MustHold writes to a database from outside and keeps its lock until released.
func MustHold(tb testing.TB, path string) (release func()) {
	tb.Helper()
	db, err := sql.Open("sqlite", path+"?_txlock=immediate")
	if err != nil {
		tb.Fatal(err)
	}
	tx, err := db.BeginTx(tb.Context(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			tb.Error(err)
		}
	}
}
