package serve

import (
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"labstatus/internal/health"
)

// A reader is greeted, and then told what changes: each experiment whole, and no
// other.
func TestLiveTellsWhatChanges(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("")
		if got := said(t, r.everything()); got != "hello, system" {
			t.Fatalf("greeted with %s", got)
		}
		for _, c := range []struct {
			what, want string
			publish    func()
		}{
			{"an experiment changes", "experiments expt000001", func() { w.change("expt000001") }},
			{"two do, one of them new", "experiments expt000000 pend00", func() { w.change("pend00", "expt000000") }},
			{"one leaves", "experiments -expt000002", func() {
				w.publish(func(s *health.Snapshot) { s.Experiments = append(s.Experiments[:2:2], s.Experiments[3]) })
			}},
			{"nothing but time passes", "", func() { w.publish(func(*health.Snapshot) {}) }},
			{"all leave, one comes", "experiments only -expt000000 -expt000001 -pend00", func() {
				w.publish(func(s *health.Snapshot) { s.Experiments = []*health.Report{healthyReport("only")} })
			}},
			{"an event comes with a change", "experiments only, event pend01, event pend01", func() {
				w.publish(func(s *health.Snapshot) { s.Experiments = []*health.Report{healthyReport("only")} }, labEvents("pend01")...)
			}},
			{"an event comes alone", "event pend01", func() { w.live.Publish(w.current.Load(), labEvents("pend01")[:1]) }},
		} {
			c.publish()
			time.Sleep(flushEvery)
			if got := said(t, r.heard()); got != c.want {
				t.Errorf("%s: %q, want %q", c.what, got, c.want)
			}
		}
		r.leave()
	})
}

// Every message is what swagger.yaml promises.
func TestLiveKeepsTheContract(t *testing.T) {
	t.Parallel()
	definitions := contract(t).Definitions
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("another-run-7")
		w.publish(func(s *health.Snapshot) { s.Experiments = labSnapshot().Experiments }, labEvents("pend01")...)
		time.Sleep(time.Second)
		w.publish(func(s *health.Snapshot) { s.Experiments = nil })
		time.Sleep(heartbeat + systemEvery)
		seen := map[string]int{}
		ids := map[string]bool{}
		for _, m := range r.everything() {
			seen[m.event]++
			schema := definitions[map[string]string{
				"hello": "LiveHello", "reset": "LiveHello", "experiments": "LiveExperiments", "event": "HealthEvent", "system": "System",
			}[m.event]]
			keepsTo(t, &schema, []byte(m.data))
			if boot, number, _ := strings.Cut(m.id, "-"); boot != w.live.log.boot || number == "" {
				t.Errorf("%s has the id %q", m.event, m.id)
			}
			if ids[m.id] && (m.event == "experiments" || m.event == "event") {
				t.Errorf("%s has an id that was used", m.event)
			}
			ids[m.id] = true
		}
		if seen["hello"] != 1 || seen["reset"] != 1 || seen["experiments"] != 2 || seen["event"] != 2 || seen["system"] < 2 {
			t.Errorf("heard %v", seen)
		}
		r.leave()
	})
}

// However often the loop turns, readers hear of experiments at most every 200 ms,
// and of the latest that is known; the first change is told at once.
func TestLiveIsCalm(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("")
		time.Sleep(time.Second)
		r.everything()
		began := time.Now()
		for range 500 {
			time.Sleep(10 * time.Millisecond)
			w.change("expt000001")
		}
		time.Sleep(time.Second)
		var last time.Time
		heard := r.heard()
		for i, m := range heard {
			if i == 0 && m.at.Sub(began) > 11*time.Millisecond {
				t.Errorf("the first change is told after %v", m.at.Sub(began))
			}
			if gap := m.at.Sub(last); gap < flushEvery {
				t.Errorf("two messages within %v", gap)
			}
			last = m.at
		}
		if n := len(heard); n < 24 || n > 27 {
			t.Errorf("%d messages in five seconds", n)
		}
		var final struct{ Version uint64 }
		heard[len(heard)-1].into(t, &final)
		if final.Version != w.current.Load().Version {
			t.Errorf("the last is of version %d, not %d", final.Version, w.current.Load().Version)
		}
		r.leave()
	})
}

