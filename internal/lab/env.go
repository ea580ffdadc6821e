package lab

import (
	"crypto/x509"
	"net"
	"path"
)

// Addr returns the host:port a service listens on.
func (l *Lab) Addr(service string) string {
	if s := l.services[Collector]; service == CollectorGRPC && s != nil {
		return s.side.addr
	}
	if s := l.services[service]; s != nil {
		return s.gate.addr
	}
	return ""
}

// Audience returns the address by which book, relay or jump knows itself, and
// which it wants to see, to the letter, in a token's audience.
func (l *Lab) Audience(service string) string {
	return "http://" + l.Addr(service) + l.base(service)
}

// ControlURL is the address of the control API.
func (l *Lab) ControlURL() string { return "http://" + l.Addr(Control) + "/" }

// CertPool holds the self-made certificate of the mail server, for clients
// that are to trust it; nil when the server has none.
func (l *Lab) CertPool() *x509.CertPool { return l.pool }

// base is the path of a service as a reverse proxy maps it, without a slash
// at its end.
func (l *Lab) base(service string) string {
	b, ok := l.opt.Base[service]
	if !ok {
		name := service
		if service == Relay {
			name = "access"
		}
		b = path.Join("/", l.opt.Tenant, name)
	}
	if b = path.Join("/", b); b == "/" {
		return ""
	}
	return b
}

// websocketBase is where the websockets of a feed are: relay's are served by
// another program than its access API.
func (l *Lab) websocketBase(service string) string {
	if service == Relay {
		return path.Join("/", l.opt.Tenant, "relay")
	}
	return l.base(service)
}

// Env returns the settings that point a status server at this lab. The
// caller adds what it wants otherwise (periods, store, log). Where the lab has
// GOSTs that also says whose tunnels theirs are; what the server listens on,
// and the files of Lab.ObserverTokens and Lab.Observers, are the caller's.
func (l *Lab) Env() map[string]string {
	host, port, err := net.SplitHostPort(l.Addr(Mail))
	if err != nil { // Addr without a port cannot have been bound
		host, port = l.Addr(Mail), "25"
	}
	env := map[string]string{
		"STATUS_EMAIL_HOST": host,
		"STATUS_EMAIL_PORT": port,
		"STATUS_EMAIL_FROM": "status@lab.example",
		"STATUS_EMAIL_TO":   "maintainers@lab.example",
	}
	for name, in := range map[string]struct{ key, secret string }{
		Book:  {"BOOK", l.opt.Secrets.Book},
		Relay: {"RELAY", l.opt.Secrets.Relay},
		Jump:  {"JUMP", l.opt.Secrets.Jump},
	} {
		env["STATUS_SCHEME_"+in.key] = "http"
		env["STATUS_HOST_"+in.key] = l.Addr(name)
		env["STATUS_BASEPATH_"+in.key] = path.Join("/", l.base(name))
		env["STATUS_SECRET_"+in.key] = in.secret
	}
	if len(l.gosts) > 0 {
		env["STATUS_OBSERVER_MAP"] = l.observerMap()
		env["STATUS_OBSERVER_PERIOD"] = l.gosts[0].spec.Period.String()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.mail.opt
	env["STATUS_EMAIL_TLS"] = map[string]string{"": "none", TLSNone: "none", TLSStart: "required", TLSImplicit: "implicit"}[m.TLS]
	env["STATUS_EMAIL_AUTH_TYPE"] = "none"
	if len(m.Auth) > 0 {
		env["STATUS_EMAIL_AUTH_TYPE"] = authSetting[m.Auth[0]]
		env["STATUS_EMAIL_USER"] = m.User
		env["STATUS_EMAIL_PASSWORD"] = m.Password
	}
	return env
}
