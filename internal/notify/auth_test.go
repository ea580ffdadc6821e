package notify

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestEveryWayToLogIn(t *testing.T) {
	t.Parallel()
	ca := mustAuthority(t)
	every := []string{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2"}
	for _, c := range []struct {
		auth    AuthType
		offered []string
		used    string // empty: no login must be tried
		tls     TLSMode
		refused string
	}{
		{auth: AuthPlain, offered: every, used: "PLAIN"},
		{auth: AuthLogin, offered: every, used: "LOGIN"},
		{auth: AuthCRAMMD5, offered: every, used: "CRAM-MD5"},
		{auth: AuthSCRAM, offered: every, used: "SCRAM-SHA-256"},
		{auth: AuthXOAuth2, offered: every, used: "XOAUTH2"},
		{auth: AuthAuto, offered: every, used: "SCRAM-SHA-256"},
		{auth: AuthAuto, offered: []string{"LOGIN", "CRAM-MD5", "PLAIN"}, used: "PLAIN"},
		{auth: AuthAuto, offered: []string{"LOGIN"}, used: "LOGIN"},
		{auth: AuthAuto, offered: []string{"GSSAPI"}, refused: "offers GSSAPI, none of which"},
		{auth: AuthAuto, offered: nil, refused: "no login"},
		{auth: AuthCRAMMD5, offered: []string{"LOGIN", "PLAIN"}, refused: "offers LOGIN PLAIN, not cram-md5"},
		{auth: AuthPlain, offered: nil, refused: "no login"},
		// In clear: a challenge may do, a password never leaves.
		{auth: AuthAuto, tls: TLSNone, offered: every, used: "SCRAM-SHA-256"},
		{auth: AuthAuto, tls: TLSOpportunistic, offered: []string{"PLAIN", "CRAM-MD5"}, used: "CRAM-MD5"},
		{auth: AuthAuto, tls: TLSNone, offered: []string{"PLAIN", "LOGIN"}, refused: "none of which can be used without encryption"},
		{auth: AuthPlain, tls: TLSOpportunistic, offered: every, refused: "would send the password in clear"},
		{auth: AuthXOAuth2, tls: TLSOpportunistic, offered: every, refused: "would send the password in clear"},
	} {
		t.Run(fmt.Sprintf("%s of %v %s", c.auth, c.offered, c.tls), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				config := ca.good(t)
				if c.tls != "" {
					config = nil
				}
				server := newRealServer(config, c.offered...)
				var talk bytes.Buffer
				s, p := mustSMTP(t, server.one, func(o *SMTPOptions) {
					o.RootCAs, o.Auth, o.User, o.Password, o.TLS, o.Transcript = ca.pool, c.auth, "lab", password, c.tls, &talk
				})
				m := mustMail(t, "a@lab.example")
				results, err := s.Send(t.Context(), m, addresses(m))
				p.wg.Wait()
				if c.refused != "" {
					f, ok := errors.AsType[*ServerError](err)
					if !ok || f.Stage != StageAuth || !strings.Contains(err.Error(), c.refused) || strings.Contains(talk.String(), "C: AUTH") {
						t.Errorf("%v should be refused because %q\n%s", err, c.refused, &talk)
					}
					return
				}
				if err != nil || outcomes(results) != "a sent" || !slices.Equal(server.logins, []string{c.used}) || len(server.mails) != 1 || !bytes.Equal(server.mails[0].raw, m.Raw) {
					t.Errorf("%v, %v, logins %v; want %s\n%s", results, err, server.logins, c.used, &talk)
				}
				assertNoSecret(t, talk.String(), password)
			})
		})
	}
}

func TestAWrongPasswordIsNoVerdictOnTheMail(t *testing.T) {
	t.Parallel()
	ca := mustAuthority(t)
	for _, auth := range []AuthType{AuthPlain, AuthLogin, AuthCRAMMD5, AuthSCRAM, AuthXOAuth2} {
		t.Run(string(auth), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newRealServer(ca.good(t), strings.ToUpper(string(auth)))
				var talk bytes.Buffer
				s, p := mustSMTP(t, server.one, func(o *SMTPOptions) {
					o.RootCAs, o.Auth, o.User, o.Password, o.Transcript = ca.pool, auth, "lab", "wr0ng"+password, &talk
				})
				m := mustMail(t, "a@lab.example")
				results, err := s.Send(t.Context(), m, addresses(m))
				p.wg.Wait()
				if f, ok := errors.AsType[*ServerError](err); !ok || f.Stage != StageAuth || f.Code != 535 || outcomes(results) != "a retry" || !strings.Contains(err.Error(), "STATUS_EMAIL_PASSWORD") {
					t.Errorf("%v, %v", results, err)
				}
				assertNoSecret(t, talk.String()+err.Error()+fmt.Sprintf("%+v %#v %+v", s, s, results), "wr0ng"+password)
			})
		})
	}
}

