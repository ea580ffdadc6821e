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

func (f *fakeSession) Close() error {
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

func TestWhatIsDueIsSentOldestFirstOnOneConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		store := newFakeStore(queuedMail("m1", now.Add(-time.Hour), "a"), queuedMail("m2", now.Add(-time.Minute), "a", "b"))
		server := &fakeServer{}
		o, _, stop := running(t, store, server)
		defer stop()
		synctest.Wait()
		if got := strings.Join(server.arrived, ", "); got != "m1 a, m2 a, m2 b" || len(server.opens) != 1 || server.closed != 1 {
			t.Errorf("sent %s over %d connections, %d closed", got, len(server.opens), server.closed)
		}
		// Nothing happens until woken, then at once.
		elapse(2 * time.Hour)
		store.add(queuedMail("m3", time.Now(), "a"))
		woken := time.Now()
		o.Wake()
		o.Wake()
		synctest.Wait()
		if r := store.recipient("m3", "a"); r.Fate != health.Sent || r.Attempts != 1 || !r.Done.Equal(woken) || r.LastErr != "" {
			t.Errorf("%+v", r)
		}
		s := o.Status()
		if s.Queued != 0 || s.Sent != 4 || s.Failed != 0 || !s.LastSent.Equal(woken) || s.LastError != "" || !s.UndeliverableSince.IsZero() {
			t.Errorf("%+v", s)
		}
		if store.looks > 10 {
			t.Errorf("the store was asked %d times in two quiet hours", store.looks)
		}
	})
}

func TestEveryMailOfALongQueueIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		for i := range 3*batch + 5 {
			store.add(queuedMail(fmt.Sprintf("m%03d", i), time.Now(), "a"))
		}
		server := &fakeServer{}
		_, _, stop := running(t, store, server)
		defer stop()
		elapse(10 * time.Second)
		if len(server.arrived) != 3*batch+5 || !slices.IsSorted(server.arrived) {
			t.Errorf("%d sent: %v", len(server.arrived), server.arrived)
		}
	})
}

func TestARecipientRefusedDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(queuedMail("m1", time.Now(), "gone", "full", "fine"))
		server := &fakeServer{send: func(_ context.Context, _, to string) (Result, bool) {
			switch to {
			case "gone":
				return Result{Outcome: Refused, Text: "550 no such user"}, true
			case "full":
				return Result{Outcome: Retry, Text: "452 mailbox full"}, true
			}
			return Result{Outcome: Sent}, true
		}}
		o, log, stop := running(t, store, server)
		defer stop()
		synctest.Wait()
		if got := store.fates(); got != "m1: gone failed, full queued, fine sent" {
			t.Error(got)
		}
		if r := store.recipient("m1", "gone"); r.LastErr != "550 no such user" || r.Done.IsZero() {
			t.Errorf("%+v", r)
		}
		elapse(3 * time.Minute)
		r := store.recipient("m1", "full")
		if r.Attempts < 5 || r.Attempts > 12 || r.LastErr != "452 mailbox full" || time.Until(r.Next) > 40*time.Second {
			t.Errorf("%+v", r)
		}
		if n := strings.Count(strings.Join(server.tried, ","), "fine"); n != 1 {
			t.Errorf("tried again for one that was served: %v", server.tried)
		}
		// Somebody was told, so mail is not undeliverable; but the trouble shows.
		if s := o.Status(); !s.UndeliverableSince.IsZero() || s.LastError != "452 mailbox full" || s.Queued != 1 || s.Sent != 1 || s.Failed != 1 {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(log.String(), "tried again"); n != 1 {
			t.Errorf("a delay is logged %d times:\n%s", n, log)
		}
		server.set(func() { server.send = nil })
		elapse(time.Minute)
		if got := store.fates(); got != "m1: gone failed, full sent, fine sent" {
			t.Error(got)
		}
	})
}

