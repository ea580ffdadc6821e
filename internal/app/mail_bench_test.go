package app_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/lab"
	"labstatus/internal/store"
)

// watch lets time pass, reading the API all the while: it has to answer at once.
func (b *bench) watch(d time.Duration) {
	b.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		b.wait(min(20*time.Second, time.Until(end)))
		b.get("/api/v1/experiments", nil)
	}
}

// mailReport is what the API says of mail.
type mailReport struct {
	Queued, Sent, Failed int
	LastError            string     `json:"last_error"`
	UndeliverableSince   *time.Time `json:"undeliverable_since"`
	LastFailure          *struct {
		At                      time.Time
		Subject, Address, Error string
	} `json:"last_failure"`
}

func (b *bench) mailReport() mailReport {
	b.t.Helper()
	var system struct{ Mail mailReport }
	b.get("/api/v1/system", &system)
	return system.Mail
}

// mailFate is what the API says became of a mail for one recipient.
type mailFate struct {
	Fate      string
	Attempts  int
	LastError string `json:"last_error"`
}

// fates gives, for each mail since a moment, the oldest first, what the API says became
// of it for each maintainer in turn.
func (b *bench) fates(since time.Time) (all [][]mailFate) {
	b.t.Helper()
	var page struct {
		Mails []struct {
			At         time.Time
			Recipients []mailFate
		}
	}
	b.get("/api/v1/mails", &page)
	for _, m := range slices.Backward(page.Mails) {
		if m.At.After(since) {
			all = append(all, m.Recipients)
		}
	}
	return all
}

// fatesAre fails the test unless the API says so of each mail since a moment. Attempts
// that aren't given may be any.
func (b *bench) fatesAre(since time.Time, want ...[]mailFate) {
	b.t.Helper()
	got := b.fates(since)
	same := func(a, b mailFate) bool {
		return a.Fate == b.Fate && (b.Attempts == 0 || a.Attempts == b.Attempts) &&
			strings.Contains(a.LastError, b.LastError) && (a.LastError == "") == (b.LastError == "")
	}
	if !slices.EqualFunc(got, want, func(a, b []mailFate) bool { return slices.EqualFunc(a, b, same) }) {
		b.t.Errorf("the API says of mails\n%+v, want\n%+v", got, want)
	}
}

// deliveries counts, for each message and each recipient, how often a copy was
// taken with a 250 that the server has seen. It fails the test where two copies of
// a message differ.
func (b *bench) deliveries(since time.Time) (ids []string, taken map[string]map[string]int) {
	b.t.Helper()
	taken, first := map[string]map[string]int{}, map[string]lab.ReceivedMail{}
	for _, m := range b.lab.Mails() {
		if !m.At.After(since) {
			continue
		}
		if one, again := first[m.MessageID]; !again {
			first[m.MessageID], taken[m.MessageID] = m, map[string]int{}
			ids = append(ids, m.MessageID)
		} else if !bytes.Equal(one.Raw, m.Raw) {
			b.t.Errorf("two copies of %s differ", m.MessageID)
		}
		if m.Accepted() {
			for _, to := range m.To {
				taken[m.MessageID][to]++
			}
		}
	}
	return ids, taken
}

// eachOnce fails the test unless there are so many messages and each was taken
// once for each of these recipients, and for nobody else.
func (b *bench) eachOnce(since time.Time, messages int, recipients ...string) {
	b.t.Helper()
	ids, taken := b.deliveries(since)
	if len(ids) != messages {
		b.t.Errorf("%d messages, want %d: %q", len(ids), messages, b.mails(since))
	}
	for _, id := range ids {
		for _, to := range maintainers {
			want := 0
			if slices.Contains(recipients, to) {
				want = 1
			}
			if taken[id][to] != want {
				b.t.Errorf("%s was taken %d times for %s, want %d", id, taken[id][to], to, want)
			}
		}
	}
}

// inOrder fails the test unless each maintainer got these mails in this order.
func (b *bench) inOrder(since time.Time, want ...string) {
	b.t.Helper()
	got := map[string][]string{}
	for _, m := range b.lab.Mails() {
		if m.Accepted() && m.At.After(since) {
			for _, to := range m.To {
				got[to] = append(got[to], m.Subject)
			}
		}
	}
	for _, to := range maintainers {
		if !slices.EqualFunc(got[to], want, strings.Contains) {
			b.t.Errorf("%s got %q, want %q", to, got[to], want)
		}
	}
}

// attemptsBounded fails the test where the mail server was left alone for longer
// than an attempt and a wait, though mail is waiting: an attempt hangs.
func (b *bench) attemptsBounded(since, until time.Time) {
	b.t.Helper()
	last := since
	dials := slices.DeleteFunc(b.network.Dials("mail.lab:25"), func(at time.Time) bool { return at.Before(since) || at.After(until) })
	for _, at := range append(dials, until) {
		if gap := at.Sub(last); gap > mailAttempt+mailBackoff {
			b.t.Errorf("no attempt for %s from %s", gap, last.Format(time.TimeOnly))
		}
		last = at
	}
	if most := int(until.Sub(since)/(5*time.Second)) + 2; len(dials) > most {
		b.t.Errorf("%d attempts within %s", len(dials), until.Sub(since))
	}
}

// clockStore is a store as an outbox finds it after the clock was set, which can't be
// done in a bubble: instead what it holds of mail is dated by the clock of before.
type clockStore struct {
	store.Store
	mu    sync.Mutex
	dated map[string]time.Duration // how far mails are dated ahead
}

// set sets the clock forward or back.
func (s *clockStore) set(ctx context.Context, by time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	mails, _, err := s.Mails(ctx, 1000, "")
	if err != nil {
		return err
	}
	if s.dated == nil {
		s.dated = map[string]time.Duration{}
	}
	for _, m := range mails {
		s.dated[m.ID] -= by
		for i, r := range m.Recipients {
			if !r.Next.IsZero() {
				m.Recipients[i].Next = r.Next.Add(-by)
			}
		}
		if err := s.MarkMail(ctx, m.ID, m.Recipients); err != nil {
			return err
		}
	}
	return nil
}

// DueMail implements store.Store.
func (s *clockStore) DueMail(ctx context.Context, now time.Time, limit int) ([]health.Mail, error) {
	mails, err := s.Store.DueMail(ctx, now, limit)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range mails {
		mails[i].At = m.At.Add(s.dated[m.ID])
	}
	return mails, err
}
