package notify

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A recovery never arrives before its fault: an earlier mail that waits for its
// next attempt is tried first, though its time has not come.
func TestALaterMailDoesNotOvertake(t *testing.T) {
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
