package statusport_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/telemetry/statusport"
)

// ask sends one request straight to the handler.
func ask(t testing.TB, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// figures is a registry with one metric of every kind.
func figures(t testing.TB) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewRegistry()
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "status_events_total", Help: "Events."}, []string{"health"})
	counter.WithLabelValues("healthy").Add(3)
	counter.WithLabelValues("not well.").Add(1)
	accepted := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "net_conntrack_listener_conn_accepted_total", Help: "A."}, []string{"listener_name"})
	accepted.WithLabelValues("http").Add(5)
	accepted.WithLabelValues("grpc").Add(2)
	failed := prometheus.NewCounter(prometheus.CounterOpts{Name: "net_conntrack_listener_accept_failed_total", Help: "F."})
	failed.Inc()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "status_book_writes_pending", Help: "Pending."})
	gauge.Set(2.5)
	nothing := prometheus.NewGauge(prometheus.GaugeOpts{Name: "status_nothing", Help: "No number."})
	nothing.Set(nan())
	times := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "status_loop_turn_duration_seconds", Help: "Turns.", Buckets: []float64{.1, 1}})
	sizes := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "status_frame_bytes", Help: "Frames.", Buckets: []float64{10, 100, 1000}})
	for i := range 100 {
		times.Observe(float64(i) / 50)
		sizes.Observe(float64(i))
	}
	r.MustRegister(counter, accepted, failed, gauge, nothing, times, sizes, collectors.NewGoCollector())
	return r
}

func nan() float64 { zero := 0.0; return zero / zero }

func port(t testing.TB, change func(*statusport.Options)) *statusport.Port {
	t.Helper()
	log, _ := test.NewNullLogger()
	o := statusport.Options{
		ListenAddress: "unix:/run/status.sock", ForwardAddress: "https://lab.example/tenant/book", Revision: "1.2.3",
		Gatherer: figures(t), Log: log,
		Timers: func() []statusport.Timer {
			return []statusport.Timer{{Name: "loop.turn", Count: 100, Min: .5, Max: 4, Mean: 2, P50: 1, P75: 2, P95: 3, P99: 3.5}}
		},
	}
	if change != nil {
		change(&o)
	}
	p := statusport.New(o)
	p.Set(statusport.Listening)
	return p
}

// Every key of the answer, in ghostunnel's order, with its type.
func TestStatusKeyByKey(t *testing.T) {
	well, why := true, ""
	p := port(t, func(o *statusport.Options) {
		o.Backend = func() (bool, string) { return well, why }
		o.CheckEvery = time.Nanosecond
	})
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	stamp := `"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,9})?Z"`
	line := func(ok, status, backendOK, backendStatus, backendError, lastReload, message string) *regexp.Regexp {
		return regexp.MustCompile(`^\{"ok":` + ok + `,"status":"` + status + `","listen_address":"unix:/run/status.sock",` +
			`"forward_address":"https://lab.example/tenant/book","backend_ok":` + backendOK + `,"backend_status":"` + backendStatus + `",` +
			backendError + `"time":` + stamp + `,"last_reload":` + lastReload + `,"hostname":"` + regexp.QuoteMeta(host) + `",` +
			`"message":"` + message + `","revision":"1.2.3","compiler":"` + regexp.QuoteMeta(runtime.Version()) + `"\}$`)
	}
	const never = `"0001-01-01T00:00:00Z"`
	check := func(what string, code int, want *regexp.Regexp) {
		t.Helper()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := ask(t, p, method, "/_status")
			if text := body(t, r); r.StatusCode != code || r.Header.Get("Content-Type") != "application/json" || !want.MatchString(text) {
				t.Errorf("%s: %d %s %q\nwant %d %s", what, r.StatusCode, r.Header.Get("Content-Type"), text, code, want)
			}
		}
	}
	check("well", 200, line("true", "ok", "true", "ok", "", never, "listening"))
	p.Set(statusport.Reloading)
	check("reloading", 200, line("true", "ok", "true", "ok", "", never, "reloading"))
	p.Reloaded(time.Date(2026, 11, 20, 23, 15, 57, 0, time.UTC))
	check("reloaded", 200, line("true", "ok", "true", "ok", "", `"2026-11-20T23:15:57Z"`, "listening"))
	well, why = false, "relay has no fresh reports"
	check("backend down", 503, line("false", "critical", "false", "critical", `"backend_error":"relay has no fresh reports",`, stamp, "listening"))
	well = true
	p.Set(statusport.Stopping)
	p.Set(statusport.Listening) // too late
	check("stopping", 503, line("false", "critical", "true", "ok", "", stamp, "stopping"))
	if fresh := statusport.New(statusport.Options{Gatherer: prometheus.NewRegistry()}).Status(); fresh.OK || fresh.Message != statusport.Initializing {
		t.Errorf("a new port says %+v", fresh)
	}
}

func TestChecksAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := 0
		p := statusport.New(statusport.Options{
			Gatherer: prometheus.NewRegistry(), CheckEvery: 5 * time.Second,
			Backend: func() (bool, string) { checks++; return true, "" },
		})
		for range 100 {
			_ = ask(t, p, http.MethodGet, "/_status")
			time.Sleep(100 * time.Millisecond)
		}
		if checks != 2 {
			t.Errorf("100 requests in ten seconds made %d checks, want one each five seconds", checks)
		}
	})
}

// Paths are exact, and what is behind a setting isn't there without it.
func TestPaths(t *testing.T) {
	bare := port(t, nil)
	full := port(t, func(o *statusport.Options) {
		o.Pprof, o.Shutdown, o.Trusted = true, func() {}, func(*http.Request) bool { return true }
		o.Debug = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "events") })
	})
	for path, want := range map[string][2]int{
		"/_status": {200, 200}, "/_metrics": {200, 200}, "/_metrics/json": {200, 200}, "/_metrics/prometheus": {200, 200}, "/metrics": {200, 200},
		"/": {404, 404}, "/_status/": {404, 404}, "/_metrics/": {404, 404}, "/metrics/": {404, 404}, "/_metrics/xml": {404, 404},
		"/_shutdown": {404, 405}, "/debug/pprof/": {404, 200}, "/debug/pprof/goroutine?debug=1": {404, 200}, "/debug/pprof/cmdline": {404, 200},
		"/debug/events": {404, 200}, "/debug/requests": {404, 200},
	} {
		for i, p := range []*statusport.Port{bare, full} {
			r := ask(t, p, http.MethodGet, path)
			if r.StatusCode != want[i] {
				t.Errorf("%s answers %d, want %d (settings on: %v)", path, r.StatusCode, want[i], i == 1)
			}
			if r.StatusCode == 404 && !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("%s: 404 as %s", path, r.Header.Get("Content-Type"))
			}
		}
	}
}

func TestShutdown(t *testing.T) {
	asked := 0
	p := port(t, func(o *statusport.Options) {
		o.Shutdown = func() { asked++ }
		o.Trusted = func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer admin" }
	})
	for _, c := range []struct {
		method string
		header []string
		want   int
		asked  int
	}{
		{http.MethodGet, nil, 405, 0}, {http.MethodPut, []string{"Authorization", "Bearer admin"}, 405, 0},
		{http.MethodPost, nil, 403, 0}, {http.MethodPost, []string{"Authorization", "Bearer admin"}, 200, 1},
		{http.MethodPost, []string{"Authorization", "Bearer admin"}, 200, 2},
	} {
		r := ask(t, p, c.method, "/_shutdown", c.header...)
		if r.StatusCode != c.want || asked != c.asked {
			t.Errorf("%s %v: %d, asked %d times; want %d, %d", c.method, c.header, r.StatusCode, asked, c.want, c.asked)
		}
		if r.StatusCode == 405 && r.Header.Get("Allow") != "POST" {
			t.Error("405 doesn't say what is allowed")
		}
		if text := body(t, r); r.StatusCode == 200 && text != "" {
			t.Errorf("200 with %q", text)
		}
	}
	nobody := port(t, func(o *statusport.Options) { o.Shutdown = func() { t.Error("stopped by anybody") } })
	if r := ask(t, nobody, http.MethodPost, "/_shutdown"); r.StatusCode != 403 {
		t.Errorf("anybody may stop the server: %d", r.StatusCode)
	}
}