// What was given up last is known until something else is, also from an earlier run
// and while the store can't take it.
func TestTheLastFailureStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		earlier := queuedMail("m0", time.Now().Add(-time.Hour), "a")
		earlier.Subject = "before"
		earlier.Recipients[0] = failed(earlier.Recipients[0], time.Now().Add(-time.Minute), "550 before")
		store := newFakeStore(earlier)
		server := &fakeServer{send: func(_ context.Context, _, to string) (Result, bool) {
			if to == "gone" {
				return Result{Outcome: Refused, Text: "550 no such user"}, true
			}
			return Result{Outcome: Sent}, true
		}}
		o, _, stop := running(t, store, server)
		defer stop()
		is := func(when string, want Failure) {
			t.Helper()
			synctest.Wait()
			if got := o.Status().LastFailure; got != want {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		is("of an earlier run", Failure{time.Now().Add(-time.Minute), "before", "a", "550 before"})
		store.fail(nil, errors.New("disk full"))
		m := queuedMail("m1", time.Now(), "gone", "fine")
		m.Subject = "now"
		store.add(m)
		o.Wake()
		now := Failure{time.Now(), "now", "gone", "550 no such user"}
		is("not stored yet", now)
		store.fail(nil, nil)
		elapse(time.Minute)
		store.add(queuedMail("m2", time.Now(), "fine"))
		o.Wake()
		is("after a success", now)
	})
}

func TestAServerThatIsDownPostponesEverythingByOneWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		for i := range 50 {
			store.add(queuedMail(fmt.Sprintf("m%02d", i), time.Now(), "a", "b"))
		}
		server := &fakeServer{down: errors.New("connection refused")}
		began := time.Now()
		o, log, stop := running(t, store, server)
		defer stop()
		elapse(10 * time.Minute)
		if n := len(server.opens); n < 10 || n > 25 || len(server.tried) > 0 || store.marks > 0 {
			t.Errorf("%d connections, %d sends, %d marks in ten minutes", n, len(server.tried), store.marks)
		}
		for i, at := range server.opens[1:] {
			if gap := at.Sub(server.opens[i]); gap < 5*time.Second || gap > 40*time.Second {
				t.Errorf("attempt %d came after %v", i+1, gap)
			}
		}
		s := o.Status()
		if !s.UndeliverableSince.Equal(began) || s.LastError != "connection refused" || s.Queued != 100 || !s.OldestQueued.Equal(began) {
			t.Errorf("%+v", s)
		}
		if strings.Count(log.String(), "can't be used") != 1 {
			t.Errorf("logged more than once:\n%s", log)
		}
		// New mail waits its turn with the others, and is served within a minute.
		store.add(queuedMail("new", time.Now(), "a"))
		before := len(server.opens)
		o.Wake()
		synctest.Wait()
		if len(server.opens) != before {
			t.Error("waking went around the wait")
		}
		server.set(func() { server.down = nil })
		elapse(time.Minute)
		if s := o.Status(); s.Queued != 0 || !s.UndeliverableSince.IsZero() || s.LastError != "" {
			t.Errorf("a minute after recovery: %+v", s)
		}
	})
}

func TestDeliveryFollowsWithinAMinuteOfRecovery(t *testing.T) {
	t.Parallel()
	for _, hang := range []time.Duration{0, 10 * time.Second, 30 * time.Second} {
		for _, when := range []time.Duration{17 * time.Second, 4 * time.Minute, time.Hour} {
			t.Run(fmt.Sprintf("hangs %v for %v", hang, when), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := newFakeStore(queuedMail("m1", time.Now(), "a"), queuedMail("m2", time.Now(), "a"), queuedMail("m3", time.Now(), "a"))
					// It hangs on connecting for half of the time, at the end for the rest.
					server := &fakeServer{down: errors.New("no answer"), slow: hang}
					_, _, stop := running(t, store, server)
					defer stop()
					elapse(when / 2)
					server.set(func() {
						server.down, server.slow = nil, 0
						server.send = func(ctx context.Context, _, _ string) (Result, bool) {
							time.Sleep(hang)
							return Result{}, false
						}
					})
					elapse(when / 2)
					server.set(func() { server.send = nil })
					elapse(time.Minute)
					if got := store.fates(); strings.Contains(got, "queued") {
						t.Error(got)
					}
				})
			})
		}
	}
}

func TestAMailThatAServerChokesOnDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(queuedMail("bad1", time.Now(), "a"), queuedMail("bad2", time.Now(), "a"), queuedMail("bad3", time.Now(), "a"))
		down := false
		server := &fakeServer{send: func(_ context.Context, id, _ string) (Result, bool) {
			if down || strings.HasPrefix(id, "bad") {
				time.Sleep(30 * time.Second)
				return Result{}, false
			}
			return Result{Outcome: Sent}, true
		}}
		o, _, stop := running(t, store, server)
		defer stop()
		elapse(2 * time.Hour) // each has been blamed by then
		if o.Status().UndeliverableSince.IsZero() {
			t.Error("nobody is reached, and that doesn't show")
		}
		for i := range 5 {
			id := fmt.Sprintf("good%d", i)
			store.add(queuedMail(id, time.Now(), "a"))
			o.Wake()
			if i == 0 { // until then the server takes nothing, and may be what fails
				elapse(passEvery)
			}
			elapse(2 * time.Minute)
			if store.recipient(id, "a").Fate != health.Sent {
				t.Errorf("%s waits behind what can't be sent", id)
			}
		}
		server.set(func() { down = true })
		store.add(queuedMail("late", time.Now(), "a"))
		o.Wake()
		elapse(8 * time.Minute)
		server.set(func() { down = false })
		elapse(5 * time.Minute) // each of those is tried again first
		if store.recipient("late", "a").Fate != health.Sent {
			t.Error("it is known who is to blame, and one waits for them after an outage")
		}
	})
}

func TestFiveDays(t *testing.T) {
	t.Parallel()
	t.Run("refused for now", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const tried = 24 * time.Hour // of the five days; the rest were an earlier run's
			began := time.Now().Add(tried - GiveUpAfter)
			store := newFakeStore(queuedMail("m1", began, "a"))
			server := &fakeServer{send: func(context.Context, string, string) (Result, bool) {
				return Result{Outcome: Retry, Text: "451 later"}, true
			}}
			o, log, stop := running(t, store, server)
			defer stop()
			elapse(tried - time.Minute)
			if got := store.fates(); got != "m1: a queued" {
				t.Fatalf("given up too soon: %s", got)
			}
			elapse(2 * time.Minute)
			r := store.recipient("m1", "a")
			if r.Fate != health.Failed || r.LastErr != "451 later" || r.Done.Sub(began) < GiveUpAfter {
				t.Errorf("%+v", r)
			}
			if s := o.Status(); s.Failed != 1 || s.LastError != "451 later" || strings.Count(log.String(), "failed for good") != 1 {
				t.Errorf("%+v\n%s", s, log)
			}
		})
	})
	t.Run("no server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const tried = 6 * time.Hour // of the five days; the rest were an earlier run's
			store := newFakeStore(queuedMail("m1", time.Now().Add(tried-GiveUpAfter), "a", "b"))
			server := &fakeServer{down: errors.New("connection refused")}
			_, _, stop := running(t, store, server)
			defer stop()
			elapse(tried - time.Minute)
			if got := store.fates(); got != "m1: a queued, b queued" {
				t.Fatalf("given up too soon: %s", got)
			}
			store.add(queuedMail("m2", time.Now(), "a"))
			elapse(2 * time.Minute)
			if got := store.fates(); got != "m1: a failed, b failed; m2: a queued" || store.recipient("m1", "b").LastErr != "connection refused" {
				t.Error(got)
			}
		})
	})
	t.Run("found after a long stop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newFakeStore(queuedMail("m1", time.Now().Add(-30*24*time.Hour), "a"))
			_, _, stop := running(t, store, &fakeServer{})
			defer stop()
			synctest.Wait()
			if got := store.fates(); got != "m1: a sent" {
				t.Errorf("old mail has its one attempt: %s", got)
			}
		})
	})
}

func TestAMarkThatCannotBeStoredIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(queuedMail("m1", time.Now(), "a", "b"), queuedMail("m2", time.Now(), "a"))
		store.fail(nil, errors.New("disk full"))
		server := &fakeServer{send: func(_ context.Context, _, to string) (Result, bool) {
			if to == "b" {
				return Result{Outcome: Retry, Text: "450 later"}, true
			}
			return Result{Outcome: Sent}, true
		}}
		o, log, stop := running(t, store, server)
		elapse(10 * time.Minute)
		if got := strings.Join(server.arrived, ", "); got != "m1 a, m2 a" {
			t.Errorf("sent %s", got)
		}
		if n := strings.Count(strings.Join(server.tried, ","), "m1 b"); n < 5 || n > 30 {
			t.Errorf("tried %d times for who is refused for now", n)
		}
		if s := o.Status(); s.Unsaved != 2 || !strings.Contains(s.StoreError, "disk full") {
			t.Errorf("%+v", s)
		}
		if store.looks > 1000 || store.marks > 100 || strings.Count(log.String(), "can't be stored") != 1 {
			t.Errorf("%d looks, %d marks\n%s", store.looks, store.marks, log)
		}
		// New mail goes out meanwhile.
		store.add(queuedMail("m3", time.Now(), "a"))
		o.Wake()
		synctest.Wait()
		if !slices.Contains(server.arrived, "m3 a") {
			t.Error("a full disk holds up new mail")
		}
		store.fail(nil, nil)
		elapse(time.Minute)
		if got := store.fates(); got != "m1: a sent, b queued; m2: a sent; m3: a sent" || o.Status().Unsaved != 0 || o.Status().StoreError != "" {
			t.Errorf("%s, %+v", got, o.Status())
		}
		stop()
		if got := strings.Join(server.arrived, ", "); got != "m1 a, m2 a, m3 a" {
			t.Errorf("sent %s", got)
		}
	})
}

func TestAMarkOfAMailThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(queuedMail("m1", time.Now(), "a"))
		server := &fakeServer{send: func(context.Context, string, string) (Result, bool) {
			store.mu.Lock() // somebody tidies up while it is on its way
			defer store.mu.Unlock()
			delete(store.mails, "m1")
			return Result{Outcome: Sent}, true
		}}
		o, log, stop := running(t, store, server)
		defer stop()
		synctest.Wait()
		if s := o.Status(); s.Unsaved != 1 || !strings.Contains(s.StoreError, "no mail m1") {
			t.Errorf("%+v", s)
		}
		elapse(2 * time.Minute)
		if s := o.Status(); s.Unsaved != 0 || s.StoreError != "" || !strings.Contains(log.String(), "no longer waits") {
			t.Errorf("%+v\n%s", s, log)
		}
	})
}

// An older copy of the store is put in its place, in which a mail that was sent is
// queued still: it is marked anew, and nobody has it twice.
func TestAnOlderStoreSendsNothingTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := queuedMail("m1", time.Now(), "a", "b", "c")
		store := newFakeStore(old)
		server := &fakeServer{send: func(_ context.Context, _, to string) (Result, bool) {
			if to == "b" {
				return Result{Outcome: Retry, Text: "450 later"}, true
			}
			return Result{Outcome: Sent}, true
		}}
		o, log, stop := running(t, store, server)
		defer stop()
		elapse(time.Minute)
		server.set(func() { server.send = nil })
		store.add(old, queuedMail("m2", time.Now(), "a"))
		o.Wake()
		elapse(time.Minute)
		if got := strings.Join(server.arrived, ", "); got != "m1 a, m1 c, m1 b, m2 a" {
			t.Errorf("sent %s", got)
		}
		if got := store.fates(); got != "m1: a sent, b sent, c sent; m2: a sent" || strings.Count(log.String(), "earlier state") != 1 {
			t.Errorf("%s\n%s", got, log)
		}
		for n := range mostSettled {
			o.settle(fmt.Sprint(n), []health.Recipient{{Address: "a", Fate: health.Sent}})
		}
		if len(o.settled) != mostSettled || len(o.settledIDs) != mostSettled || o.settled["m1"] != nil {
			t.Errorf("%d mails are remembered, and %d in their order", len(o.settled), len(o.settledIDs))
		}
	})
}

