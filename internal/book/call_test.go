package book

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

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
		_, _, err = c.Manifest(t.Context())
		if err == nil || !strings.HasSuffix(err.Error(), "STATUS_SCHEME_BOOK should be http") {
			t.Errorf("got %v, want advice on the scheme", err)
		}
	})
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
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