// Every field of the JSON, and every one of a timer's eight.
func TestJSONFieldByField(t *testing.T) {
	p := port(t, func(o *statusport.Options) { o.Prefix = "my.pre-fix" })
	for _, path := range []string{"/_metrics", "/_metrics/json", "/_metrics?format=json", "/_metrics?format=xml"} {
		r := ask(t, p, http.MethodGet, path)
		text := body(t, r)
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %d %s", path, r.StatusCode, r.Header.Get("Content-Type"))
		}
		var entries []map[string]any
		if err := json.Unmarshal([]byte(text), &entries); err != nil {
			t.Fatalf("%s: %v\n%s", path, err, text)
		}
		values, names := map[string]float64{}, []string(nil)
		for _, e := range entries {
			if len(e) != 4 {
				t.Fatalf("an entry has other fields: %v", e)
			}
			name, isText := e["metric"].(string)
			number, isNumber := e["value"].(float64)
			stamp, isStamp := e["timestamp"].(float64)
			_, isHost := e["hostname"].(string)
			if !isText || !isNumber || !isStamp || !isHost || stamp != entries[0]["timestamp"] || stamp != float64(int64(stamp)) {
				t.Fatalf("an entry is of other types: %v", e)
			}
			values[name] = number
			names = append(names, name)
		}
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("the names are not sorted or not unique: %q", names)
		}
		for name, want := range map[string]float64{
			"events_total.healthy": 3, "events_total.not_well_": 1, "book_writes_pending": 2.5,
			"loop.turn.count": 100, "loop.turn.min": .5, "loop.turn.max": 4, "loop.turn.mean": 2,
			"loop.turn.50-percentile": 1, "loop.turn.75-percentile": 2, "loop.turn.95-percentile": 3, "loop.turn.99-percentile": 3.5,
			"frame_bytes.count": 100, "frame_bytes.mean": 49.5, "frame_bytes.50-percentile": 100, "frame_bytes.99-percentile": 100,
			"accept.total": 8, "accept.success": 7, "accept.error": 1,
		} {
			if got, there := values["my.pre-fix."+name]; !there || got != want {
				t.Errorf("%s is %v (%v), want %v", name, got, there, want)
			}
		}
		for _, name := range []string{"runtime.goroutines", "runtime.mem.alloc", "runtime.mem.total-alloc", "runtime.mem.sys", "runtime.mem.heap.objects"} {
			if values["my.pre-fix."+name] <= 0 {
				t.Errorf("%s is missing", name)
			}
		}
		for _, name := range []string{"nothing", "loop_turn_duration_seconds.count"} {
			if _, there := values["my.pre-fix."+name]; there {
				t.Errorf("%s is there", name)
			}
		}
	}
}

// A collector that fails costs its own figures, and is said in the log.
func TestABrokenCollectorKeepsNobodyElseFromAnswering(t *testing.T) {
	log, hook := test.NewNullLogger()
	p := port(t, func(o *statusport.Options) {
		r := o.Gatherer.(*prometheus.Registry)
		desc := prometheus.NewDesc("status_broken", "Broken.", nil, nil)
		r.MustRegister(prometheus.CollectorFunc(func(out chan<- prometheus.Metric) {
			out <- prometheus.NewInvalidMetric(desc, fmt.Errorf("broken"))
		}))
		o.Log = log
	})
	for _, path := range []string{"/metrics", "/_metrics/json", "/_metrics/prometheus"} {
		r := ask(t, p, http.MethodGet, path)
		if text := body(t, r); r.StatusCode != 200 || !strings.Contains(text, "writes_pending") {
			t.Errorf("%s answers %d: %s", path, r.StatusCode, text)
		}
		if hook.LastEntry() == nil {
			t.Errorf("%s: nothing is logged", path)
		}
		hook.Reset()
	}
}
