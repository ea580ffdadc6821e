package book

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"labstatus/internal/health"
)

func TestSetForAPerson(t *testing.T) {
	t.Parallel()
	const words = "being rewired (anna)"
	bubble(t, "book is told, read again, and the engine hears of it", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		if err := s.Set(t.Context(), "r-pend00", false, words, s.post); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "posted", s.said("r-pend00"), []string{"open", "closed: " + words})
		settle(time.Second)
		wantEqual(t, "jobs left", len(s.queue.jobs), 0)
	})
	bubble(t, "a wish that is being carried out is waited for, and a hold then stands", func(t *testing.T) {
		b := newFakeBook("r-pend00")
		s := newBench(t, b, KeeperOptions{})
		settle(time.Second)
		b.setDelay(2 * time.Second)
		s.Want(wish("r-pend00", health.Close, "status server: missing required pend00-st-video"))
		settle(time.Second)
		if err := s.Set(t.Context(), "r-pend00", false, words, s.post); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "calls at a time", b.most(), 1)
		s.Want(wish("r-pend00", health.Open, "status server: ok"))
		settle(time.Minute)
		said := s.said("r-pend00")
		wantEqual(t, "said last", said[len(said)-1], "closed: "+words)
	})
	bubble(t, "a book that is down is said, and the resource is read once it is back", func(t *testing.T) {
		b := newFakeBook("r-pend00")
		s := newBench(t, b, KeeperOptions{})
		settle(time.Second)
		b.setFault(func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		})
		if err := s.Set(t.Context(), "r-pend00", false, words, s.post); err == nil {
			t.Fatal("it is taken for done")
		}
		b.setFault(nil)
		b.set("r-pend00", false, "set by hand")
		settle(time.Minute)
		said := s.said("r-pend00")
		wantEqual(t, "said last", said[len(said)-1], "closed: set by hand")
	})
	bubble(t, "a resource that book doesn't know", func(t *testing.T) {
		s := newBench(t, newFakeBook("r-pend00"), KeeperOptions{})
		settle(time.Second)
		if err := s.Set(t.Context(), "r-none", false, words, s.post); !errors.Is(err, ErrUnknownResource) {
			t.Errorf("got %v", err)
		}
	})
	bubble(t, "who doesn't want to wait any longer gets away", func(t *testing.T) {
		b := newFakeBook("r-pend00")
		s := newBench(t, b, KeeperOptions{})
		settle(time.Second)
		b.setDelay(4 * time.Second)
		s.Want(wish("r-pend00", health.Close))
		settle(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Set(ctx, "r-pend00", false, words, s.post); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		settle(30 * time.Second) // book answers all that it was asked
	})
}
