package statusport

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/coreos/go-systemd/v22/activation"
)

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

// Take gives the one socket of that name (FileDescriptorName= of the socket unit);
// without a name the only one that there is.
func (s Sockets) Take(name string) (net.Listener, error) {
	if name == "" {
		if len(s) != 1 {
			return nil, fmt.Errorf("systemd has passed on %d kinds of sockets %q: say which is meant with systemd:NAME, or start the socket unit",
				len(s), slices.Sorted(maps.Keys(s)))
		}
		for only := range s {
			name = only
		}
	}
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
