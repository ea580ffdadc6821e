package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// put writes an availability within a client's patience; status 0 is none.
func (b *bench) put(within time.Duration, name, available, reason string) int {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), within)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "PUT", b.Audience(Book)+"/api/v1/admin/resources/"+name+"?available="+available+"&reason="+reason, nil)
	b.must(err)
	r.Header.Set("Authorization", b.token(Book, nil))
	res, err := b.http.Do(r)
	if err != nil {
		return 0
	}
	b.must(res.Body.Close())
	return res.StatusCode
}

// A slow book carries out what nobody waits for any more; one that hangs does
// so when it wakes; every call is on record from its arrival.
func TestSlowBook(t *testing.T) {
	inBubble(t, Options{Experiments: captured(), BookLatency: 7 * time.Second}, func(b *bench) {
		begin := time.Now()
		if status := b.put(5*time.Second, "r-pend00", "false", "one"); status != 0 || time.Since(begin) != 5*time.Second {
			t.Errorf("%d after %s, want none after 5s", status, time.Since(begin))
		}
		if ok, _, _ := b.Availability("r-pend00"); !ok || b.Calls()[0].Status != 0 || !b.Calls()[0].At.Equal(begin) {
			t.Errorf("before the answer: available %v, %+v", ok, b.Calls()[0])
		}
		time.Sleep(3 * time.Second)
		if ok, reason, _ := b.Availability("r-pend00"); ok || reason != "unavailable because one" || b.Calls()[0].Status != 204 {
			t.Errorf("the late write did not count: %v %q %+v", ok, reason, b.Calls()[0])
		}
		b.must(b.Service(Book).Latency(0))
		b.must(b.Service(Book).Hang())
		time.AfterFunc(time.Minute, func() { b.must(b.Service(Book).Start()) })
		begin = time.Now()
		if status := b.put(time.Hour, "r-pend00", "true", "two"); status != 204 || time.Since(begin) != time.Minute {
			t.Errorf("hung: %d after %s", status, time.Since(begin))
		}
	})
}

// Failing services answer in the form of whoever answers then: the service,
// or the proxy in front of it.
func TestFailingServices(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(b *bench) {
		b.must(b.Service(Relay).Fail(500))
		if status, body := b.ask("POST", b.accessURL(Relay), "x", "", ""); status != 500 || !strings.HasPrefix(body, `{"code":500,`) {
			t.Errorf("%d %s", status, body)
		}
		b.must(b.Service(Relay).Fail(503))
		if status, body := b.ask("POST", b.accessURL(Relay), "x", "", ""); status != 503 || !strings.HasPrefix(body, "<html>") {
			t.Errorf("%d %s", status, body)
		}
		b.must(b.Service(Relay).Stop())
		if status, body := b.ask("POST", b.accessURL(Relay), "x", "", ""); status != 0 || !strings.Contains(body, "refused") {
			t.Errorf("stopped: %d %s", status, body)
		}
		b.must(b.Service(Relay).Start())
		b.must(b.subscribe(Relay).Close())
		for _, err := range []error{b.Service("lift").Stop(), b.Service(Relay).Fail(200)} {
			if err == nil {
				t.Error("a senseless order was taken")
			}
		}
	})
}

// Relay that hangs is mute and keeps its connections; one that was stopped
// has its experiments back within the time to reconnect.
func TestHangingAndStoppedRelay(t *testing.T) {
	inBubble(t, Options{Experiments: captured(), RelayStats: true, Reconnect: 30 * time.Second}, func(b *bench) {
		ws := b.subscribe(Relay)
		b.frame(ws)
		b.must(b.Service(Relay).Hang())
		time.AfterFunc(45*time.Second, func() { b.must(b.Service(Relay).Start()) })
		begin := time.Now()
		if b.frame(ws); time.Since(begin) != 48*time.Second {
			t.Errorf("first frame after a hang of 45s came %s later, want at the next tick, 48s", time.Since(begin))
		}
		b.must(b.Service(Relay).Stop())
		_ = ws.Close()
		time.Sleep(time.Minute)
		b.must(b.Service(Relay).Start())
		ws = b.subscribe(Relay)
		defer ws.Close()
		seen := []int{}
		for range 6 {
			seen = append(seen, len(b.frame(ws)))
		}
		if seen[0] >= 11 || seen[5] != 11 {
			t.Errorf("topics listed frame by frame: %v; want some at first, all 11 after half a minute", seen)
		}
	})
}

