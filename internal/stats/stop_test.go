package stats

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

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
		defer ln.Close()
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		ln, err := f.net.Listen("http.lab:80")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.NotFoundHandler()}
		go srv.Serve(ln)
		defer srv.Close()
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
	t.Parallel()
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

// A peer that hears nothing of our farewell and talks on is left.
func TestSubscriberStopsThoughThePeerTalksOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) {
			for range 600 {
				err := p.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(s))
				if err != nil || !p.send(`[]`) {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		w := f.watch()
		time.Sleep(3 * s)
		before := time.Now()
		w.stop()
		if d := time.Since(before); d > 1100*time.Millisecond {
			t.Errorf("stopping took %v", d)
		}
	})
}
