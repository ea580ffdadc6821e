package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/lab"
)

// Whatever is asked of the API, it is answered: never by a 500, and what is
// refused is refused in the form of an error that names what is wrong.
func FuzzAPI(f *testing.F) {
	l, err := lab.New(lab.Options{Network: lab.NewNetwork()})
	if err != nil {
		f.Fatal(err)
	}
	env := l.Env()
	env["STATUS_STORE"], env["STATUS_LOG_FILE"] = "memory", "stderr"
	c, _, err := config.LoadMap(env)
	if err != nil {
		f.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	server, err := app.New(f.Context(), app.Options{Config: c, Version: "test", Log: log})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("GET", "/api/v1/experiments", "state=healthy&q=pend", "")
	f.Add("GET", "/api/v1/experiments/pend00", "", "gzip")
	f.Add("GET", "/api/v1/experiments/events/../../x", "a=%zz", "zstd;q=0")
	f.Add("GET", "/api/v1/events", "since=2026-11-20T22:10:05Z&limit=5&cursor=ZS45LjE", "")
	f.Add("GET", "/api/v1/events", "limit=-99999999999999999999&since=yesterday", "")
	f.Add("POST", "/api/v1/system", "", "br")
	f.Add("DELETE", "/readyz", "", "*")
	f.Add("GET", "/", "q=%3Cscript%3E&state=", "")
	f.Fuzz(func(t *testing.T, method, path, query, encoding string) {
		u := &url.URL{Scheme: "http", Host: "status.lab", Path: path, RawQuery: query}
		r, err := http.NewRequestWithContext(t.Context(), method, u.String(), nil)
		if err != nil || r.URL.Host != "status.lab" || !strings.HasPrefix(r.URL.Path, "/") {
			return // no server would get to see it
		}
		if strings.Contains(r.URL.Path, "/events/live") {
			return // it is answered without end
		}
		r.Header.Set("Accept-Encoding", encoding)
		r.RemoteAddr, r.Body = "192.0.2.1:1234", http.NoBody
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, r)
		if w.Code >= 500 && !(w.Code == http.StatusServiceUnavailable && strings.HasPrefix(r.URL.Path, "/readyz")) {
			t.Errorf("%s %s: %d %s", method, u, w.Code, w.Body)
		}
		if w.Code >= 400 && w.Code < 500 && strings.HasPrefix(r.URL.Path, "/api/") && method != http.MethodHead && w.Header().Get("Content-Encoding") == "" {
			var refusal struct {
				Code    int
				Message string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &refusal); err != nil || refusal.Code != w.Code || refusal.Message == "" {
				t.Errorf("%s %s: %d %q: %v", method, u, w.Code, w.Body, err)
			}
		}
	})
}
