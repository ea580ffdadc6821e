package notify

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"labstatus/internal/health"
)

// Outcome is what became of one attempt for one recipient.
type Outcome string

// Outcomes.
const (
	Sent    Outcome = "sent"    // the server's final 250 was seen
	Retry   Outcome = "retry"   // refused for now, or it isn't known what became of it
	Refused Outcome = "refused" // for good
)

// Result is an attempt's outcome for one recipient.
type Result struct {
	Address string
	Outcome Outcome
	Text    string // the server's words, or why it wasn't reached
	Stuck   bool   // the session was lost over this very recipient
}

// Session is a connection to a mail server that is ready for messages.
type Session interface {
	// Send offers one message for each of the addresses. There is a result for
	// every one of them, in their order, whatever happened. An error says that
	// the session is of no more use.
	Send(ctx context.Context, m health.Mail, to []string) ([]Result, error)
	// Close says goodbye, within two seconds and until ctx ends.
	Close(ctx context.Context) error
}

// Timeouts bound an attempt. Zero means the default.
type Timeouts struct {
	Attempt time.Duration // connecting and one message; 30 s
	Stage   time.Duration // each stage but the final dot; 10 s
	// Final bounds passing the message and waiting for the server's verdict. The
	// default is what is left of the attempt: servers look for spam while we
	// wait, and a mail that is given up here may arrive twice.
	Final time.Duration
}

// SMTPOptions say which mail server is used, and how.
type SMTPOptions struct {
	Host string
	Port int
	Auth AuthType // AuthNone when empty
	TLS  TLSMode  // TLSAuto when empty
	User string
	// Password is a password, or the access token for AuthXOAuth2.
	Password string
	HELO     string // the name we greet with; this machine's when empty
	// Dial makes connections; net.Dialer's DialContext when nil.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// RootCAs are the authorities trusted; the system's when nil.
	RootCAs  *x509.CertPool
	Timeouts Timeouts
	// Handshake hears how long each TLS handshake took and how it ended; nil:
	// nobody does.
	Handshake func(took time.Duration, err error)
	// Transcript, when not nil, hears every talk, with secrets masked.
	Transcript io.Writer
}

// String keeps the password out of whatever prints the options.
func (o SMTPOptions) String() string { return fmt.Sprintf("mail server %s:%d", o.Host, o.Port) }

// GoString is String, for %#v.
func (o SMTPOptions) GoString() string { return o.String() }

// SMTP sends mail through one server. It is safe for concurrent use; each call
// has its own connection.
type SMTP struct {
	host, addr, helo string
	auth             AuthType
	mode             TLSMode
	user             string
	// password is a function so that printing the struct can't show it.
	password   func() string
	secrets    *secrets
	dial       func(ctx context.Context, network, addr string) (net.Conn, error)
	roots      *x509.CertPool
	timeouts   Timeouts
	handshake  func(took time.Duration, err error)
	transcript io.Writer
	local      bool // the server is on this machine
}

// NewSMTP checks the options and reports every fault in them.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	s := &SMTP{
		host: o.Host, addr: net.JoinHostPort(o.Host, strconv.Itoa(o.Port)),
		helo: o.HELO, auth: cmp.Or(o.Auth, AuthNone), mode: cmp.Or(o.TLS, TLSAuto),
		user: o.User, password: func() string { return o.Password }, secrets: newSecrets(o.Password),
		dial: o.Dial, roots: o.RootCAs, handshake: o.Handshake, transcript: o.Transcript, local: isLocal(o.Host),
		timeouts: Timeouts{
			Attempt: cmp.Or(o.Timeouts.Attempt, 30*time.Second),
			Stage:   cmp.Or(o.Timeouts.Stage, 10*time.Second),
			Final:   o.Timeouts.Final,
		},
	}
	s.timeouts.Final = cmp.Or(s.timeouts.Final, s.timeouts.Attempt)
	if s.dial == nil {
		s.dial = (&net.Dialer{}).DialContext
	}
	if s.helo == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("find this machine's name to greet mail servers with, set STATUS_EMAIL_HELO instead: %w", err)
		}
		s.helo = name
	}
	return s, errors.Join(s.faults(o)...)
}

func (s *SMTP) faults(o SMTPOptions) []error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("set up mail: "+format, args...))
		}
	}
	fault(o.Host == "" || !isASCII(o.Host) || strings.ContainsAny(o.Host, " /"), "%q is not a mail server's name", o.Host)
	fault(o.Port < 1 || o.Port > 65535, "%d is not a port", o.Port)
	fault(!slices.Contains(authTypes, s.auth), "unknown way to log in %q, known are %v", o.Auth, authTypes)
	fault(!slices.Contains(tlsModes, s.mode), "unknown TLS mode %q, known are %v", o.TLS, tlsModes)
	fault(strings.ContainsAny(s.helo, " \r\n\t") || !isASCII(s.helo), "%q is not a name to greet a server with", s.helo)
	fault(strings.ContainsAny(s.user, "\r\n\x00"), "the user name holds a line end")
	if s.auth != AuthNone && s.auth != AuthAuto {
		fault(s.user == "", "logging in with %s needs a user name", s.auth)
		fault(o.Password == "", "logging in with %s needs a password", s.auth)
	}
	fault(s.auth.clear() && s.mode == TLSNone && !s.local,
		"%s would send the password in clear to %s: use another TLS mode than none", s.auth, s.host)
	return errs
}

// Send makes one attempt for one message, on a connection of its own.
func (s *SMTP) Send(ctx context.Context, m health.Mail, to []string) ([]Result, error) {
	session, err := s.Open(ctx)
	if err != nil {
		return all(to, Retry, err.Error()), err
	}
	results, err := session.Send(ctx, m, to)
	// What matters has been said; a goodbye that fails changes nothing.
	_ = session.Close(ctx)
	return results, err
}

func all(to []string, o Outcome, text string) []Result {
	results := make([]Result, len(to))
	for i, a := range to {
		results[i] = Result{Address: a, Outcome: o, Text: text}
	}
	return results
}

// isLocal says that what is sent to host doesn't leave this machine.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
