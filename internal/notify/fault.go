package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"time"
)

// Stage is a step of the talk with a mail server.
type Stage string

// Stages, in their order. Each is bounded in time.
const (
	StageDial     Stage = "connecting"
	StageBanner   Stage = "banner"
	StageHello    Stage = "EHLO"
	StageStartTLS Stage = "STARTTLS"
	StageTLS      Stage = "TLS handshake"
	StageAuth     Stage = "AUTH"
	StageMail     Stage = "MAIL"
	StageRcpt     Stage = "RCPT"
	StageData     Stage = "DATA"
	StageFinal    Stage = "final dot" // the server's verdict on the whole message
	StageReset    Stage = "RSET"
)

// ServerError is a fault of the mail server as a whole, or of the way to it: no
// verdict on any message. The connection is of no more use.
type ServerError struct {
	Server string // host:port
	Stage  Stage
	Code   int    // as the server answered; 0 where it gave no answer
	Text   string // what went wrong and what to do about it; never a secret
	Err    error
}

func (e *ServerError) Error() string {
	return fmt.Sprintf("mail server %s, %s: %s", e.Server, e.Stage, e.Text)
}

func (e *ServerError) Unwrap() error { return e.Err }

// errTooMuch ends a talk with a server that sends without end.
var errTooMuch = errors.New("the server sent more than any mail server would")

// fault words what went wrong at a stage.
func (t *session) fault(stage Stage, err error) *ServerError {
	f := &ServerError{Server: t.smtp.addr, Stage: stage, Err: err}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		f.Code = e.Code
		f.Text = fmt.Sprintf("the server answered %q%s", t.said(e), advice(stage, e.Code))
		// The server's words are in Text, without secrets: the error that holds
		// them as they came must not get out.
		f.Err = nil
		return f
	}
	f.Text = t.smtp.secrets.hide(reason(stage, err, t.link.patience))
	if _, ok := errors.AsType[textproto.ProtocolError](err); ok {
		f.Err = nil // it quotes the server too
	}
	if stage == StageAuth && !timedOut(err) && !cutOff(err) {
		f.Err = nil // and so do the mechanisms' errors
	}
	return f
}

// said is a server's answer on one line, without secrets, at a bearable length.
func (t *session) said(e *textproto.Error) string {
	return clean(fmt.Sprintf("%d %s", e.Code, t.smtp.secrets.hide(e.Msg)), 300)
}

func advice(stage Stage, code int) string {
	switch {
	case stage == StageAuth && (code == 534 || code == 535):
		return ": check STATUS_EMAIL_USER and STATUS_EMAIL_PASSWORD, and whether this account may send by SMTP"
	case code == 530 || code == 538:
		return ": it wants a login or encryption first, see STATUS_EMAIL_AUTH_TYPE and STATUS_EMAIL_TLS"
	case stage == StageBanner && code >= 500:
		return ": it does not serve us, check STATUS_EMAIL_HOST and whether this host's address may use it"
	case code == 421:
		return ": it is closing the connection, which usually passes"
	}
	return ""
}

// reason words an error that is not an answer.
func reason(stage Stage, err error, patience time.Duration) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "given up, because the status server is stopping"
	case timedOut(err):
		hint := ""
		if stage == StageBanner {
			hint = "; a port for implicit TLS, such as 465, waits like this for STATUS_EMAIL_TLS=implicit"
		}
		if stage == StageDial {
			hint = "; a firewall may be in the way, many providers block port 25"
		}
		return fmt.Sprintf("no answer within %v%s", patience.Round(time.Millisecond), hint)
	case errors.Is(err, errTooMuch):
		return err.Error()
	case cutOff(err):
		return "the connection was cut"
	}
	if text := certificate(err); text != "" {
		return text
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS here: for ports other than 465 use STATUS_EMAIL_TLS=required"
	}
	if e, ok := errors.AsType[textproto.ProtocolError](err); ok {
		return clean(fmt.Sprintf("what it sent is not SMTP (%s): check STATUS_EMAIL_HOST, STATUS_EMAIL_PORT and STATUS_EMAIL_TLS", string(e)), 300)
	}
	return clean(err.Error(), 300)
}

// certificate words why a server's certificate was not accepted; empty where
// that is not what happened.
func certificate(err error) string {
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		names := e.Certificate.DNSNames
		return clean(fmt.Sprintf("its certificate is for %v, not for %q: set STATUS_EMAIL_HOST to the name in the certificate", names, e.Host), 300)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its certificate is signed by an unknown authority: add that authority to this host's trusted ones, or use a server with a public certificate"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason != x509.Expired {
			return clean("its certificate is not valid: "+e.Error(), 300)
		}
		if e.Cert != nil && time.Now().Before(e.Cert.NotBefore) {
			return "its certificate is not valid before " + stamp(e.Cert.NotBefore) + ": check this host's clock"
		}
		if e.Cert != nil {
			return "its certificate expired at " + stamp(e.Cert.NotAfter) + ": the server needs a new one, or this host's clock is wrong"
		}
		return "its certificate has expired, or this host's clock is wrong"
	}
	return ""
}

func timedOut(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func cutOff(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed) {
		return true
	}
	e, ok := errors.AsType[*net.OpError](err)
	return ok && (e.Op == "read" || e.Op == "write")
}
