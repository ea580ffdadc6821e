package store_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

func TestOutbox(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		noNext := func(when string) {
			t.Helper()
			if next, ok, err := s.NextMail(t.Context()); ok || err != nil || !next.IsZero() {
				t.Errorf("%s: next mail at %v, %t, %v", when, next, ok, err)
			}
		}
		noFailure := func(when string) {
			t.Helper()
			if m, found, err := s.LastFailedMail(t.Context()); found || err != nil {
				t.Errorf("%s: failed last %+v, %v", when, m, err)
			}
		}
		noNext("empty")
		noFailure("empty")
		first, second := mail("1@lab", t0, "a@x", "b@x"), mail("2@lab", t0.Add(time.Minute), "a@x")
		MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{first}})
		MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{second}})
		MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{mail("3@lab", t0)}}) // to nobody
		same(t, "all at once", MustDue(t, s, t0, 10), []health.Mail{*first, *second})
		same(t, "oldest first", MustDue(t, s, t0, 1), []health.Mail{*first})
		if next, ok, err := s.NextMail(t.Context()); !ok || err != nil || !next.IsZero() {
			t.Errorf("next mail should be at once: %v, %t, %v", next, ok, err)
		}

		// One recipient is refused for now, the other is served.
		retry := health.Recipient{Address: "b@x", Fate: health.Queued, Attempts: 1, Next: t0.Add(time.Hour), LastErr: "451 later\x00\xff"}
		sent := health.Recipient{Address: "a@x", Fate: health.Sent, Attempts: 1, Done: t0.Add(time.Second)}
		MustMark(t, s, "1@lab", sent)
		MustMark(t, s, "1@lab", retry)
		MustMark(t, s, "2@lab", sent)
		first.Recipients = []health.Recipient{sent, retry}
		same(t, "not yet", MustDue(t, s, t0.Add(time.Hour-1), 10), []health.Mail(nil))
		same(t, "now", MustDue(t, s, t0.Add(time.Hour), 10), []health.Mail{*first})
		if next, ok, err := s.NextMail(t.Context()); !ok || err != nil || next != t0.Add(time.Hour) {
			t.Errorf("next mail: %v, %t, %v", next, ok, err)
		}
		q, n, f, oldest, err := s.MailCounts(t.Context())
		if q != 1 || n != 2 || f != 0 || oldest != t0 || err != nil {
			t.Errorf("counts: %d queued since %v, %d sent, %d failed, %v", q, oldest, n, f, err)
		}

		noFailure("none has failed")

		// It fails for good.
		gone := health.Recipient{Address: "b@x", Fate: health.Failed, Attempts: 2, Done: t0.Add(time.Hour), LastErr: "550 no"}
		MustMark(t, s, "1@lab", gone)
		first.Recipients[1] = gone
		noNext("all told")
		got, err := s.Mail(t.Context(), "1@lab")
		if err != nil {
			t.Fatal(err)
		}
		same(t, "mail", got, *first)
		q, n, f, oldest, err = s.MailCounts(t.Context())
		if q != 0 || n != 2 || f != 1 || !oldest.IsZero() || err != nil {
			t.Errorf("counts: %d queued since %v, %d sent, %d failed, %v", q, oldest, n, f, err)
		}
		last, found, err := s.LastFailedMail(t.Context())
		if !found || err != nil {
			t.Errorf("failed last: %t, %v", found, err)
		}
		want := health.Mail{ID: "1@lab", At: first.At, From: first.From, Subject: first.Subject, Recipients: []health.Recipient{gone}}
		same(t, "failed last", last, want)
		MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{mail("4@lab", t0, "a@x")}})
		MustMark(t, s, "4@lab", health.Recipient{Address: "a@x", Fate: health.Failed, Done: t0.Add(time.Minute)})
		if last, _, err = s.LastFailedMail(t.Context()); last.ID != "1@lab" || err != nil {
			t.Errorf("failed last: %+v, %v, want the one that was given up last", last, err)
		}
	})
}

// Mails come in the order in which they were kept, whatever their times say and
// whenever they are due: a clock may have been set between them.
func TestDueMailInItsOrder(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		var all []health.Mail
		for n, at := range []time.Duration{0, -time.Hour, time.Hour, -2 * time.Hour} {
			m := mail(fmt.Sprint(n, "@lab"), t0.Add(at), "a@x")
			MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{m}})
			m.Recipients[0].Attempts, m.Recipients[0].Next = 1, t0.Add(-at)
			MustMark(t, s, m.ID, m.Recipients[0])
			all = append(all, *m)
		}
		same(t, "due", MustDue(t, s, t0, 10), []health.Mail{all[0], all[2]})
		for name, when := range map[string]time.Time{"an hour": t0.Add(time.Hour), "the end of time": time.Unix(0, math.MaxInt64)} {
			want := all
			if name == "an hour" {
				want = all[:3]
			}
			same(t, "due at "+name, MustDue(t, s, when, 10), want)
		}
	})
}

func TestMarkIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		m := mail("1@lab", t0, "a@x", "b@x")
		MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{m}})
		sent := health.Recipient{Address: "a@x", Fate: health.Sent}
		for name, err := range map[string]error{
			"mail":      s.MarkMail(t.Context(), "2@lab", []health.Recipient{sent}),
			"recipient": s.MarkMail(t.Context(), "1@lab", []health.Recipient{sent, {Address: "c@x", Fate: health.Sent}}),
		} {
			if !errors.Is(err, store.ErrUnknownMail) {
				t.Errorf("unknown %s: %v", name, err)
			}
		}
		if err := s.MarkMail(t.Context(), "1@lab", []health.Recipient{sent, {Address: "b@x"}}); err == nil {
			t.Error("a recipient without a fate was taken")
		}
		same(t, "mail", MustDue(t, s, t0, 10), []health.Mail{*m})
	})
}

func TestMailIsKeptOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{mail("1@lab", t0, "a@x", "b@x", "a@x")}})
		MustMark(t, s, "1@lab", health.Recipient{Address: "a@x", Fate: health.Sent})
		// A commit whose fate was uncertain is tried again.
		MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{mail("1@lab", t0.Add(time.Hour), "a@x", "c@x")}})
		want := *mail("1@lab", t0, "a@x", "b@x")
		want.Recipients[0].Fate = health.Sent
		same(t, "mail", MustDue(t, s, t0, 10), []health.Mail{want})
	})
}

func TestMailsInPages(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		var want []health.Mail
		for n := range 7 {
			m := mail(fmt.Sprint(n, "@lab"), t0, "a@x", "b@x")
			if n == 3 {
				m.Raw = nil
			}
			MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{m}})
			m.Raw = nil
			want = append([]health.Mail{*m}, want...)
		}
		for _, limit := range []int{1, 2, 6, 7, 8} {
			same(t, fmt.Sprint("pages of ", limit), MustMails(t, s, limit), want)
		}
		if page, _, err := s.Mails(t.Context(), -1, ""); err != nil || len(page) != 7 {
			t.Errorf("no limit: %d mails, %v", len(page), err)
		}
		if m, err := s.Mail(t.Context(), "3@lab"); err != nil || m.Raw != nil {
			t.Errorf("empty mail: %q, %v", m.Raw, err)
		}
	})
}
