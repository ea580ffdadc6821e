package book

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"labstatus/internal/health"
)

func TestTrouble(t *testing.T) {
	bubble(t, "500s, then recovery", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.setFault(func(w http.ResponseWriter, r *http.Request, _ string, _ int) bool {
			if time.Since(s.start) > 20*time.Second {
				return false
			}
			answer(w, 500, map[string]any{"code": 500, "message": "store is locked"})
			return true
		})
		s.Want(wish("r-pend00", health.Close))
		settle(time.Minute)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "closed: status server: test"})
		failed := of[health.BookFailed](s)
		if len(failed) < 3 || len(failed) > 8 {
			t.Errorf("%d failures were posted in 20 s, want one for each attempt: 3 to 8", len(failed))
		}
		wantEqual(t, "words", failed[0].Err, `read r-pend00: book answered 500 Internal Server Error "store is locked"`)
		if n := s.Status().Failures; n < len(failed) { // two within a second are told as one
			t.Errorf("%d failures were counted and %d told", n, len(failed))
		}
		at := s.book.times("GET", "r-pend00")
		for i := 2; i < len(at)-1; i++ {
			if gap := at[i].Sub(at[i-1]); gap < 500*time.Millisecond || gap > 30*time.Second {
				t.Errorf("attempt %d came after %s, want 0.5 s to 30 s", i, gap)
			}
		}
	})
	bubble(t, "a good manifest hastens what waits", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{Jitter: longest})
		settle(time.Second)
		s.book.setFault(func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
			w.WriteHeader(http.StatusBadGateway)
			return true
		})
		s.Want(wish("r-pend00", health.Close))
		settle(40 * time.Second) // the next attempt is 21 s away
		s.book.setFault(nil)
		s.Requery()
		settle(10 * time.Millisecond)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "closed: status server: test"})
	})
	bubble(t, "one hung call costs one worker one timeout", func(t *testing.T) {
		b := newFakeBook("r-bad")
		for i := range 20 {
			b.add(fmt.Sprintf("r-e%02d", i))
		}
		s := newBench(t, b, KeeperOptions{Workers: 2})
		settle(time.Second)
		b.setFault(func(_ http.ResponseWriter, r *http.Request, name string, _ int) bool {
			return name == "r-bad" && hang(r)
		})
		s.Want(wish("r-bad", health.Close))
		for i := range 20 {
			s.Want(wish(fmt.Sprintf("r-e%02d", i), health.Close))
		}
		settle(10 * time.Millisecond)
		wantEqual(t, "pending beside the one that hangs", s.Status().Pending, 1)
		settle(5 * time.Second)
		wantEqual(t, "failures", len(of[health.BookFailed](s)), 1)
		wantEqual(t, "words", of[health.BookFailed](s)[0].Err, "read r-bad: timed out after 5s: connected, but no whole answer: see whether book hangs, or raise STATUS_TIMEOUT_BOOK")
		b.setFault(nil)
		settle(10 * time.Second)
		wantEqual(t, "pending after", s.Status().Pending, 0)
	})
	bubble(t, "a crowd that hangs does not starve the rest", func(t *testing.T) {
		b := newFakeBook("r-good")
		var wishes []health.Wish
		for i := range 200 {
			name := fmt.Sprintf("r-bad%03d", i)
			b.add(name)
			wishes = append(wishes, wish(name, health.Close)...)
		}
		s := newBench(t, b, KeeperOptions{Workers: 8, QueryEvery: 24 * time.Hour})
		settle(time.Second)
		b.setFault(func(_ http.ResponseWriter, r *http.Request, name string, _ int) bool {
			return name != "r-good" && name != "" && hang(r)
		})
		s.Want(wishes)
		settle(10 * time.Minute) // by now each has failed once, and half the workers are free
		start := time.Now()
		s.Want(wish("r-good", health.Close))
		for s.Status().Pending > 200 {
			settle(time.Millisecond)
		}
		if took := time.Since(start); took > 10*time.Millisecond {
			t.Errorf("the good one took %s beside 200 that hang", took)
		}
		if n := s.Status().InFlight; n > 4 {
			t.Errorf("%d calls are under way, want no more than half the workers on what has failed", n)
		}
		b.setFault(nil)
		settle(2 * time.Minute)
		wantEqual(t, "pending after recovery", s.Status().Pending, 0)
	})
	bubble(t, "many failures are told once a second", func(t *testing.T) {
		b := newFakeBook()
		var wishes []health.Wish
		for i := range 50 {
			name := fmt.Sprintf("r-e%02d", i)
			b.add(name)
			wishes = append(wishes, wish(name, health.Close)...)
		}
		s := newBench(t, b, KeeperOptions{QueryEvery: 24 * time.Hour})
		settle(time.Second)
		b.setFault(func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		s.Want(wishes)
		settle(time.Minute)
		told := of[health.BookFailed](s)
		for i := 1; i < len(told); i++ {
			if gap := told[i].At.Sub(told[i-1].At); gap < time.Second {
				t.Errorf("failures were told %s apart, want 1 s at least", gap)
			}
		}
		if len(told) < 5 || s.Status().Failures < 5*len(told) {
			t.Errorf("%d of %d failures were told, want a few of many", len(told), s.Status().Failures)
		}
	})
}

func TestStop(t *testing.T) {
	bubble(t, "calls under way are cancelled and nothing is told of it", func(t *testing.T) {
		b := newFakeBook("r-pend00", "r-pend01")
		b.setFault(func(_ http.ResponseWriter, r *http.Request, name string, _ int) bool { return name != "" && hang(r) })
		s := newBench(t, b, KeeperOptions{})
		settle(time.Second)
		wantEqual(t, "under way", s.Status().InFlight, 2)
		start := time.Now()
		s.stop()
		if took := time.Since(start); took > 0 {
			t.Errorf("stopping took %s", took)
		}
		wantEqual(t, "failures told", len(of[health.BookFailed](s)), 0)
		wantEqual(t, "under way after", s.Status().InFlight, 0)
	})
	bubble(t, "wishes wait for another Run", func(t *testing.T) {
		b := newFakeBook("r-pend00")
		b.setDelay(100 * time.Millisecond)
		s := newBench(t, b, KeeperOptions{})
		settle(time.Second)
		s.Want(wish("r-pend00", health.Close))
		settle(50 * time.Millisecond)
		s.stop()
		wantEqual(t, "pending", s.Status().Pending, 1)

		again := &bench{book: b, Keeper: s.Keeper}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Run(t.Context(), again.post)
		}()
		t.Cleanup(func() { <-done })
		settle(2 * time.Second)
		wantEqual(t, "pending after", s.Status().Pending, 0)
		if !slices.Contains(again.said("r-pend00"), "closed: status server: test") {
			t.Errorf("posted %v, want it closed", again.said("r-pend00"))
		}
	})
}
