package book

import (
	"fmt"
	"net/http"
	"slices"
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
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{QueryEvery: time.Hour})
		s.book.mu.Lock()
		delete(s.book.available, "r-pend00")
		s.book.mu.Unlock()
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

func TestHolds(t *testing.T) {
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
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		s.book.set("r-pend00", false, "lens is being cleaned")
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
	down := func(w http.ResponseWriter, r *http.Request, _ string, _ int) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	bubble(t, "while it waits for another attempt", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.setFault(down)
		s.Want(wish("r-pend00", health.Close))
		settle(40 * time.Second) // the next attempt is 15 s away at least
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
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		s.book.setFault(func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
			w.WriteHeader(http.StatusBadGateway)
			return true
		})
		s.Want(wish("r-pend00", health.Close))
		settle(40 * time.Second) // the next attempt is 15 s away at least
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

func TestManifestQueries(t *testing.T) {
	bubble(t, "at start, then at its cadence, with everything read each time", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend01", "r-pend00"), KeeperOptions{QueryEvery: 15 * time.Minute})
		settle(46 * time.Minute)
		var at []time.Duration
		for _, when := range s.book.times("GET", "") {
			at = append(at, when.Sub(s.start))
		}
		wantEqual(t, "asked at", at, []time.Duration{0, 15 * time.Minute, 30 * time.Minute, 45 * time.Minute})
		wantEqual(t, "reads", []int{s.book.made("GET", "r-pend00"), s.book.made("GET", "r-pend01")}, []int{4, 4})
		wantEqual(t, "first", of[health.Manifest](s)[0].Resources, []health.Resource{
			{Name: "r-pend00", Stub: "pend00", Required: []string{"pend00-st-data", "pend00-st-video"}},
			{Name: "r-pend01", Stub: "pend01", Required: []string{"pend01-st-data", "pend01-st-video"}},
		})
		if _, first := s.posted[0].(health.Manifest); !first {
			t.Errorf("%T was posted first, want the manifest before the availability of what is in it", s.posted[0])
		}
	})
	bubble(t, "book forgot: found at the next query", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{QueryEvery: time.Minute})
		settle(time.Second)
		s.Want(wish("r-pend00", health.Close))
		settle(time.Second)
		s.book.set("r-pend00", true, testLoaded)
		settle(time.Minute)
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "closed: status server: test", "open"})
	})
	bubble(t, "an empty one is posted as it is", func(t *testing.T) {
		s := newBench(t, newFakeBook(), KeeperOptions{QueryEvery: time.Minute})
		settle(time.Second)
		wantEqual(t, "posted", len(of[health.Manifest](s)), 1)
		wantEqual(t, "resources", len(of[health.Manifest](s)[0].Resources), 0)
	})
	bubble(t, "fails and is tried again with patience", func(t *testing.T) {
		b := newFakeBook("r-pend00")
		b.setFault(func(w http.ResponseWriter, _ *http.Request, _ string, nth int) bool {
			if nth > 6 {
				return false
			}
			w.WriteHeader(http.StatusBadGateway)
			return true
		})
		s := newBench(t, b, KeeperOptions{QueryEvery: time.Hour})
		settle(3 * time.Minute)
		wantEqual(t, "manifests", len(of[health.Manifest](s)), 1)
		at := s.book.times("GET", "")
		least := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second}
		for i, l := range least {
			if gap := at[i+1].Sub(at[i]); gap < l || gap > 2*l {
				t.Errorf("attempt %d came after %s, want %s to %s", i+2, gap, l, 2*l)
			}
		}
	})
	bubble(t, "asked for: soon, and not more often than every five seconds", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{QueryEvery: time.Hour})
		settle(time.Second)
		for range 100 {
			s.Requery()
		}
		settle(3 * time.Second)
		wantEqual(t, "manifests after 4 s", len(of[health.Manifest](s)), 1)
		settle(2 * time.Second)
		wantEqual(t, "manifests after 6 s", len(of[health.Manifest](s)), 2)
		settle(time.Minute)
		wantEqual(t, "no more of them", len(of[health.Manifest](s)), 2)
		s.Requery()
		settle(time.Millisecond)
		wantEqual(t, "at once where the latest is old", len(of[health.Manifest](s)), 3)
	})
	bubble(t, "asked for while it fails: no later than it would have been", func(t *testing.T) {
		b := newFakeBook("r-pend00")
		b.setFault(func(w http.ResponseWriter, _ *http.Request, _ string, nth int) bool {
			if nth == 1 {
				w.WriteHeader(http.StatusBadGateway)
			}
			return nth == 1
		})
		s := newBench(t, b, KeeperOptions{QueryEvery: time.Hour})
		settle(10 * time.Millisecond)
		s.Requery()
		settle(time.Second)
		wantEqual(t, "manifests", len(of[health.Manifest](s)), 1)
	})
	bubble(t, "a failing reading of what has left it is dropped", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00", "r-pend01"), KeeperOptions{QueryEvery: time.Minute})
		s.book.setFault(func(w http.ResponseWriter, _ *http.Request, name string, _ int) bool {
			if name == "r-pend01" {
				w.WriteHeader(http.StatusBadGateway)
			}
			return name == "r-pend01"
		})
		settle(30 * time.Second)
		s.book.remove("r-pend01")
		settle(35 * time.Second)
		before := s.book.made("GET", "r-pend01")
		settle(5 * time.Minute)
		wantEqual(t, "reads since", s.book.made("GET", "r-pend01")-before, 0)
		wantEqual(t, "jobs left", len(s.queue.jobs), 0)
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
