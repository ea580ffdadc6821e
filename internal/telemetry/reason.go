package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"
)

// Reason is why a connection could not be opened. Each failure has exactly one.
type Reason string

// Reasons, as the label reason of net_conntrack_dialer_conn_failed_total has them.
const (
	ReasonResolution Reason = "resolution" // the name was not found, or nobody answered for it
	ReasonRefused    Reason = "refused"
	ReasonTimeout    Reason = "timeout"
	ReasonTLS        Reason = "tls"      // the handshake, or the peer's certificate
	ReasonCanceled   Reason = "canceled" // we gave up; nobody's fault
	ReasonUnknown    Reason = "unknown"
)

var reasons = [...]Reason{ReasonResolution, ReasonRefused, ReasonTimeout, ReasonTLS, ReasonCanceled, ReasonUnknown}

// HandshakeError is a TLS handshake that failed on a connection that was open.
type HandshakeError struct{ Err error }

func (e *HandshakeError) Error() string { return "TLS handshake: " + e.Err.Error() }
func (e *HandshakeError) Unwrap() error { return e.Err }

// wsaRefused is how Windows refuses a connection.
const wsaRefused = syscall.Errno(10061)

// ReasonOf finds the one reason in an error of dialling, however deep it is
// wrapped. Where several apply the first of this order counts: cancelled,
// resolution (a lookup that timed out too), refused, timeout, TLS. An error that
// says nothing is explained by ctx, where that has ended.
func ReasonOf(ctx context.Context, err error) Reason {
	switch {
	case errors.Is(err, context.Canceled):
		return ReasonCanceled
	case has[*net.DNSError](err):
		return ReasonResolution
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, wsaRefused):
		return ReasonRefused
	case timedOut(err):
		return ReasonTimeout
	case isTLS(err):
		return ReasonTLS
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ReasonTimeout
	case ctx.Err() != nil:
		return ReasonCanceled
	}
	return ReasonUnknown
}

func timedOut(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		return true
	}
	e, is := errors.AsType[net.Error](err)
	return is && e.Timeout()
}

// isTLS also knows the alerts of either side, which reach us as operations of
// package net.
func isTLS(err error) bool {
	if e, is := errors.AsType[*net.OpError](err); is && (e.Op == "remote error" || e.Op == "local error") {
		return true
	}
	return has[*HandshakeError](err) || has[*tls.CertificateVerificationError](err) || has[tls.RecordHeaderError](err) ||
		has[tls.AlertError](err) || has[*tls.ECHRejectionError](err) || isCertificate(err)
}

func isCertificate(err error) bool {
	return has[x509.UnknownAuthorityError](err) || has[x509.HostnameError](err) || has[x509.CertificateInvalidError](err) ||
		has[x509.SystemRootsError](err) || has[x509.ConstraintViolationError](err)
}

func has[E error](err error) bool {
	_, is := errors.AsType[E](err)
	return is
}
