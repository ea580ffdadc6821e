package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

// Certificate is what kind of certificate the mail server shows.
type Certificate string

// Kinds of certificates. Each but the first is as CertGood is, but for one thing.
const (
	CertGood     Certificate = "good"     // for its name, and of those that Lab.CertPool trusts
	CertExpired  Certificate = "expired"  // an hour ago
	CertMisnamed Certificate = "misnamed" // for a server of another name
	CertUnknown  Certificate = "unknown"  // made by nobody who is trusted
)

var certificates = []Certificate{CertGood, CertExpired, CertMisnamed, CertUnknown}

// otherName is who a misnamed certificate is for.
const otherName = "other.lab"

// certify makes a certificate for a mail server at host and on loopback, good for a
// year from now. It is signed by another one or, where that is nil, by itself.
func certify(host string, kind Certificate, by *tls.Certificate) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for the mail server: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "simulated lab"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{"localhost", "mail.lab"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	} else if host != "" {
		template.DNSNames = append(template.DNSNames, host)
	}
	switch kind {
	case CertExpired:
		template.NotBefore, template.NotAfter = time.Now().AddDate(-1, 0, 0), time.Now().Add(-time.Hour)
	case CertMisnamed:
		template.DNSNames, template.IPAddresses = []string{otherName}, nil
	}
	if by == nil {
		by = &tls.Certificate{Leaf: template, PrivateKey: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.Leaf, key.Public(), by.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for the mail server: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the mail server's certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// certifyMail makes the certificate that CertPool trusts: the good one, which also
// signs others.
func (l *Lab) certifyMail() error {
	host, _, err := net.SplitHostPort(l.address(Mail))
	if err != nil {
		return fmt.Errorf("address of the mail server: %w", err)
	}
	if l.cert, err = certify(host, CertGood, nil); err != nil {
		return err
	}
	l.pool = x509.NewCertPool()
	l.pool.AddCert(l.cert.Leaf)
	l.mail.cert = l.cert
	return nil
}

// MailCertificate has the mail server show a certificate of this kind from now on, to
// whoever starts TLS.
func (l *Lab) MailCertificate(kind Certificate) error {
	switch {
	case !slices.Contains(certificates, kind):
		return fmt.Errorf("change the mail server's certificate: kind %q: use one of %s", kind, list(certificates))
	case l.cert == nil:
		return errors.New("change the mail server's certificate: it has none, as it offers no TLS")
	}
	host, _, err := net.SplitHostPort(l.address(Mail))
	if err != nil {
		return fmt.Errorf("address of the mail server: %w", err)
	}
	cert := l.cert
	switch kind {
	case CertUnknown:
		cert, err = certify(host, kind, nil)
	case CertExpired, CertMisnamed:
		cert, err = certify(host, kind, l.cert)
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mail.cert = cert
	return nil
}
