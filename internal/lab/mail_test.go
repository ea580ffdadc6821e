package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gomail "github.com/wneessen/go-mail"
)

const message = "Subject: =?UTF-8?Q?pend00_=E2=9C=93?=\r\nMessage-Id: <1@lab.example>\r\n" +
	"Content-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nwell =E2=9C=93\r\n.dot\r\n" +
	"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+d2VsbDwvYj4=\r\n--b--\r\n"

// post sends one mail with the standard library's client within a time, and
// says at which command it failed.
func (b *bench) post(within time.Duration, to ...string) (string, error) {
	b.Helper()
	conn, err := b.net.DialContext(b.Context(), "tcp", b.Addr(Mail))
	if err != nil {
		return "dial", err
	}
	defer conn.Close()
	b.must(conn.SetDeadline(time.Now().Add(within)))
	c, err := smtp.NewClient(conn, "mail.lab")
	if err != nil {
		return "banner", err
	}
	if err := c.Hello("client.lab"); err != nil {
		return "ehlo", err
	}
	if ok, _ := c.Extension("STARTTLS"); ok {
		if err := c.StartTLS(&tls.Config{ServerName: "mail.lab", RootCAs: b.CertPool()}); err != nil {
			return "starttls", err
		}
	}
	if ok, _ := c.Extension("AUTH"); ok {
		if err := c.Auth(smtp.CRAMMD5Auth("status@lab.example", "mail-password-of-the-simulated-lab")); err != nil {
			return "auth", err
		}
	}
	if err := c.Mail("status@lab.example"); err != nil {
		return "mail", err
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return "rcpt", err
		}
	}
	w, err := c.Data()
	if err != nil {
		return "data", err
	}
	if _, err := io.WriteString(w, message); err != nil {
		return "text", err
	}
	if err := w.Close(); err != nil {
		return "dot", err
	}
	if err := c.Quit(); err != nil {
		return "quit", err
	}
	return "", nil
}

// A mail is taken, decoded for reading, and written to the mail directory.
func TestMailIsTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inBubble(t, Options{MailDir: dir}, func(b *bench) {
		if at, err := b.post(time.Minute, "a@lab.example", "b@lab.example"); err != nil {
			t.Fatal(at, err)
		}
		all := b.Mails()
		if len(all) != 1 {
			t.Fatalf("%d mails", len(all))
		}
		m := all[0]
		if m.Subject != "pend00 ✓" || m.MessageID != "<1@lab.example>" || m.HTML != "<b>well</b>" || strings.TrimSpace(m.Text) != "well ✓\r\n.dot" {
			t.Errorf("read as %q %q %q %q", m.Subject, m.MessageID, m.Text, m.HTML)
		}
		if string(m.Raw) != message || m.From != "status@lab.example" || !slices.Equal(m.To, []string{"a@lab.example", "b@lab.example"}) || !m.Accepted() {
			t.Errorf("taken as %q, from %s to %v, answered %q", m.Raw, m.From, m.To, m.Answer)
		}
		if raw, err := os.ReadFile(dir + "/0001.eml"); err != nil || string(raw) != message {
			t.Errorf("written: %q, %v", raw, err)
		}
	})
}

// At each stage, in plain and in encrypted talk: a hang ends with the
// client's patience, a cut at once, a reply is what was ordered, and then the
// server is well again.
func TestMailFaults(t *testing.T) {
	for _, how := range []string{TLSNone, TLSStart} {
		inBubble(t, Options{MailServer: MailOptions{TLS: how, Auth: []string{"CRAM-MD5"}}}, func(b *bench) {
			for _, stage := range stages {
				if how == TLSNone && stage == StageTLS {
					continue
				}
				name := string(stage)
				if stage == StageAccept {
					name = "banner" // as the client sees it
				}
				for _, action := range actions {
					if stage == StageAccept && (action == ActReply || action == ActDrip) {
						continue
					}
					times := 1
					if stage == StageEHLO && action == ActReply {
						times = 2 // this client tries HELO next
					}
					b.must(b.FaultMail(MailFault{Stage: stage, Action: action, Code: 451, Text: "4.3.0 as ordered", Times: times}))
					before := len(b.Mails())
					begin := time.Now()
					at, err := b.post(10*time.Minute, "a@lab.example")
					took := time.Since(begin)
					what := fmt.Sprintf("%s %s, TLS %s: at %q after %s: %v", action, stage, how, at, took, err)
					var reply *textproto.Error
					switch ne := net.Error(nil); action {
					case ActHang:
						if at != name || !errors.As(err, &ne) || !ne.Timeout() || took != 10*time.Minute {
							t.Error(what)
						}
					case ActCut:
						if at != name || took != 0 || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
							t.Error(what)
						}
					case ActReply:
						if at != name || took != 0 || !errors.As(err, &reply) || reply.Code != 451 || reply.Msg != "4.3.0 as ordered" {
							t.Error(what)
						}
					case ActDrip:
						if err != nil || took < 10*time.Second {
							t.Error(what)
						}
					}
					reached := stage == StageDot || stage == StageQuit || action == ActDrip
					after := b.Mails()
					if reached != (len(after) == before+1) {
						t.Errorf("%s: %d mails reached their dot", what, len(after)-before)
					}
					if reached && after[before].Accepted() != (stage != StageDot || action == ActDrip) {
						t.Errorf("%s: recorded as answered %q", what, after[before].Answer)
					}
				}
			}
			if at, err := b.post(time.Minute, "a@lab.example"); err != nil {
				t.Error("not well after all faults:", at, err)
			}
		})
	}
}

