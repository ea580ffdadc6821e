package book

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// exchange is one call to a real book and its answer, as testdata/book.txt keeps
// them: a title, the call, the status and the body.
type exchange struct {
	title, method, path, body string
	status                    int
}

func captured(t *testing.T) []exchange {
	t.Helper()
	raw, err := os.ReadFile("testdata/book.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []exchange
	for part := range strings.SplitSeq(string(raw), "### ") {
		if part == "" {
			continue
		}
		lines := strings.SplitN(part, "\n", 4)
		words := strings.Fields(lines[1]) // > GET http://… Authorization: <token>
		_, path, _ := strings.Cut(words[2], "/api/v1")
		status, err := strconv.Atoi(strings.Fields(lines[2])[1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, exchange{title: lines[0], method: words[1], path: path, status: status, body: strings.TrimSpace(lines[3])})
	}
	return all
}

// respond serves one answer to every call.
func respond(status int, header http.Header, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			_, _ = io.WriteString(w, body)
		}
	})
}

// ask makes the call of our client that comes nearest to a captured one, and
// words what came of it.
func ask(ctx context.Context, c *Client, method, path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "/admin/resources/"), "?")
	var what string
	var err error
	switch {
	case method == http.MethodPut:
		err = c.SetAvailability(ctx, name, strings.Contains(path, "true"), "status server: test")
		what = "written"
	case strings.HasPrefix(path, "/admin/resources/"):
		var available bool
		var reason string
		available, reason, err = c.Availability(ctx, name)
		what = fmt.Sprintf("available=%v %s", available, reason)
	default:
		resources, warnings, e := c.Manifest(ctx)
		err = e
		what = fmt.Sprintf("%d resources, %d warnings", len(resources), len(warnings))
	}
	switch {
	case errors.Is(err, ErrUnknownResource):
		return "unknown: " + err.Error()
	case err != nil:
		return err.Error()
	}
	return what
}

