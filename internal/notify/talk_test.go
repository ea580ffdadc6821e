package notify

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"labstatus/internal/health"
)

func TestTheTalkIsWrittenDown(t *testing.T) {
	t.Parallel()
	ca := mustAuthority(t)
	synctest.Test(t, func(t *testing.T) {
		server := &scripted{tls: ca.good(t), auth: "PLAIN", size: "1000000", at: at("rcpt b@lab.example", act{reply: "550-no such user\r\n550 here"})}
		s, p := mustSMTP(t, server.serve, func(o *SMTPOptions) {
			o.RootCAs, o.Auth, o.User, o.Password = ca.pool, AuthAuto, "lab", password
		})
		m := mustMail(t, "a@lab.example", "b@lab.example")
		var w bytes.Buffer
		err := s.Talk(t.Context(), &w, m)
		p.wg.Wait()
		if err == nil || !strings.Contains(err.Error(), "b@lab.example: refused: 550 no such user here") || strings.Contains(err.Error(), "a@lab") {
			t.Errorf("error should name who is not served, and only them: %v", err)
		}
		// Which cipher is chosen depends on the machine.
		said := regexp.MustCompile(`TLS_\w+`).ReplaceAllString(strings.ReplaceAll(w.String(), m.ID, "ID"), "CIPHER")
		compare(t, "talk.txt", said)
	})
}

func TestATalkThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := mustSMTP(t, (&scripted{at: at("mail", act{cut: true})}).serve, nil)
		var w bytes.Buffer
		if err := s.Talk(t.Context(), &w, mustMail(t, "a@lab.example")); err == nil || !strings.Contains(err.Error(), "connection was cut") {
			t.Errorf("%v", err)
		}
		if err := s.Talk(t.Context(), &w, health.Mail{}); err == nil {
			t.Error("a mail to nobody went well")
		}
		p.wg.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		s, p := mustSMTP(t, (&scripted{}).serve, nil)
		if err := s.Talk(t.Context(), &bytes.Buffer{}, mustMail(t, "a@lab.example")); err != nil {
			t.Error(err)
		}
		p.wg.Wait()
	})
}
