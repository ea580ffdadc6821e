package observer_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"

	"labstatus/internal/lab"
	"labstatus/internal/observer"
)

const (
	httpAddr = "status.lab:3008"
	grpcAddr = "status.lab:3009"
	token    = "a-token-of-at-least-sixteen"
)

// bytesLog is a log to be read by a test.
type bytesLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *bytesLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *bytesLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newLog() (*bytesLog, logrus.FieldLogger) {
	text := new(bytesLog)
	l := logrus.New()
	l.SetOutput(text)
	l.SetLevel(logrus.TraceLevel)
	return text, l
}

// listening serves something on a lab's network until it is stopped.
type listening struct {
	net  *lab.Network
	addr string
	stop func()
	done sync.WaitGroup
}

func serveHTTP(t *testing.T, n *lab.Network, addr string, h http.Handler) *listening {
	t.Helper()
	return serveTLS(t, n, addr, h, nil)
}

func serveTLS(t *testing.T, n *lab.Network, addr string, h http.Handler, secure *tls.Config) *listening {
	t.Helper()
	ln, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		ln = tls.NewListener(ln, secure)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	l := &listening{net: n, addr: addr, stop: func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	}}
	l.done.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return l
}

func serveGRPC(t *testing.T, n *lab.Network, addr string, srv *grpc.Server) *listening {
	t.Helper()
	ln, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	l := &listening{net: n, addr: addr, stop: srv.Stop}
	l.done.Go(func() {
		if err := srv.Serve(ln); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l
}

func (l *listening) end() {
	l.net.Heal(l.addr)
	l.stop()
	l.net.Cut(l.addr)
	l.done.Wait()
}

// running is something with a Run until it is ended.
type running struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func run(t *testing.T, f func(context.Context) error) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel}
	r.done.Go(func() {
		if err := f(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return r
}

func (r *running) end() {
	r.cancel()
	r.done.Wait()
}

func mustReporter(t *testing.T, o observer.ReporterOptions) *observer.Reporter {
	t.Helper()
	r, err := observer.NewReporter(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustReceiver(t *testing.T, o observer.ReceiverOptions) *observer.Receiver {
	t.Helper()
	if o.Credentials == nil {
		o.Credentials = []observer.Credential{{Token: observer.NewSecret(token)}}
	}
	r, err := observer.NewReceiver(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// plugin is an observer that is not ours: it notes what it is told and answers as the
// test says.
type plugin struct {
	mu     sync.Mutex
	began  time.Time
	got    []string // bodies, as they came
	at     []time.Duration
	header []http.Header
	answer func(n int, w http.ResponseWriter) // nil: ok
}

func newPlugin() *plugin { return &plugin{began: time.Now()} }

func (p *plugin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	n, answer := len(p.got), p.answer
	p.got = append(p.got, string(body))
	p.at = append(p.at, time.Since(p.began))
	p.header = append(p.header, r.Header.Clone())
	p.mu.Unlock()
	if answer != nil {
		answer(n, w)
		return
	}
	fmt.Fprint(w, `{"ok":true}`)
}

func (p *plugin) set(answer func(n int, w http.ResponseWriter)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// take gives what has come since the last time, an event a line.
func (p *plugin) take(t *testing.T) (all []string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, body := range p.got {
		all = append(all, eventLines(t, body)...)
	}
	p.got, p.at, p.header = nil, nil, nil
	return all
}

func (p *plugin) reports() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.got)
}

func eventLines(t *testing.T, body string) (all []string) {
	t.Helper()
	var report struct {
		Events []observer.Event `json:"events"`
	}
	if err := json.Unmarshal([]byte(body), &report); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for _, e := range report.Events {
		name := e.Service
		if e.Kind == observer.KindHandler {
			name += "/" + e.Client
		}
		if e.Status != nil {
			all = append(all, fmt.Sprintf("%s %s %s", name, e.Status.State, e.Status.Msg))
		} else {
			all = append(all, fmt.Sprintf("%s %d/%d %d>%d !%d", name, e.Stats.CurrentConns, e.Stats.TotalConns, e.Stats.InputBytes, e.Stats.OutputBytes, e.Stats.TotalErrs))
		}
	}
	return all
}

// meter counts what a test says that there was.
type meter struct {
	mu  sync.Mutex
	all map[observer.Subject]observer.Stats
}

func newMeter() *meter { return &meter{all: map[observer.Subject]observer.Stats{}} }

func (m *meter) add(s observer.Subject, conns, in, out uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.all[s]
	n.TotalConns, n.InputBytes, n.OutputBytes = n.TotalConns+conns, n.InputBytes+in, n.OutputBytes+out
	m.all[s] = n
}

func (m *meter) totals() (all []observer.Total) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s, n := range m.all {
		all = append(all, observer.Total{Subject: s, Stats: n})
	}
	slices.SortFunc(all, func(a, b observer.Total) int { return bytes.Compare([]byte(a.Client), []byte(b.Client)) })
	return all
}

// shelf keeps what it is given, as JSON, or fails.
type shelf struct {
	mu    sync.Mutex
	kept  map[string][]byte
	err   error
	hang  bool
	calls int
}

func newShelf() *shelf { return &shelf{kept: map[string][]byte{}} }

var errShelf = errors.New("the disk is full")

func (s *shelf) trouble(ctx context.Context) error {
	s.mu.Lock()
	s.calls++
	err, hang := s.err, s.hang
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (s *shelf) KeepObserver(ctx context.Context, k observer.KeptObserver) error {
	if err := s.trouble(ctx); err != nil {
		return err
	}
	text, err := json.Marshal(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[k.Observer.Name] = text
	return err
}

func (s *shelf) ForgetObserver(ctx context.Context, name string) error {
	if err := s.trouble(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, name)
	return nil
}

func (s *shelf) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (s *shelf) set(err error, hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.hang = err, hang
}

func (s *shelf) read(t *testing.T) (all []observer.KeptObserver) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.kept)) {
		var k observer.KeptObserver
		if err := json.Unmarshal(s.kept[name], &k); err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

// box keeps what a receiver has heard, as JSON, or fails.
type box struct {
	mu    sync.Mutex
	text  []byte
	err   error
	calls int
}

func (b *box) keep(_ context.Context, k observer.KeptObserved) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.err != nil {
		return b.err
	}
	text, err := json.Marshal(k)
	b.text = text
	return err
}

func (b *box) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

func (b *box) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// content is what is in the box, put puts it there.
func (b *box) content() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text
}

func (b *box) put(text []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = text
}

func (b *box) read(t *testing.T) (k observer.KeptObserved) {
	t.Helper()
	if text := b.content(); text != nil {
		if err := json.Unmarshal(text, &k); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// readAll reads a request's body, to be given out as often as one likes.
func readAll(r *http.Request) (func() io.ReadCloser, error) {
	b, err := io.ReadAll(r.Body)
	return func() io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }, err
}
