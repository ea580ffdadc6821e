package observer

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Transport is how an observer is reached.
type Transport string

// The transports.
const (
	HTTP Transport = "http"
	GRPC Transport = "grpc"
)

// Observer is somebody who wants to be told how we are.
type Observer struct {
	Name string
	Type Transport
	// Address is a URL for HTTP, used as it is, and host:port for gRPC.
	Address string
	Token   Secret
	// TLS encrypts gRPC; for HTTP the address says whether there is TLS, and this
	// only how.
	TLS     *TLS
	Timeout time.Duration // of one report; 0: 5 s
	Period  time.Duration // between reports; 0: 5 s
	// ResetTraffic reports the bytes since the last acknowledged report, not since
	// our start. Connections and errors are totals all the same.
	ResetTraffic bool
}

// TLS is how a certificate is checked.
type TLS struct {
	ServerName string `json:"server_name,omitempty"` // that the certificate has to be for; empty: the address's
	// Insecure believes any certificate: the token and all figures are then open to
	// whoever stands in between.
	Insecure bool   `json:"insecure,omitempty"`
	CA       string `json:"ca,omitempty"` // PEM of the authorities that may sign it; empty: the system's
}

// Bounds of an observer's settings.
const (
	defaultPeriod  = 5 * time.Second
	defaultTimeout = 5 * time.Second
	minPeriod      = time.Second
	maxPeriod      = time.Hour
	minTimeout     = 100 * time.Millisecond
	maxTimeout     = time.Minute
	maxAddress     = 2000
	maxToken       = 4096
	maxCA          = 64 << 10
	// MaxObservers is how many a Reporter tells.
	MaxObservers = 32
)

// FieldError is what is wrong with one field of an observer.
type FieldError struct {
	Field   string // as in JSON, e.g. tls.ca
	Problem string // what is accepted, in words
}

// Error names the field first.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

func fault(field, format string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}

// withDefaults fills in what was left out.
func (o Observer) withDefaults() Observer {
	if o.Type == "" && o.Address != "" {
		o.Type = GRPC
		if isURL(o.Address) {
			o.Type = HTTP
		}
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Period == 0 {
		o.Period = defaultPeriod
	}
	if o.TLS != nil {
		copied := *o.TLS
		o.TLS = &copied
	}
	return o
}

func isURL(address string) bool {
	return strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://")
}

var (
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	tokenForm = regexp.MustCompile(`^[\x21-\x7e]*$`)
)

// Check says everything that is wrong with an observer: one [FieldError] a fault,
// joined. What was left out is as its default.
func (o Observer) Check() error {
	o = o.withDefaults()
	var faults []error
	add := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	if !nameForm.MatchString(o.Name) {
		add(fault("name", "%q is none: 1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit", oneLine(o.Name, 100)))
	}
	add(o.checkAddress())
	if token := o.Token.Reveal(); len(token) > maxToken || !tokenForm.MatchString(token) {
		add(fault("token", "at most %d visible ASCII characters, without blanks", maxToken))
	}
	add(within("timeout", o.Timeout, minTimeout, maxTimeout))
	add(within("period", o.Period, minPeriod, maxPeriod))
	add(o.checkTLS())
	return errors.Join(faults...)
}

func within(field string, d, least, most time.Duration) error {
	if d < least || d > most {
		return fault(field, "%v is out of bounds: from %v to %v", d, least, most)
	}
	return nil
}

func (o Observer) checkAddress() error {
	if len(o.Address) > maxAddress {
		return fault("address", "at most %d bytes", maxAddress)
	}
	switch o.Type {
	case HTTP:
		return checkURL(o.Address)
	case GRPC:
		if isURL(o.Address) {
			return fault("address", "gRPC wants host:port; for a URL set type to http")
		}
		host, port, err := net.SplitHostPort(o.Address)
		if err != nil || host == "" || strings.ContainsFunc(host, notInHost) {
			return fault("address", "gRPC wants host:port, e.g. collector.example.org:8000")
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fault("address", "the port is a number from 1 to 65535")
		}
		return nil
	case "":
		return fault("address", "a URL for HTTP, host:port for gRPC")
	}
	return fault("type", "%q is none: http or grpc", oneLine(string(o.Type), 100))
}

func notInHost(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' || r == '@' }

func checkURL(address string) error {
	const want = "HTTP wants a URL, e.g. https://collector.example.org/observer"
	u, err := url.Parse(address) // its error would repeat what may be secret in the address
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fault("address", want)
	case u.User != nil:
		return fault("address", "without user and password; set the token, which is sent as Authorization: Bearer")
	case u.Fragment != "":
		return fault("address", "without #, which is never sent")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fault("address", "the port is a number from 1 to 65535")
		}
	}
	return nil
}

func (o Observer) checkTLS() error {
	if o.TLS == nil {
		return nil
	}
	if o.Type == HTTP && !strings.HasPrefix(o.Address, "https://") {
		return fault("tls", "an address that begins with http:// has none; use https://")
	}
	if name := o.TLS.ServerName; len(name) > 253 || strings.ContainsAny(name, " /:@") {
		return fault("tls.server_name", "a host name, without port")
	}
	if o.TLS.CA == "" {
		return nil
	}
	if o.TLS.Insecure {
		return fault("tls.ca", "with insecure any certificate is believed; leave one of the two out")
	}
	if len(o.TLS.CA) > maxCA || !x509.NewCertPool().AppendCertsFromPEM([]byte(o.TLS.CA)) {
		return fault("tls.ca", "certificates in PEM form, at most %d bytes", maxCA)
	}
	return nil
}

// Place is where the observer is, without what may be secret in its address: for
// logs, and for whoever may look and not change.
func (o Observer) Place() string {
	if u, err := url.Parse(o.Address); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return o.Address
}

// entrust says why next may not have o's token unseen: who may change an observer may
// not read its token, nor have it sent to a host of their own, nor past who listens.
func (o Observer) entrust(next Observer) error {
	o, next = o.withDefaults(), next.withDefaults()
	if o.Type != next.Type || o.Place() != next.Place() {
		return fault("token", "the one that is set is for %s; another place needs its own, or none", oneLine(o.Place(), 300))
	}
	was, is := o.trust(), next.trust()
	switch {
	case !o.encrypts(), was.Insecure && next.encrypts(), was == is && next.encrypts():
		return nil
	}
	return fault("token", "with other tls, give the token again: the one that is set would be shown to whoever that lets in")
}

// encrypts says whether what is sent there is for its reader only.
func (o Observer) encrypts() bool {
	return o.Type == GRPC && o.TLS != nil || o.Type == HTTP && strings.HasPrefix(o.Address, "https://")
}

// trust is whose certificate is believed.
func (o Observer) trust() TLS {
	if o.TLS == nil {
		return TLS{}
	}
	return *o.TLS
}

// sameReader says whether what one of the two has been told the other one knows.
func (o Observer) sameReader(other Observer) bool {
	return o.Type == other.Type && o.Address == other.Address && o.ResetTraffic == other.ResetTraffic
}
