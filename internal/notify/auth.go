package notify

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail/smtp"
)

// AuthType is a way to log in.
type AuthType string

// Ways to log in.
const (
	AuthNone    AuthType = "none"
	AuthPlain   AuthType = "plain"
	AuthLogin   AuthType = "login"
	AuthCRAMMD5 AuthType = "cram-md5"
	AuthSCRAM   AuthType = "scram-sha-256"
	AuthXOAuth2 AuthType = "xoauth2" // the password is an access token
	// AuthAuto takes the best that the server offers; without a password it does
	// not log in.
	AuthAuto AuthType = "auto"
)

var authTypes = []AuthType{AuthNone, AuthPlain, AuthLogin, AuthCRAMMD5, AuthSCRAM, AuthXOAuth2, AuthAuto}

// clear says that the password itself is sent.
func (a AuthType) clear() bool { return a == AuthPlain || a == AuthLogin || a == AuthXOAuth2 }

// login says whether we log in.
func (s *SMTP) login() bool {
	return s.auth != AuthNone && (s.auth != AuthAuto || s.password() != "")
}

func (s *SMTP) port() string {
	_, port, _ := net.SplitHostPort(s.addr) // made by JoinHostPort
	return port
}

// mechanism chooses how to log in. Private says that nobody on the way can
// listen.
func (s *SMTP) mechanism(offered []string, private bool) (AuthType, smtp.Auth, error) {
	offers := func(a AuthType) bool {
		return slices.ContainsFunc(offered, func(o string) bool { return strings.EqualFold(o, string(a)) })
	}
	chosen := s.auth
	if chosen == AuthAuto {
		// A challenge protects the password where somebody may listen. Where
		// nobody can, plain comes before CRAM-MD5, which servers often offer and
		// can't do.
		order := []AuthType{AuthSCRAM, AuthPlain, AuthLogin, AuthCRAMMD5}
		if !private {
			order = []AuthType{AuthSCRAM, AuthCRAMMD5}
		}
		i := slices.IndexFunc(order, offers)
		if i < 0 {
			return "", nil, fmt.Errorf("the server offers %s, none of which can be used %s: see STATUS_EMAIL_AUTH_TYPE and STATUS_EMAIL_TLS", listed(offered), privately(private))
		}
		chosen = order[i]
	}
	switch {
	case len(offered) == 0:
		return "", nil, fmt.Errorf("the server offers no login %s: see STATUS_EMAIL_AUTH_TYPE and STATUS_EMAIL_TLS", privately(private))
	case !offers(chosen):
		return "", nil, fmt.Errorf("the server offers %s, not %s: set STATUS_EMAIL_AUTH_TYPE to one of these, or to auto", listed(offered), chosen)
	case chosen.clear() && !private:
		return "", nil, fmt.Errorf("the server offers no encryption, and %s would send the password in clear: nothing was sent", chosen)
	}
	var auth smtp.Auth
	switch chosen {
	case AuthPlain:
		auth = smtp.PlainAuth("", s.user, s.password(), s.host, true)
	case AuthLogin:
		auth = smtp.LoginAuth(s.user, s.password(), s.host, true)
	case AuthCRAMMD5:
		auth = smtp.CRAMMD5Auth(s.user, s.password())
	case AuthSCRAM:
		auth = smtp.ScramSHA256Auth(s.user, s.password())
	case AuthXOAuth2:
		auth = smtp.XOAuth2Auth(s.user, s.password())
	}
	return chosen, &guardedAuth{Auth: auth, secrets: s.secrets, scram: chosen == AuthSCRAM}, nil
}

func privately(private bool) string {
	if private {
		return "on this connection"
	}
	return "without encryption"
}

func listed(offered []string) string {
	if len(offered) == 0 {
		return "no login"
	}
	return clean(strings.Join(offered, " "), 100)
}

// guardedAuth remembers what a login sends, so that it can be hidden where the
// server repeats it, and keeps a server from setting endless work.
type guardedAuth struct {
	smtp.Auth
	secrets *secrets
	scram   bool
}

// Start implements smtp.Auth.
func (g *guardedAuth) Start(server *smtp.ServerInfo) (string, []byte, error) {
	name, b, err := g.Auth.Start(server)
	g.secrets.noteSent(b)
	return name, b, err
}

// Next implements smtp.Auth.
func (g *guardedAuth) Next(fromServer []byte, more bool) ([]byte, error) {
	if g.scram && more {
		// RFC 5802: the server chooses how often the password is hashed, and no
		// deadline ends that.
		for field := range strings.SplitSeq(string(fromServer), ",") {
			n, ok := strings.CutPrefix(field, "i=")
			if rounds, err := strconv.Atoi(n); ok && (err != nil || rounds < 1 || rounds > 1_000_000) {
				return nil, errors.New("the server asks for an unreasonable number of SCRAM iterations")
			}
		}
	}
	b, err := g.Auth.Next(fromServer, more)
	g.secrets.noteSent(b)
	return b, err
}

var _ smtp.Auth = (*guardedAuth)(nil)
