package app_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	dto "github.com/prometheus/client_model/go"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/serve"
)

// ask makes a request of the server at host, and gives the answer's status and text.
func (b *bench) ask(method, url, token string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, url, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, url, err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// figures are what /metrics shows.
func (b *bench) figures() figures {
	b.t.Helper()
	code, text := b.ask(http.MethodGet, "http://status.lab/metrics", "")
	if code != http.StatusOK {
		b.t.Fatalf("GET /metrics: %d %s", code, text)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	return figures{b.t, families}
}

type figures struct {
	t        *testing.T
	families map[string]*dto.MetricFamily
}

// of sums the series of a family that carry the labels, given as name, value and so on.
func (f figures) of(family string, labels ...string) (sum float64) {
	f.t.Helper()
	if f.families[family] == nil {
		f.t.Fatalf("there is no series %s", family)
	}
	for _, m := range f.families[family].Metric {
		has := map[string]string{}
		for _, l := range m.Label {
			has[l.GetName()] = l.GetValue()
		}
		fits := true
		for i := 0; i < len(labels); i += 2 {
			fits = fits && has[labels[i]] == labels[i+1]
		}
		if fits {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// Every connection of the server is counted where it is made, and what fails says
// why. The same counts are on every page that shows them.
func TestConnectionsAreCounted(t *testing.T) {
	inLab(t, experiments("pend00", "spin30"), nil, func(b *bench) {
		b.must(b.lab.Stream("pend00-st-video").Silence())
		b.wait(time.Minute)
		f := b.figures()
		for place, least := range map[string]float64{"book": 1, "relay": 2, "jump": 2, "smtp": 1} {
			tried := f.of("net_conntrack_dialer_conn_attempted_total", "dialer_name", place)
			made := f.of("net_conntrack_dialer_conn_established_total", "dialer_name", place)
			if tried < least || made != tried {
				t.Errorf("%s: %v attempted, %v established", place, tried, made)
			}
		}
		if n := f.of("status_stage_duration_seconds", "dialer_name", "relay", "stage", "upgrade", "outcome", "go"); n < 1 {
			t.Errorf("%v upgrades of relay's connection were timed", n)
		}
		if n := f.of("status_experiments", "state", "unhealthy"); n != 1 {
			t.Errorf("%v experiments are unhealthy", n)
		}
		if n := f.of("status_loop_turn_duration_seconds"); n < 60 {
			t.Errorf("%v turns were timed", n)
		}
		if n := f.of("status_source_decode_duration_seconds", "source", "relay"); n < 10 {
			t.Errorf("%v of relay's messages were timed", n)
		}
		if n := f.of("status_store_transaction_duration_seconds"); n < 1 {
			t.Errorf("%v transactions were timed", n)
		}

		b.must(b.lab.Service("relay").Stop())
		b.wait(time.Minute)
		f = b.figures()
		tried := f.of("net_conntrack_dialer_conn_attempted_total", "dialer_name", "relay")
		made := f.of("net_conntrack_dialer_conn_established_total", "dialer_name", "relay")
		refused := f.of("net_conntrack_dialer_conn_failed_total", "dialer_name", "relay", "reason", "refused")
		if refused < 3 || tried != made+refused {
			t.Errorf("relay is down: %v attempted, %v established, %v refused", tried, made, refused)
		}
		var system struct {
			Connections []struct {
				Name      string
				Attempted float64
				Failed    map[string]float64
			}
			Timings []struct{ Name string }
		}
		b.get("/api/v1/system", &system)
		seen := false
		for _, c := range system.Connections {
			seen = seen || c.Name == "relay" && c.Attempted >= tried && c.Failed["refused"] >= refused
		}
		if !seen || len(system.Timings) == 0 {
			t.Errorf("the system says %+v", system)
		}
	})
}

// A port of its own takes the operators' paths away from the API's, and answers
// while the server drains.
func TestOperatorsHaveAPortOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00"), map[string]string{"STATUS_ADMIN_LISTEN": "status.lab:81"})
		b.start()
		b.wait(settled)
		if code, _ := b.ask(http.MethodGet, "http://status.lab/metrics", ""); code != http.StatusNotFound {
			t.Errorf("/metrics beside the API: %d", code)
		}
		if code, text := b.ask(http.MethodGet, "http://status.lab:81/_status", ""); code != http.StatusOK || !strings.Contains(text, `"message":"listening"`) {
			t.Errorf("/_status: %d %s", code, text)
		}
		slow, err := b.network.DialContext(t.Context(), "tcp", "status.lab:80")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(slow, "GET / HTTP/1.1\r\n"); err != nil { // and never the rest
			t.Fatal(err)
		}
		b.wait(time.Second)
		b.stopApp()
		b.wait(time.Second)
		code, text := b.ask(http.MethodGet, "http://status.lab:81/_status", "")
		if code != http.StatusServiceUnavailable || !strings.Contains(text, `"message":"stopping"`) {
			t.Errorf("while it stops: %d %s", code, text)
		}
		b.must(slow.Close())
		if err := <-b.appDone; err != nil {
			t.Error(err)
		}
		b.close()
	})
}

// Stopping over HTTP takes the setting and an admin's token.
func TestShutdownOverHTTP(t *testing.T) {
	t.Parallel()
	const secret = "a secret of the status server's own"
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00"), map[string]string{"STATUS_SHUTDOWN": "true", "STATUS_SECRET_STATUS": secret})
		b.start()
		b.wait(settled)
		if code, text := b.ask(http.MethodPost, "http://status.lab/_shutdown", ""); code != http.StatusForbidden {
			t.Fatalf("without a token: %d %s", code, text)
		}
		c, _, err := config.LoadMap(b.env)
		if err != nil {
			t.Fatal(err)
		}
		token, err := serve.MintToken(secret, app.Audience(c), "anna", []string{serve.ScopeAdmin}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if code, text := b.ask(http.MethodPost, "http://status.lab/_shutdown", token); code != http.StatusOK {
			t.Fatalf("with a token: %d %s", code, text)
		}
		if err := <-b.appDone; err != nil {
			t.Error("a stop that was asked for is an error:", err)
		}
		b.stopApp()
		b.close()
	})
}

// Policies are read again when they change; those that make no sense leave the
// former ones in force.
func TestPoliciesAreReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policies.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"metrics":[{"name":"all","report":"status.*","us_schedule":60000000}]}`)
	inLab(t, experiments("pend00"), map[string]string{"STATUS_METRICS_POLICY_FILE": file}, func(b *bench) {
		if err := b.app.Reload(); err != nil {
			t.Error(err)
		}
		write(`{"metrics":[{"name":"all","report":"status.*","us_schedule":-1}]}`)
		if err := b.app.Reload(); err == nil || !strings.Contains(err.Error(), "STATUS_METRICS_POLICY_FILE") {
			t.Errorf("policies that make no sense: %v", err)
		}
		if code, text := b.ask(http.MethodGet, "http://status.lab/_status", ""); code != http.StatusOK {
			t.Errorf("after it: %d %s", code, text)
		}
	})
}

// systemd's watchdog is told that all is well while the loop turns, and nothing
// any more when it stands still.
func TestWatchdogFollowsTheLoop(t *testing.T) {
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	// read takes what has come and never waits: the bubble's time could not pass.
	read := func() (all []string) {
		t.Helper()
		err := raw.Read(func(fd uintptr) bool {
			for buffer := make([]byte, 4096); ; {
				n, _, err := syscall.Recvfrom(int(fd), buffer, syscall.MSG_DONTWAIT)
				if err != nil {
					return true
				}
				all = append(all, string(buffer[:n]))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	count := func(lines []string, what string) (n int) {
		for _, l := range lines {
			if strings.Contains(l, what) {
				n++
			}
		}
		return n
	}
	t.Setenv("NOTIFY_SOCKET", socket.LocalAddr().String())
	t.Setenv("WATCHDOG_USEC", "20000000")
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00", "spin30"), nil)
		// during waits, and hears what systemd is told. The kernel keeps few messages
		// that nobody has read.
		during := func(d time.Duration) (all []string) {
			t.Helper()
			for end := time.Now().Add(d); time.Now().Before(end); {
				b.wait(time.Second)
				all = append(all, read()...)
			}
			return all
		}
		b.start()
		lines := during(settled)
		if count(lines, "READY=1") != 1 || count(lines, "WATCHDOG=1") < 10 {
			t.Errorf("systemd was told %q", lines)
		}
		if last := lines[len(lines)-1]; count(lines, "STATUS=2 experiments, 0 unhealthy; relay ") == 0 {
			t.Errorf("its line is %q", last)
		}

		release := make(chan struct{})
		b.hold(release)
		during(time.Minute)
		if n := count(during(5*time.Minute), "WATCHDOG=1"); n != 0 {
			t.Errorf("the loop stands still, and systemd was told %d times that all is well", n)
		}
		close(release)
		if n := count(during(time.Minute), "WATCHDOG=1"); n < 5 {
			t.Errorf("the loop turns again, and systemd was told so %d times in a minute", n)
		}
		b.stop()
		if lines := read(); count(lines, "STOPPING=1") != 1 {
			t.Errorf("when it stopped systemd was told %q", lines)
		}
		b.close()
	})
}

// hold stops the loop until release is closed.
func (b *bench) hold(release <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = release
}
