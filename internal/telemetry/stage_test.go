package telemetry_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"labstatus/internal/telemetry"
)

// passed lists what was observed, as name.stage.outcome=count and
// failures of name.stage.fault=count, sorted.
func passed(t testing.TB, s *telemetry.Stages) string {
	t.Helper()
	families, err := registry(t, s).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			switch f.GetName() {
			case "status_stage_duration_seconds":
				if n := m.GetHistogram().GetSampleCount(); n > 0 {
					all = append(all, fmt.Sprintf("%s.%s.%s=%d", labels["dialer_name"], labels["stage"], labels["outcome"], n))
				}
			case "status_stage_failures_total":
				all = append(all, fmt.Sprintf("%s.%s:%s=%v", labels["dialer_name"], labels["stage"], labels["fault"], m.GetCounter().GetValue()))
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// labServer answers 404 to /none, upgrades /ws, cuts /cut, and answers everything
// else.
func labServer(t testing.TB) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			http.NotFound(w, r)
		case "/cut":
			panic(http.ErrAbortHandler)
		case "/ws":
			if c, err := new(websocket.Upgrader).Upgrade(w, r, nil); err == nil {
				_ = c.Close()
			}
		default:
			_, _ = io.WriteString(w, "ok")
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestStagesOfHTTP(t *testing.T) {
	server := labServer(t)
	s := telemetry.NewStages("lab")
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{Stages: s})
	base := server.Client().Transport.(*http.Transport)
	transport := &http.Transport{DialContext: tracker.Dialer("book", nil), TLSClientConfig: base.TLSClientConfig.Clone()}
	client := &http.Client{Transport: s.Transport("book", transport)}
	defer client.CloseIdleConnections()
	get := func(client *http.Client, url string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	}
	for _, path := range []string{"/", "/", "/none"} {
		if err := get(client, server.URL+path); err != nil {
			t.Fatal(err)
		}
	}
	if err := get(client, server.URL+"/cut"); err == nil {
		t.Error("a cut answer is one")
	}
	// one connection served all four, and one more the second attempt at what was cut
	want := "book.http.go=2 book.http.no-go=2 book.http:4xx=1 book.http:broken=1 book.tcp.go=2 book.tls.go=2"
	if got := passed(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	// a certificate that we don't trust ends it before http
	s = telemetry.NewStages("lab")
	strange := &http.Client{Transport: s.Transport("book", &http.Transport{})}
	defer strange.CloseIdleConnections()
	if err := get(strange, server.URL); err == nil {
		t.Error("an unknown authority is trusted")
	}
	if got, want := passed(t, s), "book.tls.no-go=1 book.tls:invalidca=1"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	lint(t, registry(t, s))
}

func TestStagesOfAWebsocket(t *testing.T) {
	server := labServer(t)
	s := telemetry.NewStages("")
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{Stages: s})
	open := func(path string, config *tls.Config) error {
		dialer := websocket.Dialer{NetDialContext: tracker.Dialer("relay", nil), TLSClientConfig: config}
		ctx, done := s.Trace(t.Context(), "relay")
		c, resp, err := dialer.DialContext(ctx, "wss"+strings.TrimPrefix(server.URL, "https")+path, nil)
		done(resp, err)
		if err == nil {
			err = c.Close()
		}
		return err
	}
	trusting := server.Client().Transport.(*http.Transport).TLSClientConfig
	if err := open("/ws", trusting.Clone()); err != nil {
		t.Fatal(err)
	}
	if err := open("/none", trusting.Clone()); err == nil {
		t.Error("a 404 is a websocket")
	}
	if err := open("/ws", &tls.Config{}); err == nil {
		t.Error("an unknown authority is trusted")
	}
	want := "relay.tcp.go=3 relay.tls.go=2 relay.tls.no-go=1 relay.tls:invalidca=1 relay.upgrade.go=1 relay.upgrade.no-go=1 relay.upgrade:4xx=1"
	if got := passed(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Dialers that call no hooks, and every kind of trouble before TLS.
func TestStagesOfDialling(t *testing.T) {
	s := telemetry.NewStages("")
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{Stages: s})
	for name, dial := range map[string]telemetry.DialFunc{
		"fine":      pipes,
		"unknown":   failing(&net.OpError{Err: &net.DNSError{IsNotFound: true}}),
		"nameless":  failing(&net.OpError{Err: &net.DNSError{IsTemporary: true}}),
		"slowname":  failing(&net.OpError{Err: &net.DNSError{IsTimeout: true}}),
		"slow":      failing(context.DeadlineExceeded),
		"cancelled": failing(context.Canceled),
	} {
		if c, err := tracker.Dialer(name, dial)(t.Context(), "tcp", "lab:80"); err == nil {
			_ = c.Close()
		}
	}
	want := "fine.tcp.go=1 nameless.dns.no-go=1 nameless.dns:badsrv=1 slow.tcp.no-go=1 slow.tcp:timeout=1 " +
		"slowname.dns.no-go=1 slowname.dns:timeout=1 unknown.dns.no-go=1 unknown.dns:nxdomain=1"
	if got := passed(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// a name that package net itself looks up, where no name server can be reached
	resolver := &net.Resolver{PreferGo: true, Dial: failing(errors.New("no network"))}
	s = telemetry.NewStages("")
	tracker = telemetry.NewTracker(telemetry.TrackerOptions{Stages: s})
	if c, err := tracker.Dialer("net", (&net.Dialer{Resolver: resolver}).DialContext)(t.Context(), "tcp", "name.invalid:80"); err == nil {
		_ = c.Close()
		t.Fatal("name.invalid has an address")
	}
	if got := passed(t, s); got != "net.dns.no-go=1 net.dns:badsrv=1" {
		t.Errorf("got %s", got)
	}
	if n := place(t, tracker, "net").Failed[telemetry.ReasonResolution]; n != 1 {
		t.Errorf("resolution failed %d times", n)
	}
}

func TestNoStagesAreNoTrouble(t *testing.T) {
	var s *telemetry.Stages
	s.Observe("book", telemetry.StageHTTP, time.Second, nil)
	ctx, done := s.Trace(t.Context(), "book")
	done(nil, ctx.Err())
	if s.Transport("book", http.DefaultTransport) != http.DefaultTransport {
		t.Error("there is something around the transport")
	}
}

func BenchmarkDialAndClose(b *testing.B) {
	direct := func(context.Context, string, string) (net.Conn, error) {
		near, _ := net.Pipe()
		return near, nil
	}
	for name, dial := range map[string]telemetry.DialFunc{
		"untracked": direct,
		"tracked":   telemetry.NewTracker(telemetry.TrackerOptions{}).Dialer("x", direct),
		"staged":    telemetry.NewTracker(telemetry.TrackerOptions{Stages: telemetry.NewStages("")}).Dialer("x", direct),
		"traced":    telemetry.NewTracker(telemetry.TrackerOptions{Trace: true}).Dialer("bench", direct),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := dial(b.Context(), "tcp", "lab:80")
				if err != nil {
					b.Fatal(err)
				}
				_ = c.Close()
			}
		})
	}
}

// endless is a connection that costs nothing to read.
type endless struct{ net.Conn }

func (endless) Read(b []byte) (int, error)  { return len(b), nil }
func (endless) Write(b []byte) (int, error) { return len(b), nil }

func BenchmarkRead(b *testing.B) {
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{})
	c, err := tracker.Dialer("x", func(context.Context, string, string) (net.Conn, error) { return endless{}, nil })(b.Context(), "tcp", "lab:80")
	if err != nil {
		b.Fatal(err)
	}
	buffer := make([]byte, 32<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Read(buffer); err != nil {
			b.Fatal(err)
		}
	}
}
