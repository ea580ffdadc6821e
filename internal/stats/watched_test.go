package stats

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

const proxyAddr = "proxy.lab:3128"

// proxy passes calls and connections on within a fake's network, and notes what
// it was asked for.
type proxy struct {
	f *fake

	mu    sync.Mutex
	asked []string
}

func (f *fake) proxy() *proxy {
	p := &proxy{f: f}
	ln, err := f.net.Listen(proxyAddr)
	if err != nil {
		f.t.Fatal(err)
	}
	srv := &http.Server{Handler: p}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(ln) }) // ends with the test
	f.t.Cleanup(func() {
		_ = srv.Close()
		serving.Wait()
	})
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.RequestURI)
	p.mu.Unlock()
	if r.Method != http.MethodConnect {
		(&httputil.ReverseProxy{
			Rewrite:   func(*httputil.ProxyRequest) {},
			Transport: &http.Transport{DialContext: p.f.net.DialContext, DisableKeepAlives: true},
		}).ServeHTTP(w, r)
		return
	}
	if r.Host != fakeAddr {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	there, err := p.f.net.DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		p.f.t.Error(err)
		return
	}
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		p.f.t.Error(err)
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connected\r\n\r\n")
	var both sync.WaitGroup
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}
	both.Go(func() { pass(there, here) })
	pass(here, there)
	both.Wait()
}

// Which way the access call and the websocket take. Whoever answers here speaks
// plain HTTP: what a TLS dialer gives is encrypted already.
func TestTheWayOfAFeed(t *testing.T) {
	t.Parallel()
	through := func(*http.Request) (*url.URL, error) { return url.Parse("http://" + proxyAddr) }
	past := func(*http.Request) (*url.URL, error) { return nil, nil }
	for _, c := range []struct {
		about   string
		secure  bool
		proxy   func(*http.Request) (*url.URL, error)
		dialled []string
		asked   []string
		want    string // of the error; empty: none
	}{
		{"straight to the service", false, nil, []string{"plain feed.lab:80", "plain feed.lab:80"}, nil, ""},
		{"encrypted by the dialer that is for it", true, nil, []string{"encrypted feed.lab:443", "encrypted feed.lab:443"}, nil, ""},
		{"past the proxy where it names none", true, past, []string{"encrypted feed.lab:443", "encrypted feed.lab:443"}, nil, ""},
		{"to the proxy, whoever dials", false, through, []string{"plain " + proxyAddr, "plain " + proxyAddr},
			[]string{"POST http://feed.lab:80/ask", "CONNECT feed.lab:80"}, ""},
		{"to the proxy in clear, which is asked for a way on", true, through, []string{"plain " + proxyAddr},
			[]string{"CONNECT feed.lab:443"}, "Forbidden"},
	} {
		t.Run(c.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(_ int, p *peer) { p.stay() })
				p := f.proxy()
				feed, at := "ws://feed.lab:80/feed?code=very-secret", "http://feed.lab:80"
				if c.secure {
					feed, at = "wss://feed.lab/feed?code=very-secret", "https://feed.lab"
				}
				f.access = func(_ int, w http.ResponseWriter) bool {
					fmt.Fprintf(w, `{"uri":%q}`, feed)
					return false
				}
				var dialled []string
				dial := func(how string) func(context.Context, string, string) (net.Conn, error) {
					return func(ctx context.Context, network, addr string) (net.Conn, error) {
						dialled = append(dialled, how+" "+addr)
						return f.net.DialContext(ctx, network, strings.Replace(addr, ":443", ":80", 1))
					}
				}
				quiet, _ := logtest.NewNullLogger()
				sub := New(Options{
					Audience: at, Secret: "s", Dial: dial("plain"), DialTLS: dial("encrypted"), Proxy: c.proxy, Log: quiet,
				}, ServiceConfig{Name: health.Relay, URL: at + "/ask"})
				err := sub.Check(t.Context())
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("%v, want %q", err, c.want)
				}
				if !slices.Equal(dialled, c.dialled) || !slices.Equal(p.asked, c.asked) {
					t.Errorf("dialled %q, and the proxy was asked %q", dialled, p.asked)
				}
			})
		})
	}
}

