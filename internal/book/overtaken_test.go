package book

import (
	"net/http"
	"testing"
	"time"

	"labstatus/internal/health"
)

func TestHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about    string
		reason   string
		override bool
		writes   int
		said     string
	}{
		{"kept", "lens is being cleaned", false, 0, "closed: lens is being cleaned"},
		{"overridden", "lens is being cleaned", true, 1, "open"},
		{"ours is none", "status server: missing", false, 1, "open"},
		{"book's own is none", testLoaded, false, 1, "open"},
	} {
		bubble(t, c.about, func(t *testing.T) {
			s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{Override: c.override})
			settle(time.Second)
			s.book.set("r-pend00", false, c.reason) // after the engine's latest reading
			s.Want(wish("r-pend00", health.Open))
			settle(time.Second)
			wantEqual(t, "posted", s.said("r-pend00"), []string{"open", c.said})
			wantEqual(t, "writes", s.book.made("PUT", "r-pend00"), c.writes)
			wantEqual(t, "pending", s.Status().Pending, 0)
		})
	}
	bubble(t, "closing what is held changes nothing", func(t *testing.T) {
		b := newFakeBook("r-pend00")
		b.set("r-pend00", false, "lens is being cleaned")
		s := newBench(t, b, KeeperOptions{})
		s.Want(wish("r-pend00", health.Close))
		settle(time.Second)
		wantEqual(t, "writes", s.book.made("PUT", "r-pend00"), 0)
		said := s.said("r-pend00")
		wantEqual(t, "posted last", said[len(said)-1], "closed: lens is being cleaned")
	})
	bubble(t, "found on the way to another attempt", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.set("r-pend00", false, "status server: missing")
		s.book.setFault(func(w http.ResponseWriter, r *http.Request, _ string, nth int) bool {
			if r.Method == "PUT" && nth == 1 {
				w.WriteHeader(http.StatusBadGateway)
				return true
			}
			return false
		})
		s.Want(wish("r-pend00", health.Open))
		settle(100 * time.Millisecond)
		s.book.set("r-pend00", false, "lens is being cleaned")
		settle(10 * time.Second)
		wantEqual(t, "writes", s.book.made("PUT", "r-pend00"), 1)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "closed: lens is being cleaned"})
	})
}

func TestOvertaken(t *testing.T) {
	t.Parallel()
	down := func(w http.ResponseWriter, r *http.Request, _ string, _ int) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	bubble(t, "while it waits for another attempt", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{Jitter: longest})
		settle(time.Second)
		s.book.setFault(down)
		s.Want(wish("r-pend00", health.Close))
		settle(40 * time.Second) // the next attempt is 21 s away
		s.book.setFault(nil)
		s.Want(wish("r-pend00", health.Close, "status server: same again"))
		settle(10 * time.Millisecond)
		wantEqual(t, "the same wish waits", s.Status().Pending, 1)
		s.Want(wish("r-pend00", health.Open))
		settle(10 * time.Millisecond)
		wantEqual(t, "another one does not", s.Status().Pending, 0)
		settle(time.Minute)
		wantEqual(t, "writes", s.book.made("PUT", "r-pend00"), 0)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "open"})
	})
	bubble(t, "the latest reason is what is written", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.setFault(down)
		s.Want(wish("r-pend00", health.Close, "status server: first"))
		settle(100 * time.Millisecond)
		s.book.setFault(nil)
		s.Want(wish("r-pend00", health.Close, "status server: second"))
		settle(time.Minute)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "closed: status server: second"})
	})
	bubble(t, "while its call is under way: not written", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.setDelay(100 * time.Millisecond)
		s.Want(wish("r-pend00", health.Close))
		settle(50 * time.Millisecond)
		s.Want(wish("r-pend00", health.Open))
		settle(time.Second)
		wantEqual(t, "writes", s.book.made("PUT", "r-pend00"), 0)
		wantEqual(t, "pending", s.Status().Pending, 0)
	})
	bubble(t, "while it is written: both in their order", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.setDelay(100 * time.Millisecond)
		s.Want(wish("r-pend00", health.Close))
		settle(150 * time.Millisecond)
		s.Want(wish("r-pend00", health.Open))
		settle(2 * time.Second)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "closed: status server: test", "open"})
		wantEqual(t, "most calls at a time", s.book.most(), 1)
	})
	bubble(t, "left: dropped with its attempts", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.setFault(down)
		s.Want(wish("r-pend00", health.Close))
		settle(100 * time.Millisecond)
		s.Want([]health.Wish{{Resource: "r-pend00", Want: health.Leave}})
		s.book.setFault(nil)
		settle(time.Minute)
		wantEqual(t, "calls", s.book.made("GET", "r-pend00"), 2)
		wantEqual(t, "jobs left", len(s.queue.jobs), 0)
	})
	bubble(t, "left while a write hangs: what came of it is read", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.setFault(func(w http.ResponseWriter, r *http.Request, name string, _ int) bool {
			if r.Method == "PUT" {
				s.book.set(name, false, "status server: written all the same")
				return hang(r)
			}
			return false
		})
		s.Want(wish("r-pend00", health.Close))
		settle(time.Second)
		s.Want([]health.Wish{{Resource: "r-pend00", Want: health.Leave}})
		settle(10 * time.Second)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "closed: status server: written all the same"})
		wantEqual(t, "writes", s.book.made("PUT", "r-pend00"), 1)
	})
	bubble(t, "a write without an answer, overtaken, then left: read in the end", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.setFault(func(w http.ResponseWriter, r *http.Request, name string, nth int) bool {
			if r.Method == "PUT" {
				s.book.set(name, false, "status server: written all the same")
				return hang(r)
			}
			if nth > 2 {
				w.WriteHeader(http.StatusBadGateway)
			}
			return nth > 2
		})
		s.Want(wish("r-pend00", health.Close))
		settle(time.Second)
		s.Want(wish("r-pend00", health.Open))
		settle(10 * time.Second)
		s.Want([]health.Wish{{Resource: "r-pend00", Want: health.Leave}})
		s.book.setFault(nil)
		settle(time.Minute)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "closed: status server: written all the same"})
	})
}
