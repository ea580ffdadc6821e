package book

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"labstatus/internal/health"
)

func wantEqual[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestWishes(t *testing.T) {
	bubble(t, "done when read back", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.Want(wish("r-pend00", health.Close, "status server: missing required pend00-st-video"))
		settle(time.Second)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "closed: status server: missing required pend00-st-video"})
		s.Want(wish("r-pend00", health.Open, "status server: ok"))
		settle(time.Second)
		wantEqual(t, "last posted", of[health.Availability](s)[2].Reason, "status server: ok")
		wantEqual(t, "status", s.Status(), Status{Calls: 8, LastOK: s.start.Add(2 * time.Second)})
		wantEqual(t, "jobs left", len(s.queue.jobs), 0)
	})
	bubble(t, "already the case: read, not written", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.Want(wish("r-pend00", health.Open))
		settle(time.Second)
		wantEqual(t, "writes", s.book.made("PUT", "r-pend00"), 0)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "open"})
	})
	bubble(t, "no reason given: one is written", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		s.Want([]health.Wish{{Resource: "r-pend00", Want: health.Close}})
		settle(time.Second)
		got := of[health.Availability](s, "r-pend00")
		if held, _ := health.PersonsHold(got[len(got)-1].Available, got[len(got)-1].Reason); held || got[len(got)-1].Available {
			t.Errorf("posted last %+v, want closed with a reason of ours", got[len(got)-1])
		}
	})
	bubble(t, "forty at 50 ms a call by eight workers", func(t *testing.T) {
		b := newFakeBook()
		for i := range 40 {
			b.add(fmt.Sprintf("r-e%02d", i))
		}
		b.setDelay(50 * time.Millisecond)
		s := newBench(t, b, KeeperOptions{Workers: 8})
		settle(5 * time.Second)
		var wishes []health.Wish
		for name := range b.entries {
			wishes = append(wishes, wish(name, health.Close)...)
		}
		start := time.Now()
		s.Want(wishes)
		for s.Status().Pending > 0 {
			settle(time.Millisecond)
		}
		took := time.Since(start)
		t.Logf("40 wishes of three calls took %s, at most %d calls at a time", took, b.most())
		if took > 2*time.Second || b.most() > 8 {
			t.Errorf("took %s with up to %d calls at a time; want at most 2s, 8", took, b.most())
		}
	})
	bubble(t, "404: gone, dropped, and the manifest is asked for once", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00", "r-pend01"), KeeperOptions{})
		settle(10 * time.Second)
		s.book.remove("r-pend01")
		s.Want(wish("r-pend01", health.Close))
		settle(10 * time.Second)
		wantEqual(t, "posted", s.said("r-pend01"), []string{"open", "gone"})
		wantEqual(t, "manifests", len(of[health.Manifest](s)), 2)
		wantEqual(t, "pending", s.Status().Pending, 0)
		settle(time.Minute)
		wantEqual(t, "reads", s.book.made("GET", "r-pend01"), 2)
		wantEqual(t, "remembered as unknown", len(s.unknown), 0)
	})
	bubble(t, "404 of what the manifest goes on listing", func(t *testing.T) {
		b := newFakeBook("r-pend00")
		delete(b.available, "r-pend00")
		s := newBench(t, b, KeeperOptions{QueryEvery: time.Hour})
		settle(30 * time.Minute)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"gone", "gone"})
		wantEqual(t, "manifests", len(of[health.Manifest](s)), 2)
	})
	bubble(t, "write answered 404", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.setFault(func(w http.ResponseWriter, r *http.Request, name string, _ int) bool {
			if r.Method == "PUT" {
				s.book.remove(name)
			}
			return false
		})
		s.Want(wish("r-pend00", health.Close))
		settle(time.Second)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "gone"})
	})
	bubble(t, "what is read back differs: posted as it is, tried again with patience", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		s.book.setFault(func(w http.ResponseWriter, r *http.Request, _ string, nth int) bool {
			if r.Method == "PUT" && nth < 3 {
				w.WriteHeader(http.StatusNoContent)
				return true
			}
			return false
		})
		settle(time.Second)
		s.Want(wish("r-pend00", health.Close))
		settle(100 * time.Millisecond)
		for range 50 { // the engine may say so again at each check
			s.Want(wish("r-pend00", health.Close))
		}
		settle(100 * time.Millisecond)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "open"})
		wantEqual(t, "writes so far", s.book.made("PUT", "r-pend00"), 1)
		settle(10 * time.Second)
		wantEqual(t, "posted in the end", s.said("r-pend00"), []string{"open", "open", "open", "closed: status server: test"})
		wantEqual(t, "failures told", len(of[health.BookFailed](s)), 0)
	})
}