// The websocket of an encrypted feed goes through a proxy in clear, too, where the
// access call needs none.
func TestTheProxyOfAWebsocketAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) { p.stay() })
		p := f.proxy()
		quiet, _ := logtest.NewNullLogger()
		sub := NewSubscriber(Config{
			Source: health.Relay, Log: quiet, Dial: f.net.DialContext,
			Access: func(context.Context) (string, time.Time, error) {
				return "wss://feed.lab/feed?code=very-secret", time.Time{}, nil
			},
			DialTLS: func(_ context.Context, _, addr string) (net.Conn, error) {
				return nil, fmt.Errorf("%s was dialled as if it were the service", addr)
			},
			Proxy: func(r *http.Request) (*url.URL, error) {
				if r.URL.Scheme != "https" {
					t.Errorf("a proxy is wanted for %s", r.URL.Scheme)
				}
				return url.Parse("http://" + proxyAddr)
			},
		})
		err := sub.Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), "Forbidden") || !slices.Equal(p.asked, []string{"CONNECT feed.lab:443"}) {
			t.Errorf("%v; the proxy was asked %q", err, p.asked)
		}
	})
}

func TestNoProxyIsUsedUnasked(t *testing.T) {
	t.Parallel()
	if transport(Options{}).Proxy != nil {
		t.Error("access calls take a proxy that they were not given")
	}
}

// Whoever times the opening of websockets hears how each attempt ended, and
// nothing of access calls, which are watched apart.
func TestOpeningAWebsocketIsTraced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about  string
		refuse func(w http.ResponseWriter) bool // the access call; nil: it is granted
		feed   string
		want   string
	}{
		{"one that opens", nil, fakeAddr + "/feed", "connected, 101 <nil>"},
		{"one that is refused", nil, fakeAddr + "/ask", "connected, 404 websocket: bad handshake"},
		{"one that nobody listens for", nil, "nowhere.lab:80/feed", "no answer, dial tcp nowhere.lab:80: lookup nowhere.lab: no such host"},
		{"none, where access is refused", func(w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}, fakeAddr + "/feed", ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(_ int, p *peer) { p.stay() })
				f.access = func(n int, w http.ResponseWriter) bool {
					if c.refuse != nil {
						return c.refuse(w)
					}
					if n > 0 { // it is no feed
						w.WriteHeader(http.StatusNotFound)
						return false
					}
					fmt.Fprintf(w, `{"uri":"ws://%s?code=very-secret"}`, c.feed)
					return false
				}
				heard, wrapped := "", 0
				quiet, _ := logtest.NewNullLogger()
				sub := New(Options{
					Audience: "http://" + fakeAddr, Secret: "s", Dial: f.net.DialContext, Log: quiet,
					Wrap: func(rt http.RoundTripper) http.RoundTripper {
						return roundTripper(func(r *http.Request) (*http.Response, error) {
							wrapped++
							return rt.RoundTrip(r)
						})
					},
					Trace: func(ctx context.Context) (context.Context, func(*http.Response, error)) {
						connected := ""
						ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
							GotConn: func(httptrace.GotConnInfo) { connected = "connected, " },
						})
						return ctx, func(resp *http.Response, err error) {
							if resp == nil {
								heard += fmt.Sprint(connected, "no answer, ", err)
								return
							}
							heard += fmt.Sprint(connected, resp.StatusCode, " ", err)
						}
					},
				}, ServiceConfig{Name: health.Relay, URL: "http://" + fakeAddr + "/ask"})
				if err := sub.Check(t.Context()); (err == nil) != strings.HasSuffix(c.want, "<nil>") {
					t.Error(err)
				}
				if heard != c.want || wrapped != 1 {
					t.Errorf("heard %q, want %q; %d access calls were watched", heard, c.want, wrapped)
				}
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return rt(r) }

// Decoding is timed for each message, whatever is in it, and what becomes of the
// frames is no part of it: a bubble's clock stands still while one decodes.
func TestDecodingIsTimedAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) {
			p.send(`[{"topic":"a"}][{"topic":"b"}]`)
			p.send(`null`)
			p.send(`<html>`)
			p.send(`[]`)
			p.stay()
		})
		f.block = func(in health.Input) {
			if _, is := in.(health.Frame); is {
				time.Sleep(5 * s)
			}
		}
		var took []time.Duration
		w := f.watch(func(c *Config) { c.Decoded = func(d time.Duration) { took = append(took, d) } })
		time.Sleep(20 * s)
		if n := w.count("frame"); n != 3 {
			t.Errorf("told %q", w.told())
		}
		if !slices.Equal(took, []time.Duration{0, 0, 0, 0}) {
			t.Errorf("decoding four messages took %v", took)
		}
	})
}
