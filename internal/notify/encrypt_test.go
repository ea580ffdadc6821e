package notify

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryTLSMode(t *testing.T) {
	t.Parallel()
	ca, stranger := mustAuthority(t), mustAuthority(t)
	for _, c := range []struct {
		mode   TLSMode
		port   int
		host   string
		server string // clear, starttls, implicit, stranger (STARTTLS with a certificate nobody knows)
		login  bool
		want   string // encrypted, clear, or words of the error
	}{
		{mode: TLSAuto, port: 587, server: "starttls", want: "encrypted"},
		{mode: TLSAuto, port: 587, server: "clear", want: "clear"},
		{mode: TLSAuto, port: 587, server: "clear", login: true, want: "offers no STARTTLS, which is required"},
		{mode: TLSAuto, port: 587, server: "starttls", login: true, want: "encrypted"},
		{mode: TLSAuto, port: 587, server: "stranger", want: "encrypted"},
		{mode: TLSAuto, port: 587, server: "stranger", login: true, want: "unknown authority"},
		{mode: TLSAuto, port: 465, server: "implicit", want: "encrypted"},
		{mode: TLSAuto, port: 465, server: "implicit", login: true, want: "encrypted"},
		{mode: TLSAuto, port: 25, host: "localhost", server: "clear", login: true, want: "clear"},
		{mode: TLSAuto, port: 25, host: "127.0.0.1", server: "stranger", login: true, want: "encrypted"},
		{mode: TLSRequired, port: 25, server: "starttls", want: "encrypted"},
		{mode: TLSRequired, port: 25, server: "clear", want: "offers no STARTTLS, which is required"},
		{mode: TLSRequired, port: 25, server: "stranger", want: "unknown authority"},
		{mode: TLSRequired, port: 465, server: "implicit", want: "STATUS_EMAIL_TLS=implicit"},
		{mode: TLSImplicit, port: 2465, server: "implicit", want: "encrypted"},
		{mode: TLSOpportunistic, port: 25, server: "starttls", want: "encrypted"},
		{mode: TLSOpportunistic, port: 25, server: "clear", want: "clear"},
		{mode: TLSOpportunistic, port: 25, server: "stranger", want: "encrypted"},
		{mode: TLSOpportunistic, port: 25, server: "stranger", login: true, want: "unknown authority"},
		{mode: TLSNone, port: 25, server: "starttls", want: "clear"},
		{mode: TLSNone, port: 25, server: "stranger", want: "clear"},
	} {
		t.Run(fmt.Sprintf("%s on %d %s with %s server, login %v", c.mode, c.port, c.host, c.server, c.login), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &scripted{auth: "PLAIN", implicit: c.server == "implicit"}
				switch c.server {
				case "starttls", "implicit":
					server.tls = ca.good(t)
				case "stranger":
					server.tls = stranger.good(t)
				}
				var talk bytes.Buffer
				s, p := mustSMTP(t, server.serve, func(o *SMTPOptions) {
					o.RootCAs, o.TLS, o.Port, o.Transcript = ca.pool, c.mode, c.port, &talk
					if c.host != "" {
						o.Host = c.host
					}
					if c.login {
						o.Auth, o.User, o.Password = AuthPlain, "lab", password
					}
				})
				m := mustMail(t, "a@lab.example")
				results, err := s.Send(t.Context(), m, addresses(m))
				p.wg.Wait()
				switch c.want {
				case "encrypted", "clear":
					if err != nil || outcomes(results) != "a sent" || len(server.got()) != 1 {
						t.Fatalf("%v, %v\n%s", results, err, &talk)
					}
					if clear := strings.Contains(talk.String(), "-- not encrypted"); clear != (c.want == "clear") || clear == strings.Contains(talk.String(), "-- TLS 1.3, TLS_") {
						t.Errorf("want it %s:\n%s", c.want, &talk)
					}
				default:
					if err == nil || !strings.Contains(err.Error(), c.want) || outcomes(results) != "a retry" || len(server.got()) > 0 {
						t.Errorf("%v, %v; want %q", results, err, c.want)
					}
					if strings.Contains(talk.String(), "AUTH PLAIN *") {
						t.Errorf("a login was tried:\n%s", &talk)
					}
				}
			})
		})
	}
}

