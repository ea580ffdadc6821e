package statusport

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// Address says where a port of its own listens.
type Address struct {
	Network string // tcp, unix or systemd
	At      string // host:port, a path, or the name of an inherited socket
	Scheme  string // http or https where one was given; only with tcp
}

// ParseAddress reads host:port, http://host:port, https://host:port, unix:PATH or
// systemd:NAME.
func ParseAddress(text string) (Address, error) {
	scheme, rest, schemed := strings.Cut(text, "://")
	if schemed && scheme != "http" && scheme != "https" {
		return Address{}, fmt.Errorf("%q: a scheme is http or https", text)
	}
	if !schemed {
		scheme, rest = "", text
	}
	for _, network := range []string{"unix", "systemd", "launchd"} {
		at, is := strings.CutPrefix(rest, network+":")
		switch {
		case !is:
			continue
		case schemed:
			return Address{}, fmt.Errorf("%q: %s has no scheme, it is always plain HTTP", text, network)
		case network == "launchd":
			return Address{}, fmt.Errorf("%q: there is no launchd here", text)
		case at == "":
			return Address{}, fmt.Errorf("%q: after %s: a path or a name has to follow", text, network)
		}
		return Address{Network: network, At: at}, nil
	}
	if _, port, err := net.SplitHostPort(rest); err != nil || port == "" {
		return Address{}, fmt.Errorf("%q: it is host:port, http://host:port, https://host:port, unix:PATH or systemd:NAME", text)
	}
	return Address{Network: "tcp", At: rest, Scheme: scheme}, nil
}

func (a Address) String() string {
	switch {
	case a.Network != "tcp":
		return a.Network + ":" + a.At
	case a.Scheme != "":
		return a.Scheme + "://" + a.At
	}
	return a.At
}

// Encrypted says whether TLS is spoken there, given whether there is a certificate.
// A bare host:port does where it can; an https:// that can't is an error.
func (a Address) Encrypted(certificate bool) (bool, error) {
	if a.Scheme == "https" && !certificate {
		return false, fmt.Errorf("%s needs a certificate and its key", a)
	}
	return certificate && a.Network == "tcp" && a.Scheme != "http", nil
}

// Sockets are those that systemd has opened for us.
type Sockets map[string][]net.Listener

// Inherited takes over all sockets that systemd passed on. It can be called once:
// after it nobody else finds them.
func Inherited() (Sockets, error) {
	all, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("take over systemd's sockets: %w", err)
	}
	return all, nil
}

// Take gives the one socket of that name (FileDescriptorName= of the socket unit).
func (s Sockets) Take(name string) (net.Listener, error) {
	switch found := s[name]; len(found) {
	case 1:
		delete(s, name)
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("systemd has passed on no socket called %q: is the socket unit started, with FileDescriptorName=%s?", name, name)
	default:
		return nil, fmt.Errorf("systemd has passed on %d sockets called %q: there has to be one", len(found), name)
	}
}

// Close closes what nobody has taken.
func (s Sockets) Close() error {
	var errs []error
	for _, listeners := range s {
		for _, l := range listeners {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}
