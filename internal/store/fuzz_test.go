package store_test

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// Whatever stands in the rows, reading them back never panics, hides nothing of
// the others and is said, and what was read can be kept again. A mail that is due can be
// marked, whatever it is called and whoever is to have it: else it would be sent for ever.
func FuzzKept(f *testing.F) {
	for _, body := range []string{"", "null", "{}", "[]", `{"name":"b","since":5}`, `{"streams":[null,{}],"told":[{"since":"x"}]}`, strings.Repeat("[", 20_000),
		`{"since":"2026-11-20T22:10:05+14:00","changes":[null]}`, `{"cadence":{"relay":null,"":1e3}}`, "\xff\x00",
		`{"since":"9999-12-31T23:59:59-14:00","changes":["0000-01-01T00:00:00+14:00"]}`, `{"untold":[{"at":"9999-12-31T23:59:59-14:00"}]}`,
		"9223372036854775807", "-9223372036854775808", "a@lab", "b@x", "a", "queued", "sent", "failed"} {
		f.Add(body)
	}
	s := MustOpen(f, filepath.Join(f.TempDir(), "status.db"), store.Options{})
	good := mail("a@lab", t0, "a@x", "b@x")
	MustCommit(f, s, store.Commit{At: t0, Records: []health.Record{record("a", 1), record("b", 1), record("c", 1)}, System: &health.SystemRecord{},
		Events: []health.Event{event("a", 1), event("b", 1)}, Acts: []health.Act{act(1), act(2)},
		Mails:   []*health.Mail{good, mail("b@lab", t0, "a@x", "b@x")},
		History: []health.StateChange{change("a", 1), change("b", 1), change("b", 2)}})
	const document = `{"name":"a"}`
	for _, name := range []string{"a", "b"} {
		MustPut(f, s, "observed", name, document)
	}
	// Nothing here is about a loss of power, and to wait for the disk is most of the time.
	if err := s.ExecWriter(f.Context(), `PRAGMA synchronous = OFF`); err != nil {
		f.Fatal(err)
	}
	// What a body can't be is as it was, so that each finds the same. A fate is one of three:
	// SQLite itself finds any other, and the file is taken for damaged.
	const spoil = `BEGIN IMMEDIATE; UPDATE records SET body = ?1 WHERE name = 'b'; UPDATE system SET body = ?1;
		UPDATE events SET stream_ok = ?1, issues = ?1 WHERE experiment = 'b'; UPDATE acts SET body = ?1 WHERE id = 2;
		UPDATE standing SET state = ?1 WHERE experiment = 'b'; UPDATE history SET state = ?1, before = length(?1), at = length(?1) WHERE experiment = 'b';
		UPDATE mails SET mail_id = 'b@lab' WHERE id = 2; UPDATE OR IGNORE mails SET mail_id = ?1 WHERE id = 2;
		UPDATE mails SET at = CAST(?1 AS INTEGER), sender = ?1, subject = ?1, raw = CAST(?1 AS BLOB) WHERE id = 2;
		UPDATE recipients SET address = 'a@x' WHERE mail = 2 AND position = 0; UPDATE OR IGNORE recipients SET address = ?1 WHERE mail = 2 AND position = 0;
		UPDATE recipients SET fate = 'queued', attempts = CAST(?1 AS INTEGER), next = CAST(?1 AS INTEGER), done = CAST(?1 AS INTEGER), last_err = ?1 WHERE mail = 2;
		UPDATE recipients SET fate = iif(?1 IN ('queued', 'sent'), ?1, 'failed') WHERE mail = 2 AND position = 1;
		UPDATE documents SET value = CAST(?1 AS BLOB) WHERE name = 'b'; INSERT OR IGNORE INTO documents (kind, name, value) VALUES ('observed', ?1, CAST(?1 AS BLOB)); COMMIT`
	f.Fuzz(func(t *testing.T, body string) {
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
		spoiledMail(t, s, good)
		spoiledDocuments(t, s, document, body)
		MustCommit(t, s, store.Commit{At: t0, Records: kept.Records, System: &kept.System})
	})
}

// spoiledMail looks at an outbox of two mails, of which one is as it was.
func spoiledMail(t *testing.T, s store.Store, good *health.Mail) {
	t.Helper()
	end := store.FromNanos(math.MaxInt64)
	got, err := s.Mail(t.Context(), good.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the other mail", got, *good)
	listed := *good
	listed.Raw = nil
	all := MustMails(t, s, 1)
	if len(all) != 2 {
		t.Fatalf("%d mails", len(all))
	}
	same(t, "the other mail in the list", all[1], listed)
	if next, waits, err := s.NextMail(t.Context()); err != nil || !waits || next.After(t0) {
		t.Fatalf("the next mail is due at %s, %t, %v", next, waits, err)
	}
	if queued, _, _, _, err := s.MailCounts(t.Context()); err != nil || queued < 2 || queued > 4 {
		t.Fatalf("%d are queued, %v", queued, err)
	}
	if _, _, err := s.LastFailedMail(t.Context()); err != nil {
		t.Fatal(err)
	}
	due := MustDue(t, s, end, 10)
	same(t, "due first", due[0], *good)
	for _, m := range due[1:] {
		if found, err := s.Mail(t.Context(), m.ID); err != nil || found.Subject != m.Subject {
			t.Fatalf("mail %q: %+v, %v", m.ID, found, err)
		}
		for _, r := range m.Recipients {
			if r.Fate == health.Queued {
				r.Fate, r.Done = health.Sent, t0
				MustMark(t, s, m.ID, r)
			}
		}
	}
	same(t, "due, once the other one is sent", MustDue(t, s, end, 10), []health.Mail{*good})
}

// spoiledDocuments looks at documents of which one is as it was, one holds body, and one
// is called so as well.
func spoiledDocuments(t *testing.T, s store.Store, good, body string) {
	t.Helper()
	docs := MustDocuments(t, s, "observed")
	if docs["a"] != good || docs["b"] != body {
		t.Fatalf("documents %q of %q", docs, body)
	}
	if body == "a" || body == "b" {
		return
	}
	if len(docs) != 3 || docs[body] != body {
		t.Fatalf("documents %q of %q", docs, body)
	}
	if err := s.DropDocument(t.Context(), "observed", body); err != nil {
		t.Fatal(err)
	}
	if docs := MustDocuments(t, s, "observed"); len(docs) != 2 {
		t.Fatalf("%q is dropped, and there are %q", body, docs)
	}
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
