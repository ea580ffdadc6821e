package serve

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"labstatus/internal/health"
)

// A stop ends every stream at once, so that no shutdown waits for one, and takes in
// nobody after it.
func TestLiveStops(t *testing.T) {
	inLiveWorld(t, func(w *liveWorld) {
		var readers []*liveReader
		for range 5 {
			readers = append(readers, w.follow("", "Accept-Encoding", "identity"))
		}
		began := time.Now()
		w.stop()
		for _, r := range readers {
			if !r.hasEnded() {
				t.Error("a stream goes on")
			}
		}
		if err := w.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		answer := get(t, w.server.Handler, basePath+"/events/live")
		if answer.Code != 503 || answer.Header().Get("Retry-After") == "" || !strings.Contains(answer.Body.String(), "stopping") {
			t.Errorf("after the stop: %d %s", answer.Code, answer.Body)
		}
	})
}

// There is room for a thousand readers, and again when one has left.
func TestLiveHasRoomForSome(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("")
		w.live.log.mu.Lock()
		w.live.log.readers += mostReaders - 1
		w.live.log.mu.Unlock()
		answer := w.open("")
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != 503 || answer.Header.Get("Retry-After") != "10" || !strings.Contains(string(body), `"code":503`) {
			t.Errorf("one too many: %d %s", answer.StatusCode, body)
		}
		r.leave()
		r = w.follow("")
		r.leave()
		w.live.log.mu.Lock()
		if w.live.log.readers != mostReaders-1 {
			t.Errorf("%d readers are counted, not %d", w.live.log.readers, mostReaders-1)
		}
		w.live.log.readers = 0
		w.live.log.mu.Unlock()
	})
}

// A reader that takes nothing is cut off; the others don't notice, nor does the loop.
func TestLiveCutsOffTheSlow(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		slow := w.open("")
		quick := w.follow("")
		quick.everything()
		began := time.Now()
		const turns = 70
		for range turns {
			w.publish(func(s *health.Snapshot) { s.Experiments = bigSnapshot(20, 1).Experiments })
			time.Sleep(flushEvery)
		}
		if took := time.Since(began); took != turns*flushEvery {
			t.Errorf("the loop has waited: %v", took)
		}
		if got := len(quick.heard()); got != turns {
			t.Errorf("the quick reader got %d of %d messages", got, turns)
		}
		w.live.log.mu.Lock()
		if w.live.log.readers != 1 {
			t.Errorf("%d readers are left, not the quick one alone", w.live.log.readers)
		}
		w.live.log.mu.Unlock()
		_ = slow.Body.Close()
		quick.leave()
	})
}

// One that reads, but not fast enough for all there is, is let go and begins anew.
func TestLiveLetsGoOfWhoFallsBehind(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		at, _, err := w.live.log.join("", w.live.latest.Load)
		if err != nil {
			t.Fatal(err)
		}
		for range mostMessages + 1 {
			w.publish(func(*health.Snapshot) {}, labEvents("pend01")[0])
		}
		time.Sleep(flushEvery)
		if _, _, _, gone := w.live.log.since(at); !gone {
			t.Error("a reader that has missed a message goes on")
		}
		w.live.log.leave(time.Now())
		r := w.follow(w.live.log.id(at.next - 1))
		if got := said(t, r.everything()); got != "hello, reset, system" {
			t.Errorf("when it comes back: %s", got)
		}
		r.leave()
	})
}

// While nobody reads nothing is worded. Who comes back soon has missed nothing; later
// it begins anew.
func TestLiveSleepsWhileNobodyReads(t *testing.T) {
	t.Parallel()
	var worded atomic.Int64
	inLiveWorld(t, func(w *liveWorld) {
		w.change("expt000000")
		time.Sleep(time.Hour)
		if worded.Load() > 0 {
			t.Fatal("something is worded for nobody")
		}
		r := w.follow("")
		id := r.everything()[0].id
		r.leave()
		time.Sleep(sleepAfter - 2*time.Second)
		w.change("expt000001")
		time.Sleep(flushEvery)
		r = w.follow(id)
		if got := said(t, r.everything()); got != "hello, system, experiments expt000001" {
			t.Errorf("back soon: %s", got)
		}
		r.leave()
		worded.Store(0)
		time.Sleep(sleepAfter + 2*time.Second)
		w.change("expt000002")
		time.Sleep(time.Second)
		if worded.Load() > 0 {
			t.Error("something is worded for nobody")
		}
		r = w.follow(id)
		if got := said(t, r.everything()); got != "hello, reset, system" {
			t.Errorf("back late: %s", got)
		}
		w.change("expt000002")
		time.Sleep(flushEvery)
		if got := said(t, r.heard()); got != "experiments expt000002" {
			t.Errorf("after that: %s", got)
		}
		r.leave()
	}, func(o *Options) {
		o.Uptime = func(string) (float64, bool) { worded.Add(1); return 1, true }
	})
}

// A fault in wording a message ends no server: it is logged, and readers begin anew.
func TestLiveSurvivesAFault(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("")
		id := r.everything()[0].id
		broken.Store(true)
		w.change("expt000001")
		time.Sleep(flushEvery)
		broken.Store(false)
		if !r.hasEnded() {
			t.Error("a reader goes on though it has missed a change")
		}
		if n := len(w.log.AllEntries()); n != 1 || !strings.Contains(w.log.LastEntry().Message, "fault of ours") {
			t.Errorf("%d lines in the log", n)
		}
		r = w.follow(id)
		w.change("expt000002")
		time.Sleep(flushEvery)
		if got := said(t, r.heard()); got != "hello, reset, experiments expt000002" {
			t.Errorf("afterwards: %s", got)
		}
		r.leave()
	}, func(o *Options) {
		o.Uptime = func(string) (float64, bool) {
			if broken.Load() {
				panic("boom")
			}
			return 1, true
		}
	})
}

// Events that pile up faster than they can be told are not kept for ever: readers
// begin anew.
func TestLiveEventsAreBounded(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("")
		r.everything()
		for range 3 {
			w.live.Publish(w.current.Load(), make([]health.Event, mostFresh/2))
		}
		time.Sleep(flushEvery)
		if !r.hasEnded() {
			t.Error("a reader goes on though it has missed events")
		}
	})
}
