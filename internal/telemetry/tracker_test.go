package telemetry_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"pgregory.net/rapid"

	"labstatus/internal/telemetry"
)

func registry(t testing.TB, collectors ...prometheus.Collector) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func lint(t testing.TB, r prometheus.Gatherer) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("promlint: %s: %s", p.Metric, p.Text)
	}
}

// pipes dials in-memory connections whose far end reads until its end.
func pipes(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	return near, nil
}

func failing(err error) telemetry.DialFunc {
	return func(context.Context, string, string) (net.Conn, error) { return nil, err }
}

func place(t testing.TB, tracker *telemetry.Tracker, name string) telemetry.Place {
	t.Helper()
	for _, p := range tracker.Places() {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no place is called %s", name)
	return telemetry.Place{}
}

func TestANewNameHasAllItsSeriesAtZero(t *testing.T) {
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{})
	tracker.Dialer("book", nil)
	tracker.Listener("http", nil)
	r := registry(t, tracker)
	lint(t, r)
	want := `
# HELP net_conntrack_dialer_conn_attempted_total Connections that were begun.
# TYPE net_conntrack_dialer_conn_attempted_total counter
net_conntrack_dialer_conn_attempted_total{dialer_name="book"} 0
# HELP net_conntrack_dialer_conn_closed_total Connections that were opened and are closed, each counted once.
# TYPE net_conntrack_dialer_conn_closed_total counter
net_conntrack_dialer_conn_closed_total{dialer_name="book"} 0
# HELP net_conntrack_dialer_conn_established_total Connections that were opened.
# TYPE net_conntrack_dialer_conn_established_total counter
net_conntrack_dialer_conn_established_total{dialer_name="book"} 0
# HELP net_conntrack_dialer_conn_failed_total Connections that could not be opened, each for one reason.
# TYPE net_conntrack_dialer_conn_failed_total counter
net_conntrack_dialer_conn_failed_total{dialer_name="book",reason="canceled"} 0
net_conntrack_dialer_conn_failed_total{dialer_name="book",reason="refused"} 0
net_conntrack_dialer_conn_failed_total{dialer_name="book",reason="resolution"} 0
net_conntrack_dialer_conn_failed_total{dialer_name="book",reason="timeout"} 0
net_conntrack_dialer_conn_failed_total{dialer_name="book",reason="tls"} 0
net_conntrack_dialer_conn_failed_total{dialer_name="book",reason="unknown"} 0
# HELP net_conntrack_listener_conn_accepted_total Connections that were accepted.
# TYPE net_conntrack_listener_conn_accepted_total counter
net_conntrack_listener_conn_accepted_total{listener_name="http"} 0
# HELP net_conntrack_listener_conn_closed_total Connections that were accepted and are closed, each counted once.
# TYPE net_conntrack_listener_conn_closed_total counter
net_conntrack_listener_conn_closed_total{listener_name="http"} 0
`
	err := testutil.GatherAndCompare(r, strings.NewReader(want),
		"net_conntrack_dialer_conn_attempted_total", "net_conntrack_dialer_conn_established_total",
		"net_conntrack_dialer_conn_failed_total", "net_conntrack_dialer_conn_closed_total",
		"net_conntrack_listener_conn_accepted_total", "net_conntrack_listener_conn_closed_total")
	if err != nil {
		t.Error(err)
	}
}

