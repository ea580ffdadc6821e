package book

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ways are the roads out of a client: what was dialled on each, and what then
// answers.
type ways struct {
	pipes *pipes

	mu     sync.Mutex
	dialed []string
}

func (w *ways) dial(how string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		w.mu.Lock()
		w.dialed = append(w.dialed, how+" "+address)
		w.mu.Unlock()
		return w.pipes.Dial(ctx, network, address)
	}
}

// Which way a call takes, and what arrives there. Whoever answers here speaks
// plain HTTP: what a TLS dialer gives is encrypted already.
func TestTheWayOfACall(t *testing.T) {
	t.Parallel()
	proxy := func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.test:3128") }
	unless := func(host string) func(*http.Request) (*url.URL, error) {
		return func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() == host {
				return nil, nil
			}
			return proxy(r)
		}
	}
	for _, c := range []struct {
		about  string
		scheme string
		proxy  func(*http.Request) (*url.URL, error)
		dialed string
		asked  string
	}{
		{"straight to book", "http", nil, "plain lab.test:80", "GET /lab/book/api/v1/admin/resources"},
		{"encrypted by the dialer that is for it", "https", nil, "encrypted lab.test:443", "GET /lab/book/api/v1/admin/resources"},
		{"to the proxy, whoever dials", "http", proxy, "plain proxy.test:3128", "GET http://lab.test/lab/book/api/v1/admin/resources"},
		{"to the proxy in clear, which is asked for a way on", "https", proxy, "plain proxy.test:3128", "CONNECT lab.test:443"},
		{"past the proxy where it names none", "https", unless("lab.test"), "encrypted lab.test:443", "GET /lab/book/api/v1/admin/resources"},
	} {
		bubble(t, c.about, func(t *testing.T) {
			var asked []string
			w := &ways{pipes: serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.Method+" "+r.RequestURI)
				if r.Method == http.MethodConnect {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				_, _ = io.WriteString(w, "{}")
			}))}
			client, err := NewClient(Options{
				API: c.scheme + "://lab.test/lab/book/api/v1", Audience: testAudience, Secret: testSecret,
				Dial: w.dial("plain"), DialTLS: w.dial("encrypted"), Proxy: c.proxy,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if _, _, err := client.Manifest(t.Context()); (err != nil) != (asked[0] == "CONNECT lab.test:443") {
				t.Error(err)
			}
			wantEqual(t, "dialled", w.dialed, []string{c.dialed})
			wantEqual(t, "asked", asked, []string{c.asked})
		})
	}
}

func TestNoProxyIsUsedUnasked(t *testing.T) {
	t.Parallel()
	var own *http.Transport
	client, err := NewClient(Options{API: testAudience, Secret: testSecret, Wrap: func(rt http.RoundTripper) http.RoundTripper {
		own = rt.(*http.Transport)
		return rt
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if own.Proxy != nil {
		t.Error("a client of the network's takes a proxy that it was not given")
	}
}

// watched notes what goes through it.
type watched struct {
	rt     http.RoundTripper
	mu     sync.Mutex
	asked  []string
	closed int
}

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.rt.RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, fmt.Sprint(r.Method, " ", r.URL.Path, " ", resp.StatusCode))
	return resp, err
}

func (w *watched) CloseIdleConnections() {
	w.closed++
	w.rt.(*http.Transport).CloseIdleConnections()
}

func TestCallsCanBeWatched(t *testing.T) {
	t.Parallel()
	bubble(t, "each of them, and the end", func(t *testing.T) {
		var w *watched
		client, err := NewClient(Options{
			API: testAudience + "/api/v1", Audience: testAudience, Secret: testSecret, Dial: serveHTTP(t, newFakeBook("r-pend00")).Dial,
			Wrap: func(rt http.RoundTripper) http.RoundTripper { w = &watched{rt: rt}; return w },
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Check(t.Context(), client); err != nil { // closes the client too
			t.Fatal(err)
		}
		if _, _, err := client.Availability(t.Context(), "r-none"); err == nil {
			t.Error("a resource that isn't there can be booked")
		}
		client.Close()
		wantEqual(t, "watched", w.asked, []string{
			"GET /lab/book/api/v1/admin/resources 200", "GET /lab/book/api/v1/admin/resources/r-pend00 200", "GET /lab/book/api/v1/admin/resources/r-none 404",
		})
		wantEqual(t, "closed", w.closed, 2)
	})
}

// What keeps a dialer's own handshake from ending well is advised on as if the
// client had made it.
func TestAdviceOnHandshakesOfOthers(t *testing.T) {
	bubble(t, "http behind https", func(t *testing.T) {
		// net/http answers what isn't HTTP with its own 400, in clear.
		pipes := serveHTTP(t, http.NotFoundHandler())
		client, err := NewClient(Options{
			API: "https://lab.test/api/v1", Audience: testAudience, Secret: testSecret,
			DialTLS: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := pipes.Dial(ctx, network, address)
				if err != nil {
					return nil, err
				}
				secure := tls.Client(conn, &tls.Config{ServerName: "lab.test"})
				if err := secure.HandshakeContext(ctx); err != nil {
					_ = conn.Close()
					return nil, fmt.Errorf("TLS handshake: %w", err)
				}
				return secure, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = client.Manifest(t.Context())
		wantEqual(t, "error", fmt.Sprint(err), "read the manifest: TLS handshake: tls: first record does not look like a TLS handshake: STATUS_SCHEME_BOOK should be http")
	})
	bubble(t, "a handshake that hangs ends with its call", func(t *testing.T) {
		client, err := NewClient(Options{
			API: "https://lab.test/api/v1", Audience: testAudience, Secret: testSecret, Timeout: 3 * time.Second,
			DialTLS: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, _, err = client.Manifest(t.Context())
		synctest.Wait()
		wantEqual(t, "error", fmt.Sprint(err), "read the manifest: timed out after 3s: no connection: check STATUS_HOST_BOOK, and that no firewall stands between")
		wantEqual(t, "took", time.Since(began), 3*time.Second)
	})
}
