package statusport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/telemetry/statusport"
)

// sink is a target in memory: each connection is served by its handle.
type sink struct {
	mu    sync.Mutex
	got   []string
	dials int
	how   string // fine, hang, refuse, 503
}

func (s *sink) set(how string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.how = how
}

func (s *sink) take() (got []string, dials int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, dials = s.got, s.dials
	s.got, s.dials = nil, 0
	return got, dials
}

func (s *sink) keep(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, text)
}

// dial answers on port 2003 as Graphite and elsewhere as a web server.
func (s *sink) dial(_ context.Context, _, addr string) (net.Conn, error) {
	s.mu.Lock()
	s.dials++
	how := s.how
	s.mu.Unlock()
	if how == "refuse" {
		return nil, io.ErrClosedPipe
	}
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		switch {
		case how == "hang" && strings.HasSuffix(addr, ":2003"):
			_, _ = far.Write([]byte("taking nothing")) // until it is closed: nobody reads it
		case how == "hang":
			_, _ = io.Copy(io.Discard, far) // and says nothing
		case strings.HasSuffix(addr, ":2003"):
			text, _ := io.ReadAll(far)
			s.keep(string(text))
		default:
			r, err := http.ReadRequest(bufio.NewReader(far))
			if err != nil {
				return
			}
			text, _ := io.ReadAll(r.Body)
			s.keep(r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + "\n" + string(text))
			status := "204 No Content"
			if how == "503" {
				status = "503 Service Unavailable"
			}
			_, _ = io.WriteString(far, "HTTP/1.1 "+status+"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}
	}()
	return near, nil
}

func pusher(t *testing.T, s *sink, o statusport.PushOptions) (p *statusport.Pusher, hook *test.Hook) {
	t.Helper()
	r := prometheus.NewRegistry()
	pending := prometheus.NewGauge(prometheus.GaugeOpts{Name: "status_book_writes_pending", Help: "Pending."})
	pending.Set(1.0 / 3)
	r.MustRegister(pending)
	log, hook := test.NewNullLogger()
	o.Dial, o.Log = s.dial, log
	p, err := statusport.NewPusher(statusport.New(statusport.Options{Gatherer: r, Log: log, Prefix: "lab one"}), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		began := time.Now()
		cancel()
		<-ended
		if took := time.Since(began); took > 0 {
			t.Errorf("stopping took %s", took)
		}
	})
	return p, hook
}

func TestPushToGraphite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(sink)
		p, _ := pusher(t, s, statusport.PushOptions{Graphite: "graphite.test:2003"})
		time.Sleep(31 * time.Second)
		got, _ := s.take()
		if want := "lab_one.book_writes_pending 0.3333333333333333 946684830\n"; len(got) != 1 || got[0] != want {
			t.Errorf("got %q, want %q", got, want)
		}
		p.Offer([]string{statusport.TargetGraphite}, maps.All(map[string]float64{"lab one.book.dns.go.count": 2}))
		p.Offer([]string{statusport.TargetURL}, maps.All(map[string]float64{"not.for.us": 2}))
		synctest.Wait()
		if got, _ := s.take(); len(got) != 1 || got[0] != "lab_one.book.dns.go.count 2 946684831\n" {
			t.Errorf("got %q", got)
		}
	})
}

func TestPushToAURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(sink)
		_, _ = pusher(t, s, statusport.PushOptions{URL: "http://user:secret@push.test/in?key=secret", Interval: 5 * time.Second})
		time.Sleep(11 * time.Second)
		got, _ := s.take()
		if len(got) != 2 {
			t.Fatalf("%d pushes in eleven seconds of five: %q", len(got), got)
		}
		head, text, _ := strings.Cut(got[0], "\n")
		var values []statusport.Value
		if err := json.Unmarshal([]byte(text), &values); err != nil || head != "POST /in application/json" {
			t.Fatalf("%v in %q", err, got[0])
		}
		if len(values) != 1 || values[0].Metric != "lab one.book_writes_pending" || values[0].Timestamp != 946684805 {
			t.Errorf("got %+v", values)
		}
	})
}

// Trouble is retried within bounds, said once, and its end too; never a secret.
func TestATargetInTrouble(t *testing.T) {
	const secret = "http://user:secret@push.test/in?key=secret"
	for how, o := range map[string]statusport.PushOptions{
		"refuse": {URL: secret}, "hang": {URL: secret}, "503": {URL: secret},
		"hang of Graphite": {Graphite: "graphite.test:2003"}, "refuse by Graphite": {Graphite: "graphite.test:2003"},
	} {
		o.Interval = time.Minute
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{how: strings.Fields(how)[0]}
				p, hook := pusher(t, s, o)
				time.Sleep(time.Hour + 45*time.Second)
				if _, dials := s.take(); dials != 180 {
					t.Errorf("%d attempts in 60 minutes, want three each", dials)
				}
				if n := len(hook.AllEntries()); n != 1 {
					t.Errorf("logged %d times", n)
				}
				for range 1000 { // nobody waits for it
					p.Offer(nil, maps.All(map[string]float64{"x": 1}))
				}
				s.set("fine")
				time.Sleep(10 * time.Minute)
				if n := len(hook.AllEntries()); n != 2 || !strings.Contains(hook.LastEntry().Message, "again") {
					t.Errorf("logged %d times: %v", n, hook.LastEntry().Message)
				}
				for _, e := range hook.AllEntries() {
					if text, err := e.String(); err != nil || strings.Contains(text, "secret") {
						t.Errorf("a secret in %q (%v)", text, err)
					}
				}
			})
		})
	}
}

// One that hangs keeps the other from nothing.
func TestTargetsAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging, fine := &sink{how: "hang"}, new(sink)
		p, _ := pusher(t, fine, statusport.PushOptions{
			Graphite: "graphite.test:2003", URL: "http://push.test/", Interval: 10 * time.Second,
			HTTP: &http.Client{Transport: &http.Transport{DialContext: hanging.dial}},
		})
		_ = p
		time.Sleep(61 * time.Second)
		if got, _ := fine.take(); len(got) != 6 {
			t.Errorf("%d pushes to the one that is well, want 6", len(got))
		}
	})
}

func TestAddressesOfTargetsAreChecked(t *testing.T) {
	port := statusport.New(statusport.Options{Gatherer: prometheus.NewRegistry()})
	for _, o := range []statusport.PushOptions{
		{Graphite: "graphite.test"}, {URL: "push.test/in"}, {URL: "ftp://push.test/"}, {URL: "http:///in?key=secret"}, {URL: "http://%zz?key=secret"},
	} {
		if _, err := statusport.NewPusher(port, o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
