package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// fault names what a handshake failed of, as whoever counts handshakes finds it by
// unwrapping.
func fault(err error) string {
	if e, is := errors.AsType[x509.CertificateInvalidError](err); is {
		return fmt.Sprint("invalid ", e.Reason == x509.Expired)
	}
	if e, is := errors.AsType[x509.HostnameError](err); is {
		return "not for " + e.Host
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return "unknown authority"
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "stopped"
	case cutOff(err):
		return "cut"
	}
	return fmt.Sprint(err)
}

// Whoever counts TLS handshakes hears of each one, how long it took and why it
// failed, with STARTTLS and with implicit TLS alike.
func TestHandshakesAreHeardOf(t *testing.T) {
	t.Parallel()
	ca, stranger := mustAuthority(t), mustAuthority(t)
	for _, c := range []struct {
		about  string
		server func(now time.Time) *scripted // nil TLS: in clear
		modes  []TLSMode
		want   string // took, and why it failed; empty: nothing is heard
	}{
		{"one that goes well", func(time.Time) *scripted { return &scripted{tls: ca.good(t)} }, nil, "0s <nil>"},
		{"one that is slow, and goes well", func(time.Time) *scripted {
			return &scripted{tls: slowly(ca.good(t), 4*time.Second)}
		}, nil, "4s <nil>"},
		{"a certificate of an authority that nobody knows", func(time.Time) *scripted { return &scripted{tls: stranger.good(t)} }, nil, "0s unknown authority"},
		{"a certificate for another name", func(time.Time) *scripted {
			return &scripted{tls: ca.server(t, "other.example", longAgo, farAway)}
		}, nil, "0s not for " + mailHost},
		{"a certificate that has expired", func(now time.Time) *scripted {
			return &scripted{tls: ca.server(t, mailHost, longAgo, now.Add(-time.Hour))}
		}, nil, "0s invalid true"},
		{"a server that never answers in it", func(time.Time) *scripted {
			return &scripted{tls: ca.good(t), at: at("handshake", act{hang: true})}
		}, nil, "10s timeout"},
		{"a server that cuts the connection in it", func(time.Time) *scripted {
			return &scripted{tls: cutting(ca.good(t))}
		}, nil, "0s cut"},
		{"a server that offers none", func(time.Time) *scripted { return &scripted{} }, []TLSMode{TLSOpportunistic}, ""},
		{"a server that offers one to who wants none", func(time.Time) *scripted { return &scripted{tls: ca.good(t)} }, []TLSMode{TLSNone}, ""},
	} {
		modes := c.modes
		if modes == nil {
			modes = []TLSMode{TLSRequired, TLSImplicit}
		}
		for _, mode := range modes {
			t.Run(c.about+", "+string(mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := c.server(time.Now())
					server.implicit = mode == TLSImplicit && server.tls != nil
					heard := ""
					s, p := mustSMTP(t, server.serve, func(o *SMTPOptions) {
						o.RootCAs, o.TLS = ca.pool, mode
						o.Handshake = func(took time.Duration, err error) { heard += fmt.Sprint(took, " ", fault(err)) }
					})
					m := mustMail(t, "a@lab.example")
					results, err := s.Send(t.Context(), m, addresses(m))
					p.wg.Wait()
					if heard != c.want {
						t.Errorf("heard %q, want %q", heard, c.want)
					}
					if well := c.want == "" || c.want[len(c.want)-1] == '>'; well != (err == nil && outcomes(results) == "a sent") {
						t.Errorf("%v, %v", results, err)
					}
				})
			})
		}
	}
}

// A handshake that a stop of ours interrupts says so: it is nobody's fault.
func TestAHandshakeThatIsGivenUp(t *testing.T) {
	t.Parallel()
	ca := mustAuthority(t)
	synctest.Test(t, func(t *testing.T) {
		heard := ""
		s, p := mustSMTP(t, (&scripted{tls: ca.good(t), at: at("handshake", act{hang: true})}).serve, func(o *SMTPOptions) {
			o.RootCAs, o.TLS = ca.pool, TLSRequired
			o.Handshake = func(took time.Duration, err error) { heard += fmt.Sprint(took, " ", fault(err)) }
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(3*time.Second, cancel).Stop()
		if _, err := s.Open(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		p.wg.Wait()
		if heard != "3s stopped" {
			t.Errorf("heard %q", heard)
		}
	})
}

// slowly lets a server think before it shows its certificate.
func slowly(c *tls.Config, d time.Duration) *tls.Config {
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		time.Sleep(d)
		return nil, nil
	}
	return c
}

// cutting lets a server go away once it has been greeted.
func cutting(c *tls.Config) *tls.Config {
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return nil, cmp.Or(hello.Conn.Close(), io.ErrClosedPipe)
	}
	return c
}
