package book

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"labstatus/internal/health"
)

// answering is a book that gives one and the same answer to everything.
type answering struct {
	status int
	body   string
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}, nil
}

// Whatever book answers to a reading, it is understood or an error that shows no
// secret, and what is understood is worded without harm.
func FuzzAvailability(f *testing.F) {
	f.Add(200, `{"available":true,"reason":"Loaded at 2026-11-20T23:10:02Z"}`)
	f.Add(200, `{"available":false,"reason":"unavailable because at the workshop"}`)
	f.Add(200, `{"available":null}`)
	f.Add(404, `{"code":"404","message":"resource r-nosuch not found"}`)
	f.Add(500, `{"code":500,"message":"error parsing claims was token is expired by 5.3s"}`)
	f.Add(502, "<html><title>502 Bad Gateway</title></html>")
	f.Add(302, "")
	client, err := NewClient(Options{API: testAudience + "/api/v1", Audience: testAudience, Secret: testSecret})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		client.http.Transport = answering{status, body}
		available, reason, err := client.Availability(t.Context(), "r-pend00")
		if err != nil {
			if available || reason != "" {
				t.Errorf("an error came with an answer: %v %q", available, reason)
			}
			if text := err.Error(); strings.Contains(text, testSecret) || strings.ContainsAny(text, "\r\n") || len(text) > 2000 {
				t.Errorf("the error reads %q", text)
			}
			return
		}
		lower := strings.ToLower(body) // keys count in any case, and may be escaped
		if status/100 != 2 || !strings.Contains(lower, "available") && !strings.Contains(lower, `\u`) {
			t.Errorf("%d %q is taken as available=%v", status, body, available)
		}
		if held, words := health.PersonsHold(available, reason); held && (available || strings.HasPrefix(words, health.OwnReason)) {
			t.Errorf("%q of %v is called a person's", reason, available)
		}
	})
}
