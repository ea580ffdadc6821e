package telemetry_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"labstatus/internal/telemetry"
)

// issue makes a certificate and the pool that trusts it.
func issue(t testing.TB, host string, from, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// listen accepts on loopback until the test ends, and hands each connection over.
func listen(t testing.TB, tracker *telemetry.Tracker, handle func(net.Conn)) string {
	t.Helper()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := tracker.Listener("lab", inner)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return inner.Addr().String()
}

func TestBadCertificatesAreTLSFailuresEachWithItsFault(t *testing.T) {
	now := time.Now()
	good, goodPool := issue(t, "lab.test", now.Add(-time.Hour), now.Add(time.Hour))
	expired, expiredPool := issue(t, "lab.test", now.Add(-2*time.Hour), now.Add(-time.Hour))
	early, earlyPool := issue(t, "lab.test", now.Add(time.Hour), now.Add(2*time.Hour))
	for name, c := range map[string]struct {
		cert  tls.Certificate
		roots *x509.CertPool
		host  string
		fault string // empty: none
	}{
		"good":          {good, goodPool, "lab.test", ""},
		"unknown CA":    {good, x509.NewCertPool(), "lab.test", "invalidca"},
		"wrong name":    {good, goodPool, "other.test", "hostname"},
		"expired":       {expired, expiredPool, "lab.test", "expired"},
		"not yet valid": {early, earlyPool, "lab.test", "notyetvalid"},
	} {
		t.Run(name, func(t *testing.T) {
			stages := telemetry.NewStages("")
			tracker := telemetry.NewTracker(telemetry.TrackerOptions{Stages: stages, Trace: true})
			addr := listen(t, tracker, func(conn net.Conn) {
				secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{c.cert}})
				_, _ = io.Copy(secure, secure) // until the client leaves, or refuses us
			})
			dial := tracker.TLSDialer("book", nil, &tls.Config{RootCAs: c.roots, ServerName: c.host})
			conn, err := dial(t.Context(), "tcp", addr)
			want := telemetry.Place{Name: "book", Attempted: 1}
			if c.fault == "" {
				if err != nil {
					t.Fatal(err)
				}
				want.Established, want.Closed = 1, 1
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			} else if _, is := errors.AsType[*telemetry.HandshakeError](err); !is {
				t.Fatalf("got %v, want a handshake's error", err)
			}
			got := place(t, tracker, "book")
			if got.Attempted != 1 || got.Established != want.Established || got.Closed != want.Closed || got.Open != 0 || got.Dialing != 0 {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if n := got.Failed[telemetry.ReasonTLS]; n != 1-want.Established {
				t.Errorf("%d TLS failures, want %d", n, 1-want.Established)
			}
			if got.ReadBytes == 0 || got.WrittenBytes == 0 {
				t.Errorf("the handshake's bytes are not counted: %+v", got)
			}
			faults := ""
			if c.fault != "" {
				faults = `
# HELP status_stage_failures_total Stages that ended badly, by what was wrong.
# TYPE status_stage_failures_total counter
status_stage_failures_total{dialer_name="book",fault="` + c.fault + `",stage="tls"} 1
`
			}
			if err := testutil.CollectAndCompare(stages, strings.NewReader(faults), "status_stage_failures_total"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRefusedAndTimedOutOverRealSockets(t *testing.T) {
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dial := tracker.Dialer("smtp", nil)
	if _, err := dial(t.Context(), "tcp", gone); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := dial(late, "tcp", gone); err == nil {
		t.Error("a dial without time went well")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := dial(ended, "tcp", gone); err == nil {
		t.Error("a cancelled dial went well")
	}
	got := place(t, tracker, "smtp").Failed
	for _, r := range []telemetry.Reason{telemetry.ReasonRefused, telemetry.ReasonTimeout, telemetry.ReasonCanceled} {
		if got[r] != 1 {
			t.Errorf("%s was counted %d times: %v", r, got[r], got)
		}
	}
}

// A mail server's connection is encrypted when it is already in use, both sides
// close parts of it, and more than one layer closes it.
func TestCountsSurviveUpgradeHalfCloseAndDoubleClose(t *testing.T) {
	cert, pool := issue(t, "mail.test", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{Trace: true})
	served := make(chan error, 1)
	addr := listen(t, tracker, func(c net.Conn) {
		hello := make([]byte, len("STARTTLS"))
		if _, err := io.ReadFull(c, hello); err != nil {
			served <- err
			return
		}
		secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		if _, err := io.Copy(io.Discard, secure); err != nil {
			served <- err
			return
		}
		_, err := secure.Write([]byte("250 kept"))
		served <- errors.Join(err, secure.Close(), secure.Close())
	})
	conn, err := tracker.Dialer("smtp", nil)(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("STARTTLS")); err != nil {
		t.Fatal(err)
	}
	if got := place(t, tracker, "smtp").WrittenBytes; got != uint64(len("STARTTLS")) {
		t.Errorf("%d bytes are counted before the upgrade", got)
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "mail.test"})
	if _, err := secure.Write([]byte(strings.Repeat("mail", 1000))); err != nil {
		t.Fatal(err)
	}
	if err := secure.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := place(t, tracker, "smtp"); got.Open != 1 || got.Closed != 0 {
		t.Errorf("half a close counts as one: %+v", got)
	}
	if answer, err := io.ReadAll(secure); err != nil || string(answer) != "250 kept" {
		t.Fatalf("read %q, %v", answer, err)
	}
	if err := <-served; err != nil {
		t.Logf("the server's second close says %v", err)
	}
	_, _ = secure.Close(), conn.Close()
	_ = conn.Close()
	client, server := place(t, tracker, "smtp"), place(t, tracker, "lab")
	if client.Established != 1 || client.Closed != 1 || client.Open != 0 {
		t.Errorf("the client's counts: %+v", client)
	}
	if client.WrittenBytes < 4000 || client.ReadBytes != server.WrittenBytes {
		t.Errorf("bytes disagree: client %+v, server %+v", client, server)
	}
}

func TestWhatAConnectionCanDoStaysReachable(t *testing.T) {
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{})
	received := make(chan int64, 1)
	addr := listen(t, tracker, func(c net.Conn) {
		n, _ := c.(io.WriterTo).WriteTo(io.Discard)
		received <- n
	})
	conn, err := tracker.Dialer("relay", nil)(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		if fd == 0 {
			t.Error("no descriptor is reachable")
		}
	}); err != nil {
		t.Error(err)
	}
	if _, is := conn.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn); !is {
		t.Error("the connection beneath can't be reached")
	}
	if n, err := conn.(io.ReaderFrom).ReadFrom(strings.NewReader("a whole file")); n != 12 || err != nil {
		t.Errorf("copied %d bytes: %v", n, err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
	if n := <-received; n != 12 {
		t.Errorf("the other side received %d bytes", n)
	}
	if sent, got := place(t, tracker, "relay").WrittenBytes, place(t, tracker, "lab").ReadBytes; sent != 12 || got != 12 {
		t.Errorf("counted %d sent and %d received", sent, got)
	}
	pipe, err := tracker.Dialer("pipe", pipes)(t.Context(), "tcp", "lab:80")
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if _, is := pipe.(interface{ CloseWrite() error }); is {
		t.Error("a pipe, half of which can't be closed, says that it can")
	}
}

func TestDebugPagesShowLiveConnectionsToPeopleOnThisMachine(t *testing.T) {
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{Trace: true})
	conn, err := tracker.Dialer("debugged", pipes)(t.Context(), "tcp", "lab.test:4242")
	if err != nil {
		t.Fatal(err)
	}
	token := func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer admin" }
	ask := func(path, from, host string, header ...string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+path, nil)
		r.RemoteAddr = from
		if len(header) == 2 {
			r.Header.Set(header[0], header[1])
		}
		w := httptest.NewRecorder()
		telemetry.Debug(token).ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	const events, requests = "/debug/events?fam=net.ClientConn.debugged&b=0&exp=1", "/debug/requests?fam=dial.debugged&b=0&exp=1"
	for _, page := range []string{events, requests} {
		if code, body := ask(page, "127.0.0.1:5555", "localhost:6061"); code != http.StatusOK || !strings.Contains(body, "lab.test:4242") {
			t.Errorf("%s answers %d without the connection:\n%s", page, code, body)
		}
	}
	for name, c := range map[string]struct {
		from, host string
		header     []string
		want       int
	}{
		"unix socket":     {"@", "localhost", nil, http.StatusOK},
		"IPv6":            {"[::1]:5555", "[::1]:6061", nil, http.StatusOK},
		"with a token":    {"192.0.2.7:5555", "lab.test", []string{"Authorization", "Bearer admin"}, http.StatusOK},
		"from elsewhere":  {"192.0.2.7:5555", "localhost", nil, http.StatusForbidden},
		"rebound name":    {"127.0.0.1:5555", "evil.test", nil, http.StatusForbidden},
		"through a proxy": {"127.0.0.1:5555", "localhost", []string{"X-Forwarded-For", "192.0.2.7"}, http.StatusForbidden},
	} {
		if code, _ := ask(events, c.from, c.host, c.header...); code != c.want {
			t.Errorf("%s: %d, want %d", name, code, c.want)
		}
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if _, body := ask(events, "127.0.0.1:5555", "localhost"); strings.Contains(body, "lab.test:4242") {
		t.Error("a closed connection is still shown as live")
	}
}

// closeNoted notes that it was closed.
type closeNoted struct {
	net.Conn
	closed bool
}

func (c *closeNoted) Close() error {
	c.closed = true
	return c.Conn.Close()
}

// A connection whose handshake failed is nobody's: it has to be closed, and was
// never one.
func TestAFailedHandshakeLeavesNoConnection(t *testing.T) {
	near, far := net.Pipe()
	inner := &closeNoted{Conn: near}
	go func() {
		_, _ = far.Read(make([]byte, 16<<10)) // the whole greeting
		_, _ = far.Write([]byte("220 mail.test, in clear\r\n"))
		_, _ = io.Copy(io.Discard, far)
	}()
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{})
	dial := tracker.TLSDialer("smtp", func(context.Context, string, string) (net.Conn, error) { return inner, nil }, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := dial(ctx, "tcp", "mail.test:465"); err == nil {
		t.Fatal("clear text is TLS")
	}
	got := place(t, tracker, "smtp")
	if !inner.closed || got.Closed != 0 || got.Established != 0 || got.Failed[telemetry.ReasonTLS] != 1 {
		t.Errorf("closed: %v; counts: %+v", inner.closed, got)
	}
}