// Long lists are split, and when too much changes at once everybody gets their turn.
func TestLiveSplitsLongLists(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("")
		r.everything()
		all := func(n int) func(*health.Snapshot) {
			return func(s *health.Snapshot) {
				s.Experiments = nil
				for i := range n {
					s.Experiments = append(s.Experiments, &health.Report{Name: fmt.Sprintf("expt%06d", i)})
				}
			}
		}
		w.publish(all(450))
		time.Sleep(flushEvery)
		var sizes []int
		for _, m := range r.heard() {
			sizes = append(sizes, len(strings.Fields(m.names(t))))
		}
		if fmt.Sprint(sizes) != "[200 200 50]" {
			t.Errorf("450 reports come as %v", sizes)
		}

		// Now all of 2,500 change all the time: a flush holds 2,000.
		times := map[string]int{}
		for range 5 {
			w.publish(all(2500))
			time.Sleep(flushEvery)
			for _, m := range r.heard() {
				for name := range strings.FieldsSeq(m.names(t)) {
					times[name]++
				}
			}
		}
		for name, n := range times {
			if n != 4 {
				t.Fatalf("%s was told %d times while 10,000 reports came, not 4", name, n)
			}
		}
		if len(times) != 2500 {
			t.Errorf("%d experiments were told", len(times))
		}
		w.publish(all(0))
		time.Sleep(flushEvery)
		if got := len(strings.Fields(said(t, r.heard()))); got != 2501 {
			t.Errorf("%d names of 2,500 that are gone", got-1)
		}
		r.leave()
	})
}

// A reader that comes back gets what it missed; where that isn't known any more it
// is told to begin anew.
func TestLiveResumes(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("")
		hello := r.everything()[0]
		w.change("expt000000")
		time.Sleep(flushEvery)
		first := r.heard()[0]
		r.leave()
		w.change("expt000001")
		time.Sleep(flushEvery)
		w.publish(func(*health.Snapshot) {}, labEvents("pend01")[0])
		time.Sleep(flushEvery)
		number := func(n int) string { return fmt.Sprint(w.live.log.boot, "-", n) }
		for what, c := range map[string]struct{ after, want string }{
			"after nothing":                 {"", "hello, system"},
			"after the greeting":            {hello.id, "hello, system, experiments expt000000, experiments expt000001, event pend01"},
			"after the first message":       {first.id, "hello, system, experiments expt000001, event pend01"},
			"after the latest":              {number(3), "hello, system"},
			"after one that is yet to come": {number(4), "hello, reset, system"},
			"after one of another run":      {"abcdefghij-3", "hello, reset, system"},
			"after a number":                {"3", "hello, reset, system"},
			"after rubbish":                 {w.live.log.boot + "-x", "hello, reset, system"},
			"after a huge number":           {number(1) + strings.Repeat("0", 30), "hello, reset, system"},
		} {
			r := w.follow(c.after)
			if got := said(t, r.everything()); got != c.want {
				t.Errorf("%s: %s, want %s", what, got, c.want)
			}
			r.leave()
		}
		// In the address, for those who can't set a header; the header goes before it.
		answer, err := w.client.Get("http://status.lab" + basePath + "/events/live?after=abc-1")
		if err != nil {
			t.Fatal(err)
		}
		r = &liveReader{w: w, answer: answer}
		w.parts.Go(func() { r.read(answer.Body) })
		if got := said(t, r.everything()); got != "hello, reset, system" {
			t.Errorf("with an id in the query: %s", got)
		}
		r.leave()

		// What the log no longer holds.
		for range mostMessages {
			w.publish(func(*health.Snapshot) {}, labEvents("pend01")[0])
		}
		time.Sleep(flushEvery)
		for after, want := range map[int]string{3: "hello, system", 2: "hello, reset, system"} {
			r := w.follow(number(after))
			if got := said(t, r.everything()); !strings.HasPrefix(got+",", want+",") {
				t.Errorf("after message %d of %d: %s", after, mostMessages+3, clip(got, 80))
			}
			r.leave()
		}
	})
}

// The log is bounded in bytes as well.
func TestLiveLogIsBounded(t *testing.T) {
	t.Parallel()
	var g liveLog
	g.next, g.changed = 1, make(chan struct{})
	const rounds = 20               // more than it may hold
	megabyte := make([]byte, 1<<20) // the log takes a copy
	for range rounds {
		g.add([]draft{{event: "event", data: megabyte}}, nil)
		if g.bytes > mostLogBytes || len(g.messages) > 16 {
			t.Fatalf("%d messages of %d bytes", len(g.messages), g.bytes)
		}
	}
	g.add([]draft{{event: "event", data: make([]byte, mostLogBytes+1)}}, nil)
	if len(g.messages) != 1 {
		t.Errorf("a message that is longer than the log leaves %d", len(g.messages))
	}
	if g.first() != rounds+1 {
		t.Errorf("the oldest is %d", g.first())
	}
}

// The server's limits on requests don't end a stream, and silence never lasts longer
// than 15 seconds.
func TestLiveLastsAndBeats(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("")
		last := time.Now()
		time.Sleep(10 * time.Minute)
		if r.hasEnded() {
			t.Fatal("the stream has ended by itself")
		}
		beats := r.everything()
		for _, m := range beats {
			if gap := m.at.Sub(last); gap > 15*time.Second {
				t.Errorf("nothing for %v", gap)
			}
			last = m.at
		}
		if n := len(beats); n > 50 {
			t.Errorf("%d messages in ten minutes in which nothing happens", n)
		}
		w.change("expt000001")
		time.Sleep(flushEvery)
		if got := said(t, r.heard()); got != "experiments expt000001" {
			t.Errorf("after ten minutes: %s", got)
		}
		r.leave()
	})
}

