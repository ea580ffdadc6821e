package stats

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/redirect"
)

// answering is a service that gives one and the same answer to everything.
type answering struct {
	status         int
	body, date, to string
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Date": {a.date}, "Location": {a.to}},
		Body:   io.NopCloser(strings.NewReader(strings.ReplaceAll(a.body, "TOKEN", r.Header.Get("Authorization")))), Request: r,
	}, nil
}

// Whatever a service answers to a call for access, it is a websocket address or
// an error of one line with advice, and neither shows a token.
func FuzzAccess(f *testing.F) {
	const date = "Fri, 20 Nov 2026 23:10:02 GMT"
	for _, a := range []answering{
		{200, `{"uri":"ws://relay.lab/session/stats?code=1"}`, date, ""},
		{200, `{"uri":"http://relay.lab"}`, "", ""},
		{500, `{"code":500,"message":"token invalid"}`, date, ""},
		{500, `{"code":500,"message":"aud [http://other/lab] does not match this host http://relay.lab"}`, date, ""},
		{401, `"Token Wrong Topic"`, "", ""},
		{401, `{"code":"401","message":"TOKEN"}`, "", ""},
		{302, "", "", "https://relay.lab/x?code=TOKEN"},
		{303, "", "", strings.Repeat("%96", 2000)},
		{302, "", "", strings.Repeat("%96", 2000) + "%"},
		{302, "", "", "http://relay.lab/%?code=eyJ"},
		{502, "<html><title>502 Bad Gateway</title></html>", "", ""},
	} {
		f.Add(a.status, a.body, a.date, a.to)
	}
	f.Fuzz(func(t *testing.T, status int, body, date, to string) {
		if status < 200 || status > 599 {
			return
		}
		s := NewService(ServiceConfig{
			Name: health.Relay, Audience: "http://relay.lab", URL: "http://relay.lab/session/stats", Secret: "nobody may see this",
			Claims: map[string]any{"topic": "stats"}, HTTP: &http.Client{Transport: answering{status, body, date, to}},
		})
		uri, expires, err := s.Access(t.Context())
		if err == nil {
			if u, err := url.Parse(uri); err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" || expires.Before(time.Now()) {
				t.Errorf("%q until %s is taken", uri, expires)
			}
			return
		}
		refused, ok := errors.AsType[*AccessError](err)
		if text := err.Error(); !ok || refused.Advice == "" && refused.Err == nil && refused.Message == "" && refused.Status == 0 ||
			strings.ContainsAny(text, "\r\n") || len(text) > 3000 || strings.Contains(text, "eyJ") && !strings.Contains(body+date, "eyJ") && !strings.Contains(redirect.Place(to), "eyJ") {
			t.Errorf("the error reads %q", text)
		}
	})
}
