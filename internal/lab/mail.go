package lab

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// How the mail server offers TLS.
const (
	TLSNone     = "none"
	TLSStart    = "starttls"
	TLSImplicit = "implicit"
)

// authSetting is how a status server's settings name each mechanism.
var authSetting = map[string]string{
	"PLAIN": "plain", "LOGIN": "login", "CRAM-MD5": "cram-md5",
	"SCRAM-SHA-256": "scram-sha-256", "XOAUTH2": "xoauth2",
}

// MailOptions says what kind of mail server the lab has.
type MailOptions struct {
	// TLS is TLSNone (the default), TLSStart or TLSImplicit, the latter two
	// with a self-made certificate: see Lab.CertPool.
	TLS string
	// Auth lists the mechanisms offered: PLAIN, LOGIN, CRAM-MD5,
	// SCRAM-SHA-256 and XOAUTH2. With TLS, only after TLS has started.
	Auth []string
	// AuthBeforeTLS offers them before it too.
	AuthBeforeTLS bool
	// RequireAuth refuses mail from those who have not authenticated.
	RequireAuth bool
	// User and Password are what is accepted: by default
	// "status@lab.example" and a password of the lab's own. For XOAUTH2 the
	// password is the access token.
	User, Password string
	// MaxBytes is the largest message taken, 10 MiB by default.
	MaxBytes int64
	// HideMaxBytes keeps it from clients, who hear of it only when they have sent
	// too much: at the final dot.
	HideMaxBytes bool
}

func (m MailOptions) check() (MailOptions, error) {
	m.User = cmp.Or(m.User, "status@lab.example")
	m.Password = cmp.Or(m.Password, "mail-password-of-the-simulated-lab")
	m.MaxBytes = cmp.Or(m.MaxBytes, 10<<20)
	m.TLS = cmp.Or(m.TLS, TLSNone)
	if !slices.Contains([]string{TLSNone, TLSStart, TLSImplicit}, m.TLS) {
		return m, fmt.Errorf("mail server options: TLS %q: use none, starttls or implicit", m.TLS)
	}
	for _, mech := range m.Auth {
		if authSetting[mech] == "" {
			return m, fmt.Errorf("mail server options: AUTH %q: use PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256 or XOAUTH2", mech)
		}
	}
	return m, nil
}

func (l *Lab) setMail(opt MailOptions) error {
	opt, err := opt.check()
	if err != nil {
		return err
	}
	l.mail = mailState{opt: opt, talks: map[*mailTalk]struct{}{}}
	if opt.TLS == TLSNone {
		return nil
	}
	return l.certifyMail()
}

// serveMail answers every connection until ctx ends. What the outside sees is
// mailTalk, which carries out the faults; the mail server proper stands
// behind it on a pipe, one connection to one, and knows nothing of them.
func (l *Lab) serveMail(ctx context.Context) error {
	svc := l.services[Mail]
	inside := newPipeListener()
	l.mu.Lock()
	opt := l.mail.opt
	l.mu.Unlock()
	srv := smtp.NewServer(smtp.BackendFunc(l.newMailSession))
	srv.Domain = "mail.lab"
	srv.AllowInsecureAuth = true // TLS ends in mailTalk, which guards AUTH
	srv.MaxMessageBytes = opt.MaxBytes
	srv.MaxLineLength = 16 << 10
	srv.ErrorLog = log.New(logrusWriter{l.log.WithField("service", Mail)}, "", 0)

	var wg, talks sync.WaitGroup
	var fault, inner error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() {
		if inner = srv.Serve(inside); ctx.Err() != nil {
			inner = nil
		}
	})
	wg.Go(func() {
		for {
			c, err := svc.gate.Accept()
			if err != nil {
				if ctx.Err() == nil {
					fault = fmt.Errorf("accept: %w", err)
					cancel()
				}
				return
			}
			talks.Go(func() {
				t := &mailTalk{lab: l, opt: opt, conn: c, inside: inside, ctx: ctx}
				if err := t.serve(); err != nil && !errors.Is(err, io.EOF) {
					l.log.WithField("service", Mail).WithError(err).Debug("connection ended")
				}
			})
		}
	})
	<-ctx.Done()
	// The talks end as their connections are closed, and the server's side of
	// each pipe with them; Shutdown waits for those. It must not begin before
	// Serve has returned: a session that is being accepted would be counted
	// while the count is waited for.
	err := errors.Join(svc.gate.close(), inside.Close())
	wg.Wait()
	err = errors.Join(err, srv.Shutdown(context.WithoutCancel(ctx)))
	talks.Wait()
	return errors.Join(fault, inner, err)
}

// mailSession is one SMTP session of the server proper.
type mailSession struct {
	lab  *Lab
	talk *mailTalk
	auth bool
	from string
	to   []string
}

var _ smtp.AuthSession = (*mailSession)(nil)

func (l *Lab) newMailSession(c *smtp.Conn) (smtp.Session, error) {
	end, ok := c.Conn().(*insideConn)
	if !ok {
		return nil, errors.New("connection from nowhere")
	}
	return &mailSession{lab: l, talk: end.talk}, nil
}

// AuthMechanisms lists what is offered at this moment of the session.
func (s *mailSession) AuthMechanisms() []string {
	if !s.talk.mayAuth() {
		return nil
	}
	return s.talk.opt.Auth
}

// Auth begins an exchange.
func (s *mailSession) Auth(mech string) (sasl.Server, error) {
	if !s.talk.mayAuth() {
		return nil, &smtp.SMTPError{Code: 538, EnhancedCode: smtp.EnhancedCode{5, 7, 11}, Message: "Encryption required for requested authentication mechanism"}
	}
	if !slices.Contains(s.talk.opt.Auth, mech) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	return newMechanism(mech, s.talk.opt.User, s.talk.opt.Password, func() { s.auth = true }), nil
}

// Mail begins a transaction.
func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.talk.opt.RequireAuth && !s.auth {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	s.from = from
	return nil
}

// Rcpt adds a recipient.
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data takes the message. It is recorded with the answer the client gets,
// which only mailTalk knows.
func (s *mailSession) Data(r io.Reader) error {
	var raw bytes.Buffer
	_, err := io.Copy(&raw, r)
	if err != nil && !errors.Is(err, smtp.ErrDataTooLarge) {
		return err // the client went away before the final dot
	}
	s.talk.arrived(&ReceivedMail{At: time.Now(), From: s.from, To: slices.Clone(s.to), Raw: raw.Bytes()})
	return err
}

// Reset forgets the transaction.
func (s *mailSession) Reset() { s.from, s.to = "", nil }

// Logout has nothing to free.
func (s *mailSession) Logout() error { return nil }

// pipeListener hands connections made inside the lab to a server.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// insideConn is the server proper's end of a connection; it knows the talk
// it belongs to.
type insideConn struct {
	net.Conn
	talk *mailTalk
}

func (p *pipeListener) dial(t *mailTalk) (net.Conn, error) {
	client, server := newPipe("talk", "server")
	select {
	case p.conns <- &insideConn{Conn: server, talk: t}:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipeListener) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipeListener) Addr() net.Addr { return pipeAddr("server") }

// handshake runs TLS over a connection that must not outlive ctx.
func handshake(ctx context.Context, c net.Conn, cert *tls.Certificate) (net.Conn, error) {
	t := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12})
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("start TLS: %w", err)
	}
	return t, nil
}