// How the server is doing is told within a second of its change, at most once a
// second, and not because of what changes all the time.
func TestLiveTellsTheSystem(t *testing.T) {
	t.Parallel()
	var reads, queued atomic.Int64
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("")
		time.Sleep(2500 * time.Millisecond)
		r.everything()
		for range 10 {
			w.publish(func(*health.Snapshot) {}) // as_of, connections and timings change
			time.Sleep(100 * time.Millisecond)
		}
		if got := said(t, r.everything()); got != "" {
			t.Errorf("without a change: %s", got)
		}
		for range 30 {
			queued.Add(1)
			time.Sleep(100 * time.Millisecond)
		}
		heard := r.everything()
		if len(heard) != 3 {
			t.Errorf("%d messages in three seconds", len(heard))
		}
		for i := 1; i < len(heard); i++ {
			if gap := heard[i].at.Sub(heard[i-1].at); gap < systemEvery {
				t.Errorf("two within %v", gap)
			}
		}
		var m struct{ Mail struct{ Queued int } }
		heard[len(heard)-1].into(t, &m)
		if m.Mail.Queued < 20 {
			t.Errorf("queued: %d", m.Mail.Queued)
		}
		r.leave()
	}, func(o *Options) {
		o.System = func() SystemInfo {
			info := labSystem()
			info.Mail.Queued = int(queued.Load())
			info.Connections = []ConnectionInfo{{Name: "http", Listener: true, ReadBytes: uint64(reads.Add(1))}}
			info.Timings = []TimingInfo{{Name: "loop", Count: uint64(reads.Load())}}
			return info
		}
	})
}

// A stream is compressed where that is asked for, arrives as it is written, and ends
// as a gzip stream should.
func TestLiveIsCompressed(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		answer := w.open("", "Accept-Encoding", "gzip, deflate, br, zstd")
		if got := answer.Header.Get("Content-Encoding"); got != "gzip" {
			t.Fatalf("Content-Encoding %q", got)
		}
		r := &liveReader{w: w, answer: answer}
		whole := make(chan error, 1)
		w.parts.Go(func() {
			unzipped, err := gzip.NewReader(answer.Body)
			if err != nil {
				whole <- err
				return
			}
			r.read(unzipped)
			_, err = unzipped.Read(make([]byte, 1)) // the same end again: io.EOF only where all was well
			whole <- err
		})
		if got := said(t, r.everything()); got != "hello, system" {
			t.Errorf("greeted with %s", got)
		}
		for range 2 { // a later message goes on in the same stream
			w.publish(func(s *health.Snapshot) { s.Experiments = bigSnapshot(250, 1).Experiments }, labEvents("pend01")...)
			time.Sleep(flushEvery)
			var sizes []int
			for _, m := range r.heard() {
				sizes = append(sizes, len(strings.Fields(m.names(t))))
			}
			if fmt.Sprint(sizes) != "[200 50 1 1]" {
				t.Errorf("heard %v", sizes)
			}
		}
		w.stop()
		if err := <-whole; err != io.EOF {
			t.Errorf("the stream ends with %v", err)
		}
	})
}

// HEAD tells what would come, and what an EventSource asks for is served.
func TestLiveHead(t *testing.T) {
	t.Parallel()
	inLiveWorld(t, func(w *liveWorld) {
		answer, err := w.client.Head("http://status.lab" + basePath + "/events/live")
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" || answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", answer.StatusCode, answer.Header)
		}
		w.follow("", "Accept", "text/event-stream").leave()
	})
}

// Following is reading: where that takes a token, so does this.
func TestLiveTakesATokenToo(t *testing.T) {
	t.Parallel()
	h := newAdminHandler(t, func(o *Options) { o.ReadAuth = o.AdminAuth })
	if w := get(t, h, basePath+"/events/live"); w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
	inLiveWorld(t, func(w *liveWorld) {
		r := w.follow("", "Authorization", "Bearer "+mint(t, ScopeRead))
		if got := said(t, r.everything()); got != "hello, system" {
			t.Errorf("with a token: %s", got)
		}
		r.leave()
	}, func(o *Options) {
		auth, err := NewAuth(testSecret, testAudience, o.Log)
		if err != nil {
			t.Fatal(err)
		}
		o.ReadAuth = auth
	})
}

// The loop may publish before anybody listens, and nothing at all.
func TestLivePublishNeverWaits(t *testing.T) {
	t.Parallel()
	l := NewLive()
	l.Publish(nil, nil)
	for range 100 {
		l.Publish(bigSnapshot(1, 1), labEvents("pend00"))
	}
	if len(l.wake) != 1 {
		t.Error("it was not woken")
	}
}
