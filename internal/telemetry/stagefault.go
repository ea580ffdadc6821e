package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"
)

// faultOf words what was wrong with a stage, in one of a few words, so that they
// can be a label.
func faultOf(stage Stage, err error) string {
	if stage == StageDNS {
		return dnsFault(err)
	}
	if word := tlsFault(err); stage == StageTLS && word != "" {
		return word
	}
	switch reason := ReasonOf(context.Background(), err); {
	case reason == ReasonTimeout, reason == ReasonRefused:
		return string(reason)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "broken"
	}
	return "other"
}

func dnsFault(err error) string {
	e, is := errors.AsType[*net.DNSError](err)
	switch {
	case is && e.IsNotFound:
		return "nxdomain"
	case timedOut(err):
		return "timeout"
	}
	return "badsrv" // nobody who could be asked gave an answer
}

// tlsFault is empty where the connection failed rather than what was said on it.
func tlsFault(err error) string {
	if e, is := errors.AsType[x509.CertificateInvalidError](err); is {
		switch {
		case e.Reason != x509.Expired:
			return "invalidcert"
		case e.Cert != nil && time.Now().Before(e.Cert.NotBefore):
			return "notyetvalid"
		}
		return "expired"
	}
	if e, is := errors.AsType[*net.OpError](err); is && (e.Op == "remote error" || e.Op == "local error") {
		return "alert"
	}
	switch {
	case has[x509.UnknownAuthorityError](err), has[x509.SystemRootsError](err):
		return "invalidca"
	case has[x509.HostnameError](err):
		return "hostname"
	case has[tls.RecordHeaderError](err):
		return "nottls"
	}
	return ""
}

// statusFault words an answer that is no success: 4xx, 5xx.
func statusFault(code int) string { return strconv.Itoa(code/100) + "xx" }