// What a sender can have known is recorded: when the answer to its dot began to be
// written and was written whole, and when it went on after that.
func TestMailSaysWhatItsSenderKnew(t *testing.T) {
	var seen []string
	opt := Options{OnMail: func(m ReceivedMail) {
		if m.Answered.IsZero() {
			seen = append(seen, m.MessageID)
		} else {
			seen = append(seen, m.Answer[:3])
		}
	}}
	inBubble(t, opt, func(b *bench) {
		b.must(b.Service(Mail).Latency(time.Second))
		for _, test := range []struct {
			order                             string
			within                            time.Duration
			fails                             string
			answering, answered, spoke, ended time.Duration // after the connection was opened; 0: never
		}{
			// banner, EHLO, MAIL, RCPT, DATA, dot: six replies, and QUIT right after
			{"", time.Minute, "", 6 * time.Second, 6 * time.Second, 6 * time.Second, 7 * time.Second},
			{"", 6*time.Second - 1, "dot", 6 * time.Second, 6 * time.Second, 0, 6*time.Second - 1}, // it hangs up, which nobody notices
			{"mail cuts at dot 1", time.Minute, "dot", 0, 0, 0, 5 * time.Second},
			{"mail drips at dot 1", 7 * time.Second, "dot", 6 * time.Second, 0, 0, 7 * time.Second},
		} {
			b.ForgetMails()
			if test.order != "" {
				b.must(b.Order(test.order))
			}
			began := time.Now()
			at, err := b.post(test.within, "a@lab.example")
			if took := time.Since(began); at != test.fails || took != test.ended {
				t.Errorf("%q: ended at %q after %s: %v", test.order, at, took, err)
			}
			synctest.Wait()
			time.Sleep(time.Minute) // the bubble's
			after := func(at time.Time) time.Duration {
				if at.IsZero() {
					return 0
				}
				return at.Sub(began)
			}
			all := b.Mails()
			if len(all) != 1 {
				t.Fatalf("%q: %d mails", test.order, len(all))
			}
			m := all[0]
			if !m.Opened.Equal(began) || after(m.Answering) != test.answering || after(m.Answered) != test.answered || after(m.Spoke) != test.spoke {
				t.Errorf("%q: opened %s, answering %s, answered %s, spoke %s after the beginning",
					test.order, after(m.Opened), after(m.Answering), after(m.Answered), after(m.Spoke))
			}
		}
		const id = "<1@lab.example>"
		if !slices.Equal(seen, []string{id, "250", id, "250", id, id}) || b.State().Mails != 4 {
			t.Errorf("seen %q, %d came", seen, b.State().Mails)
		}
	})
}

// One recipient is refused for now and another for ever; faults without a
// count last until the server is well.
func TestMailRecipientFaults(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(b *bench) {
		b.must(b.Order("mail refuses gone@* with 550"))
		b.must(b.Order("mail refuses later@lab.example with 450 1"))
		code := func(to string) int {
			var reply *textproto.Error
			if _, err := b.post(time.Minute, to); errors.As(err, &reply) {
				return reply.Code
			} else if err != nil {
				return 0
			}
			return 250
		}
		var got []int
		for _, to := range []string{"Gone@lab.example", "gone@lab.example", "later@lab.example", "later@lab.example", "ok@lab.example"} {
			got = append(got, code(to))
		}
		if want := []int{550, 550, 450, 250, 250}; !slices.Equal(got, want) {
			t.Errorf("answers %v, want %v", got, want)
		}
		b.must(b.MailWell())
		if code("gone@lab.example") != 250 {
			t.Error("still refused by a server that is well")
		}
		for _, f := range []MailFault{
			{Stage: "helo", Action: ActCut}, {Stage: StageDot, Action: "burn"}, {Stage: StageDot, Action: ActReply},
			{Stage: StageAccept, Action: ActReply, Code: 421}, {Stage: StageDot, Action: ActCut, Times: -1},
			{Stage: StageRcpt, Action: ActCut, Recipient: "["}, {Stage: StageDot, Action: ActReply, Code: 451, Text: "a\r\nb"},
		} {
			if b.FaultMail(f) == nil {
				t.Errorf("taken: %+v", f)
			}
		}
	})
}

