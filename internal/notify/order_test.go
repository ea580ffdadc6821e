package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A recovery never arrives before its fault: an earlier mail that waits for its
// next attempt is tried first, though its time has not come.
func TestALaterMailDoesNotOvertake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		busy := true
		store := newFakeStore(queuedMail("fault", time.Now(), "a", "b"))
		server := &fakeServer{send: func(_ context.Context, id, to string) (Result, bool) {
			if busy && to == "a" {
				return Result{Outcome: Retry, Text: "450 busy"}, true
			}
			sent = append(sent, id+" to "+to)
			return Result{Outcome: Sent}, true
		}}
		o, _, stop := running(t, store, server)
		defer stop()
		elapse(2 * time.Minute) // by now attempts are far apart
		server.set(func() { busy = false })
		store.add(queuedMail("recovery", time.Now(), "a", "b"))
		o.Wake()
		elapse(time.Minute)
		want := []string{"fault to b", "fault to a", "recovery to a", "recovery to b"}
		if !slices.Equal(sent, want) {
			t.Errorf("sent %q, want %q", sent, want)
		}
	})
}

// A recipient who is refused for now is not asked again in the same round: the
// later mail might be taken, and be read first.
func TestAMomentLaterIsTooEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		first := true
		store := newFakeStore(queuedMail("fault", time.Now(), "a"), queuedMail("recovery", time.Now().Add(time.Second), "a"))
		server := &fakeServer{send: func(_ context.Context, id, _ string) (Result, bool) {
			if first {
				first = false
				return Result{Outcome: Retry, Text: "451 in a moment"}, true
			}
			sent = append(sent, id)
			return Result{Outcome: Sent}, true
		}}
		_, _, stop := running(t, store, server)
		defer stop()
		elapse(2 * time.Minute)
		if got := strings.Join(sent, " "); got != "fault recovery" {
			t.Errorf("sent %q", got)
		}
	})
}

// After an outage in which more sessions broke than a server is blamed for, mails
// still arrive in the order in which they were made, in whichever moment the server
// becomes well: also while a mail hangs on a connection of before.
func TestOrderIsKeptAfterALongOutage(t *testing.T) {
	for _, c := range []struct {
		lasts time.Duration
		mails []string // to whom each is, one every half minute
		want  map[string]int
	}{
		{4 * time.Minute, []string{"a", "b", "bc", "a", "b"}, map[string]int{"a": 3, "b": 4, "c": 2}},
		{25 * time.Minute, []string{"a", "b", "bc", "a", "b"}, map[string]int{"a": 3, "b": 4, "c": 2}},
		{25 * time.Minute, []string{"a", "b"}, map[string]int{"a": 2, "b": 2, "c": 1}},
	} {
		for off := time.Duration(0); off < 75*time.Second; off += 5 * time.Second {
			t.Run(fmt.Sprint(len(c.mails), " for ", c.lasts+off), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var sent []string
					down := true
					store := newFakeStore()
					server := &fakeServer{send: func(_ context.Context, id, to string) (Result, bool) {
						if down {
							time.Sleep(30 * time.Second)
							return Result{}, false
						}
						sent = append(sent, id+to)
						return Result{Outcome: Sent}, true
					}}
					o, _, stop := running(t, store, server)
					defer stop()
					began := time.Now()
					for i, to := range c.mails {
						store.add(queuedMail(fmt.Sprint(i), time.Now(), strings.Split(to, "")...))
						o.Wake()
						elapse(30 * time.Second)
					}
					elapse(c.lasts + off - time.Since(began))
					server.set(func() { down = false })
					store.add(queuedMail("9", time.Now(), "a", "b", "c"))
					o.Wake()
					elapse(time.Minute)
					for to, want := range c.want {
						of := slices.DeleteFunc(slices.Clone(sent), func(s string) bool { return !strings.HasSuffix(s, to) })
						if len(of) != want || !slices.IsSorted(of) {
							t.Errorf("sent %q to %s, want all %d in order", of, to, want)
						}
					}
				})
			})
		}
	}
}

// A mail that a server chokes on is passed by later ones for the same recipients
// in the end, never keeps those for others waiting, and is not tried in haste.
func TestAMailThatBreaksEverySessionIsPassed(t *testing.T) {
	t.Parallel()
	for _, hang := range []time.Duration{0, 30 * time.Second} {
		t.Run(hang.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFakeStore(queuedMail("bad", time.Now(), "a", "b"))
				server := &fakeServer{send: func(_ context.Context, id, _ string) (Result, bool) {
					if id == "bad" {
						time.Sleep(hang)
						return Result{}, false
					}
					return Result{Outcome: Sent}, true
				}}
				o, log, stop := running(t, store, server)
				elapse(5 * time.Minute)
				store.add(queuedMail("later", time.Now(), "b", "c"))
				o.Wake()
				elapse(2 * time.Minute)
				if got := store.fates(); got != "bad: a queued, b queued; later: b queued, c sent" {
					t.Error(got)
				}
				opens := 0
				server.set(func() { opens -= len(server.opens) })
				elapse(2 * time.Minute)
				server.set(func() { opens += len(server.opens) })
				if opens > 5 {
					t.Errorf("%d connections in two minutes", opens)
				}
				elapse(3 * time.Minute)
				if got := store.fates(); got != "bad: a queued, b queued; later: b sent, c sent" {
					t.Error(got)
				}
				stop()
				if n := strings.Count(log.String(), "\n"); n > 10 {
					t.Errorf("%d lines of log:\n%s", n, log)
				}
			})
		})
	}
}
