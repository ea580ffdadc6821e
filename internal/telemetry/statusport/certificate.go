package statusport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// CertificateFiles are PEM files.
type CertificateFiles struct {
	Cert, Key string
	ClientCA  string // empty: clients need no certificate
}

// Certificate is a server's certificate that can be replaced while it serves, with
// whom it trusts.
type Certificate struct {
	files  CertificateFiles
	config atomic.Pointer[tls.Config]
}

// NewCertificate reads the files.
func NewCertificate(files CertificateFiles) (*Certificate, error) {
	c := &Certificate{files: files}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again. Connections that are open stay as they are; where
// it fails so does everything.
func (c *Certificate) Reload() error {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("read the status port's certificate: %w", err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"},
	}
	if c.files.ClientCA != "" {
		text, err := os.ReadFile(c.files.ClientCA)
		if err != nil {
			return fmt.Errorf("read whom the status port trusts: %w", err)
		}
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !config.ClientCAs.AppendCertsFromPEM(text) {
			return errors.New("read whom the status port trusts: " + c.files.ClientCA + " holds no certificate")
		}
	}
	c.config.Store(config)
	return nil
}

// TLS is for a listener: each new connection gets what was read last.
func (c *Certificate) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.config.Load(), nil },
	}
}
