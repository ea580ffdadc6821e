package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
	"labstatus/internal/lab"
)

// liveWorld is a server on a network in memory, in a bubble: its readers follow a
// laboratory that a test changes.
type liveWorld struct {
	*testing.T
	opts    Options
	live    *Live
	log     *test.Hook
	current atomic.Pointer[health.Snapshot]
	server  *http.Server
	client  *http.Client
	stop    context.CancelFunc // ends the live worker
	parts   sync.WaitGroup
}

// inLiveWorld runs a test in a bubble of its own. Whatever it leaves running makes
// it fail.
func inLiveWorld(t *testing.T, story func(w *liveWorld), change ...func(*Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log, hook := test.NewNullLogger()
		w := &liveWorld{T: t, live: NewLive(), log: hook}
		w.current.Store(bigSnapshot(3, 1))
		h := newHandler(t, append([]func(*Options){func(o *Options) {
			o.Live, o.Log, o.Snapshot, o.ReadAuth = w.live, log, w.current.Load, nil
		}}, append(change, func(o *Options) { w.opts = *o })...)...)
		network := lab.NewNetwork()
		listener, err := network.Listen("status.lab:80")
		if err != nil {
			t.Fatal(err)
		}
		w.server = NewServer(h, log)
		w.client = &http.Client{Transport: &http.Transport{DialContext: network.DialContext, DisableCompression: true}}
		ctx, stop := context.WithCancel(t.Context())
		w.stop = stop
		w.live.Publish(w.current.Load(), nil)
		w.parts.Go(func() { w.live.Run(ctx) })
		w.parts.Go(func() {
			if err := w.server.Serve(listener); err != http.ErrServerClosed {
				t.Error(err)
			}
		})
		synctest.Wait()
		story(w)
		stop()
		if err := w.server.Shutdown(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
		w.client.CloseIdleConnections()
		w.parts.Wait()
	})
}

// change publishes a snapshot in which the experiments of these names are new, and
// nothing else is.
func (w *liveWorld) change(names ...string) {
	w.publish(func(s *health.Snapshot) {
		for _, name := range names {
			r := healthyReport(name)
			i, found := slices.BinarySearchFunc(s.Experiments, name, func(r *health.Report, n string) int { return strings.Compare(r.Name, n) })
			if found {
				s.Experiments[i] = r
			} else {
				s.Experiments = slices.Insert(s.Experiments, i, r)
			}
		}
	})
}

func (w *liveWorld) publish(change func(*health.Snapshot), events ...health.Event) {
	next := *w.current.Load()
	next.Experiments = slices.Clone(next.Experiments)
	next.Version++
	next.At = time.Now()
	change(&next)
	w.current.Store(&next)
	w.live.Publish(&next, events)
}

// heard is one message that a reader got.
type heard struct {
	id, event, data string
	at              time.Time
}

func (h heard) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(h.data), v); err != nil {
		t.Fatalf("%s: %v", h.data, err)
	}
}

// names are those of the reports in a message, or of its event.
func (h heard) names(t *testing.T) string {
	t.Helper()
	var m struct {
		Changed []struct {
			Topic string `json:"topic_name"`
		}
		Gone       []string
		Experiment string
	}
	h.into(t, &m)
	var names []string
	for _, r := range m.Changed {
		names = append(names, r.Topic)
	}
	for _, g := range m.Gone {
		names = append(names, "-"+g)
	}
	if m.Experiment != "" {
		names = append(names, m.Experiment)
	}
	return strings.Join(names, " ")
}

// liveReader follows.
type liveReader struct {
	w      *liveWorld
	answer *http.Response
	hang   chan struct{} // closed: it goes on reading
	mu     sync.Mutex
	all    []heard
	ended  bool
}

// follow begins to read after an id, or without one.
func (w *liveWorld) follow(after string, headers ...string) *liveReader {
	w.Helper()
	r := &liveReader{w: w, hang: make(chan struct{})}
	close(r.hang)
	r.answer = w.open(after, headers...)
	if r.answer.StatusCode != 200 || r.answer.Header.Get("Content-Type") != "text/event-stream" {
		w.Fatalf("%d %v", r.answer.StatusCode, r.answer.Header)
	}
	w.parts.Go(func() { r.read(r.answer.Body) })
	synctest.Wait()
	return r
}

func (w *liveWorld) open(after string, headers ...string) *http.Response {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), http.MethodGet, "http://status.lab"+basePath+"/events/live", nil)
	if err != nil {
		w.Fatal(err)
	}
	if after != "" {
		request.Header.Set("Last-Event-ID", after)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := w.client.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	return answer
}

func (r *liveReader) read(stream io.Reader) {
	lines := bufio.NewReader(stream)
	var m heard
	for {
		line, err := lines.ReadString('\n')
		r.mu.Lock()
		if err != nil {
			r.ended = true
			r.mu.Unlock()
			return
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			m.data = value
		case "retry":
			if value != "2000" {
				r.w.Errorf("retry: %s", value)
			}
		case "":
			m.at = time.Now()
			r.all = append(r.all, m)
			m = heard{}
		default:
			r.w.Errorf("a line that is none of server-sent events: %q", line)
		}
		r.mu.Unlock()
	}
}

// heard gives what came since the last call, without what is told of the system.
func (r *liveReader) heard() []heard {
	return slices.DeleteFunc(r.everything(), func(m heard) bool { return m.event == "system" })
}

func (r *liveReader) everything() []heard {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

func (r *liveReader) hasEnded() bool {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

func (r *liveReader) leave() {
	_ = r.answer.Body.Close()
	synctest.Wait()
}

// said words messages in short: what they are and about whom.
func said(t *testing.T, all []heard) string {
	t.Helper()
	var out []string
	for _, m := range all {
		out = append(out, strings.TrimSpace(m.event+" "+m.names(t)))
	}
	return strings.Join(out, ", ")
}
