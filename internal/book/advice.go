package book

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"labstatus/internal/redirect"
)

const adviceNotBook = "what answered is not book, or not one we know: check STATUS_HOST_BOOK and STATUS_BASEPATH_BOOK"

// adviseOnStatus says what to do about an answer that says no. Book words every
// refusal of a token as a 500.
func adviseOnStatus(e *StatusError, header http.Header, now time.Time) string {
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(e.Message, w) {
				return true
			}
		}
		return false
	}
	switch {
	case e.unknown:
		return ""
	case says("signature is invalid"):
		return "STATUS_SECRET_BOOK is not the secret that book was started with"
	case says("does not match this host"):
		return adviseOnAudience(e.Message)
	case says("token is expired", "not valid yet", "used before issued"):
		return adviseOnClock(header, now)
	case says("base64", "segments", "bearer", "unauthenticated"):
		return "our Authorization header did not arrive as we sent it: look for a proxy that changes or drops it"
	case says("no scope"):
		return "book wants another scope than booking:admin: see its version"
	case e.Status >= 300 && e.Status < 400:
		if to, err := url.Parse(header.Get("Location")); err == nil && to.Host != "" {
			return fmt.Sprintf("book has moved to %s: set STATUS_SCHEME_BOOK, STATUS_HOST_BOOK and STATUS_BASEPATH_BOOK so", redirect.Place(to.String()))
		}
		return "redirects are not followed: check STATUS_SCHEME_BOOK and STATUS_HOST_BOOK"
	case e.Status == http.StatusNotFound, e.Status == http.StatusMethodNotAllowed:
		return "book's API is not at this path: check STATUS_BASEPATH_BOOK"
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return "see whether a proxy before book asks for its own credentials"
	case e.Status == http.StatusBadGateway, e.Status == http.StatusServiceUnavailable, e.Status == http.StatusGatewayTimeout:
		return "the proxy before book does not reach it: see whether book is running"
	}
	return ""
}

// adviseOnAudience takes what the settings should be from
// "aud [https://a/b] does not match this host https://c/d".
func adviseOnAudience(message string) string {
	_, own, _ := strings.Cut(message, "this host ")
	u, err := url.Parse(strings.TrimSpace(own))
	if err != nil || u.Host == "" {
		return "book calls itself something else: check STATUS_SCHEME_BOOK, STATUS_HOST_BOOK and STATUS_BASEPATH_BOOK"
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return fmt.Sprintf("to match, set STATUS_SCHEME_BOOK=%s STATUS_HOST_BOOK=%s STATUS_BASEPATH_BOOK=%s", u.Scheme, u.Host, path)
}

func adviseOnClock(header http.Header, now time.Time) string {
	const cure = "set both by NTP"
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return "book's clock and ours differ: " + cure
	}
	apart := date.Sub(now).Round(time.Second)
	switch {
	case apart > time.Second:
		return fmt.Sprintf("book's clock is %s ahead of ours: %s", apart, cure)
	case apart < -time.Second:
		return fmt.Sprintf("book's clock is %s behind ours: %s", -apart, cure)
	}
	return "book's clock and ours differ, though its Date header agrees: see the clock behind the proxy"
}

// adviseOnConnection says what to do where there was no answer at all.
func adviseOnConnection(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "check STATUS_HOST_BOOK"
	}
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case authority, hostname, invalid:
		return "book's certificate is not one for this host: check STATUS_HOST_BOOK, the certificate and this host's authorities"
	case speaksHTTP(err):
		return "STATUS_SCHEME_BOOK should be http"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: see whether book is running, and check STATUS_HOST_BOOK"
	}
	return "see whether book, or the proxy before it, is running"
}

// speaksHTTP says that our TLS handshake was answered by plain HTTP. net/http says
// so in its own words only where it made the connection itself.
func speaksHTTP(err error) bool {
	record, is := errors.AsType[tls.RecordHeaderError](err)
	return errors.Is(err, http.ErrSchemeMismatch) || is && string(record.RecordHeader[:]) == "HTTP/"
}
