package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// checkObserver looks at where GOSTs report to us, and at what only goes with that.
func (l *loading) checkObserver(sound func(...string) bool) {
	o := l.config.Observer
	if !sound("OBSERVER_LISTEN", "OBSERVER_GRPC_LISTEN") {
		return
	}
	if !o.Listens() {
		const unused = "not used, because neither STATUS_OBSERVER_LISTEN nor STATUS_OBSERVER_GRPC_LISTEN is set: nobody can report"
		if o.Tokens != "" {
			l.warn(Prefix+"OBSERVER_TOKENS", unused)
		}
		if o.Map != "" {
			l.warn(Prefix+"OBSERVER_MAP", unused)
		}
		return
	}
	if sound("OBSERVER_TOKENS") && o.Tokens == "" {
		var by []string
		if o.Listen.IsSet() {
			by = append(by, Prefix+"OBSERVER_LISTEN")
		}
		if o.GRPCListen.IsSet() {
			by = append(by, Prefix+"OBSERVER_GRPC_LISTEN")
		}
		l.fault("OBSERVER_TOKENS", &Fault{Variable: Prefix + "OBSERVER_TOKENS",
			Want: "the absolute path of a file of tokens, one a line, or " + strings.Join(by, " and ") + " unset: without a token nobody's report is taken there"})
	}
	l.apart("OBSERVER_LISTEN", o.Listen, sound)
	l.apart("OBSERVER_GRPC_LISTEN", o.GRPCListen, sound)
}

// apart finds out whether another listener of ours is at the place that a setting
// names, which is then at fault.
func (l *loading) apart(name string, at Listen, sound func(...string) bool) {
	c := l.config
	others := []struct {
		name string // the setting
		at   Listen
		who  string
	}{
		{"LISTEN", c.Serve.Listen, "the API and the page have"},
		{"ADMIN_LISTEN", c.Admin.Listen, "STATUS_ADMIN_LISTEN has"},
		{"OBSERVER_LISTEN", c.Observer.Listen, "STATUS_OBSERVER_LISTEN has"},
		{"PORT_PROFILE", Listen{Network: "tcp", Address: c.Profile.Address()}, "STATUS_PORT_PROFILE has"},
	}
	for _, other := range others {
		switch {
		case other.name == name, !sound(other.name):
			continue
		case other.name == "LISTEN" && !sound("PORT_SERVE"):
			continue
		case other.name == "PORT_PROFILE" && (!c.Profile.On || !sound("PROFILE")):
			continue
		}
		if at.collides(other.at) {
			l.fault(name, &Fault{Variable: Prefix + name, Value: at.String(), Want: "another place than " + other.who})
			return
		}
	}
}

// collides says whether both can't be listened at. Port 0 is a port of each one's own.
func (l Listen) collides(with Listen) bool {
	if !l.IsSet() || l.Network != with.Network {
		return false
	}
	if l.Network != "tcp" {
		return l.Address == with.Address
	}
	a, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		return false
	}
	b, itsPort, err := net.SplitHostPort(with.Address)
	if err != nil || portNumber(port) != portNumber(itsPort) || portNumber(port) == 0 {
		return false
	}
	return strings.EqualFold(a, b) || covers(a, b) || covers(b, a)
}

// portNumber reads 03008 as the system does; a port was checked before.
func portNumber(port string) int {
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}

// covers says whether host is all addresses, or all those of the fourth version and
// other isn't one of the sixth.
func covers(host, other string) bool {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return true
	case err != nil || !addr.IsUnspecified():
		return false
	}
	return addr.Is6() || !strings.Contains(other, ":")
}
