package stats

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"labstatus/internal/health"
)

func TestSubscriberRefusedInSilence(t *testing.T) {
	t.Parallel()
	for _, answers := range []bool{true, false} { // pings
		t.Run(fmt.Sprint(answers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(n int, p *peer) {
					switch {
					case n > 0:
						p.frames("a", 6*s, 0)
					case answers:
						p.stay()
					default:
						time.Sleep(time.Minute)
					}
				})
				w := f.watch()
				time.Sleep(60*s + time.Millisecond)
				// The second is opened after 30 s, and takes over with its first frame, or
				// when the first turns out to be deaf.
				if answers {
					w.want("0s up", "36s up", "36s frame a", "42s frame a", "48s frame a", "54s frame a", "1m0s frame a")
				} else {
					w.want("0s up", "36s frame a", "42s frame a", "48s frame a", "54s frame a", "1m0s frame a")
				}
				if at, most := f.openings(); fmt.Sprint(at) != "[0 30]" || most != 2 {
					t.Errorf("opened at %v, %d at once", at, most)
				}
				if w.logged("second connection") != 1 {
					t.Error("the second connection is not logged")
				}
				if len(w.doubts) != 1 || !strings.Contains(w.doubts[0], "STATUS_SECRET_RELAY") {
					t.Errorf("a silence is explained by %q", w.doubts)
				}
			})
		})
	}
}

// A lab at one frame a minute, known from before the restart or not.
func TestSubscriberSlowFeed(t *testing.T) {
	for _, known := range []time.Duration{0, 61 * s} {
		t.Run(known.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := time.Now()
				f := newFake(t, func(_ int, p *peer) {
					p.listen()
					for { // all readers get the same frames
						select {
						case <-p.gone:
							return
						case <-time.After(61*s - time.Since(first)%(61*s)):
							p.send(`[{"topic":"a"}]`)
						}
					}
				})
				w := f.watch(func(c *Config) { c.Cadence = known })
				time.Sleep(20 * time.Minute)
				at, most := f.openings()
				if known == 0 && (fmt.Sprint(at) != "[0 30]" || most != 2) || known != 0 && len(at) != 1 {
					t.Errorf("opened at %v, %d at once", at, most)
				}
				if w.count("down") != 0 || w.count("frame") != 19 {
					t.Errorf("told %q", w.told())
				}
			})
		})
	}
}

func TestSubscriberPatienceDoubles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(n int, p *peer) {
			if n == 6 {
				p.sleep(10 * s)
				p.frames("a", s, 0)
				return
			}
			p.stay()
		})
		w := f.watch()
		time.Sleep(12 * time.Minute)
		at, most := f.openings()
		if fmt.Sprint(at) != "[0 30 90 210 330 450 570]" || most != 2 {
			t.Errorf("opened at %v, %d at once", at, most)
		}
		if w.count("down") != 0 || w.count("up") != 2 || w.count("frame") < 120 {
			t.Errorf("told %q", w.told())
		}
	})
}

// The old connection was only slow: it stays, and the second is closed.
func TestSubscriberFirstToSpeakStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(n int, p *peer) {
			if n == 0 {
				p.sleep(32 * s)
				p.frames("a", s, 0)
				return
			}
			p.stay()
		})
		w := f.watch()
		time.Sleep(35*s + time.Millisecond)
		w.want("0s up", "33s frame a", "34s frame a", "35s frame a")
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.open != 1 {
			t.Errorf("%d connections", f.open)
		}
	})
}

// One that had spoken breaks while a second, silent one is open: a break.
func TestSubscriberBreakBesideASilentOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(n int, p *peer) {
			if n == 0 {
				p.frames("a", 5*s, 4)
				p.sleep(32 * s)
				return
			}
			p.sleep(5 * s)
			p.frames("b", s, 0)
		})
		w := f.watch()
		time.Sleep(56*s + time.Millisecond)
		w.want("0s up", "5s frame a", "10s frame a", "15s frame a", "20s frame a",
			"52s down: relay dropped…", "52s up", "56s frame b")
		if at, _ := f.openings(); fmt.Sprint(at) != "[0 50]" {
			t.Errorf("opened at %v", at)
		}
	})
}

func TestSubscriberHalfOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) { p.frames("a", 6*s, 0) })
		w := f.watch(func(c *Config) { c.Cadence = time.Minute }) // so that silence isn't what is found
		time.Sleep(13 * s)
		f.net.Partition(fakeAddr)
		time.Sleep(36 * s)
		if w.count("down: relay is not heard any more") != 1 {
			t.Errorf("told %q", w.told())
		}
		f.net.Heal(fakeAddr)
		time.Sleep(30 * s)
		if w.count(" up") != 2 {
			t.Errorf("told %q", w.told())
		}
	})
}

// Nobody is taken for dead because we didn't listen.
func TestSubscriberSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) { p.frames("a", 6*s, 0) })
		f.block = func(in health.Input) {
			if f, ok := in.(health.Frame); ok && time.Since(f.At) < s {
				time.Sleep(100 * s)
			}
		}
		w := f.watch()
		time.Sleep(20 * time.Minute)
		if at, _ := f.openings(); len(at) != 1 || w.count("down") != 0 {
			t.Errorf("opened at %v, told %q", at, w.told())
		}
	})
}

// Both sides ping: the service every 54 s, and it hangs up without an answer.
func TestSubscriberPings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var pongs, pings atomic.Int32
		f := newFake(t, func(_ int, p *peer) {
			p.ws.SetPongHandler(func(data string) error {
				if data == "are you there" {
					pongs.Add(1)
				}
				return nil
			})
			answer := p.ws.PingHandler()
			p.ws.SetPingHandler(func(data string) error { pings.Add(1); return answer(data) })
			p.listen()
			for range 3 {
				time.Sleep(54 * s)
				if err := p.ws.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(s)); err != nil {
					t.Error(err)
				}
			}
			<-p.gone
		})
		w := f.watch(func(c *Config) { c.Cadence = 4 * time.Minute })
		time.Sleep(4*time.Minute + s)
		if pongs.Load() != 3 || pings.Load() != 16 {
			t.Errorf("%d pongs, %d pings", pongs.Load(), pings.Load())
		}
		w.want("0s up")
	})
}

// clogged is a connection that takes no more, from some moment on.
type clogged struct {
	net.Conn
	from time.Time
}

func (c clogged) Write(b []byte) (int, error) {
	if time.Now().Before(c.from) {
		return c.Conn.Write(b)
	}
	return 0, os.ErrDeadlineExceeded
}

func TestSubscriberCannotPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) { p.frames("a", 6*s, 0) })
		w := f.watch(func(c *Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial(ctx, network, addr)
				return clogged{conn, f.began.Add(20 * s)}, err
			}
		})
		time.Sleep(31 * s)
		if w.count("30s down: relay is not heard any more") != 1 {
			t.Errorf("told %q", w.told())
		}
	})
}
