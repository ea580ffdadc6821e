package stats

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

// A peer that begins a message and goes on with a byte now and then is given up:
// as dead where nothing is heard for too long, else for one that speaks.
func TestSubscriberDrip(t *testing.T) {
	t.Parallel()
	for every, within := range map[time.Duration]time.Duration{time.Minute: 45 * s, 30 * s: 40 * s, s: 40 * s} {
		t.Run(every.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(n int, p *peer) {
					if n > 0 {
						p.frames("a", 6*s, 0)
						return
					}
					p.listen()
					wire := p.ws.NetConn()
					_, err := wire.Write([]byte{0x81, 0x7e, 0x03, 0xe8, '['}) // a text of 1000 bytes begins
					for err == nil {
						select {
						case <-p.gone:
							return
						case <-time.After(every):
						}
						_, err = wire.Write([]byte{' '})
					}
				})
				w := f.watch()
				time.Sleep(within)
				if w.count("frame a") == 0 {
					t.Errorf("told %q", w.told())
				}
				time.Sleep(time.Hour)
				if n := w.count("frame a"); n < 590 || w.count("down") > 1 {
					t.Errorf("%d frames, told %q", n, w.told()[:5])
				}
				if at, most := f.openings(); len(at) != 2 || most > 2 {
					t.Errorf("opened at %v, %d at once", at, most)
				}
			})
		})
	}
}

// heapAlloc gives the bytes that are in use.
func heapAlloc() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A message far beyond the limit, in one piece or in many, costs no more memory
// than the limit asks for, and leaves none behind: of one piece its length is said
// first, so nothing of it is read. The limit is a quarter of the usual one, as memory
// is what this test costs, too; the message is so large that a reader without a limit
// would be seen.
func TestSubscriberHugeMessage(t *testing.T) {
	const limit, pieces = 16, 80 // MiB
	for name, apart := range map[string]bool{"in one piece": false, "in pieces": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var before, most uint64
				looks := 0
				f := newFake(t, func(n int, p *peer) {
					if n > 0 {
						p.frames("a", 6*s, 0)
						return
					}
					p.listen()
					piece := []byte(strings.Repeat(" ", 1<<20))
					before = heapAlloc()
					wr, err := p.message(pieces<<20, apart)
					for i := 0; i < pieces && err == nil; i++ {
						if _, err = wr.Write(piece); i%4 == 3 || err != nil {
							most = max(most, heapAlloc())
							looks++
						}
					}
				})
				w := f.watch(func(c *Config) { c.limit = limit << 20 })
				time.Sleep(30 * s)
				if w.count("down: relay sent a message of more than 16 MiB") != 1 || w.count("frame a") < 3 {
					t.Errorf("told %q", w.told())
				}
				if c := w.sub.Stats(); c.Breaks != 1 || c.Reconnects != 1 {
					t.Errorf("stats %+v", c)
				}
				allowed := uint64(3*limit) << 20
				if !apart {
					allowed = 4 << 20 // what is under way
				}
				t.Logf("at most %d MiB in %d looks, %d MiB before, %d MiB after", most>>20, looks, before>>20, heapAlloc()>>20)
				if most > before+allowed || looks == 0 {
					t.Errorf("%d MiB of memory in %d looks, %d MiB before", most>>20, looks, before>>20)
				}
				if after := heapAlloc(); after > before+2<<20 {
					t.Errorf("%d MiB of memory after, %d MiB before", after>>20, before>>20)
				}
			})
		})
	}
}

// A frame of as many records as are taken, each of another experiment, is decoded
// in bounded memory, and what it took is given back when the next ones are small.
// One record more and it is no frame. STATS_TEST_RECORDS=200000 is what the product takes.
func TestLargestFrame(t *testing.T) {
	records := sizeOf(t, "STATS_TEST_RECORDS", "70000") // more than the room that is never given back
	msg := []byte("[")
	for i := range records {
		msg = append(msg, `{"topic":"pend`...)
		msg = strconv.AppendInt(msg, int64(i), 10)
		msg = append(msg, `-st-a","scopes":["expt"]},`...)
	}
	msg[len(msg)-1] = ']'
	d := Decoder{limit: records}
	before, most, n := heapAlloc(), uint64(0), 0
	skipped := d.Decode(msg, func(conns []health.Conn) { n, most = len(conns), heapAlloc() })
	if n != records || skipped.Rubbish != 0 {
		t.Errorf("%d records, %+v", n, skipped)
	}
	msg = append(msg[:len(msg)-1], `,{"topic":"one-more"}]`...)
	skipped = d.Decode(msg, func([]health.Conn) { t.Error("a frame that is too large is taken") })
	if skipped.Rubbish != 1 || !strings.Contains(fmt.Sprint(skipped.Err), "too many records") {
		t.Errorf("%+v", skipped)
	}
	d.Decode([]byte(`[{"topic":"a"}]`), func([]health.Conn) {})
	after := heapAlloc()
	t.Logf("%d MB of message: %d MB of memory, %d MB after", len(msg)>>20, (most-before)>>20, (max(after, before)-before)>>20)
	if most > before+uint64(600*records) || after > before+20<<20 {
		t.Errorf("%d MB before, %d MB with it, %d MB after", before>>20, most>>20, after>>20)
	}
	runtime.KeepAlive(&d) // so that what it gives back is its own doing
	runtime.KeepAlive(msg)
}