// TestCaptures proves that every answer a real book was seen to give is
// understood, and each refusal says what to do.
func TestCaptures(t *testing.T) {
	const (
		refused  = "read the manifest: book answered 500 Internal Server Error "
		proxy    = ": our Authorization header did not arrive as we sent it: look for a proxy that changes or drops it"
		audience = ": to match, set STATUS_SCHEME_BOOK=http STATUS_HOST_BOOK=127.0.0.1:18880 STATUS_BASEPATH_BOOK=/lab/book"
		scope    = `book answered 401 Unauthorized "no scope booking:admin": book wants another scope than booking:admin: see its version`
		noAuth   = `book answered 401 Unauthorized "unauthenticated for invalid credentials"` + proxy
		clock    = ": book's clock is 37s behind ours: set both by NTP"
		path     = ": book's API is not at this path: check STATUS_BASEPATH_BOOK"
		needs    = `book answered 422 Unprocessable Entity `
	)
	want := map[string]string{
		"GET resources":                    "6 resources, 0 warnings",
		"GET resources, HS512, aud string": "6 resources, 0 warnings",
		"no exp":                           "6 resources, 0 warnings",
		"no iat no nbf":                    "6 resources, 0 warnings",
		"double slash":                     "6 resources, 0 warnings",
		"no auth":                          "read the manifest: " + noAuth,
		"Bearer prefix":                    refused + `"error parsing claims was tokenstring should not contain 'bearer '"` + proxy,
		"garbage":                          refused + `"error parsing claims was illegal base64 data at input byte 0"` + proxy,
		"wrong secret":                     refused + `"error parsing claims was signature is invalid": STATUS_SECRET_BOOK is not the secret that book was started with`,
		"expired":                          refused + `"error parsing claims was token is expired by 5.02485936s"` + clock,
		"nbf future":                       refused + `"error parsing claims was token is not valid yet"` + clock,
		"iat future":                       refused + `"error parsing claims was token used before issued"` + clock,
		"wrong aud":                        refused + `"aud [http://other] does not match this host http://127.0.0.1:18880/lab/book"` + audience,
		"aud trailing slash":               refused + `"aud [http://127.0.0.1:18880/lab/book/] does not match this host http://127.0.0.1:18880/lab/book"` + audience,
		"scope booking:user":               "read the manifest: " + scope,
		"no scopes":                        "read the manifest: " + scope,
		"GET one":                          "available=true Loaded at 2026-11-20T23:10:02Z",
		"GET unknown":                      `unknown: read r-nosuch: book answered 404 Not Found "resource r-nosuch not found"`,
		"GET one no auth":                  "read r-pend00: " + noAuth,
		"PUT false":                        "written",
		"GET after PUT false":              "available=false unavailable because status server: test",
		"PUT false empty reason":           "close r-pend00: " + needs + `"reason in query is required"`,
		"PUT false no reason":              "close r-pend00: " + needs + `"reason in query is required"`,
		"PUT no available":                 "close r-pend00: " + needs + `"available in query is required"`,
		"PUT bad available":                "written",
		"PUT available=1":                  "written",
		"GET after PUT 1":                  "available=true x",
		"PUT JSON body instead of query":   "close r-pend00: " + needs + `"available in query is required"`,
		"PUT true":                         "written",
		"GET after PUT true":               "available=true status server: ok",
		"PUT unknown":                      `unknown: open r-nosuch: book answered 404 Not Found "resource r-nosuch not found"`,
		"PUT scope user":                   "open r-pend00: " + scope,
		"PUT wrong aud":                    "open r-pend00: book answered 500 Internal Server Error " + `"aud [http://other] does not match this host http://127.0.0.1:18880/lab/book"` + audience,
		"PUT no auth":                      "open r-pend00: " + noAuth,
		"wrong path":                       `read the manifest: book answered 404 Not Found "path /api/v1/admin/resource was not found"` + path,
		"POST":                             `read the manifest: book answered 405 Method Not Allowed "method POST is not allowed, but [GET] are"` + path,
	}
	seen := 0
	for _, e := range captured(t) {
		seen++
		bubble(t, e.title, func(t *testing.T) {
			late := http.Header{"Date": {time.Now().Add(-37 * time.Second).UTC().Format(http.TimeFormat)}}
			c := newTestClient(t, serveHTTP(t, respond(e.status, late, e.body)))
			if got := ask(t.Context(), c, e.method, e.path); got != want[e.title] {
				t.Errorf("got  %s\nwant %s", got, want[e.title])
			}
		})
	}
	if seen != len(want) {
		t.Errorf("%d exchanges are captured and %d expected", seen, len(want))
	}
}

