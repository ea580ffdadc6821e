package store_test

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// The whole server is tested in bubbles, where a goroutine left behind is a panic
// and a wait on the real world a deadlock.
func TestInABubble(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(time.Second):
						if _, err := s.DueMail(t.Context(), time.Now(), 10); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		for n := range 20 {
			time.Sleep(time.Second)
			MustCommit(t, s, store.Commit{At: time.Now(), Events: []health.Event{event("pend00", n)}})
		}
		close(done)
		readers.Wait()
		MustClose(t, s)
	})
}

// Reads go on while a writer writes, and never see half a commit.
func TestReadersBesideAWriter(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{EventsPerExperiment: 5}, func(t *testing.T, s store.Store) {
		MustCommit(t, s, wholeStep(1))
		done := make(chan struct{})
		var readers sync.WaitGroup
		var reads atomic.Int64
		for range 2 {
			readers.Go(func() {
				for ; ; reads.Add(1) {
					select {
					case <-done:
						return
					default:
					}
					kept, _, err := s.Kept(t.Context())
					if err != nil || len(kept.Records) != wholeExperiments || kept.Records[0].Events != kept.Records[wholeExperiments-1].Events ||
						kept.System.Cadence[health.Relay] != time.Duration(kept.Records[0].Events) {
						t.Errorf("half a commit: %+v, %v", kept, err)
						return
					}
					events, err := s.Events(t.Context(), "pend03")
					if err != nil || len(events) > 5 {
						t.Errorf("%d events, %v", len(events), err)
						return
					}
				}
			})
		}
		// Until as many are done, and until somebody has read beside them.
		for n, last := 2, 1+volume(t, "STORE_TEST_READ_COMMITS", 6); n <= last || reads.Load() < 10; n++ {
			MustCommit(t, s, wholeStep(n))
		}
		close(done)
		readers.Wait()
	})
}
