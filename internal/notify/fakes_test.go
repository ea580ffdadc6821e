package notify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

// fakeStore is an outbox in memory, with faults.
type fakeStore struct {
	mu      sync.Mutex
	mails   map[string]health.Mail
	order   []string // of their IDs, as they were added
	broken  error    // of every call
	noMarks error    // of MarkMail
	marks   int      // calls of MarkMail
	looks   int      // calls of DueMail
}

func newFakeStore(mails ...health.Mail) *fakeStore {
	s := &fakeStore{mails: map[string]health.Mail{}}
	s.add(mails...)
	return s
}

func (s *fakeStore) add(mails ...health.Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range mails {
		m.Recipients = slices.Clone(m.Recipients)
		s.mails[m.ID] = m
		if !slices.Contains(s.order, m.ID) {
			s.order = append(s.order, m.ID)
		}
	}
}

// setClock sets the clock on the wall forward, or back: what was noted before then
// lies further back, or ahead, by as much.
func (s *fakeStore) setClock(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, m := range s.mails {
		m.At = m.At.Add(-by)
		for i, r := range m.Recipients {
			if !r.Next.IsZero() {
				m.Recipients[i].Next = r.Next.Add(-by)
			}
		}
		s.mails[id] = m
	}
}

func (s *fakeStore) fail(all, marks error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken, s.noMarks = all, marks
}

func (s *fakeStore) queued() (mails []health.Mail) {
	for _, id := range s.order {
		if m, kept := s.mails[id]; kept {
			mails = append(mails, m)
		}
	}
	return mails
}

func (s *fakeStore) DueMail(_ context.Context, now time.Time, limit int) ([]health.Mail, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	var due []health.Mail
	for _, m := range s.queued() {
		isDue := func(r health.Recipient) bool { return r.Fate == health.Queued && !r.Next.After(now) }
		if slices.ContainsFunc(m.Recipients, isDue) && len(due) < limit {
			m.Recipients = slices.Clone(m.Recipients)
			due = append(due, m)
		}
	}
	return due, s.broken
}

func (s *fakeStore) NextMail(context.Context) (next time.Time, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mails {
		for _, r := range m.Recipients {
			if r.Fate == health.Queued && (!ok || r.Next.Before(next)) {
				next, ok = r.Next, true
			}
		}
	}
	return next, ok, s.broken
}

func (s *fakeStore) MarkMail(_ context.Context, id string, recipients []health.Recipient) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks++
	if err := cmp.Or(s.broken, s.noMarks); err != nil {
		return err
	}
	m, ok := s.mails[id]
	if !ok {
		return fmt.Errorf("no mail %s", id)
	}
	m.Recipients = overlaid(m.Recipients, recipients)
	for i := range m.Recipients { // what is kept knows the clock on the wall alone
		m.Recipients[i].Next = m.Recipients[i].Next.Round(0)
	}
	s.mails[id] = m
	return nil
}

func (s *fakeStore) MailCounts(context.Context) (queued, sent, failed int, oldest time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mails {
		for _, r := range m.Recipients {
			switch r.Fate {
			case health.Sent:
				sent++
			case health.Failed:
				failed++
			case health.Queued:
				if queued++; oldest.IsZero() || m.At.Before(oldest) {
					oldest = m.At
				}
			}
		}
	}
	return queued, sent, failed, oldest, s.broken
}

func (s *fakeStore) LastFailedMail(context.Context) (last health.Mail, found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.queued() {
		for _, r := range m.Recipients {
			if r.Fate == health.Failed && (!found || !r.Done.Before(last.Recipients[0].Done)) {
				last, found = health.Mail{ID: m.ID, Subject: m.Subject, Recipients: []health.Recipient{r}}, true
			}
		}
	}
	return last, found, s.broken
}

// fates sums the store up: "m1: a sent, b queued; m2: …".
func (s *fakeStore) fates() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, m := range s.queued() {
		var each []string
		for _, r := range m.Recipients {
			each = append(each, r.Address+" "+string(r.Fate))
		}
		all = append(all, m.ID+": "+strings.Join(each, ", "))
	}
	return strings.Join(all, "; ")
}

func (s *fakeStore) recipient(id, address string) health.Recipient {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.mails[id].Recipients {
		if r.Address == address {
			return r
		}
	}
	return health.Recipient{}
}

var _ Store = (*fakeStore)(nil)

// fakeServer is a mail server as the outbox sees it.
type fakeServer struct {
	mu      sync.Mutex
	down    error                                                   // of opening
	slow    time.Duration                                           // of opening
	send    func(ctx context.Context, id, to string) (Result, bool) // false: the session is lost
	opens   []time.Time
	tried   []string // "id to"
	arrived []string
	closed  int
}

func (f *fakeServer) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeServer) open(ctx context.Context) (Session, error) {
	f.mu.Lock()
	down, slow := f.down, f.slow
	f.opens = append(f.opens, time.Now())
	f.mu.Unlock()
	if slow > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(slow):
		}
	}
	if down != nil {
		return nil, down
	}
	return &fakeSession{f}, nil
}

type fakeSession struct{ *fakeServer }

func (f *fakeSession) Send(ctx context.Context, m health.Mail, to []string) ([]Result, error) {
	results := all(to, Retry, "the connection was cut")
	for i, a := range to {
		f.mu.Lock()
		f.tried = append(f.tried, m.ID+" "+a)
		send := f.send
		f.mu.Unlock()
		r, alive := Result{Outcome: Sent, Text: "250"}, true
		if send != nil {
			r, alive = send(ctx, m.ID, a)
		}
		if r.Address = a; r.Outcome != "" {
			results[i] = r
		}
		if r.Outcome == Sent {
			f.mu.Lock()
			f.arrived = append(f.arrived, m.ID+" "+a)
			f.mu.Unlock()
		}
		if !alive {
			return results, errors.New("the session is lost")
		}
	}
	return results, nil
}

func (f *fakeSession) Close(context.Context) error {
	f.set(func() { f.closed++ })
	return nil
}

func queuedMail(id string, at time.Time, to ...string) health.Mail {
	m := health.Mail{ID: id, At: at}
	for _, a := range to {
		m.Recipients = append(m.Recipients, health.Recipient{Address: a, Fate: health.Queued})
	}
	return m
}

// running runs an outbox until stop is called.
func running(t *testing.T, store Store, server *fakeServer) (o *Outbox, log *bytes.Buffer, stop func()) {
	t.Helper()
	log = &bytes.Buffer{}
	logger := logrus.New()
	logger.SetOutput(log)
	logger.SetLevel(logrus.InfoLevel)
	o = NewOutbox(store, server.open, logger)
	return o, log, start(t, o)
}

func start(t *testing.T, o *Outbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := o.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// elapse lets time pass in a bubble, and what it causes be done.
func elapse(d time.Duration) { time.Sleep(d); synctest.Wait() }
