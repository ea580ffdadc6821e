package store_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// Whatever stands in the rows, reading them back never panics, hides nothing of
// the others and is said.
func FuzzKept(f *testing.F) {
	for _, body := range []string{"", "null", "{}", "[]", `{"name":"b","since":5}`, `{"streams":[null,{}],"told":[{"since":"x"}]}`, strings.Repeat("[", 20_000),
		`{"since":"2026-11-20T22:10:05+14:00","changes":[null]}`, `{"cadence":{"relay":null,"":1e3}}`, "\xff\x00"} {
		f.Add(body)
	}
	s := MustOpen(f, filepath.Join(f.TempDir(), "status.db"), store.Options{})
	MustCommit(f, s, store.Commit{At: t0, Records: []health.Record{record("a", 1), record("b", 1), record("c", 1)}, System: &health.SystemRecord{},
		Events: []health.Event{event("a", 1), event("b", 1)}, Acts: []health.Act{act(1), act(2)},
		History: []health.StateChange{change("a", 1), change("b", 1), change("b", 2)}})
	f.Fuzz(func(t *testing.T, body string) {
		spoil := `UPDATE records SET body = ?1 WHERE name = 'b'; UPDATE system SET body = ?1;
			UPDATE events SET stream_ok = ?1, issues = ?1 WHERE experiment = 'b'; UPDATE acts SET body = ?1 WHERE id = 2;
			UPDATE standing SET state = ?1 WHERE experiment = 'b'; UPDATE history SET state = ?1, before = length(?1), at = length(?1) WHERE experiment = 'b'`
		if err := s.ExecWriter(t.Context(), spoil, body); err != nil {
			t.Fatal(err)
		}
		kept, warnings, err := s.Kept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(kept.Records)+len(warnings) < 3 || len(kept.Records) < 2 {
			t.Fatalf("%d records, warnings %v", len(kept.Records), warnings)
		}
		same(t, "a", kept.Records[0], record("a", 1))
		if same := MustEvents(t, s, "a"); len(same) != 1 {
			t.Fatal(same)
		}
		MustEvents(t, s, "b")
		MustFind(t, s, store.EventQuery{Text: "x"}, 1)
		if acts := MustAudit(t, s, 1); len(acts) == 0 || acts[len(acts)-1] != act(1) {
			t.Fatal(acts)
		}
		same(t, "history of a", MustHistory(t, s, "a", time.Time{}, time.Time{}), []health.StateChange{change("a", 1)})
		if n := len(MustHistory(t, s, "b", time.Time{}, time.Time{})); n > 2 {
			t.Fatal(n)
		}
		MustAllHistory(t, s, time.Time{}, time.Time{})
		MustCommit(t, s, store.Commit{At: t0, Records: kept.Records, System: &kept.System})
	})
}

// Whatever is looked for, both stores find the same.
func FuzzFindEvents(f *testing.F) {
	for _, text := range []string{"", "%", `\`, `"`, "missing", "PEND", "ß", "\x00", "\xff", `\u003c`, "null", "[]", "�"} {
		f.Add(text, text)
	}
	file, memory := MustOpen(f, filepath.Join(f.TempDir(), "status.db"), store.Options{}), MustOpenMemory(f, store.Options{})
	f.Fuzz(func(t *testing.T, text, issue string) {
		c := store.Commit{At: t0, Events: []health.Event{{Experiment: "pend00", When: t0, Issues: []string{"missing jump", issue}}}}
		MustCommit(t, file, c)
		MustCommit(t, memory, c)
		for _, q := range []store.EventQuery{{Text: text}, {Text: issue}, {Text: issue[:len(issue)/2]}} {
			a, b := MustFind(t, file, q, 1000), MustFind(t, memory, q, 1000)
			same(t, fmt.Sprintf("found for %q", q.Text), a, b)
		}
	})
}

// No text but its own is taken as a cursor, and none does harm.
func FuzzCursor(f *testing.F) {
	s := MustOpenMemory(f, store.Options{})
	MustCommit(f, s, store.Commit{At: t0, Events: []health.Event{event("a", 1), event("a", 2)}, Mails: []*health.Mail{mail("1@lab", t0)}, Acts: []health.Act{act(1)}})
	_, next, err := s.FindEvents(f.Context(), store.EventQuery{Since: t0}, 1, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(next)
	f.Add("ZS45LjE")
	f.Fuzz(func(t *testing.T, from string) {
		if page, _, err := s.FindEvents(t.Context(), store.EventQuery{Since: t0}, 1, from); err == nil && len(page) > 1 {
			t.Fatal(page)
		}
		if page, _, err := s.Mails(t.Context(), 1, from); err == nil && len(page) > 1 {
			t.Fatal(page)
		}
		if page, _, err := s.Audit(t.Context(), 1, from); err == nil && len(page) > 1 {
			t.Fatal(page)
		}
	})
}
