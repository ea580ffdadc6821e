package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

// Whatever goes wrong is said in the error form, with the right status, and names
// what was at fault.
func TestErrors(t *testing.T) {
	broken := errors.New("read events: secret path /var/lib")
	failing := func(o *Options) {
		o.Events = func(context.Context, string) ([]health.Event, error) { return nil, broken }
		o.AllEvents = func(context.Context, time.Time, int, string) ([]health.Event, string, error) { return nil, "", broken }
	}
	usual := newHandler(t)
	panicking := func(o *Options) { o.System = func() SystemInfo { panic("secret path /var/lib") } }
	for _, c := range []struct {
		method, target string
		status         int
		names, allow   string
		change         func(*Options)
	}{
		{"GET", "/nowhere", 404, "/nowhere", "", nil},
		{"GET", "/api", 404, "/api", "", nil},
		{"GET", "/api/v2/experiments", 404, "/api/v2/experiments", "", nil},
		{"GET", "/api/v1", 404, "not found", "", nil},
		{"GET", "/api/v1/nowhere", 404, "/api/v1/nowhere", "", nil},
		{"GET", "/api/v1/experiments/nobody", 404, "nobody", "", nil},
		{"GET", "/api/v1/experiments/r-pend00", 404, "topic stub", "", nil},
		{"GET", "/api/v1/experiments/events/nobody", 404, "nobody", "", nil},
		{"GET", "/api/v1/experiments/" + strings.Repeat("x", 257), 422, "name in path", "", nil},
		{"POST", "/api/v1/experiments", 405, "POST", "GET", nil},
		{"DELETE", "/api/v1/experiments/pend00", 405, "DELETE", "GET", nil},
		{"POST", "/api/v1/swagger.json", 405, "POST", "GET, HEAD", nil},
		{"PUT", "/", 405, "PUT", "GET, HEAD", nil},
		{"POST", "/experiment?name=pend00", 405, "POST", "GET, HEAD", nil},
		{"POST", "/healthz", 405, "POST", "GET, HEAD", nil},
		{"POST", "/readyz", 405, "POST", "GET, HEAD", nil},
		{"POST", "/status.css", 405, "POST", "GET, HEAD", nil},
		{"GET", "/api/v1/experiments?state=ill", 422, "state in query", "", nil},
		{"GET", "/api/v1/experiments?q=" + strings.Repeat("x", 201), 422, "q in query", "", nil},
		{"GET", "/api/v1/events?limit=0", 422, "limit in query", "", nil},
		{"GET", "/api/v1/events?limit=1001", 422, "limit in query", "", nil},
		{"GET", "/api/v1/events?limit=many", 422, "limit in query", "", nil},
		{"GET", "/api/v1/events?since=yesterday", 422, "since in query", "", nil},
		{"GET", "/api/v1/events?since=yesterday&limit=many", 422, "since in query", "", nil},
		{"GET", "/api/v1/events?since=yesterday&limit=many", 422, "limit in query", "", nil},
		{"GET", "/api/v1/events?cursor=made-up", 422, "cursor in query", "", nil},
		{"GET", "/api/v1/events", 503, "store", "", failing},
		{"GET", "/api/v1/experiments/events/pend00", 503, "store", "", failing},
		{"GET", "/api/v1/system", 500, "log", "", panicking},
	} {
		t.Run(fmt.Sprint(c.method, " ", clip(c.target, 60)), func(t *testing.T) {
			h := usual
			if c.change != nil {
				h = newHandler(t, c.change)
			}
			w := do(t, h, c.method, c.target)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			var form struct {
				Code    *int
				Message *string
			}
			dec := json.NewDecoder(w.Body)
			dec.DisallowUnknownFields()
			if err := dec.Decode(&form); err != nil || form.Code == nil || form.Message == nil {
				t.Fatalf("not the error form: %v", err)
			}
			if *form.Code != c.status {
				t.Errorf("code %d, want %d", *form.Code, c.status)
			}
			if !strings.Contains(*form.Message, c.names) {
				t.Errorf("message %q doesn't name %q", *form.Message, c.names)
			}
			if strings.Contains(*form.Message, "secret") {
				t.Errorf("message %q tells internals", *form.Message)
			}
			if got := w.Header().Get("Allow"); got != c.allow {
				t.Errorf("Allow %q, want %q", got, c.allow)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
		})
	}
}

// A fault of ours is one line in the log, with its stack, and never half an answer.
func TestPanicIsLogged(t *testing.T) {
	log, hook := test.NewNullLogger()
	h := newHandler(t, func(o *Options) {
		o.Log = log
		o.System = func() SystemInfo { panic("boom") }
	})
	if w := get(t, h, "/"); w.Code != 500 {
		t.Errorf("status %d", w.Code)
	}
	if n := len(hook.AllEntries()); n != 1 {
		t.Fatalf("%d lines in the log", n)
	}
	entry := hook.LastEntry()
	if entry.Level != logrus.ErrorLevel || !strings.Contains(fmt.Sprint(entry.Data["stack"]), "serve.") {
		t.Errorf("logged %v", entry)
	}
	started := protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half"))
		panic("boom")
	}), log)
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("half an answer was ended as if it were whole")
		}
	}()
	started.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{})
	for _, field := range []string{"Snapshot", "Events", "AllEvents", "System", "Ready", "Log"} {
		if err == nil || !strings.Contains(err.Error(), "Options."+field) {
			t.Errorf("%v doesn't name %s", err, field)
		}
	}
}
