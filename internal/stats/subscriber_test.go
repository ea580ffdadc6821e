package stats

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

const s = time.Second

func TestSubscriberFramesAndFarewell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bye := 0
		f := newFake(t, func(_ int, p *peer) {
			p.frames("a", 6*s, 0)
			bye = p.goodby
		})
		w := f.watch()
		time.Sleep(13 * s)
		w.want("0s up", "6s frame a", "12s frame a")
		before := time.Now()
		w.stop()
		if d := time.Since(before); d > s {
			t.Errorf("stopping took %v", d)
		}
		synctest.Wait()
		if bye != websocket.CloseNormalClosure {
			t.Errorf("close code %d", bye)
		}
		if got := w.sub.Stats(); got.Frames != 2 || got.Messages != 2 || got.Connects != 1 || got.Bytes != 30 || got.Failed+got.Breaks != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestSubscriberBreak(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(n int, p *peer) {
			if n == 0 {
				p.frames("a", 6*s, 2) // and then the service is killed
				return
			}
			p.frames("b", 6*s, 0)
		})
		w := f.watch()
		time.Sleep(21 * s)
		got := w.told()
		if len(got) != 6 {
			t.Fatalf("told %q", got)
		}
		w.want("0s up", "6s frame a", "12s frame a", "12s down: relay dropped the connection without a word…", got[4], got[5])
		if !strings.HasSuffix(got[4], " up") || !strings.HasSuffix(got[5], "frame b") {
			t.Errorf("told %q", got[4:])
		}
		if c := w.sub.Stats(); c.Breaks != 1 || c.Reconnects != 1 || c.Connects != 2 {
			t.Errorf("stats %+v", c)
		}
		if w.logged("not connected, trying again") != 1 || w.logged("connected again") != 1 {
			t.Error("break and return are not logged once each")
		}
	})
}

func TestSubscriberClosedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) {
			msg := websocket.FormatCloseMessage(websocket.CloseGoingAway, "until\ntomorrow")
			if err := p.ws.WriteControl(websocket.CloseMessage, msg, time.Now().Add(s)); err != nil {
				t.Error(err)
			}
		})
		w := f.watch()
		time.Sleep(100 * time.Millisecond)
		w.want("0s up", "0s down: relay closed the connection: 1001 until tomorrow")
	})
}

// gaps between moments, in seconds.
func gaps(at []time.Time) (g []float64) {
	for i := 1; i < len(at); i++ {
		g = append(g, at[i].Sub(at[i-1]).Seconds())
	}
	return g
}

func TestSubscriberBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) { p.frames("a", 6*s, 0) })
		f.net.Refuse(fakeAddr)
		w := f.watch()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		g := gaps(f.net.Dials(fakeAddr))
		if len(g) < 30 || slices.Min(g) < 0.5 || slices.Max(g) > 10 || slices.Min(g[5:]) < 5 {
			t.Errorf("waits of %v s", g)
		}
		f.net.Heal(fakeAddr)
		time.Sleep(30 * s)
		if w.count(" up") != 1 || w.count("frame") < 3 || w.count("down: ") != len(g)+1 {
			t.Errorf("told %q", w.told())
		}
		if n := w.logged("not connected, trying again"); n != 1 {
			t.Errorf("the same trouble is logged %d times in five minutes", n)
		}
		if c := w.sub.Stats(); c.Failed != uint64(len(g)+1) || c.Breaks != 0 || c.Reconnects != 0 {
			t.Errorf("stats %+v", c)
		}
	})
}

// A service that lets us in and throws us out must not be hammered.
func TestSubscriberBacksOffUntilAFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(n int, p *peer) {
			if n == 20 {
				p.send(`[]`)
			}
		})
		f.watch()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		var at []time.Time
		for _, d := range f.opened {
			at = append(at, f.began.Add(d))
		}
		g := gaps(at)
		if len(g) < 25 || slices.Min(g[4:20]) < 5 || g[20] > 1.1 || slices.Max(g) > 10 {
			t.Errorf("waits of %v s", g)
		}
	})
}

// Of two connections that waited to be heard, the later may come first.
func TestLoopNeverGoesBackInTime(t *testing.T) {
	t.Parallel()
	log, _ := logtest.NewNullLogger()
	var at []time.Time
	l := newLoop(NewSubscriber(Config{Source: health.Jump, Log: log}), func(in health.Input) {
		switch in := in.(type) {
		case health.Frame:
			at = append(at, in.At)
		case health.Link:
			at = append(at, in.At)
		}
	})
	l.cur = &conn{done: make(chan struct{}, 1)}
	now := time.Now()
	l.on(event{conn: l.cur, kind: opened, at: now})
	l.on(event{conn: l.cur, kind: received, at: now.Add(-s), msg: []byte(`[]`)})
	if len(at) != 2 || at[1].Before(at[0]) {
		t.Errorf("%v", at)
	}
}
