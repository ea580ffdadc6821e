package statusport_test

import (
	"compress/gzip"
	"mime"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"labstatus/internal/telemetry/statusport"
)

const askOpenMetrics = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

// parse reads the text format with Prometheus' own parser.
func parse(t testing.TB, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return families
}

func TestPrometheusTextHasTrueTypes(t *testing.T) {
	p := port(t, nil)
	for _, c := range [][]string{
		{"/_metrics/prometheus"}, {"/_metrics?format=prometheus"}, {"/metrics"}, {"/metrics", "Accept", "text/plain"},
		{"/_metrics/prometheus", "Accept", askOpenMetrics}, // never OpenMetrics there
	} {
		r := ask(t, p, http.MethodGet, c[0], c[1:]...)
		media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || media != "text/plain" || params["version"] != "0.0.4" || params["charset"] != "utf-8" {
			t.Errorf("%v answers as %s", c, r.Header.Get("Content-Type"))
		}
		families := parse(t, body(t, r))
		for name, want := range map[string]dto.MetricType{
			"status_events_total": dto.MetricType_COUNTER, "status_book_writes_pending": dto.MetricType_GAUGE,
			"status_loop_turn_duration_seconds": dto.MetricType_HISTOGRAM, "go_gc_duration_seconds": dto.MetricType_SUMMARY,
		} {
			if f := families[name]; f == nil || f.GetType() != want {
				t.Errorf("%v: %s is %v, want %v", c, name, f.GetType(), want)
			}
		}
		buckets := families["status_loop_turn_duration_seconds"].GetMetric()[0].GetHistogram().GetBucket()
		for i := range buckets {
			if i > 0 && buckets[i].GetCumulativeCount() < buckets[i-1].GetCumulativeCount() {
				t.Errorf("the buckets fall: %v", buckets)
			}
		}
	}
}

// OpenMetrics 1.0 in its own rules: what a strict reader checks.
func TestOpenMetrics(t *testing.T) {
	r := ask(t, port(t, nil), http.MethodGet, "/metrics", "Accept", askOpenMetrics)
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/openmetrics-text" || params["version"] != "1.0.0" || params["charset"] != "utf-8" {
		t.Fatalf("answers as %s", r.Header.Get("Content-Type"))
	}
	text := body(t, r)
	if !strings.HasSuffix(text, "\n# EOF\n") || strings.Count(text, "# EOF") != 1 || strings.Contains(text, "\r") {
		t.Fatalf("ends with %q", text[max(0, len(text)-20):])
	}
	family, kind, seen := "", "", map[string]bool{}
	suffixes := map[string][]string{
		"counter": {"_total"}, "histogram": {"_bucket", "_sum", "_count"}, "summary": {"", "_sum", "_count"}, "gauge": {""},
	}
	for line := range strings.Lines(strings.TrimSuffix(text, "# EOF\n")) {
		words := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		switch {
		case words[0] != "#":
			name, _, _ := strings.Cut(words[0], "{")
			fits := false
			for _, s := range suffixes[kind] {
				fits = fits || name == family+s
			}
			if !fits {
				t.Errorf("%q stands in the %s %s", name, kind, family)
			}
		case words[1] == "HELP":
			if seen[words[2]] {
				t.Errorf("%s comes twice", words[2])
			}
			family, kind = words[2], ""
			seen[family] = true
		case words[1] == "TYPE":
			kind = words[3]
			if words[2] != family || suffixes[kind] == nil {
				t.Errorf("%q after HELP of %s", line, family)
			}
		case words[1] == "UNIT":
			if words[2] != family || !strings.HasSuffix(family, "_"+words[3]) {
				t.Errorf("%q does not end %s", line, family)
			}
		default:
			t.Errorf("a comment that may not be: %q", line)
		}
	}
	if !seen["status_events"] || seen["status_events_total"] {
		t.Error("a counter's family has its suffix")
	}

	// the same samples as the other format, which has a parser of its own
	plain := parse(t, body(t, ask(t, port(t, nil), http.MethodGet, "/metrics")))
	for name, f := range plain {
		if f.GetType() == dto.MetricType_COUNTER {
			name = strings.TrimSuffix(name, "_total")
		}
		if !seen[name] { // one that clashes with a counter is
			t.Errorf("%s is missing", name)
		}
	}
}

func TestMetricsAreCompressedWhereAskedFor(t *testing.T) {
	r := ask(t, port(t, nil), http.MethodGet, "/metrics", "Accept-Encoding", "gzip", "Accept", askOpenMetrics)
	if r.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("encoded as %q", r.Header.Get("Content-Encoding"))
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = z
	if text := body(t, r); !strings.HasSuffix(text, "# EOF\n") {
		t.Error("the answer is cut")
	}
}

// While the server drains the figures are still there.
func TestFiguresWhileStopping(t *testing.T) {
	p := port(t, nil)
	p.Set(statusport.Stopping)
	for _, path := range []string{"/metrics", "/_metrics", "/_metrics/prometheus"} {
		if r := ask(t, p, http.MethodGet, path); r.StatusCode != http.StatusOK {
			t.Errorf("%s answers %d", path, r.StatusCode)
		}
	}
}
