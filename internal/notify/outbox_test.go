package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/health"
)

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
				t.Errorf("old mail isn't tried: %s", got)
			}
		})
	})
	// A mail server may be away for a moment just when we are back.
	for _, name := range []string{"found after a long stop, refused for now", "found after a long stop, no server"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFakeStore(queuedMail("m1", time.Now().Add(-30*24*time.Hour), "a", "b"))
				server := &fakeServer{down: errors.New("connection refused")}
				if strings.HasSuffix(name, "refused for now") {
					server = &fakeServer{send: func(context.Context, string, string) (Result, bool) {
						return Result{Outcome: Retry, Text: "451 greylisted"}, true
					}}
				}
				_, _, stop := running(t, store, server)
				elapse(givesUpIn - time.Minute)
				if got := store.fates(); got != "m1: a queued, b queued" {
					t.Fatalf("given up too soon: %s", got)
				}
				stop()
				// Each run tries it for as long, before it gives up.
				o, _, stop := running(t, store, server)
				defer stop()
				elapse(givesUpIn - time.Minute)
				if got := store.fates(); got != "m1: a queued, b queued" {
					t.Fatalf("given up too soon after a restart: %s", got)
				}
				elapse(time.Minute + 3*lastRetry) // it may wait at the start, and is given up by an attempt
				if got := store.fates(); got != "m1: a failed, b failed" {
					t.Error(got)
				}
				if n := len(o.triedSince); n != 0 {
					t.Errorf("%d mails that are done with are still known", n)
				}
			})
		})
	}
	t.Run("many, found after a long stop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newFakeStore()
			for n := range 3 * batch { // of which the outbox tries the first few at a time
				store.add(queuedMail(fmt.Sprintf("m%03d", n), time.Now().Add(-30*24*time.Hour), "a"))
			}
			store.add(queuedMail("new", time.Now(), "a"))
			_, _, stop := running(t, store, &fakeServer{down: errors.New("connection refused")})
			defer stop()
			elapse(givesUpIn + 5*time.Minute)
			if got, want := store.fates(), "new: a queued"; strings.Count(got, "failed") != 3*batch || !strings.Contains(got, want) {
				t.Errorf("want all given up but %s: %s", want, got)
			}
		})
	})
	// Its clock had stood at the last shutdown, say, and was set when the network came up.
	t.Run("a clock is set ahead", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newFakeStore(queuedMail("m1", time.Now(), "a"))
			server := &fakeServer{down: errors.New("no such host")}
			_, _, stop := running(t, store, server)
			defer stop()
			elapse(10 * time.Minute)
			store.setClock(30 * 24 * time.Hour)
			elapse(30 * time.Minute)
			server.set(func() { server.down = nil })
			elapse(lastRetry + time.Second)
			if got := store.fates(); got != "m1: a sent" {
				t.Error(got)
			}
		})
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