// TestProxies is about answers that are not book's own.
func TestProxies(t *testing.T) {
	const put, one, all = "PUT /admin/resources/r-pend00?available=true", "GET /admin/resources/r-pend00", "GET /admin/resources"
	for _, c := range []struct {
		about  string
		call   string
		status int
		header http.Header
		body   string
		want   string
	}{
		{"book is down", all, 502, nil, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body></html>",
			"read the manifest: book answered 502 Bad Gateway \"502 Bad Gateway\": the proxy before book does not reach it: see whether book is running"},
		{"nothing but a status", one, 504, nil, "",
			"read r-pend00: book answered 504 Gateway Timeout: the proxy before book does not reach it: see whether book is running"},
		{"a 404 of its own is not book's", one, 404, nil, "<html><head><title>404 Not Found</title></head></html>",
			"read r-pend00: book answered 404 Not Found \"404 Not Found\": book's API is not at this path: check STATUS_BASEPATH_BOOK"},
		{"a 404 in the form of another service", one, 404, nil, `{"message":"no such page"}`,
			"read r-pend00: book answered 404 Not Found \"no such page\": book's API is not at this path: check STATUS_BASEPATH_BOOK"},
		{"book's router does not know the path", one, 404, nil, `{"code":404,"message":"path /api/v1/x was not found"}`,
			"read r-pend00: book answered 404 Not Found \"path /api/v1/x was not found\": book's API is not at this path: check STATUS_BASEPATH_BOOK"},
		{"a page in place of an answer", one, 200, nil, "<html>welcome</html>",
			"read r-pend00: understand the answer: invalid character '<' looking for beginning of value: " + adviceNotBook},
		{"a page in place of a manifest", all, 200, nil, "<html>welcome</html>",
			"read the manifest: understand the answer: invalid character '<' looking for beginning of value: " + adviceNotBook},
		{"a redirect is not followed", put, 301, http.Header{"Location": {"https://lab.test/lab/book/api/v1/admin/resources/r-pend00?reason=x"}}, "",
			"open r-pend00: book answered 301 Moved Permanently: book has moved to https://lab.test/lab/book/api/v1/admin/resources/r-pend00: set STATUS_SCHEME_BOOK, STATUS_HOST_BOOK and STATUS_BASEPATH_BOOK so"},
		{"credentials of its own", all, 401, nil, "<html><h1>401   Authorization\nRequired</h1></html>",
			"read the manifest: book answered 401 Unauthorized \"401 Authorization Required\": see whether a proxy before book asks for its own credentials"},
		{"a bare JSON string", one, 500, nil, `"out of ink"`, "read r-pend00: book answered 500 Internal Server Error \"out of ink\""},
		{"plain text", one, 500, nil, "out of\nink\xff", "read r-pend00: book answered 500 Internal Server Error \"out of ink\uFFFD\""},
		{"a status without a name", one, 520, nil, "", "read r-pend00: book answered 520"},
		{"long words are cut", one, 500, nil, strings.Repeat("é", 400), "read r-pend00: book answered 500 Internal Server Error \"" + strings.Repeat("é", 148) + "…\""},
		{"available is missing", one, 200, nil, `{"reason":"x"}`, "read r-pend00: understand the answer: \"available\" is missing: " + adviceNotBook},
		{"an answer that never ends", one, 200, nil, `{"available":true,"reason":"` + strings.Repeat("x", 70_000) + `"}`,
			"read r-pend00: the answer is longer than 65536 bytes: " + adviceNotBook},
		{"unknown fields are fine", one, 200, nil, `{"available":false,"reason":"unavailable because x","since":[1]}`, "available=false unavailable because x"},
		{"a token that is shown to us is not shown on", one, 400, nil, `<p>Authorization: eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln-_A was refused, eyJhbGciOiJIUzI1NiJ9.eyJ`,
			"read r-pend00: book answered 400 Bad Request \"Authorization: *** was refused, ***\""},
	} {
		bubble(t, c.about, func(t *testing.T) {
			method, path, _ := strings.Cut(c.call, " ")
			client := newTestClient(t, serveHTTP(t, respond(c.status, c.header, c.body)))
			if got := ask(t.Context(), client, method, path); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestStatusErrorIsATypedOne(t *testing.T) {
	bubble(t, "fields", func(t *testing.T) {
		c := newTestClient(t, serveHTTP(t, respond(422, nil, `{"code":602,"message":"reason in query is required"}`)))
		err := c.SetAvailability(t.Context(), "r-pend00", false, "x")
		e, ok := errors.AsType[*StatusError](err)
		if !ok {
			t.Fatalf("%T is no *StatusError", err)
		}
		wantEqual(t, "fields", *e, StatusError{Op: OpClose, Resource: "r-pend00", Status: 422, Message: "reason in query is required"})
	})
}

func TestConnections(t *testing.T) {
	none := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	dns := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "lab.test", IsNotFound: true}}
	}
	for _, c := range []struct {
		about string
		dial  func(context.Context, string, string) (net.Conn, error)
		want  string
		takes time.Duration
	}{
		{"no connection", none, "read the manifest: timed out after 3s: no connection: check STATUS_HOST_BOOK, and that no firewall stands between", 3 * time.Second},
		{"no such host", dns, "read the manifest: dial tcp: lookup lab.test: no such host: check STATUS_HOST_BOOK", 0},
	} {
		bubble(t, c.about, func(t *testing.T) {
			client, err := NewClient(Options{API: testAudience + "/api/v1/", Audience: testAudience, Secret: testSecret, Timeout: 3 * time.Second, Dial: c.dial})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, _, err = client.Manifest(t.Context())
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			wantEqual(t, "timed out", errors.Is(err, ErrTimeout), c.takes > 0)
			wantEqual(t, "took", time.Since(start), c.takes)
		})
	}
	bubble(t, "hangs within the answer", func(t *testing.T) {
		c := newTestClient(t, serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"r-pend00":{`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})))
		_, _, err := c.Manifest(t.Context())
		if !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v, want a timeout", err)
		}
	})
	bubble(t, "the answer is cut", func(t *testing.T) {
		c := newTestClient(t, serveHTTP(t, respond(200, nil, `{"r-pend00":{"topic_stub":"pend00"}`)))
		resources, _, err := c.Manifest(t.Context())
		if !errors.Is(err, io.ErrUnexpectedEOF) || resources != nil {
			t.Errorf("got %v, %v; want nothing but an unexpected end", resources, err)
		}
	})
	bubble(t, "the caller gives up", func(t *testing.T) {
		c := newTestClient(t, serveHTTP(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := c.Availability(ctx, "r-pend00")
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
			t.Errorf("got %v, want the caller's own error", err)
		}
	})
	bubble(t, "http behind https", func(t *testing.T) {
		p := serveHTTP(t, respond(400, nil, "The plain HTTP request was sent to HTTPS port"))
		c, err := NewClient(Options{API: "https://lab.test/api/v1", Secret: testSecret, Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { // a server that speaks no TLS
				_, _ = bufio.NewReader(theirs).Peek(5)
				_, _ = io.WriteString(theirs, "HTTP/1.1 400 Bad Request\r\n\r\n")
				_ = theirs.Close()
			}()
			return ours, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		_, _, err = c.Manifest(t.Context())
		if err == nil || !strings.HasSuffix(err.Error(), "STATUS_SCHEME_BOOK should be http") {
			t.Errorf("got %v, want advice on the scheme", err)
		}
	})
}

func TestWhatIsSent(t *testing.T) {
	type seen struct{ method, uri, auth string }
	record := func(t *testing.T) (*Client, *seen) {
		last := new(seen)
		c := newTestClient(t, serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			*last = seen{r.Method, r.RequestURI, r.Header.Get("Authorization")}
			if r.Method == http.MethodPut {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			_, _ = io.WriteString(w, `{"available":true,"reason":"x"}`)
		})))
		return c, last
	}
	bubble(t, "address and query", func(t *testing.T) {
		c, last := record(t)
		if err := c.SetAvailability(t.Context(), "r a/b?é", false, "status server: missing required x & y "); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantEqual(t, "method", last.method, "PUT")
		wantEqual(t, "uri", last.uri, "/lab/book/api/v1/admin/resources/r%20a%2Fb%3F%C3%A9?available=false&reason=status+server%3A+missing+required+x+%26+y")
	})
	bubble(t, "a long reason is cut, an empty one refused", func(t *testing.T) {
		c, last := record(t)
		if err := c.SetAvailability(t.Context(), "r", true, strings.Repeat("x", 5000)); err != nil {
			t.Fatal(err)
		}
		if len(last.uri) > 1100 {
			t.Errorf("an address of %d bytes was sent", len(last.uri))
		}
		*last = seen{}
		if err := c.SetAvailability(t.Context(), "r", true, " \n"); err == nil || last.method != "" {
			t.Errorf("got %v and sent %v, want an error and nothing sent", err, last)
		}
	})
	bubble(t, "token: bare, kept, renewed before it expires, new after a refusal", func(t *testing.T) {
		c, last := record(t)
		get := func() string {
			if _, _, err := c.Availability(t.Context(), "r"); err != nil {
				t.Fatal(err)
			}
			return last.auth
		}
		first := get()
		var got claims
		if _, err := jwt.ParseWithClaims(first, &got, func(*jwt.Token) (any, error) { return []byte(testSecret), nil }, jwt.WithValidMethods([]string{"HS256"})); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		wantEqual(t, "back-dated", []time.Duration{now.Sub(got.IssuedAt.Time), now.Sub(got.NotBefore.Time)}, []time.Duration{10 * time.Second, 10 * time.Second})
		wantEqual(t, "life", got.ExpiresAt.Sub(now), 5*time.Minute)
		wantEqual(t, "for", fmt.Sprint(got.Audience, got.Subject, got.Scopes), "["+testAudience+"]status-server[booking:admin]")

		time.Sleep(3*time.Minute + 59*time.Second)
		wantEqual(t, "after 3m59s", get(), first)
		time.Sleep(time.Second)
		second := get()
		if second == first {
			t.Error("after 4m the token was not renewed")
		}
		c.tokens.drop()
		time.Sleep(time.Second)
		if get() == second {
			t.Error("a refused token was used again")
		}
	})
	bubble(t, "a refusal drops the token", func(t *testing.T) {
		c := newTestClient(t, serveHTTP(t, respond(500, nil, `{"code":500,"message":"error parsing claims was token used before issued"}`)))
		_, _, err := c.Availability(t.Context(), "r")
		if err == nil || c.tokens.latest != "" {
			t.Errorf("got %v; want an error, and no token kept", err)
		}
	})
}

func TestNoSecretIsShown(t *testing.T) {
	bubble(t, "in any way of printing a client", func(t *testing.T) {
		c := newTestClient(t, serveHTTP(t, respond(200, nil, `{}`)))
		if _, _, err := c.Manifest(t.Context()); err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprintf("%v %+v %#v", c, c, c)
		if strings.Contains(shown, testSecret) || strings.Contains(shown, "eyJ") {
			t.Errorf("shown: %s", shown)
		}
	})
}

func TestNewClientRefuses(t *testing.T) {
	for _, c := range []struct{ api, secret, want string }{
		{"lab.test/book", "s", `read book's address: "lab.test/book" is not http://host/path or https://host/path`},
		{"ftp://lab.test/book", "s", `read book's address: "ftp://lab.test/book" is not http://host/path or https://host/path`},
		{"https://lab.test:x", "s", `read book's address: parse "https://lab.test:x": invalid port ":x" after host`},
		{"https://lab.test", "", "book's secret is empty: set STATUS_SECRET_BOOK"},
	} {
		if _, err := NewClient(Options{API: c.api, Secret: c.secret}); err == nil || err.Error() != c.want {
			t.Errorf("NewClient(%s): got %v, want %s", c.api, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		about string
		book  func() *fakeBook
		found Finding
		err   string
	}{
		{"all well", func() *fakeBook {
			b := newFakeBook("r-pend00", "r-pend01")
			b.entries["r-twin"] = `{"topic_stub":"pend00","streams":null}`
			b.entries["r-none"] = `{}`
			return b
		}, Finding{Resources: 3, Experiments: 2, Warnings: []string{`resource "r-none" in book's manifest is left out: it has no topic_stub`}}, ""},
		{"empty", func() *fakeBook { return newFakeBook() },
			Finding{Warnings: []string{"book's manifest is empty: upload one, if book has just been started"}}, ""},
		{"the second call fails", func() *fakeBook {
			b := newFakeBook("r-pend00")
			delete(b.available, "r-pend00")
			return b
		}, Finding{Resources: 1, Experiments: 1}, `the manifest was read, and then: read r-pend00: book answered 404 Not Found "resource r-pend00 not found"`},
	} {
		bubble(t, c.about, func(t *testing.T) {
			found, err := Check(t.Context(), newTestClient(t, serveHTTP(t, c.book())))
			wantEqual(t, "found", found, c.found)
			if (err == nil) != (c.err == "") || (err != nil && err.Error() != c.err) {
				t.Errorf("got  %v\nwant %s", err, c.err)
			}
		})
	}
}