// assertNoSecret looks for a password in the forms that a server or a careless
// print could show it in.
func assertNoSecret(t interface {
	Helper()
	Errorf(string, ...any)
}, text, secret string) {
	t.Helper()
	std := base64.StdEncoding.EncodeToString
	for _, form := range []string{
		secret, std([]byte(secret)), std([]byte("\x00lab\x00" + secret)), std([]byte("user=lab\x01auth=Bearer " + secret + "\x01\x01")),
		hex.EncodeToString([]byte(secret)), url.QueryEscape(secret),
	} {
		if strings.Contains(text, form) {
			t.Errorf("the secret shows as %q in:\n%s", form, text)
		}
	}
}

func TestNoSecretInAnyOutput(t *testing.T) {
	t.Parallel()
	ca := mustAuthority(t)
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.StringMatching(`[!-~]{8,40}`).Draw(rt, "password")
		mech := rapid.SampledFrom([]AuthType{AuthPlain, AuthLogin, AuthXOAuth2, AuthAuto}).Draw(rt, "auth")
		stage := rapid.SampledFrom([]string{"banner", "ehlo", "helo", "auth", "mail", "rcpt", "data", "dot", "rset", "quit", "cancel"}).Draw(rt, "stage")
		code := rapid.SampledFrom([]int{220, 235, 250, 334, 354, 421, 450, 535, 550}).Draw(rt, "code")
		echo := rapid.SampledFrom([]string{
			secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("\x00lab\x00" + secret)),
			hex.EncodeToString([]byte(secret)), url.QueryEscape(secret),
		}).Draw(rt, "echo")
		more := rapid.SampledFrom([]string{"", "not SMTP ", "250-"}).Draw(rt, "before")
		var output strings.Builder
		synctest.Test(t, func(t *testing.T) {
			server := &scripted{tls: ca.good(t), auth: "PLAIN LOGIN XOAUTH2", at: at(stage, act{reply: more + fmt.Sprintf("%d said %s", code, echo)})}
			var talk bytes.Buffer
			s, p := mustSMTP(t, server.serve, func(o *SMTPOptions) {
				o.RootCAs, o.Auth, o.User, o.Password = ca.pool, mech, "lab", secret
			})
			m := mustMail(t, "a@lab.example")
			err := s.Talk(t.Context(), &talk, m)
			p.wg.Wait()
			o := SMTPOptions{Host: mailHost, Port: 25, User: "lab", Password: secret}
			fmt.Fprintf(&output, "%s\n%v\n%+v\n%#v\n%v %+v %#v %+v\n", &talk, err, err, s, o, o, o, &o)
			for e := err; e != nil; e = errors.Unwrap(e) {
				fmt.Fprintf(&output, "%v %+v\n", e, e)
			}
		})
		assertNoSecret(rt, output.String(), secret)
	})
}

func TestAServerCannotSetEndlessWork(t *testing.T) {
	ca := mustAuthority(t)
	synctest.Test(t, func(t *testing.T) {
		server := &scripted{tls: ca.good(t), auth: "SCRAM-SHA-256"}
		server.at = func(stage, _ string) act {
			switch stage {
			case "auth":
				return act{reply: "334 "}
			case "accept", "banner", "ehlo", "starttls", "handshake", "cancel", "quit":
				return act{}
			}
			return act{reply: "334 " + base64.StdEncoding.EncodeToString([]byte("r=x,s=c2FsdA==,i=2147483647"))}
		}
		s, p := mustSMTP(t, server.serve, func(o *SMTPOptions) {
			o.RootCAs, o.Auth, o.User, o.Password = ca.pool, AuthSCRAM, "lab", password
		})
		began := time.Now()
		_, err := s.Open(t.Context())
		if err == nil || !strings.Contains(err.Error(), "unreasonable") || time.Since(began) > 10*time.Second {
			t.Errorf("after %v: %v\n%q", time.Since(began), err, server.stages())
		}
		p.wg.Wait()
	})
}
