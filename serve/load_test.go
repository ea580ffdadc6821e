package serve

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

// Readers and snapshots don't wait for each other, and a reader gets one snapshot
// or the other, never a mixture, never an older one than it had.
func TestReadersWhileSnapshotsChange(t *testing.T) {
	t.Parallel()
	const experiments, versions, readers = 20, 60, 4
	// Every experiment of a snapshot has its version as number of events.
	made := func(version uint64) *health.Snapshot {
		s := bigSnapshot(experiments, version)
		for _, r := range s.Experiments {
			r.Events = int(version)
		}
		return s
	}
	var current atomic.Pointer[health.Snapshot]
	current.Store(made(1))
	h := newHandler(t, func(o *Options) { o.Snapshot = current.Load })
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer done.Store(true)
		for v := uint64(2); v <= versions; v++ {
			current.Store(made(v))
		}
	})
	for i := range readers {
		wg.Go(func() {
			latest := 0
			target := basePath + "/experiments"
			if i == 0 {
				target += "?state=healthy"
			}
			for last := false; !last; {
				last = done.Load() // one more turn, of the final snapshot
				var got []struct {
					Events int `json:"health_events"`
				}
				if err := json.Unmarshal(get(t, h, target, "Accept-Encoding", "identity").Body.Bytes(), &got); err != nil {
					t.Error(err)
					return
				}
				for _, r := range got {
					if len(got) != experiments || r.Events != got[0].Events || r.Events < latest {
						t.Errorf("%d reports, of version %d and %d, after %d", len(got), r.Events, got[0].Events, latest)
						return
					}
				}
				latest = got[0].Events
				get(t, h, basePath+"/experiments", "Accept-Encoding", "zstd")
				get(t, h, "/")
				get(t, h, "/experiment?name=expt000001")
				get(t, h, basePath+"/system")
			}
			if latest != versions {
				t.Errorf("the last version read is %d", latest)
			}
		})
	}
	wg.Wait()
}

// Servers of one process share what is compiled in: none of them changes it, neither
// when it is made nor when it answers. It is the race detector that finds out.
func TestServersOfOneProcess(t *testing.T) {
	t.Parallel()
	targets := []string{
		"/", "/system", "/experiment?name=pend00", "/overview.json", basePath + "/swagger.json",
		basePath + "/experiments?state=healthy", basePath + "/events?limit=5", basePath + "/experiments/pend00/history",
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			h := newHandler(t) // made at once, too
			for _, target := range targets {
				if w := get(t, h, target, "Accept-Encoding", "gzip"); w.Code != http.StatusOK {
					t.Errorf("%s: %d %s", target, w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
}

// A reader that took its snapshot just before a newer one came doesn't bring the
// older list back.
func TestListingNeverGoesBack(t *testing.T) {
	t.Parallel()
	var l listings
	older, newer := bigSnapshot(1, 1), bigSnapshot(2, 2)
	first := l.of(newer)
	l.of(older)
	if l.of(newer) != first {
		t.Error("the newer list was made twice")
	}
}

// A client that sends nothing, too slowly or too much is let go.
func TestServerHasLimits(t *testing.T) {
	t.Parallel()
	log, hook := test.NewNullLogger()
	s := NewServer(newHandler(t), log)
	for what, d := range map[string]time.Duration{"header": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout} {
		if d <= 0 {
			t.Errorf("no limit on %s", what)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableCompression: true}}
	base := "http://" + listener.Addr().String()
	for _, c := range []struct {
		method, path, header string
		status               int
		body                 bool
	}{
		{http.MethodHead, "/api/v1/experiments", "", 200, false},
		{http.MethodHead, "/", "", 200, false},
		{http.MethodGet, "/api/v1/experiments", "", 200, true},
		{http.MethodGet, "/api/v1/swagger.json", "", 200, true},
		{http.MethodGet, "/api/v1/experiments", string(make40k()), 431, true},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.header != "" {
			r.Header.Set("X-Long", c.header)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != c.status || (len(body) > 0) != c.body {
			t.Errorf("%s %s: %d with %d bytes", c.method, c.path, answer.StatusCode, len(body))
		}
		if c.method == http.MethodHead && answer.ContentLength <= 0 {
			t.Errorf("HEAD %s tells no length", c.path)
		}
	}
	client.CloseIdleConnections()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Error(err)
	}
	s.ErrorLog.Print("something about a client")
	for _, entry := range hook.AllEntries() {
		t.Errorf("logged: %s", entry.Message)
	}
}

func make40k() []byte {
	long := make([]byte, 40<<10)
	for i := range long {
		long[i] = 'x'
	}
	return long
}

// The figures for ten thousand experiments with two streams each.
func BenchmarkTenThousand(b *testing.B) {
	snap := bigSnapshot(10_000, 1)
	for _, c := range []struct {
		name, target, encoding string
		fresh                  bool // a new snapshot each time
	}{
		{"list/first/identity", "/api/v1/experiments", "identity", true},
		{"list/first/gzip", "/api/v1/experiments", "gzip", true},
		{"list/first/zstd", "/api/v1/experiments", "zstd", true},
		{"list/again/gzip", "/api/v1/experiments", "gzip", false},
		{"one", "/api/v1/experiments/expt005000", "gzip", true},
		{"filter", "/api/v1/experiments?q=expt0050", "gzip", true},
		{"page/zstd", "/", "zstd", true},
	} {
		b.Run(c.name, func(b *testing.B) {
			current := *snap
			h := newHandler(b, func(o *Options) { o.Snapshot = func() *health.Snapshot { s := current; return &s } })
			get(b, h, c.target, "Accept-Encoding", c.encoding)
			b.ReportAllocs()
			var size int
			for b.Loop() {
				if c.fresh {
					current.Version++
				}
				size = get(b, h, c.target, "Accept-Encoding", c.encoding).Body.Len()
			}
			b.ReportMetric(float64(size), "bytes/answer")
		})
	}
}
