package stats

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLead(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	for _, c := range []struct{ life, cadence, want time.Duration }{
		{24 * time.Hour, 6 * s, 5 * m},
		{24 * time.Hour, 0, 5 * m},
		{24 * time.Hour, 5 * m, 10*m + 10*s},
		{20 * m, 6 * s, 2 * m},
		{2 * m, 6 * s, 22 * s},
		{2 * m, 61 * s, m},
		{30 * s, 6 * s, 15 * s},
		{0, 0, 0},
	} {
		if got := lead(c.life, c.cadence); got != c.want {
			t.Errorf("lead(%v, %v) = %v, want %v", c.life, c.cadence, got, c.want)
		}
	}
}

// Frames go on without a gap, and nothing is told but that it was planned.
func TestRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(n int, p *peer) {
			stop := time.AfterFunc(10*time.Minute, func() { _ = p.ws.NetConn().Close() }) // the token expires
			defer stop.Stop()
			p.frames(fmt.Sprint(n), 6*s, 0)
		})
		w := f.watch(life(10 * time.Minute))
		time.Sleep(time.Hour + s)
		if n := w.count("planned"); n != 6 || w.count("down") != 0 || w.count("up") != 7 {
			t.Errorf("%d planned, told %q", n, w.told())
		}
		last := 0.0
		for _, line := range w.told() {
			at, text, _ := strings.Cut(line, " ")
			if !strings.HasPrefix(text, "frame") {
				continue
			}
			d, err := time.ParseDuration(at)
			if err != nil {
				t.Fatal(err)
			}
			if d.Seconds()-last > 6.1 {
				t.Errorf("no frame from %v s to %v", last, d)
			}
			last = d.Seconds()
		}
		at, most := f.openings()
		if fmt.Sprint(at) != "[0 540 1080 1620 2160 2700 3240]" || most != 2 {
			t.Errorf("opened at %v, %d at once", at, most)
		}
		if c := w.sub.Stats(); c.Renewals != 6 || c.Breaks != 0 {
			t.Errorf("stats %+v", c)
		}
		if f.open != 1 {
			t.Errorf("%d connections", f.open)
		}
	})
}

// The old connection is cut when the new one is open and hasn't spoken yet.
func TestRenewalCutByExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(n int, p *peer) {
			if n == 0 {
				p.frames("a", 50*s, 2)
				p.sleep(20 * s) // expires at 120 s
				return
			}
			p.sleep(70 * s)
			p.frames("b", 20*s, 0)
		})
		w := f.watch(life(2*time.Minute), func(c *Config) { c.Cadence = 60 * s })
		time.Sleep(151 * s)
		w.want("0s up", "50s frame a", "1m40s frame a", "2m0s up, planned", "2m30s frame b")
	})
}

// Breaking long before its expiry is no plan, whatever is being renewed.
func TestRenewalBrokenBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(n int, p *peer) {
			if n == 0 {
				p.frames("a", 50*s, 1)
				p.sleep(30 * s) // killed at 80 s, renewed since 60 s, expires at 120 s
				return
			}
			p.sleep(30 * s)
			p.frames("b", 20*s, 0)
		})
		w := f.watch(life(2*time.Minute), func(c *Config) { c.Cadence = 60 * s })
		time.Sleep(111 * s)
		w.want("0s up", "50s frame a", "1m20s down: relay dropped the connection…", "1m20s up", "1m50s frame b")
	})
}

// A renewal that fails is tried again while the old connection lives, and goes
// unmentioned when it succeeds in time.
func TestRenewalRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(int, *peer) {})
		f.feed = func(_ int, p *peer) { p.frames("a", 6*s, 0) }
		f.access = func(n int, w http.ResponseWriter) bool {
			if n == 0 || time.Since(f.began) > 560*s {
				return true
			}
			http.Error(w, "not now", http.StatusInternalServerError)
			return false
		}
		w := f.watch(life(10 * time.Minute))
		time.Sleep(10 * time.Minute)
		if w.count("down") != 0 || w.count("up, planned") != 1 {
			t.Errorf("told %q", w.told())
		}
		c := w.sub.Stats()
		if c.Failed < 3 || c.Failed > 12 || c.Renewals != 1 {
			t.Errorf("stats %+v", c)
		}
		if n := w.logged("token can't be renewed"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

func TestRenewalTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(int, *peer) {})
		f.feed = func(_ int, p *peer) {
			stop := time.AfterFunc(2*time.Minute, func() { _ = p.ws.NetConn().Close() })
			defer stop.Stop()
			p.frames("a", 6*s, 0)
		}
		f.access = func(n int, w http.ResponseWriter) bool {
			if n > 0 {
				http.Error(w, "never again", http.StatusInternalServerError)
			}
			return n == 0
		}
		w := f.watch(life(2 * time.Minute))
		time.Sleep(3 * time.Minute)
		if w.count("down: relay dropped the connection because its token expired before it could be renewed") != 1 {
			t.Errorf("told %q", w.told())
		}
	})
}

// A renewed connection that is refused in silence is replaced, while the old one
// goes on.
func TestRenewalRefusedInSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(n int, p *peer) {
			if n == 1 {
				p.stay()
				return
			}
			p.frames(fmt.Sprint(n), 6*s, 0)
		})
		w := f.watch(life(20 * time.Minute))
		time.Sleep(20 * time.Minute)
		at, most := f.openings()
		if fmt.Sprint(at) != "[0 1080 1110]" || most != 2 {
			t.Errorf("opened at %v, %d at once", at, most)
		}
		if w.count("down") != 0 || w.count("up, planned") != 1 || w.count("frame 2") == 0 {
			t.Errorf("told %q", w.told())
		}
	})
}
