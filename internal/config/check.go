package config

import (
	"net"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// workOut fills the settings whose default depends on others or on the host.
func (l *loading) workOut() {
	c := l.config
	given := func(name string) bool { _, ok := c.sources[name]; return ok || l.faulted[name] }

	if !given("STORE") {
		l.stateDirectory()
	}
	if !given("LISTEN") {
		c.Serve.Listen = Listen{Network: "tcp", Address: net.JoinHostPort("", strconv.Itoa(c.Serve.Port))}
		c.sources["LISTEN"] = "from " + Prefix + "PORT_SERVE"
	}
	if !given("EMAIL_USER") && c.Email.From.Address != "" {
		c.Email.User = c.Email.From.Address
		c.sources["EMAIL_USER"] = "from " + Prefix + "EMAIL_FROM"
	}
	if !given("EMAIL_HELO") {
		l.helo()
	}
}

// stateDirectory moves the default store to where systemd says state belongs.
// StateDirectory= may name several folders; the first is ours.
func (l *loading) stateDirectory() {
	dirs, _ := l.lookup("STATE_DIRECTORY")
	dir, _, _ := strings.Cut(strings.TrimSpace(dirs), ":")
	if !filepath.IsAbs(dir) {
		return
	}
	store, err := parseStore(filepath.Join(dir, "status.db"))
	if err == nil {
		err = printable(store.Path)
	}
	if err != nil {
		l.fault("STORE", &Fault{Variable: "STATE_DIRECTORY", Value: dir, Want: "a folder whose path can be part of STATUS_STORE: " + err.Error()})
		return
	}
	l.config.Store = store
	l.config.sources["STORE"] = "from STATE_DIRECTORY"
}

// helo takes this host's name. A machine whose name has no domain, as localhost,
// greets with the sender's: better than a name many mail servers refuse.
func (l *loading) helo() {
	// Without a name there is none to use; the sender's domain stands in for it.
	hostname, _ := os.Hostname()
	if name, source := greeting(hostname, l.config.Email.From.Address); name != "" {
		l.config.Email.HELO, l.config.sources["EMAIL_HELO"] = name, source
	}
}

func greeting(hostname, sender string) (name, source string) {
	if isASCIIName(hostname) && strings.Contains(strings.TrimSuffix(hostname, "."), ".") && !strings.HasPrefix(hostname, "localhost") {
		return hostname, "this host's name"
	}
	if domain := sender[strings.LastIndexByte(sender, '@')+1:]; isASCIIName(domain) {
		return domain, "from " + Prefix + "EMAIL_FROM"
	}
	return "", ""
}

// shortKey is where an HS256 key starts to be guessable, in bytes.
const shortKey = 16

// crossCheck looks at settings that are right alone and wrong together. A field
// at fault is zero; where that would look like a second fault, the rule is skipped.
func (l *loading) crossCheck() {
	c := l.config
	sound := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return l.faulted[n] })
	}

	for _, s := range Table {
		p, ok := s.field(c).(*Secret)
		if ok && strings.HasPrefix(s.Name, "SECRET_") && p.IsSet() && len(p.Reveal()) < shortKey {
			l.warn(s.Variable(), "shorter than 16 bytes: it could be guessed from one token. Longer ones are made by: openssl rand -base64 32")
		}
	}
	if sound("API_READ", "SECRET_STATUS") && c.Serve.Read == ReadToken && !c.Serve.Secret.IsSet() {
		l.fault("API_READ", &Fault{Variable: Prefix + "API_READ", Value: ReadToken,
			Want: ReadOpen + ", or STATUS_SECRET_STATUS set as well: without it there are no tokens and nobody could read"})
	}
	if _, portGiven := c.sources["PORT_SERVE"]; portGiven && c.sources["LISTEN"] == sourceEnvironment {
		l.warn(Prefix+"PORT_SERVE", "ignored, because STATUS_LISTEN is set")
	}
	if sound("PORT_SERVE", "LISTEN", "PROFILE", "PORT_PROFILE") && c.Profile.On && c.Serve.Listen.Network == "tcp" {
		if _, p, err := net.SplitHostPort(c.Serve.Listen.Address); err == nil && p == strconv.Itoa(c.Profile.Port) {
			l.fault("PORT_PROFILE", &Fault{Variable: Prefix + "PORT_PROFILE", Value: p, Want: "another port than the API and the page have"})
		}
	}
	l.checkAdmin(sound)
	l.checkObserver(sound)
	if c.Email.AuthType == AuthNone && c.Email.Password.IsSet() {
		l.warn(Prefix+"EMAIL_PASSWORD", "not used, because STATUS_EMAIL_AUTH_TYPE is none; auto would use it")
	}
	if sends := []string{AuthPlain, AuthLogin, AuthXOAuth2}; sound("EMAIL_TLS", "EMAIL_AUTH_TYPE", "EMAIL_HOST") &&
		c.Email.TLS == TLSNone && slices.Contains(sends, c.Email.AuthType) && c.Email.Host != "" && !loopback(c.Email.Host) {
		l.fault("EMAIL_TLS", &Fault{Variable: Prefix + "EMAIL_TLS", Value: TLSNone,
			Want: "another mode, as " + c.Email.AuthType + " sends the password in the clear; only a mail server on this machine may do without"})
	}
	l.dropCopies()
}

// checkAdmin looks at the operators' port: where it is, and its certificate.
func (l *loading) checkAdmin(sound func(...string) bool) {
	c := l.config
	a := c.Admin
	if !sound("ADMIN_LISTEN", "ADMIN_TLS_CERT", "ADMIN_TLS_KEY", "ADMIN_CLIENT_CA") {
		return
	}
	fault := func(name, value, want string) {
		l.fault(name, &Fault{Variable: Prefix + name, Value: value, Want: want})
	}
	switch {
	case a.Cert != "" && a.Key == "":
		fault("ADMIN_TLS_CERT", a.Cert, "set together with STATUS_ADMIN_TLS_KEY")
	case a.Cert == "" && a.Key != "":
		fault("ADMIN_TLS_KEY", a.Key, "set together with STATUS_ADMIN_TLS_CERT")
	case a.Cert != "" && !a.Encrypted():
		fault("ADMIN_TLS_CERT", a.Cert, "only with STATUS_ADMIN_LISTEN=host:port or https://host:port, as nothing else there speaks TLS")
	case a.Cert == "" && a.Encrypted():
		fault("ADMIN_LISTEN", a.Listen.String(), "http://, or STATUS_ADMIN_TLS_CERT and STATUS_ADMIN_TLS_KEY set as well")
	}
	if a.ClientCA != "" && a.Cert == "" {
		fault("ADMIN_CLIENT_CA", a.ClientCA, "only with STATUS_ADMIN_TLS_CERT")
	}
	if sound("LISTEN", "PORT_SERVE") && a.Listen.IsSet() && a.Listen.Network == c.Serve.Listen.Network &&
		a.Listen.Address == c.Serve.Listen.Address && !strings.HasSuffix(a.Listen.Address, ":0") {
		fault("ADMIN_LISTEN", a.Listen.String(), "another place than the API and the page have, or nothing: they are then served beside them")
	}
}

// dropCopies takes out of Cc whoever is in To, or they get every mail twice.
func (l *loading) dropCopies() {
	e := &l.config.Email
	e.CC = slices.DeleteFunc(e.CC, func(cc mail.Address) bool {
		return slices.ContainsFunc(e.To, func(to mail.Address) bool { return strings.EqualFold(to.Address, cc.Address) })
	})
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