func TestWhyACertificateIsRefused(t *testing.T) {
	t.Parallel()
	ca, stranger := mustAuthority(t), mustAuthority(t)
	day := 24 * time.Hour
	for want, server := range map[string]func(now time.Time) *tls.Config{
		"unknown authority":                  func(time.Time) *tls.Config { return stranger.good(t) },
		`is for [other.example], not for "m`: func(time.Time) *tls.Config { return ca.server(t, "other.example", longAgo, farAway) },
		"expired at 1999-12-31T00:00:00Z":    func(now time.Time) *tls.Config { return ca.server(t, mailHost, longAgo, now.Add(-day)) },
		"not valid before 2000-01-02T00:":    func(now time.Time) *tls.Config { return ca.server(t, mailHost, now.Add(day), farAway) },
	} {
		for _, implicit := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				mode := TLSRequired
				if implicit {
					mode = TLSImplicit
				}
				server := &scripted{tls: server(time.Now()), implicit: implicit}
				s, p := mustSMTP(t, server.serve, func(o *SMTPOptions) { o.RootCAs, o.TLS = ca.pool, mode })
				_, err := s.Open(t.Context())
				if f, ok := errors.AsType[*ServerError](err); !ok || f.Stage != StageTLS || !strings.Contains(err.Error(), want) {
					t.Errorf("%v should say %q", err, want)
				}
				p.wg.Wait()
			})
		}
	}
}

func TestWordsSlippedInBeforeEncryptionAreNoticed(t *testing.T) {
	t.Parallel()
	ca := mustAuthority(t)
	synctest.Test(t, func(t *testing.T) {
		server := &scripted{tls: ca.good(t), at: at("starttls", act{reply: "220 go\r\n250 I am the server, too"})}
		s, p := mustSMTP(t, server.serve, func(o *SMTPOptions) { o.RootCAs, o.TLS = ca.pool, TLSRequired })
		if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "somebody may be in between") {
			t.Errorf("%v", err)
		}
		p.wg.Wait()
	})
}

func TestAServerThatSpeaksImplicitTLSIsGuessed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := mustSMTP(t, deaf, nil)
		if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "STATUS_EMAIL_TLS=implicit") {
			t.Errorf("%v", err)
		}
		p.wg.Wait()
	})
}

func TestAServerWithoutImplicitTLSIsRecognised(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := mustSMTP(t, func(c net.Conn) {
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = io.WriteString(c, "220 mail.lab.example ESMTP\r\n") })
			deaf(c)
			wg.Wait()
		}, func(o *SMTPOptions) { o.Port = 465 })
		if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "does not speak TLS here") {
			t.Errorf("%v", err)
		}
		p.wg.Wait()
	})
}

func TestTLSOldVersionsAreRefused(t *testing.T) {
	t.Parallel()
	ca := mustAuthority(t)
	synctest.Test(t, func(t *testing.T) {
		old := ca.good(t)
		old.MaxVersion = tls.VersionTLS11
		s, p := mustSMTP(t, (&scripted{tls: old}).serve, func(o *SMTPOptions) { o.RootCAs, o.TLS = ca.pool, TLSRequired })
		if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "TLS handshake") {
			t.Errorf("%v", err)
		}
		p.wg.Wait()
	})
}

func TestAnHTTPServerIsRecognised(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := mustSMTP(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		}, nil)
		if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "is not SMTP") || !strings.Contains(err.Error(), "STATUS_EMAIL_PORT") {
			t.Errorf("%v", err)
		}
		p.wg.Wait()
	})
}
