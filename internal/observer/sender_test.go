package observer_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"labstatus/internal/lab"
	"labstatus/internal/observer"
)

// tellOnce tells one observer once and gives what came of it; empty: it was taken.
func tellOnce(t *testing.T, o observer.Observer, network observer.Network) string {
	t.Helper()
	o.Name, o.Period, o.Timeout = "far", time.Hour, 2*time.Second
	text, log := newLog()
	out := mustReporter(t, observer.ReporterOptions{Fixed: []observer.Observer{o}, Network: network, Log: log})
	out.Tell(relay, observer.Ready, "")
	running := run(t, out.Run)
	time.Sleep(30 * time.Second)
	f := out.List()[0]
	running.end()
	if taken := f.LastError == ""; taken == f.LastOK.IsZero() || taken != (f.Pending == 0) {
		t.Errorf("%+v", f)
	}
	for _, shown := range []string{f.LastError, text.String()} {
		if strings.Contains(shown, token) || strings.Contains(shown, "hidden") {
			t.Errorf("a secret is shown: %s", shown)
		}
	}
	return f.LastError
}

// An observer has taken a report when it answers as GOST wants it, and never else.
func TestWhatCountsAsTaken(t *testing.T) {
	t.Parallel()
	write := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		}
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		says   string // empty: it is taken
	}{
		"ok":                          {write(200, `{"ok":true}`), ""},
		"ok with more in it":          {write(200, `{"count":3,"ok":true}`), ""},
		"ok with something behind it": {write(200, `{"ok":true} and so on`), ""},
		"ok as text": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, `{"ok":true}`)
		}, ""},
		"not ok":             {write(200, `{"ok":false}`), `without {"ok":true}`},
		"nothing of ok":      {write(200, `{}`), `without {"ok":true}`},
		"ok as a word":       {write(200, `{"ok":"true"}`), `without {"ok":true}`},
		"nothing":            {write(200, ``), `without {"ok":true}`},
		"no JSON":            {write(200, `ok`), `without {"ok":true}`},
		"too much before ok": {write(200, strings.Repeat(" ", 1<<20)+`{"ok":true}`), `without {"ok":true}`},
		"created":            {write(201, `{"ok":true}`), "201 Created: an observer has to answer exactly 200"},
		"accepted":           {write(202, `{"ok":true}`), "exactly 200"},
		"no content":         {write(204, ``), "exactly 200"},
		"a wrong token":      {write(401, `{"ok":true}`), "check the token"},
		"a wrong path":       {write(404, ``), "check the path"},
		"too large":          {write(413, ``), "reports of 1024 KiB"},
		"a fault of its own": {write(500, `{"ok":true}`), "500 Internal Server Error"},
		"a redirect":         {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/hidden", http.StatusFound) }, "redirects are not followed"},
		"our own words": {func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "HTTP/1.1 %s\r\n\r\n", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		}, `status code "***"`},
		"a connection cut": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"an answer that ends": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "50")
			fmt.Fprint(w, `{"ok":`)
		}, "read the answer: unexpected EOF"},
		"no answer": {func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) }, "no answer within 2s"},
		"an answer that hangs": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"ok":`)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Minute)
		}, "read the answer: no answer within 2s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := lab.NewNetwork()
				far := serveHTTP(t, n, httpAddr, tc.answer)
				o := observer.Observer{Address: "http://" + httpAddr + "/hidden?key=hidden", Token: observer.NewSecret(token)}
				got := tellOnce(t, o, observer.Network{Dial: n.DialContext})
				if (got == "") != (tc.says == "") || !strings.Contains(got, tc.says) {
					t.Errorf("it says %q, which lacks %q", got, tc.says)
				}
				far.end()
				time.Sleep(time.Hour) // for answers that hang
			})
		})
	}
}

func TestWhatIsSaidOfTheWay(t *testing.T) {
	t.Parallel()
	ours, other := newAuthority(t, "status.lab"), newAuthority(t, "status.lab")
	ca := func(c *tls.Certificate) *observer.TLS { return &observer.TLS{CA: pemOf(t, c)} }
	for name, tc := range map[string]struct {
		trouble func(n *lab.Network)
		plain   bool // the observer speaks no TLS
		tls     *observer.TLS
		bare    bool // we don't either
		http    string
		grpc    string
	}{
		"a certificate of the authority that was set": {tls: ca(ours)},
		"any certificate, where that was set":         {tls: &observer.TLS{Insecure: true}},
		"a certificate of somebody else": {tls: ca(other),
			http: "put that authority's certificate into tls.ca", grpc: "certificate signed by unknown authority"},
		"a certificate for another name": {tls: &observer.TLS{CA: pemOf(t, ours), ServerName: "elsewhere.lab"},
			http: "set tls.server_name", grpc: "not elsewhere.lab"},
		"nobody there": {trouble: func(n *lab.Network) { n.Refuse(httpAddr); n.Refuse(grpcAddr) }, tls: ca(ours),
			http: "connection refused", grpc: "connection refused"},
		"no way there": {trouble: func(n *lab.Network) { n.Blackhole(httpAddr); n.Blackhole(grpcAddr) }, tls: ca(ours),
			http: "no answer within 2s", grpc: "no answer within 2s"},
		"TLS to one that has none": {plain: true, tls: ca(ours),
			http: "it speaks no TLS there", grpc: "no answer within 2s"},
		"no TLS to one that wants it": {bare: true, http: "400 Bad Request", grpc: "no answer within 2s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := lab.NewNetwork()
				in := mustReceiver(t, observer.ReceiverOptions{})
				secure := &tls.Config{Certificates: []tls.Certificate{*ours}}
				var servers []*listening
				if tc.plain {
					servers = append(servers, serveHTTP(t, n, httpAddr, in.Handler()), serveGRPC(t, n, grpcAddr, in.Server()))
				} else {
					servers = append(servers, serveTLS(t, n, httpAddr, in.Handler(), secure),
						serveGRPC(t, n, grpcAddr, in.Server(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: secure.Certificates})))))
				}
				if tc.trouble != nil {
					tc.trouble(n)
				}
				scheme := "https://"
				if tc.bare {
					scheme = "http://"
				}
				for says, o := range map[*string]observer.Observer{
					&tc.http: {Address: scheme + httpAddr + "/observer", TLS: tc.tls, Token: observer.NewSecret(token)},
					&tc.grpc: {Address: grpcAddr, TLS: tc.tls, Token: observer.NewSecret(token)},
				} {
					got := tellOnce(t, o, observer.Network{Dial: n.DialContext})
					if (got == "") != (*says == "") || !strings.Contains(got, *says) {
						t.Errorf("%s: it says %q, which lacks %q", o.Address, got, *says)
					}
				}
				for _, s := range servers {
					s.end()
				}
			})
		})
	}
}

// observeFunc answers gRPC as a test says.
type observeFunc func() error

func (f observeFunc) server() *grpc.Server {
	return grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error { return f() }))
}

func TestWhatIsSaidOfAnswersOverGRPC(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func() error
		says   string
	}{
		"a wrong token":      {func() error { return status.Error(codes.Unauthenticated, "no") }, `it refused us ("no"): check the token`},
		"another service":    {func() error { return status.Error(codes.Unimplemented, "what?") }, "doesn't know /proto.Observer/Observe"},
		"a fault of its own": {func() error { return status.Error(codes.Internal, "a nil\npointer") }, "Internal: a nil pointer"},
		"no answer":          {func() error { time.Sleep(time.Minute); return nil }, "no answer within 2s"},
		"our own words":      {func() error { return status.Error(codes.NotFound, "no such token: "+token) }, "NotFound: no such token: ***"},
		"and many of them": {func() error { return status.Error(codes.PermissionDenied, strings.Repeat("x", 290)+token) },
			strings.Repeat("x", 290) + "***"},
		"an empty answer": {func() error { return nil }, "Internal: "},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := lab.NewNetwork()
				far := serveGRPC(t, n, grpcAddr, observeFunc(tc.answer).server())
				got := tellOnce(t, observer.Observer{Address: grpcAddr, Token: observer.NewSecret(token)}, observer.Network{Dial: n.DialContext})
				if !strings.Contains(got, tc.says) {
					t.Errorf("it says %q, which lacks %q", got, tc.says)
				}
				far.end()
				time.Sleep(time.Hour)
			})
		})
	}
}

// An observer that answers without ok has not taken it, over gRPC either; and one that
// is back is told within seconds.
func TestAnObserverThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := lab.NewNetwork()
		in := mustReceiver(t, observer.ReceiverOptions{})
		o := observer.Observer{Name: "far", Address: grpcAddr, Token: observer.NewSecret(token)}
		out := mustReporter(t, observer.ReporterOptions{Fixed: []observer.Observer{o}, Network: observer.Network{Dial: n.DialContext}})
		out.Tell(relay, observer.Ready, "")
		running := run(t, out.Run)
		time.Sleep(10 * time.Minute)
		far := serveGRPC(t, n, grpcAddr, in.Server())
		back := time.Now()
		time.Sleep(15 * time.Second)
		if f := out.List()[0]; f.Pending != 0 || f.LastOK.Sub(back) > 12*time.Second {
			t.Errorf("%v later: %+v", time.Since(back), f)
		}
		running.end()
		far.end()
	})
}

func TestAllIsSentThroughWhatWasHandedIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := lab.NewNetwork()
		in := mustReceiver(t, observer.ReceiverOptions{})
		far := serveHTTP(t, n, httpAddr, in.Handler())
		var mu sync.Mutex
		wrapped := 0
		o := observer.Observer{Address: "http://" + httpAddr + "/observer", Token: observer.NewSecret(token)}
		got := tellOnce(t, o, observer.Network{Dial: n.DialContext, Wrap: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				wrapped++
				return next.RoundTrip(r)
			})
		}})
		if got != "" || wrapped != 1 || len(n.Dials(httpAddr)) != 1 {
			t.Errorf("%q, %d requests, %d dials", got, wrapped, len(n.Dials(httpAddr)))
		}
		far.end()
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
