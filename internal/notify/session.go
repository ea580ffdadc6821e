package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"labstatus/internal/health"
)

// session implements Session.
type session struct {
	smtp    *SMTP
	link    *link
	client  *smtp.Client
	limit   int          // largest message the server takes, in bytes; 0: not said
	started bool         // the budget of the present attempt is running
	broken  *ServerError // why the session is of no more use
}

var _ Session = (*session)(nil)

// Open connects, encrypts and logs in, as far as the options ask for. Its error
// is a [ServerError].
func (s *SMTP) Open(ctx context.Context) (Session, error) {
	t := &session{smtp: s, started: true}
	t.link = &link{budget: time.Now().Add(s.timeouts.Attempt), stage: StageDial, patience: min(s.timeouts.Stage, s.timeouts.Attempt)}
	if s.transcript != nil {
		t.link.talk = &talk{w: s.transcript, secrets: s.secrets}
	}
	dctx, cancel := context.WithTimeout(ctx, t.link.patience)
	conn, err := s.dial(dctx, "tcp", s.addr)
	cancel()
	if err != nil {
		return nil, t.fail(ctx, err)
	}
	t.link.Conn, t.link.raw = conn, conn
	defer context.AfterFunc(ctx, t.link.cut)()
	if err := t.open(ctx); err != nil {
		t.link.cut()
		return nil, t.fail(ctx, err)
	}
	return t, nil
}

// fail remembers and words an error of the present stage.
func (t *session) fail(ctx context.Context, err error) error {
	if f, ok := errors.AsType[*ServerError](err); ok {
		t.broken = f
		return f
	}
	if _, answered := errors.AsType[*textproto.Error](err); !answered && ctx.Err() != nil {
		err = ctx.Err() // the cut was ours
	}
	t.broken = t.fault(t.link.stage, err)
	return t.broken
}

func (t *session) open(ctx context.Context) error {
	plan, s := t.smtp.plan(), t.smtp
	var state *tls.ConnectionState
	if plan.implicit {
		var err error
		if state, err = t.encrypt(ctx, plan.verify); err != nil {
			return err
		}
	}
	if err := t.greet(); err != nil {
		return err
	}
	if offered, _ := t.client.Extension("STARTTLS"); plan.upgrade && offered {
		var err error
		if state, err = t.startTLS(ctx, plan.verify); err != nil {
			return err
		}
	} else if plan.upgrade && plan.required {
		return t.refuse(StageStartTLS, "the server offers no STARTTLS, which is required: nothing was sent; a server on port 465 wants STATUS_EMAIL_TLS=implicit")
	}
	t.link.talk.note("%s", encryption(state, plan.verify))
	if _, size := t.client.Extension("SIZE"); size != "" {
		// A limit that isn't a number is none that could be kept (RFC 1870).
		t.limit, _ = strconv.Atoi(strings.TrimSpace(size))
	}
	if !s.login() {
		return nil
	}
	return t.login(s.local || state != nil && plan.verify)
}

// refuse is an error of our own making.
func (t *session) refuse(stage Stage, text string) error {
	return &ServerError{Server: t.smtp.addr, Stage: stage, Text: t.smtp.secrets.hide(text)}
}

// greet waits for the banner and exchanges names.
func (t *session) greet() error {
	if err := t.link.enter(StageBanner, t.smtp.timeouts.Stage); err != nil {
		return err
	}
	client, err := smtp.NewClient(t.link, t.smtp.host)
	if err != nil {
		return err
	}
	t.client = client
	client.SkipSMTPUTF8(true) // messages are ASCII, and must stay as they are
	if err := t.link.enter(StageHello, t.smtp.timeouts.Stage); err != nil {
		return err
	}
	return client.Hello(t.smtp.helo)
}

func (t *session) startTLS(ctx context.Context, verify bool) (*tls.ConnectionState, error) {
	if err := t.link.enter(StageStartTLS, t.smtp.timeouts.Stage); err != nil {
		return nil, err
	}
	text := t.client.Text
	if err := text.PrintfLine("STARTTLS"); err != nil {
		return nil, err
	}
	if _, _, err := text.ReadResponse(220); err != nil {
		return nil, err
	}
	if text.R.Buffered() > 0 {
		// Somebody on the way wants words of theirs taken for the server's.
		return nil, t.refuse(StageStartTLS, "the server sent something between its answer and the encryption: nothing was sent, somebody may be in between")
	}
	state, err := t.encrypt(ctx, verify)
	if err != nil {
		return nil, err
	}
	// Everything heard in clear is forgotten and asked again (RFC 3207). The
	// client reads a banner first, which a server doesn't repeat.
	t.link.pretend = []byte("220 encrypted\r\n")
	return state, t.greet()
}

func (t *session) encrypt(ctx context.Context, verify bool) (*tls.ConnectionState, error) {
	if err := t.link.enter(StageTLS, t.smtp.timeouts.Stage); err != nil {
		return nil, err
	}
	conn := tls.Client(t.link.raw, t.smtp.tlsConfig(verify))
	began := time.Now()
	err := conn.HandshakeContext(ctx)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // the cut was ours
	}
	if heard := t.smtp.handshake; heard != nil {
		heard(time.Since(began), err)
	}
	if err != nil {
		return nil, err
	}
	t.link.Conn = conn
	state := conn.ConnectionState()
	return &state, nil
}

func (t *session) login(private bool) error {
	_, params := t.client.Extension("AUTH")
	name, auth, err := t.smtp.mechanism(strings.Fields(params), private)
	if err != nil {
		return t.refuse(StageAuth, err.Error())
	}
	if err := t.link.enter(StageAuth, t.smtp.timeouts.Stage); err != nil {
		return err
	}
	if talk := t.link.talk; talk != nil {
		talk.auth = true
		defer func() { talk.auth = false }()
	}
	if err := t.client.Auth(auth); err != nil {
		return fmt.Errorf("log in with %s: %w", name, err)
	}
	return nil
}

// Close implements Session.
func (t *session) Close(ctx context.Context) error {
	defer t.link.cut()
	defer context.AfterFunc(ctx, t.link.cut)()
	if t.broken != nil {
		return nil
	}
	t.link.budget = time.Now().Add(2 * time.Second)
	if err := t.link.enter("QUIT", 2*time.Second); err != nil {
		return fmt.Errorf("say goodbye to mail server %s: %w", t.smtp.addr, err)
	}
	if err := t.client.Quit(); err != nil {
		return fmt.Errorf("say goodbye to mail server %s: %s", t.smtp.addr, t.smtp.secrets.hide(err.Error()))
	}
	return nil
}

// Send implements Session.
func (t *session) Send(ctx context.Context, m health.Mail, to []string) ([]Result, error) {
	if t.broken != nil {
		return all(to, Retry, t.broken.Error()), t.broken
	}
	if !t.started {
		t.link.budget = time.Now().Add(t.smtp.timeouts.Attempt)
	}
	t.started = false
	if t.limit > 0 && len(m.Raw) > t.limit {
		return all(to, Refused, fmt.Sprintf("the message has %d bytes, the server takes at most %d", len(m.Raw), t.limit)), nil
	}
	defer context.AfterFunc(ctx, t.link.cut)()
	return t.transact(ctx, m, to)
}
