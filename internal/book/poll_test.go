package book

import (
	"net/http"
	"testing"
	"time"

	"labstatus/internal/health"
)

func TestManifestQueries(t *testing.T) {
	t.Parallel()
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
		b := newFakeBook("r-pend00", "r-pend01")
		b.setFault(func(w http.ResponseWriter, _ *http.Request, name string, _ int) bool {
			if name == "r-pend01" {
				w.WriteHeader(http.StatusBadGateway)
			}
			return name == "r-pend01"
		})
		s := newBench(t, b, KeeperOptions{QueryEvery: time.Minute})
		settle(30 * time.Second)
		s.book.remove("r-pend01")
		settle(35 * time.Second)
		before := s.book.made("GET", "r-pend01")
		settle(5 * time.Minute)
		wantEqual(t, "reads since", s.book.made("GET", "r-pend01")-before, 0)
		wantEqual(t, "jobs left", len(s.queue.jobs), 0)
	})
}