// A lab without a tenant, with services at the root of their hosts.
func TestRootPaths(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{Tenant: "/", Base: map[string]string{Book: "/", Relay: "/", Jump: "/"}}, func(b *bench) {
		if aud := b.Audience(Relay); aud != "http://relay.lab:80" {
			t.Errorf("audience %q", aud)
		}
		if base := b.Env()["STATUS_BASEPATH_BOOK"]; base != "/" {
			t.Errorf("base path %q", base)
		}
		for _, service := range []string{Relay, Jump} {
			ws := b.subscribe(service)
			b.frame(ws)
			b.must(ws.Close())
		}
		if status, _ := b.ask("GET", b.Audience(Book)+"/api/v1/admin/resources", b.token(Book, nil), "", ""); status != 200 {
			t.Errorf("book answers %d", status)
		}
	})
}

// On real sockets the lab starts, is stopped and started at the same address,
// and ends without leaving anything behind.
func TestOnLoopback(t *testing.T) {
	t.Parallel()
	l, err := New(Options{Experiments: captured(), JumpEvery: 10 * time.Millisecond, Reconnect: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	<-l.Ready()
	transport := &http.Transport{DisableKeepAlives: true}
	b := &bench{T: t, Lab: l, http: &http.Client{Transport: transport}}
	env := l.Env()
	for key, want := range map[string]string{
		"STATUS_HOST_RELAY": l.Addr(Relay), "STATUS_BASEPATH_RELAY": "/lab/access", "STATUS_SCHEME_BOOK": "http",
		"STATUS_EMAIL_HOST": "127.0.0.1", "STATUS_EMAIL_TLS": "none", "STATUS_EMAIL_AUTH_TYPE": "none", "STATUS_BASEPATH_JUMP": "/lab/jump",
	} {
		if env[key] != want {
			t.Errorf("%s is %q, want %q", key, env[key], want)
		}
	}
	for range 2 {
		b.must(l.Service(Jump).Stop())
		if _, err := net.Dial("tcp", l.Addr(Jump)); err == nil {
			t.Error("a stopped service takes connections")
		}
		b.must(l.Service(Jump).Start())
		conn, err := net.Dial("tcp", l.Addr(Jump))
		b.must(err)
		b.must(conn.Close())
	}
	if status, body := b.ask("GET", l.ControlURL(), "", "", ""); status != 200 {
		t.Errorf("control: %d %s", status, body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr(Book)); err == nil {
		t.Error("book still takes connections after the end")
	}
	// A taken address is an error that names the service.
	hold, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(err)
	defer hold.Close()
	if _, err := New(Options{Addr: map[string]string{Mail: hold.Addr().String()}}); err == nil || !strings.Contains(err.Error(), "start mail of the lab") {
		t.Errorf("on a taken address: %v", err)
	}
}

// A whole day of a lab with someone listening takes no time in a bubble, and
// experiments whose tokens end are there again.
func TestOneDay(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{Experiments: captured(), RelayStats: true, RelayEvery: 30 * time.Minute}, func(b *bench) {
		ws := b.dial(b.uri(Relay, map[string]any{"exp": time.Now().Add(30 * time.Hour).Unix()}))
		defer ws.Close()
		for range 50 {
			frame := b.frame(ws)
			r := frame["pend01-st-video"][0]
			expires, _ := r["expiresAt"].(string)
			if at, err := time.Parse(time.RFC3339, expires); err != nil || !at.After(time.Now()) {
				t.Fatalf("an experiment connected with a token that ended %s", expires)
			}
		}
	})
}

// BenchmarkRelayFrame is one frame of 20,000 connections.
func BenchmarkRelayFrame(b *testing.B) {
	var many []Experiment
	for i := range 10_000 {
		many = append(many, Experiment{Stub: fmt.Sprintf("many%05d", i)})
	}
	l, err := New(Options{Experiments: many, RelayStats: true, Network: NewNetwork()})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if frame := l.relayFrame(l.feeds[Relay], time.Now()); len(frame) < 20_000 {
			b.Fatal(len(frame))
		}
	}
}
