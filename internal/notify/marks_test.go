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