// What is ordered of the mail server as a whole.
func TestMailService(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		b.must(b.Service(Mail).Hang())
		time.AfterFunc(30*time.Second, func() { b.must(b.Service(Mail).Start()) })
		begin := time.Now()
		if at, err := b.post(time.Hour, "a@lab.example"); err == nil || time.Since(begin) != 30*time.Second {
			t.Errorf("a hung talk ended %s after %s, want with the hang: %v", at, time.Since(begin), err)
		}
		b.must(b.Service(Mail).Fail(421))
		var reply *textproto.Error
		if at, err := b.post(time.Hour, "a@lab.example"); at != "banner" || !errors.As(err, &reply) || reply.Code != 421 {
			t.Errorf("failing: %s %v", at, err)
		}
		b.must(b.Service(Mail).Stop())
		if at, err := b.post(time.Hour, "a@lab.example"); at != "dial" || err == nil {
			t.Errorf("stopped: %s %v", at, err)
		}
		b.must(b.Service(Mail).Start())
		b.must(b.Service(Mail).Latency(time.Second))
		begin = time.Now()
		if at, err := b.post(time.Hour, "a@lab.example"); err != nil || time.Since(begin) != 7*time.Second {
			t.Errorf("7 replies of a second each took %s: %s %v", time.Since(begin), at, err)
		}
	})
}

// A mail client as the product uses it gets in by every mechanism with the
// right password only, and with TLS not before it.
func TestMailAuth(t *testing.T) {
	t.Parallel()
	types := map[string]gomail.SMTPAuthType{
		"PLAIN": gomail.SMTPAuthPlain, "LOGIN": gomail.SMTPAuthLogin, "CRAM-MD5": gomail.SMTPAuthCramMD5,
		"SCRAM-SHA-256": gomail.SMTPAuthSCRAMSHA256, "XOAUTH2": gomail.SMTPAuthXOAUTH2,
	}
	for mech, kind := range types {
		for _, how := range []string{TLSStart, TLSImplicit} {
			inBubble(t, Options{MailServer: MailOptions{TLS: how, Auth: []string{mech}, RequireAuth: true}}, func(b *bench) {
				env := b.Env()
				send := func(password string, kind gomail.SMTPAuthType) error {
					m := gomail.NewMsg()
					b.must(errors.Join(m.From(env["STATUS_EMAIL_FROM"]), m.To(env["STATUS_EMAIL_TO"])))
					m.SetBodyString(gomail.TypeTextPlain, "hello")
					opts := []gomail.Option{
						gomail.WithDialContextFunc(func(ctx context.Context, network, _ string) (net.Conn, error) {
							c, err := b.net.DialContext(ctx, network, b.Addr(Mail))
							if err == nil && how == TLSImplicit {
								return tls.Client(c, &tls.Config{ServerName: "mail.lab", RootCAs: b.CertPool()}), nil
							}
							return c, err
						}),
						gomail.WithTLSConfig(&tls.Config{ServerName: "mail.lab", RootCAs: b.CertPool()}),
						gomail.WithSMTPAuth(kind), gomail.WithUsername(env["STATUS_EMAIL_USER"]), gomail.WithPassword(password),
					}
					if how == TLSImplicit {
						opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithSSL())
					}
					c, err := gomail.NewClient("mail.lab", opts...)
					b.must(err)
					return c.DialAndSendWithContext(b.Context(), m)
				}
				if err := send(env["STATUS_EMAIL_PASSWORD"], kind); err != nil {
					t.Errorf("%s over %s: %v", mech, how, err)
				}
				if err := send("wrong", kind); err == nil {
					t.Errorf("%s over %s: a wrong password was taken", mech, how)
				}
				if err := send("", gomail.SMTPAuthNoAuth); err == nil {
					t.Errorf("%s over %s: mail was taken without AUTH", mech, how)
				}
				if n := len(b.Mails()); n != 1 {
					t.Errorf("%d mails, want the one sent with the right password", n)
				}
			})
		}
	}
}

