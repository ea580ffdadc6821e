package serve

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const fuzzLife = 24 * time.Hour

// Whatever an administrator sends, it is done or refused in the form of an error,
// and never a fault of ours.
func FuzzChanges(f *testing.F) {
	for _, c := range append(changes(), observerChanges...) {
		f.Add(c.method, c.path, c.body)
	}
	f.Add("PUT", "/experiments/pend00/silence", `{"until":"0000-00-00T00:00:00Z","reason":"\ud800"}`)
	f.Add("PUT", "/experiments/pend01/ack", `{"note":null,"Note":[]}`)
	f.Add("POST", "/maintenance", `{"names":null,"weekly":{"days":null},"until":{},"from":[]}`)
	f.Add("PUT", "/observers/collector", `{"name":null,"address":"https://collector.example:8443","token":"***","tls":{"ca":null}}`)
	f.Add("GET", "/observed?experiment=%00&source=&state=unsaid&q=%ff&limit=18446744073709551616", "")
	f.Add("DELETE", "/experiments/pend02/hold?resource=&resource=%00", "")
	f.Add("GET", "/experiments/pend00/history?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59.999999999-23:59", "")
	f.Add("GET", "/events?q=%00&until=x&experiment=%ff", "")
	f.Add("GET", "/mails/%3C%3E?limit=9223372036854775808", "")
	var d done
	h := newAdminHandler(f, d.into)
	token, err := MintToken(testSecret, testAudience, "tester", []string{ScopeAdmin}, fuzzLife)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		d.reset()
		path, query, _ := strings.Cut(target, "?")
		u := &url.URL{Scheme: "http", Host: "status.lab", Path: basePath + path, RawQuery: query}
		r, err := http.NewRequestWithContext(t.Context(), method, u.String(), strings.NewReader(body))
		if err != nil || r.URL.Host != "status.lab" || strings.HasSuffix(r.URL.Path, "/events/live") {
			return // no server would get to see it, or it doesn't end
		}
		r.RemoteAddr = "192.0.2.1:1234"
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s %s: %d %s", method, u, body, w.Code, w.Body)
		}
		if w.Code >= 400 && method != http.MethodHead {
			var refusal struct {
				Code    int
				Message string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &refusal); err != nil || refusal.Code != w.Code || refusal.Message == "" {
				t.Errorf("%s %s: %d %q: %v", method, u, w.Code, w.Body, err)
			}
			if !d.nothing() {
				t.Errorf("%s %s: %d, and done all the same", method, u, w.Code)
			}
		}
		for _, a := range d.acts {
			if a.By != "tester" || a.At.IsZero() || a.Kind == "" {
				t.Errorf("an act lacks what it needs: %+v", a)
			}
		}
	})
}
