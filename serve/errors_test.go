package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

// Whatever goes wrong is said in the error form, with the right status, and names
// what was at fault.
func TestErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("read events: secret path /var/lib")
	with := func(change ...func(*Options)) func() http.Handler {
		return sync.OnceValue(func() http.Handler { return newHandler(t, change...) })
	}
	usual := with()
	failing := with(func(o *Options) {
		o.Events = func(context.Context, string) ([]health.Event, error) { return nil, broken }
		o.FindEvents = func(context.Context, EventQuery) ([]health.Event, string, error) { return nil, "", broken }
		o.History = func(context.Context, string, time.Time, time.Time) (History, error) { return History{}, broken }
		o.Audit = func(context.Context, int, string) ([]health.Act, string, error) { return nil, "", broken }
		o.Mails = func(context.Context, int, string) ([]health.Mail, string, error) { return nil, "", broken }
		o.Mail = func(context.Context, string) (health.Mail, error) { return health.Mail{}, broken }
	})
	damaged := with(func(o *Options) {
		o.Mail = func(context.Context, string) (health.Mail, error) { return health.Mail{Raw: []byte("secret\x00")}, nil }
	})
	panicking := with(func(o *Options) { o.System = func() SystemInfo { panic("secret path /var/lib") } })
	for _, c := range []struct {
		method, target string
		status         int
		names, allow   string
		on             func() http.Handler
	}{
		{"GET", "/nowhere", 404, "/nowhere", "", usual},
		{"GET", "/api", 404, "/api", "", usual},
		{"GET", "/api/v2/experiments", 404, "/api/v2/experiments", "", usual},
		{"GET", "/api/v1", 404, "not found", "", usual},
		{"GET", "/api/v1/nowhere", 404, "/api/v1/nowhere", "", usual},
		{"GET", "/api/v1/experiments/nobody", 404, "nobody", "", usual},
		{"GET", "/api/v1/experiments/r-pend00", 404, "topic stub", "", usual},
		{"GET", "/api/v1/experiments/events/nobody", 404, "nobody", "", usual},
		{"GET", "/api/v1/experiments/" + strings.Repeat("x", 257), 422, "name in path", "", usual},
		{"POST", "/api/v1/experiments", 405, "POST", "GET", usual},
		{"DELETE", "/api/v1/experiments/pend00", 405, "DELETE", "GET", usual},
		{"POST", "/api/v1/swagger.json", 405, "POST", "GET, HEAD", usual},
		{"PUT", "/", 405, "PUT", "GET, HEAD", usual},
		{"POST", "/experiment?name=pend00", 405, "POST", "GET, HEAD", usual},
		{"POST", "/healthz", 405, "POST", "GET, HEAD", usual},
		{"POST", "/readyz", 405, "POST", "GET, HEAD", usual},
		{"POST", "/feed.atom", 405, "POST", "GET, HEAD", usual},
		{"POST", "/badge/pend00.svg", 405, "POST", "GET, HEAD", usual},
		{"POST", "/mail.html?id=1", 405, "POST", "GET, HEAD", usual},
		{"POST", "/api/v1/events/live", 405, "POST", "GET", usual},
		{"GET", "/badge/nobody.svg", 404, "nobody", "", usual},
		{"GET", "/badge/pend00.png", 404, "pend00.png", "", usual},
		{"GET", "/badge/", 404, "/badge/", "", usual},
		{"GET", "/mail.html?id=nothing", 404, "no such mail", "", usual},
		{"GET", "/mail.html?id=1", 500, "log", "", damaged},
		{"GET", "/api/v1/mails/1", 500, "log", "", damaged},
		{"GET", "/mail.html?id=1", 503, "store", "", failing},
		{"GET", "/feed.atom", 503, "store", "", failing},
		{"GET", "/api/v1/mails/1", 503, "store", "", failing},
		{"GET", "/api/v1/mails", 503, "store", "", failing},
		{"GET", "/api/v1/audit", 503, "store", "", failing},
		{"GET", "/api/v1/experiments/pend00/history", 503, "store", "", failing},
		{"GET", "/api/v1/mails/nothing", 404, "no such mail", "", usual},
		{"GET", "/api/v1/mails?cursor=made-up", 422, "cursor in query", "", usual},
		{"GET", "/api/v1/audit?cursor=made-up", 422, "cursor in query", "", usual},
		{"GET", "/api/v1/audit?limit=0", 422, "limit in query", "", usual},
		{"GET", "/api/v1/experiments/nobody/history", 404, "nobody", "", usual},
		{"GET", "/api/v1/experiments/pend00/history?from=soon", 422, "from in query", "", usual},
		{"GET", "/api/v1/experiments/pend00/history?from=2999-01-01T00:00:00Z", 422, "from in query", "", usual},
		{"GET", "/api/v1/experiments/pend00/history?from=2025-01-02T00:00:00Z&to=2025-01-01T00:00:00Z", 422, "from in query", "", usual},
		{"GET", "/api/v1/experiments/pend00/history?from=0001-01-01T00:00:00Z", 422, "400 days", "", usual},
		{"GET", "/api/v1/experiments/pend00/history?from=2024-01-01T00:00:00Z&to=2025-02-05T00:00:00Z", 422, "400 days", "", usual},
		{"GET", "/api/v1/events?experiment=" + strings.Repeat("x", 257), 422, "experiment in query", "", usual},
		{"GET", "/api/v1/events?until=later", 422, "until in query", "", usual},
		{"GET", "/api/v1/experiments?state=ill", 422, "state in query", "", usual},
		{"GET", "/api/v1/experiments?q=" + strings.Repeat("x", 201), 422, "q in query", "", usual},
		{"GET", "/api/v1/events?limit=0", 422, "limit in query", "", usual},
		{"GET", "/api/v1/events?limit=1001", 422, "limit in query", "", usual},
		{"GET", "/api/v1/events?limit=many", 422, "limit in query", "", usual},
		{"GET", "/api/v1/events?since=yesterday", 422, "since in query", "", usual},
		{"GET", "/api/v1/events?since=yesterday&limit=many", 422, "since in query", "", usual},
		{"GET", "/api/v1/events?since=yesterday&limit=many", 422, "limit in query", "", usual},
		{"GET", "/api/v1/events?cursor=made-up", 422, "cursor in query", "", usual},
		{"GET", "/api/v1/events", 503, "store", "", failing},
		{"GET", "/api/v1/experiments/events/pend00", 503, "store", "", failing},
		{"GET", "/api/v1/system", 500, "log", "", panicking},
	} {
		t.Run(fmt.Sprint(c.method, " ", clip(c.target, 60)), func(t *testing.T) {
			w := do(t, c.on(), c.method, c.target)
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
	t.Parallel()
	log, hook := test.NewNullLogger()
	h := newHandler(t, func(o *Options) {
		o.Log = log
		o.System = func() SystemInfo { panic("boom") }
	})
	if w := get(t, h, basePath+"/system"); w.Code != 500 {
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
	t.Parallel()
	_, err := New(Options{})
	for _, field := range []string{"Snapshot", "Events", "FindEvents", "History", "Uptime", "Audit", "Mails", "Mail", "Act", "Hold", "TestMail", "Live", "System", "Ready", "Log"} {
		if err == nil || !strings.Contains(err.Error(), "Options."+field) {
			t.Errorf("%v doesn't name %s", err, field)
		}
	}
}
