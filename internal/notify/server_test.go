package notify

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 is what it is
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// realServer is go-smtp with a mailbox and accounts.
type realServer struct {
	*smtp.Server
	mechanisms []string
	mu         sync.Mutex
	mails      []received
	logins     []string
}

// newRealServer makes a server with one account, lab, where it has a way to log
// in. It serves one connection after the other, as pipes gives them.
func newRealServer(encryption *tls.Config, mechanisms ...string) *realServer {
	r := &realServer{mechanisms: mechanisms}
	r.Server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &realSession{server: r}, nil
	}))
	r.Domain = mailHost
	r.TLSConfig = encryption
	r.AllowInsecureAuth = encryption == nil
	r.MaxMessageBytes = 100_000
	r.ErrorLog = discard{}
	return r
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

// one serves a single connection, as go-smtp wants a listener.
func (r *realServer) one(c net.Conn) {
	l := &single{c: c, done: make(chan struct{})}
	// It ends with the listener, which ends with the connection.
	_ = r.Serve(l)
}

// single is a listener for one connection.
type single struct {
	c    net.Conn
	once sync.Once
	done chan struct{}
	used bool
}

type closing struct {
	net.Conn
	l *single
}

func (c closing) Close() error { _ = c.l.Close(); return c.Conn.Close() }

func (l *single) Accept() (net.Conn, error) {
	if l.used {
		<-l.done
		return nil, net.ErrClosed
	}
	l.used = true
	return closing{l.c, l}, nil
}
func (l *single) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *single) Addr() net.Addr { return l.c.LocalAddr() }

type realSession struct {
	server *realServer
	mail   received
	login  bool
}

func (s *realSession) Reset()        { s.mail = received{} }
func (s *realSession) Logout() error { return nil }
func (s *realSession) Mail(from string, _ *smtp.MailOptions) error {
	if len(s.server.mechanisms) > 0 && !s.login {
		return smtp.ErrAuthRequired
	}
	s.mail.from = from
	return nil
}
func (s *realSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = append(s.mail.to, to)
	return nil
}
func (s *realSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.raw = raw
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, s.mail)
	return nil
}
func (s *realSession) AuthMechanisms() []string { return s.server.mechanisms }
func (s *realSession) Auth(mech string) (sasl.Server, error) {
	check := func(user, pass string) error {
		if user != "lab" || pass != password {
			// Repeats what it was told, as a careless server might.
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no such login: " + user + " " + pass + " " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+pass))}
		}
		s.login = true
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.logins = append(s.server.logins, mech)
		return nil
	}
	switch mech {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, user, pass string) error { return check(user, pass) }), nil
	case "LOGIN":
		return steps(func(n int, in []byte, user *string) ([]byte, bool, error) {
			switch n {
			case 0:
				return []byte("Username:"), false, nil
			case 1:
				*user = string(in)
				return []byte("Password:"), false, nil
			}
			return nil, true, check(*user, string(in))
		}), nil
	case "CRAM-MD5":
		challenge := "<1896.697170952@mail.lab.example>"
		return steps(func(n int, in []byte, _ *string) ([]byte, bool, error) {
			if n == 0 {
				return []byte(challenge), false, nil
			}
			mac := hmac.New(md5.New, []byte(password))
			mac.Write([]byte(challenge))
			if string(in) != fmt.Sprintf("lab %x", mac.Sum(nil)) {
				return nil, true, check("lab", string(in))
			}
			return nil, true, check("lab", password)
		}), nil
	case "XOAUTH2":
		return steps(func(n int, in []byte, _ *string) ([]byte, bool, error) {
			if n == 0 && string(in) == "user=lab\x01auth=Bearer "+password+"\x01\x01" {
				return nil, true, check("lab", password)
			}
			if n == 0 {
				return []byte(`{"status":"400"}`), false, nil
			}
			return nil, true, check("lab", "wrong")
		}), nil
	case "SCRAM-SHA-256":
		return &scramServer{check: check}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// steps is a login of a few exchanges.
func steps(next func(n int, in []byte, user *string) ([]byte, bool, error)) sasl.Server {
	return &stepServer{next: next}
}

type stepServer struct {
	next func(int, []byte, *string) ([]byte, bool, error)
	n    int
	user string
}

func (s *stepServer) Next(in []byte) ([]byte, bool, error) {
	out, done, err := s.next(s.n, in, &s.user)
	s.n++
	return out, done, err
}

// scramServer is RFC 5802 without channel binding.
type scramServer struct {
	check              func(user, pass string) error
	n                  int
	first, nonce, auth string
}

func (s *scramServer) Next(in []byte) ([]byte, bool, error) {
	s.n++
	switch {
	case s.n == 1 && len(in) == 0:
		return nil, false, nil
	case bytes.HasPrefix(in, []byte("n,,")):
		s.first = string(in[3:])
		_, nonce, _ := strings.Cut(s.first, ",r=")
		s.nonce = nonce + "server"
		s.auth = "r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString([]byte("salt")) + ",i=" + "4096"
		return []byte(s.auth), false, nil
	case bytes.HasPrefix(in, []byte("c=biws,")):
		bare, proof, _ := strings.Cut(string(in), ",p=")
		message := []byte(s.first + "," + s.auth + "," + bare)
		salted, err := pbkdf2.Key(sha256.New, password, []byte("salt"), 4096, 32)
		if err != nil {
			return nil, true, err
		}
		mac := func(key, m []byte) []byte { h := hmac.New(sha256.New, key); h.Write(m); return h.Sum(nil) }
		clientKey := mac(salted, []byte("Client Key"))
		stored := sha256.Sum256(clientKey)
		want := mac(stored[:], message)
		for i := range want {
			want[i] ^= clientKey[i]
		}
		if proof != base64.StdEncoding.EncodeToString(want) {
			return nil, true, s.check("lab", "wrong")
		}
		return []byte("v=" + base64.StdEncoding.EncodeToString(mac(mac(salted, []byte("Server Key")), message))), false, nil
	case s.n > 3 && len(in) == 0:
		return nil, true, s.check("lab", password)
	}
	return nil, true, errors.New("unexpected")
}