func TestMarksAreStoredOnStopping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(queuedMail("m1", time.Now(), "a"))
		store.fail(nil, errors.New("locked"))
		_, _, stop := running(t, store, &fakeServer{})
		synctest.Wait()
		store.fail(nil, nil)
		stop()
		if got := store.fates(); got != "m1: a sent" {
			t.Error(got)
		}
	})
}

func TestAStoreThatFailsIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(queuedMail("m1", time.Now(), "a"))
		store.fail(errors.New("locked"), nil)
		o, log, stop := running(t, store, &fakeServer{})
		defer stop()
		elapse(10 * time.Minute)
		if s := o.Status(); !strings.Contains(s.StoreError, "locked") || store.looks > 30 || strings.Count(log.String(), "can't use its store") != 1 {
			t.Errorf("%+v, %d looks\n%s", s, store.looks, log)
		}
		store.fail(nil, nil)
		elapse(time.Minute)
		if s := o.Status(); store.fates() != "m1: a sent" || s.StoreError != "" {
			t.Errorf("%s, %+v", store.fates(), s)
		}
	})
}

func TestStoppingFinishesTheMailOnItsWay(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration
		want  string
		stops time.Duration
	}{
		"in time": {sendGrace / 2, "m1: a sent; m2: a queued", sendGrace / 2},
		"hanging": {time.Hour, "m1: a queued; m2: a queued", sendGrace},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFakeStore(queuedMail("m1", time.Now(), "a"), queuedMail("m2", time.Now(), "a"))
				server := &fakeServer{send: func(ctx context.Context, _, _ string) (Result, bool) {
					select {
					case <-ctx.Done():
						return Result{}, false
					case <-time.After(c.takes):
						return Result{Outcome: Sent}, true
					}
				}}
				_, _, stop := running(t, store, server)
				synctest.Wait()
				began := time.Now()
				stop()
				if took := time.Since(began); store.fates() != c.want || took != c.stops {
					t.Errorf("after %v: %s", took, store.fates())
				}
				// What was cut short by us is no failed attempt.
				if r := store.recipient("m1", "a"); r.Fate == health.Queued && (r.Attempts != 0 || r.LastErr != "") {
					t.Errorf("%+v", r)
				}
			})
		})
	}
	t.Run("connecting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newFakeStore(queuedMail("m1", time.Now(), "a"))
			_, log, stop := running(t, store, &fakeServer{slow: time.Hour})
			synctest.Wait()
			began := time.Now()
			stop()
			if took := time.Since(began); took != 0 || strings.Contains(log.String(), "can't be used") {
				t.Errorf("took %v\n%s", took, log)
			}
		})
	})
}

func TestARestartSendsOnlyWhatIsUnmarked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(queuedMail("m1", time.Now(), "a", "b"))
		server := &fakeServer{send: func(_ context.Context, _, to string) (Result, bool) {
			if to == "b" {
				return Result{Outcome: Retry, Text: "450 later"}, true
			}
			return Result{Outcome: Sent}, true
		}}
		_, _, stop := running(t, store, server)
		synctest.Wait()
		stop()
		server.set(func() { server.send = nil })
		_, _, stop = running(t, store, server)
		defer stop()
		elapse(time.Minute)
		if got := strings.Join(server.arrived, ", "); got != "m1 a, m1 b" {
			t.Errorf("sent %s", got)
		}
	})
}

func TestBackoffGrowsToItsCeiling(t *testing.T) {
	t.Parallel()
	o := NewOutbox(nil, nil, nil)
	for attempts := range 100 {
		low, high := firstRetry, lastRetry
		if attempts >= 4 {
			low = lastRetry * 3 / 4
		}
		if attempts <= 1 {
			high = firstRetry * 5 / 4
		}
		for range 50 {
			if d := o.backoff(attempts); d < low || d > high {
				t.Fatalf("backoff(%d) = %v, want %v to %v", attempts, d, low, high)
			}
		}
	}
}