// Whatever goes wrong and however it is wrapped, it has one reason.
func TestReasonOf(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	op := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want telemetry.Reason
	}{
		"no such host":       {t.Context(), op(&net.DNSError{IsNotFound: true}), telemetry.ReasonResolution},
		"lookup timed out":   {t.Context(), op(&net.DNSError{IsTimeout: true}), telemetry.ReasonResolution},
		"refused":            {t.Context(), op(os.NewSyscallError("connect", syscall.ECONNREFUSED)), telemetry.ReasonRefused},
		"no answer":          {t.Context(), op(os.NewSyscallError("connect", syscall.ETIMEDOUT)), telemetry.ReasonTimeout},
		"net's own timeout":  {t.Context(), op(os.ErrDeadlineExceeded), telemetry.ReasonTimeout},
		"deadline":           {t.Context(), context.DeadlineExceeded, telemetry.ReasonTimeout},
		"cancelled":          {t.Context(), op(context.Canceled), telemetry.ReasonCanceled},
		"cancelled lookup":   {t.Context(), op(errors.Join(&net.DNSError{}, context.Canceled)), telemetry.ReasonCanceled},
		"own cause":          {cancelled, errors.New("interrupt signal received"), telemetry.ReasonCanceled},
		"alert":              {t.Context(), &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, telemetry.ReasonTLS},
		"not TLS":            {t.Context(), tls.RecordHeaderError{Msg: "first record"}, telemetry.ReasonTLS},
		"handshake cut":      {t.Context(), &telemetry.HandshakeError{Err: io.EOF}, telemetry.ReasonTLS},
		"handshake too slow": {t.Context(), &telemetry.HandshakeError{Err: context.DeadlineExceeded}, telemetry.ReasonTimeout},
		"reset":              {t.Context(), op(os.NewSyscallError("connect", syscall.ECONNRESET)), telemetry.ReasonUnknown},
		"unreachable":        {t.Context(), op(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), telemetry.ReasonUnknown},
	} {
		for _, err := range []error{c.err, fmt.Errorf("open relay's feed: %w", c.err), errors.Join(errors.New("first try"), c.err)} {
			if got := telemetry.ReasonOf(c.ctx, err); got != c.want {
				t.Errorf("%s: %v counts as %s, want %s", name, err, got, c.want)
			}
		}
	}
}

// The promise of the counts: at every moment, for any mixture of fates at once,
// attempted = established + failed + dialing, and established = closed + open.
func TestCountsAddUp(t *testing.T) {
	fates := map[string]telemetry.DialFunc{
		"pipe":    pipes,
		"refuse":  failing(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
		"lost":    failing(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}),
		"reset":   failing(&net.OpError{Op: "dial", Err: syscall.ECONNRESET}),
		"nothing": func(context.Context, string, string) (net.Conn, error) { return nil, nil },
		"hang": func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		"panic": func(context.Context, string, string) (net.Conn, error) { panic("dialer") },
	}
	names := []string{"pipe", "refuse", "lost", "reset", "nothing", "hang", "panic"}
	check := func(tracker *telemetry.Tracker) error {
		p := tracker.Places()[0]
		failed := uint64(0)
		for _, n := range p.Failed {
			failed += n
		}
		if p.Attempted != p.Established+failed+p.Dialing || p.Established != p.Closed+p.Open {
			return fmt.Errorf("the counts disagree: %+v", p)
		}
		return nil
	}
	rapid.Check(t, func(rt *rapid.T) {
		plan := rapid.SliceOfN(rapid.SampledFrom(names), 1, 12).Draw(rt, "fates")
		closes := rapid.SliceOfN(rapid.IntRange(0, 3), len(plan), len(plan)).Draw(rt, "closes")
		cancelAt := rapid.SliceOfN(rapid.IntRange(1, 3), len(plan), len(plan)).Draw(rt, "cancelAt")
		var wrong []error
		synctest.Test(t, func(t *testing.T) {
			tracker := telemetry.NewTracker(telemetry.TrackerOptions{})
			var running sync.WaitGroup
			var opened []net.Conn
			var mu sync.Mutex
			for i, fate := range plan {
				dial := tracker.Dialer("x", fates[fate])
				running.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
					defer cancel()
					if cancelAt[i] == 1 {
						time.AfterFunc(time.Second, cancel)
					}
					defer func() {
						if r := recover(); r != nil && fate != "panic" {
							panic(r)
						}
					}()
					c, err := dial(ctx, "tcp", "lab:80")
					if err != nil {
						return
					}
					mu.Lock()
					opened = append(opened, c)
					mu.Unlock()
					var closing sync.WaitGroup
					for range closes[i] {
						closing.Go(func() { _ = c.Close() })
					}
					closing.Wait()
				})
			}
			wrong = append(wrong, check(tracker))
			synctest.Wait()
			wrong = append(wrong, check(tracker))
			running.Wait()
			wrong = append(wrong, check(tracker))
			if p := tracker.Places()[0]; p.Dialing != 0 || p.Attempted != uint64(len(plan)) {
				wrong = append(wrong, fmt.Errorf("%d were dialled: %+v", len(plan), p))
			}
			for _, c := range opened {
				_ = c.Close()
			}
			if p := tracker.Places()[0]; p.Open != 0 {
				wrong = append(wrong, fmt.Errorf("%d are still open", p.Open))
			}
		})
		if err := errors.Join(wrong...); err != nil {
			rt.Fatal(err)
		}
	})
}
