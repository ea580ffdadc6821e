// Package redirect is for HTTP clients that follow no redirection: to follow one would
// take a token to another host, and make a GET of a POST or a PUT. It also says where one
// points to, in words that are short and hold no secret. It makes no request of its own:
// book, stats and observer, which ask other services, call it.
package redirect

import (
	"net/http"
	"net/url"
	"strings"
)

// Refuse makes a client return redirections as they come.
func Refuse(c *http.Client) {
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	next := c.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	c.Transport = sensible{next}
}

// sensible takes away where an answer points to if that is no URL: net/http would
// repeat all of it in its error, however long, with what may be secret in it.
type sensible struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s sensible) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if _, err := r.URL.Parse(resp.Header.Get("Location")); err != nil {
		resp.Header.Del("Location")
	}
	return resp, nil
}

// CloseIdleConnections has the transport close those that it keeps: clients look for this
// method.
func (s sensible) CloseIdleConnections() {
	if c, ok := s.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// longestPlace is how much of a URL helps anybody, in bytes.
const longestPlace = 300

// Place gives a URL without what may be secret in it, or the beginning of a long one. It
// is empty for what is no URL.
func Place(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || raw == "" {
		return ""
	}
	text := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	if len(text) > longestPlace {
		text = strings.ToValidUTF8(text[:longestPlace], "") + "…"
	}
	return text
}
