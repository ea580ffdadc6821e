package book

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
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
	t.Parallel()
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
	t.Parallel()
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
		{"a redirect to what is no URL", put, 302, http.Header{"Location": {"%zz" + strings.Repeat("secret", 1000)}}, "",
			"open r-pend00: book answered 302 Found: redirects are not followed: check STATUS_SCHEME_BOOK and STATUS_HOST_BOOK"},
		{"a redirect within book's own host", put, 302, http.Header{"Location": {"/login/https://idp.example/x"}}, "",
			"open r-pend00: book answered 302 Found: redirects are not followed: check STATUS_SCHEME_BOOK and STATUS_HOST_BOOK"},
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