// Before TLS no AUTH is offered or taken, unless so ordered, and a message
// above the limit is refused.
func TestMailCapabilities(t *testing.T) {
	t.Parallel()
	talk := func(b *bench, lines ...string) string {
		conn, err := b.net.DialContext(b.Context(), "tcp", b.Addr(Mail))
		b.must(err)
		defer conn.Close()
		for _, l := range append(lines, "QUIT") {
			_, err := io.WriteString(conn, l+"\r\n")
			b.must(err)
		}
		all, err := io.ReadAll(conn)
		b.must(err)
		return string(all)
	}
	opt := MailOptions{TLS: TLSStart, Auth: []string{"PLAIN", "LOGIN"}, MaxBytes: 100}
	inBubble(t, Options{MailServer: opt}, func(b *bench) {
		got := talk(b, "EHLO me", "AUTH PLAIN AA==", "BDAT 3 LAST", "NOOP")
		if strings.Contains(got, "AUTH") || strings.Contains(got, "CHUNKING") || !strings.Contains(got, "\r\n250 STARTTLS\r\n") ||
			!strings.Contains(got, "\r\n538 ") || !strings.Contains(got, "\r\n502 ") || !strings.Contains(got, "SIZE 100") {
			t.Errorf("before TLS:\n%s", got)
		}
		got = talk(b, "EHLO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", strings.Repeat("x", 200), ".")
		if !strings.Contains(got, "\r\n552 ") {
			t.Errorf("a long message:\n%s", got)
		}
		if m := b.Mails(); len(m) != 1 || m[0].Accepted() {
			t.Errorf("recorded: %+v", m)
		}
	})
	opt.HideMaxBytes = true
	inBubble(t, Options{MailServer: opt}, func(b *bench) {
		got := talk(b, "EHLO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", strings.Repeat("x", 200), ".")
		if strings.Contains(got, "SIZE") || !strings.Contains(got, "\r\n552 ") {
			t.Errorf("with a limit that is hidden:\n%s", got)
		}
	})
	opt.AuthBeforeTLS = true
	inBubble(t, Options{MailServer: opt}, func(b *bench) {
		if got := talk(b, "EHLO me"); !strings.Contains(got, "AUTH PLAIN LOGIN\r\n") {
			t.Errorf("AUTH before TLS:\n%s", got)
		}
	})
	for _, bad := range []MailOptions{{TLS: "ssl"}, {Auth: []string{"NTLM"}}} {
		if _, err := New(Options{MailServer: bad}); err == nil {
			t.Errorf("taken: %+v", bad)
		}
	}
}

// A running mail server shows another certificate to the next who starts TLS, and the
// good one again.
func TestMailCertificates(t *testing.T) {
	t.Parallel()
	for _, how := range []string{TLSStart, TLSImplicit} {
		inBubble(t, Options{MailServer: MailOptions{TLS: how}}, func(b *bench) {
			handshake := func() error {
				conn, err := b.net.DialContext(b.Context(), "tcp", b.Addr(Mail))
				b.must(err)
				defer conn.Close()
				if how == TLSStart {
					in := bufio.NewReader(conn)
					for _, say := range []string{"EHLO me\r\n", "STARTTLS\r\n", ""} {
						for line := "-"; len(line) < 4 || line[3] == '-'; {
							line, err = in.ReadString('\n')
							b.must(err)
						}
						_, err = io.WriteString(conn, say)
						b.must(err)
					}
				}
				return tls.Client(conn, &tls.Config{ServerName: "mail.lab", RootCAs: b.CertPool()}).Handshake()
			}
			b.must(handshake())
			for _, kind := range []Certificate{CertExpired, CertMisnamed, CertUnknown} {
				b.must(b.MailCertificate(kind))
				err := handshake()
				invalid, _ := errors.AsType[x509.CertificateInvalidError](err)
				misnamed, _ := errors.AsType[x509.HostnameError](err)
				_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
				if (invalid.Cert != nil && invalid.Reason == x509.Expired) != (kind == CertExpired) ||
					(misnamed.Host == "mail.lab") != (kind == CertMisnamed) || unknown != (kind == CertUnknown) {
					t.Errorf("%s, %s: %v", how, kind, err)
				}
				b.must(b.MailCertificate(CertGood))
				b.must(handshake())
				b.must(b.MailCertificate(kind))
				b.must(b.MailWell())
				b.must(handshake())
			}
			if err := b.MailCertificate("gilded"); err == nil {
				t.Error("a gilded certificate was taken")
			}
		})
	}
	inBubble(t, Options{}, func(b *bench) {
		if err := b.MailCertificate(CertExpired); err == nil {
			t.Error("a server without TLS took a certificate")
		}
	})
}
