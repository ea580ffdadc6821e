package observer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// sender brings one report to an observer. nil means that it has answered ok, and
// nothing else does.
type sender interface {
	send(ctx context.Context, key string, events []Event) error
	close()
}

// errRefused is what an error is where an observer has understood us and will not take
// the report, however often it comes.
var errRefused = errors.New("the report was refused")

// refusedError words one.
type refusedError struct{ text string }

func (e *refusedError) Error() string        { return e.text }
func (e *refusedError) Is(target error) bool { return target == errRefused }

// DialFunc opens a connection; net.Dialer's DialContext is one.
type DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// Network is how observers are reached. The zero value is the network itself.
type Network struct {
	Dial    DialFunc                                  // nil: the network's
	Proxy   func(*http.Request) (*url.URL, error)     // of HTTP; nil: none
	Wrap    func(http.RoundTripper) http.RoundTripper // around HTTP's transport; nil: nothing
	RootCAs *x509.CertPool                            // where an observer brings none; nil: the system's
}

func (n Network) dial() DialFunc {
	if n.Dial != nil {
		return n.Dial
	}
	return new(net.Dialer).DialContext
}

func (n Network) sender(o Observer) (sender, error) {
	if o.Type == GRPC {
		return newGRPCSender(o, n)
	}
	return newHTTPSender(o, n), nil
}

// tlsConfig is how an observer's certificate is checked.
func (n Network) tlsConfig(o Observer) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: n.RootCAs}
	if o.TLS == nil {
		return c
	}
	c.ServerName = o.TLS.ServerName
	c.InsecureSkipVerify = o.TLS.Insecure
	if o.TLS.CA != "" {
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AppendCertsFromPEM([]byte(o.TLS.CA)) // it was checked
	}
	return c
}

// quote gives what somebody else has said, on one line, without our token: some repeat
// what they were sent.
func (o Observer) quote(text string, most int) string {
	if !o.Token.IsZero() {
		text = strings.ReplaceAll(text, o.Token.Reveal(), mask) // before it is cut
	}
	return oneLine(text, most)
}

// reason words why there was no answer, without the address, which may hold a
// secret.
func (o Observer) reason(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	e, isNet := errors.AsType[net.Error](err)
	_, badName := errors.AsType[x509.HostnameError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return "given up, because the status server stops or the observer was changed"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isNet && e.Timeout():
		return fmt.Sprintf("no answer within %v", o.Timeout)
	case badName:
		return o.quote(err.Error(), 200) + ": set tls.server_name to the name in its certificate"
	case unknown:
		return "its certificate is signed by an unknown authority: put that authority's certificate into tls.ca"
	case noTLS, errors.Is(err, http.ErrSchemeMismatch):
		return "it speaks no TLS there: use an address with http://, or gRPC without tls"
	}
	return o.quote(err.Error(), 300)
}
