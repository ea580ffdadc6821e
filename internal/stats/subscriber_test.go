package stats

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

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

func TestSubscriberRefusedInSilence(t *testing.T) {
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

func TestSubscriberMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		big := bigFrame(24_000)
		if len(big) < 8_000_000 {
			t.Fatalf("%d bytes", len(big))
		}
		f := newFake(t, func(_ int, p *peer) {
			p.listen()
			p.send(`[{"topic":"a"}][{"topic":"b"},{"topic":"c"}]null{"cmd":"update"}`)
			wr, err := p.ws.NextWriter(websocket.TextMessage) // in pieces of 64 KiB
			if err != nil {
				t.Error(err)
				return
			}
			for piece := range slices.Chunk(big, 100_000) {
				if _, err := wr.Write(piece); err != nil {
					t.Error(err)
				}
			}
			if err := wr.Close(); err != nil {
				t.Error(err)
			}
			p.send(`[]`)
			<-p.gone
		})
		n := 0
		f.block = func(in health.Input) {
			if f, ok := in.(health.Frame); ok && len(f.Conns) > 1000 {
				n = len(f.Conns)
			}
		}
		w := f.watch()
		time.Sleep(s)
		got := w.told()
		if len(got) != 5 || got[1] != "0s frame a" || got[2] != "0s frame b c" || got[4] != "0s frame " || n != 24_000 {
			t.Errorf("%d inputs, %d records in the big one", len(got), n)
		}
		if c := w.sub.Stats(); c.Messages != 3 || c.Frames != 4 || c.Null != 1 || c.Objects != 1 {
			t.Errorf("stats %+v", c)
		}
	})
}

func TestSubscriberMessageTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) {
			p.listen()
			piece := []byte(strings.Repeat(" ", 1<<20))
			wr, err := p.ws.NextWriter(websocket.TextMessage)
			for err == nil {
				_, err = wr.Write(piece)
			}
			<-p.gone
		})
		w := f.watch()
		time.Sleep(100 * time.Millisecond)
		w.want("0s up", "0s down: relay sent a message of more than 64 MiB")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapAlloc > 1<<30 {
			t.Errorf("%d MiB in use", m.HeapAlloc>>20)
		}
	})
}

func TestSubscriberRubbish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) {
			p.listen()
			for range 25 * 60 {
				p.send("<html>")
				p.send(`[{"topic":"a"}]`)
				time.Sleep(s)
			}
			p.frames("a", s, 0)
		})
		w := f.watch()
		time.Sleep(25*time.Minute + 30*s)
		if n := w.logged("rubbish"); n != 3 {
			t.Errorf("25 minutes of rubbish are logged %d times", n)
		}
		time.Sleep(2 * time.Minute)
		if n := w.logged("makes sense again"); n != 1 {
			t.Errorf("the end of a burst is logged %d times", n)
		}
		if c := w.sub.Stats(); c.Rubbish != 1500 || c.Frames < 1500 || w.count("down") != 0 {
			t.Errorf("stats %+v", c)
		}
	})
}

func TestSubscriberStopsAtOnce(t *testing.T) {
	for name, prepare := range map[string]func(*fake){
		"while dialling": func(f *fake) { f.net.Blackhole(fakeAddr) },
		"while asking for access": func(f *fake) {
			f.access = func(int, http.ResponseWriter) bool { time.Sleep(time.Minute); return true }
		},
		"while backing off":  func(f *fake) { f.net.Refuse(fakeAddr) },
		"while it is silent": func(*fake) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(_ int, p *peer) { p.stay() })
				prepare(f)
				w := f.watch()
				time.Sleep(3 * s)
				before := time.Now()
				w.stop()
				if d := time.Since(before); d > s {
					t.Errorf("stopping took %v", d)
				}
			})
		})
	}
}

// A peer that takes the handshake and never answers must not hold up a stop.
func TestSubscriberStopsWithinAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		ln, err := f.net.Listen("deaf.lab:80")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() //nolint:errcheck // a test
		w := f.watch(func(c *Config) {
			c.Access = func(context.Context) (string, time.Time, error) {
				return "ws://deaf.lab:80/feed?code=very-secret", time.Time{}, nil
			}
		})
		time.Sleep(3 * s)
		before := time.Now()
		w.stop()
		if d := time.Since(before); d > s {
			t.Errorf("stopping took %v", d)
		}
		w.want()

		w = f.watch(func(c *Config) { c.Access = w.sub.cfg.Access })
		time.Sleep(15 * s)
		if w.count("down: open relay's feed at ws://deaf.lab:80/feed: ") != 1 || w.count("very-secret") != 0 {
			t.Errorf("told %q", w.told())
		}
	})
}

func TestSubscriberHandshakeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		ln, err := f.net.Listen("http.lab:80")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.NotFoundHandler()}
		go srv.Serve(ln)  //nolint:errcheck // a test
		defer srv.Close() //nolint:errcheck // a test
		w := f.watch(func(c *Config) {
			c.Access = func(context.Context) (string, time.Time, error) {
				return "ws://http.lab:80/feed?code=very-secret", time.Time{}, nil
			}
		})
		time.Sleep(300 * time.Millisecond)
		w.want("0s down: open relay's feed at ws://http.lab:80/feed: answered 404 Not Found 404 page not found in place of a websocket; is the address that relay hands out right, and passed on by its proxy?")
		if err := w.sub.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("Check: %v", err)
		}
	})
}

func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bye := 0
		f := newFake(t, func(_ int, p *peer) { p.stay(); bye = p.goodby })
		w := f.watch()
		w.stop()
		if err := w.sub.Check(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if bye != websocket.CloseNormalClosure {
			t.Errorf("close code %d", bye)
		}
		f.net.Refuse(fakeAddr)
		if err := w.sub.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("Check: %v", err)
		}
	})
}

// Both sides ping: the service every 54 s, and it hangs up without an answer.
func TestSubscriberPings(t *testing.T) {
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
