package notify

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/health"
)

const year = 365 * 24 * time.Hour

// A clock that is set while mail waits makes nobody wait longer, in the run that has
// begun the wait or in the next one, nor is the server asked in haste.
func TestAClockThatIsSetWhileMailWaits(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{-10 * year, -time.Hour, -35 * time.Second, time.Hour} {
		for _, restart := range []bool{false, true} {
			name := by.String()
			if restart {
				name += ", and a restart"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := newFakeStore(queuedMail("m1", time.Now(), "a", "b"), queuedMail("m2", time.Now(), "b"))
					server := &fakeServer{send: func(_ context.Context, _, to string) (Result, bool) {
						return Result{Outcome: Retry, Text: "450 later"}, true
					}}
					o, _, stop := running(t, store, server)
					elapse(5*time.Minute + 17*time.Second)
					store.setClock(by)
					if restart {
						stop()
						o, _, stop = running(t, store, server)
					}
					server.set(func() { server.tried = nil })
					elapse(4 * time.Minute)
					server.set(func() {
						if n := len(server.tried) / 2; n < 5 || n > 10 {
							t.Errorf("%d attempts in four minutes", n)
						}
					})
					store.setClock(by)
					if since := o.Status().UndeliverableSince; since.IsZero() || since.After(time.Now()) {
						t.Errorf("undeliverable since %v", since)
					}
					server.set(func() { server.send = nil })
					elapse(lastRetry + time.Second) // between two looks there is a second at least
					if got := store.fates(); got != "m1: a sent, b sent; m2: b sent" {
						t.Error(got)
					}
					stop()
				})
			})
		}
	}
}

// So it is for mail that comes into the store from elsewhere, with waits that were
// noted by another clock.
func TestMailOfAnotherClockIsFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, server := newFakeStore(), &fakeServer{}
		o, _, stop := running(t, store, server)
		defer stop()
		synctest.Wait()
		m := queuedMail("m1", time.Now().Add(time.Hour), "a")
		m.Recipients[0].Attempts, m.Recipients[0].Next = 3, time.Now().Add(time.Hour)
		store.add(m)
		o.Wake()
		elapse(time.Minute)
		if got := store.fates(); got != "m1: a sent" {
			t.Error(got)
		}
		elapse(10 * time.Minute)
		if store.looks > 10 {
			t.Errorf("the store was asked %d times", store.looks)
		}
	})
}

// Waits that the store no longer knows of are forgotten: nobody keeps looking for them.
func TestWaitsForMailThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(queuedMail("gone", time.Now(), "a"), queuedMail("settled", time.Now(), "a", "b"), queuedMail("m3", time.Now(), "c"))
		server := &fakeServer{send: func(context.Context, string, string) (Result, bool) {
			return Result{Outcome: Retry, Text: "450 later"}, true
		}}
		o, _, stop := running(t, store, server)
		elapse(5 * time.Minute)
		store.mu.Lock() // somebody else does
		delete(store.mails, "gone")
		store.mails["settled"].Recipients[0].Fate = health.Failed
		store.looks = 0
		store.mu.Unlock()
		elapse(5 * time.Minute)
		if store.looks > 40 {
			t.Errorf("the store was asked %d times in five minutes", store.looks)
		}
		stop()
		if len(o.waiting) != 2 || len(o.waiting["b"]) != 1 || len(o.waiting["c"]) != 1 {
			t.Errorf("waiting are %v", o.waiting)
		}
	})
}

// Two mails between which a clock was set back don't change places, though the later
// one has the earlier time.
func TestASetClockDoesNotSwapMails(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*fakeServer){
		"refused for now": func(s *fakeServer) {
			s.send = func(context.Context, string, string) (Result, bool) {
				return Result{Outcome: Retry, Text: "450 later"}, true
			}
		},
		"cut": func(s *fakeServer) {
			s.send = func(context.Context, string, string) (Result, bool) { return Result{}, false }
		},
		"down": func(s *fakeServer) { s.down = errors.New("connection refused") },
	} {
		for _, lasts := range []time.Duration{time.Second, 3 * time.Minute, 20 * time.Minute} {
			t.Run(name+" for "+lasts.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := newFakeStore(queuedMail("fault", time.Now(), "a", "b"))
					server := &fakeServer{}
					fail(server)
					o, _, stop := running(t, store, server)
					defer stop()
					elapse(lasts)
					store.setClock(-time.Hour)
					store.add(queuedMail("recovery", time.Now(), "b", "a"))
					o.Wake()
					elapse(lasts)
					server.set(func() { server.send, server.down = nil, nil })
					elapse(time.Minute)
					if got := strings.Join(server.arrived, ", "); got != "fault a, fault b, recovery b, recovery a" {
						t.Errorf("sent %s", got)
					}
				})
			})
		}
	}
}
