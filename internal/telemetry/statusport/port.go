package statusport

import (
	"cmp"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/sirupsen/logrus"
)

// Options say what a [Port] shows.
type Options struct {
	ListenAddress  string // as it was set
	ForwardAddress string // what the server depends on, as it was set
	Revision       string // of the build
	// Backend says whether everything that the server depends on is well, and
	// else why not, in words without secrets. It is asked once in CheckEvery
	// (0: a second), however many ask us.
	Backend    func() (ok bool, why string)
	CheckEvery time.Duration

	Gatherer prometheus.Gatherer
	// Timers stand for the families that end in _duration_seconds in /_metrics.
	Timers func() []Timer
	Prefix string // first part of the names in /_metrics; empty: status

	Debug http.Handler // /debug/events and /debug/requests; nil: 404
	Pprof bool
	// Shutdown asks the server to stop, without waiting; nil: /_shutdown is 404.
	Shutdown func()
	// Trusted are those who may stop the server; nil: nobody.
	Trusted func(*http.Request) bool
	Log     logrus.FieldLogger
}

// Condition is what the server is doing.
type Condition string

// Conditions, in the order of a server's life.
const (
	Initializing Condition = "initializing"
	Listening    Condition = "listening"
	Reloading    Condition = "reloading" // and still serving
	Stopping     Condition = "stopping"  // requests are answered to the end, with 503
)

// Port answers what is asked of the server's own condition.
type Port struct {
	o        Options
	hostname string
	mux      *http.ServeMux

	mu         sync.Mutex
	condition  Condition
	lastReload time.Time

	checking sync.Mutex
	checked  time.Time // zero: never
	well     bool
	why      string
}

// New makes a port; its server is initializing.
func New(o Options) *Port {
	o.CheckEvery = cmp.Or(max(o.CheckEvery, 0), time.Second)
	o.Prefix = cmp.Or(o.Prefix, "status")
	if o.Backend == nil {
		o.Backend = func() (bool, string) { return true, "" }
	}
	p := &Port{o: o, condition: Initializing, mux: http.NewServeMux()}
	p.hostname, _ = os.Hostname() // empty means unknown, and is left out
	p.routes()
	return p
}

// routes are exact: what isn't listed is 404 as text.
func (p *Port) routes() {
	p.mux.HandleFunc("/_status", p.status)
	p.mux.HandleFunc("/_metrics/json", p.json)
	p.mux.Handle("/_metrics/prometheus", p.exposition(false))
	p.mux.HandleFunc("/_metrics", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("format") == "prometheus" {
			p.exposition(false).ServeHTTP(w, r)
			return
		}
		p.json(w, r)
	})
	p.mux.Handle("/metrics", p.exposition(true))
	if p.o.Shutdown != nil {
		p.mux.HandleFunc("/_shutdown", p.shutdown)
	}
	if p.o.Debug != nil {
		p.mux.Handle("/debug/events", p.o.Debug)
		p.mux.Handle("/debug/requests", p.o.Debug)
	}
	if p.o.Pprof {
		p.mux.HandleFunc("/debug/pprof/", pprof.Index)
		p.mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		p.mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		p.mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		p.mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
}

// ServeHTTP implements http.Handler.
func (p *Port) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	p.mux.ServeHTTP(w, r)
}

// Set says what the server is doing now. One that stops does nothing else any more.
func (p *Port) Set(c Condition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.condition != Stopping {
		p.condition = c
	}
}

// Reloaded notes when settings and certificates were last read again, and that
// the server is listening again.
func (p *Port) Reloaded(at time.Time) {
	p.Set(Listening)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastReload = at
}

// backend is what Backend said at most CheckEvery ago.
func (p *Port) backend() (ok bool, why string) {
	p.checking.Lock()
	defer p.checking.Unlock()
	if p.checked.IsZero() || time.Since(p.checked) >= p.o.CheckEvery {
		p.well, p.why = p.o.Backend()
		p.checked = time.Now()
	}
	return p.well, p.why
}

// exposition is for Prometheus: OpenMetrics where it is asked for and offered, and
// else the older text. A collector that fails costs its own figures and is logged.
func (p *Port) exposition(openMetrics bool) http.Handler {
	o := promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, ErrorLog: errorLog{p.o.Log}, MaxRequestsInFlight: 8, Timeout: 30 * time.Second,
	}
	text := promhttp.HandlerFor(p.o.Gatherer, o)
	if !openMetrics {
		return text
	}
	o.EnableOpenMetrics = true
	open := promhttp.HandlerFor(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := p.o.Gatherer.Gather()
		return unclashed(families), err
	}), o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		if strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "openmetrics-text") {
			open.ServeHTTP(w, r)
			return
		}
		text.ServeHTTP(w, r)
	})
}

// unclashed leaves out families whose name is that of a counter without _total:
// OpenMetrics calls both the same, and a strict reader would refuse everything. Of
// those that Go's collector has that is go_memstats_alloc_bytes, which
// go_memstats_heap_alloc_bytes equals.
func unclashed(families []*dto.MetricFamily) []*dto.MetricFamily {
	counters := map[string]bool{}
	for _, f := range families {
		if name, is := strings.CutSuffix(f.GetName(), "_total"); is && f.GetType() == dto.MetricType_COUNTER {
			counters[name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(families), func(f *dto.MetricFamily) bool { return counters[f.GetName()] })
}

type errorLog struct{ log logrus.FieldLogger }

// Println implements promhttp.Logger.
func (l errorLog) Println(v ...any) {
	if l.log != nil {
		l.log.Errorln(v...)
	}
}

// shutdown asks for a stop. Repeating it does no harm.
func (p *Port) shutdown(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
	case p.o.Trusted == nil || !p.o.Trusted(r):
		http.Error(w, "only from this machine, or with an admin's token", http.StatusForbidden)
	default:
		w.WriteHeader(http.StatusOK)
		p.o.Shutdown()
	}
}

var compiler = runtime.Version()
