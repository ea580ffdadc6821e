package redirect_test

import (
	"net/http"
	"strings"
	"testing"

	"labstatus/internal/redirect"
)

// answers is a service that points elsewhere, whatever it is asked.
type answers struct {
	to     string
	closed bool
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {a.to}}, Body: http.NoBody, Request: r}, nil
}

func (a *answers) CloseIdleConnections() { a.closed = true }

func TestRefuse(t *testing.T) {
	t.Parallel()
	for to, kept := range map[string]bool{
		"https://elsewhere.example/?code=1234": true,
		"/login":                               true,
		"%zz?code=1234":                        false,
		"http://[::1?code=1234":                false,
		"":                                     true,
	} {
		service := &answers{to: to}
		client := &http.Client{Transport: service}
		redirect.Refuse(client)
		resp, err := client.Get("http://lab.example/")
		if err != nil {
			t.Errorf("%q: %v", to, err)
			continue
		}
		if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusFound || (got == to) != kept {
			t.Errorf("%q: %s, points to %q", to, resp.Status, got)
		}
		if client.CloseIdleConnections(); !service.closed {
			t.Error("connections that are kept are not closed")
		}
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                                  "",
		"%zz":                               "",
		"https://me:pass@a.example/x?c=1#f": "https://a.example/x",
		"/x?c=1":                            "/x",
	} {
		if got := redirect.Place(raw); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
	if got := redirect.Place("http://a.example/" + strings.Repeat("é", 400)); len(got) > 310 || !strings.HasSuffix(got, "…") {
		t.Errorf("a long one: %d bytes, %q", len(got), got)
	}
}
