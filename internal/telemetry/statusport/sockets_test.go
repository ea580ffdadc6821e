package statusport_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"labstatus/internal/telemetry/statusport"
)

// certificate writes a self-signed one for 127.0.0.1, and its key.
func certificate(t *testing.T, dir, name string) (files statusport.CertificateFiles, pair tls.Certificate, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files = statusport.CertificateFiles{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(os.WriteFile(files.Cert, certPEM, 0o600),
		os.WriteFile(files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if pair, err = tls.LoadX509KeyPair(files.Cert, files.Key); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return files, pair, pool
}

// The certificate is replaced while the port serves; a bad one is refused and the
// good one stays; clients have to show theirs.
func TestCertificateIsReloaded(t *testing.T) {
	dir := t.TempDir()
	files, _, first := certificate(t, dir, "server")
	ca, client, _ := certificate(t, dir, "client")
	files.ClientCA = ca.Cert
	c, err := statusport.NewCertificate(files)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: port(t, nil), ReadHeaderTimeout: time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(tls.NewListener(inner, c.TLS())) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	get := func(roots *x509.CertPool, certificates ...tls.Certificate) error {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+inner.Addr().String()+"/_status", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	if err := get(first, client); err != nil {
		t.Fatal(err)
	}
	if err := get(first); err == nil {
		t.Error("a client without a certificate is let in")
	}
	_, _, second := certificate(t, dir, "server")
	if err := c.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := get(second, client); err != nil {
		t.Errorf("the new certificate is not shown: %v", err)
	}
	if err := get(first, client); err == nil {
		t.Error("the old certificate is still shown")
	}
	if err := os.WriteFile(files.Key, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(); err == nil {
		t.Error("rubbish is taken for a key")
	}
	if err := get(second, client); err != nil {
		t.Errorf("a failed reload has cost the certificate: %v", err)
	}
}

// TestInheritedSockets runs itself again as systemd would start us.
func TestInheritedSockets(t *testing.T) {
	if os.Getenv("STATUSPORT_TEST_CHILD") != "" {
		t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		sockets, err := statusport.Inherited()
		if err != nil {
			t.Fatal(err)
		}
		l, err := sockets.Take("admin")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sockets.Take("admin"); err == nil || !strings.Contains(err.Error(), "FileDescriptorName=admin") {
			t.Errorf("taken twice: %v", err)
		}
		if _, err := sockets.Take("double"); err == nil || !strings.Contains(err.Error(), "2 sockets") {
			t.Errorf("one of two: %v", err)
		}
		if err := errors.Join(l.Close(), sockets.Close()); err != nil {
			t.Error(err)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestInheritedSockets$", "-test.v")
	for range 3 {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Skip("sockets can't be passed on here: ", err)
		}
		child.ExtraFiles = append(child.ExtraFiles, f)
		defer func() { _ = errors.Join(l.Close(), f.Close()) }()
	}
	child.Env = append(os.Environ(), "STATUSPORT_TEST_CHILD=1", "LISTEN_FDS=3", "LISTEN_FDNAMES=admin:double:double")
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}