// What a clock that is set does to the time of day must not reach the engine:
// every moment it is given can be told from another by the clock that only goes
// forward. A bubble's time has none, so this is on loopback.
func TestInputsOutliveAClockThatIsSet(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			fmt.Fprintf(w, `{"uri":"ws://%s/feed?code=very-secret"}`, r.Host)
			return
		}
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if err := ws.WriteMessage(websocket.TextMessage, []byte(`[{"topic":"a"}]`)); err != nil {
			t.Error(err)
		}
		_ = ws.Close()
	}))
	defer server.Close()
	quiet, _ := logtest.NewNullLogger()
	sub := New(Options{Audience: server.URL, Secret: "s", Life: time.Hour, Log: quiet},
		ServiceConfig{Name: health.Relay, URL: server.URL + "/session/stats"})
	ctx, cancel := context.WithTimeout(t.Context(), 10*s)
	defer cancel()
	var kinds []string
	err := sub.Run(ctx, func(in health.Input) {
		var at time.Time
		switch in := in.(type) {
		case health.Frame:
			at, kinds = in.At, append(kinds, "frame")
		case health.Link:
			at, kinds = in.At, append(kinds, fmt.Sprint("up=", in.Up))
		}
		if !strings.Contains(at.String(), " m=") {
			t.Errorf("%T at %s has no monotonic reading", in, at)
		}
		if len(kinds) == 3 {
			cancel()
		}
	})
	if err != nil || strings.Join(kinds, " ") != "up=true frame up=false" {
		t.Errorf("%v, told %q", err, kinds)
	}
}

// Reconnections leave nothing behind. STATS_TEST_RECONNECTIONS says how many there
// are: 1200 tell what each would leave from what the process itself gains and loses,
// ten thousand or more tell it more exactly.
func TestSubscriberLeaksNothing(t *testing.T) {
	rounds, err := strconv.ParseUint(cmp.Or(os.Getenv("STATS_TEST_RECONNECTIONS"), "1200"), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	const begun = 200 // before we begin to measure
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(n int, p *peer) {
			switch n % 4 {
			case 0: // goes at once
			case 1:
				p.send(`[{"topic":"a"}]`)
			case 2:
				p.frames("a", 100*time.Millisecond, 2)
			case 3: // breaks off in the middle of a message
				_, _ = p.ws.NetConn().Write([]byte{0x81, 0x7e, 0x03, 0xe8, '['})
			}
		})
		w := f.watch(func(c *Config) { // whether asking leaks would be the test's own affair
			c.Access = func(context.Context) (string, time.Time, error) {
				return "ws://" + fakeAddr + "/feed?code=very-secret", time.Time{}, nil
			}
		})
		figures := func() (goroutines int, heap uint64) {
			synctest.Wait()
			w.mu.Lock()
			w.story = nil
			w.mu.Unlock()
			w.logs.Reset()
			return runtime.NumGoroutine(), heapAlloc()
		}
		for w.sub.Stats().Connects < begun {
			time.Sleep(10 * s)
		}
		goroutines, heap := figures()
		began := time.Now()
		for w.sub.Stats().Connects < begun+rounds {
			time.Sleep(time.Minute)
			w.logs.Reset()
		}
		g, h := figures()
		t.Logf("%d connections in %s: goroutines %d, then %d; heap %d kB, then %d kB",
			w.sub.Stats().Connects-begun, time.Since(began), goroutines, g, heap>>10, h>>10)
		if g > goroutines+5 || h > heap+400*rounds {
			t.Errorf("goroutines %d, then %d; heap %d kB, then %d kB", goroutines, g, heap>>10, h>>10)
		}
	})
}
