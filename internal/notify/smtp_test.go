package notify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAMailArrivesAsItWasRendered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &scripted{size: "1000000"}
		s, p := mustSMTP(t, server.serve, nil)
		m := mustMail(t, "a@lab.example", "b@lab.example")
		m.Raw = append(m.Raw, ".\r\n..\r\n.hidden\r\n"...)
		for range 2 {
			results, err := s.Send(t.Context(), m, addresses(m))
			if err != nil || outcomes(results) != "a sent, b sent" || results[0].Text != "250 queued as 42" {
				t.Fatalf("%+v, %v", results, err)
			}
		}
		got := server.got()
		if len(got) != 2 || string(got[0].raw) != string(m.Raw) || string(got[1].raw) != string(m.Raw) {
			t.Errorf("arrived %d times, and not byte by byte as rendered", len(got))
		}
		if want := fmt.Sprintf("FROM:<status@lab.example> SIZE=%d BODY=8BITMIME", len(m.Raw)); got[0].from != want {
			t.Errorf("MAIL %s, want %s", got[0].from, want)
		}
		if !slices.Contains(server.stages(), "ehlo status.lab.example") || !slices.Contains(server.stages(), "quit") {
			t.Errorf("talk was %q", server.stages())
		}
		p.wg.Wait()
	})
}

func TestRecipientsAreIndependent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at   func(stage, arg string) act
		want string
		mail string // recipients of the one message that arrives
	}{
		"one refused":              {at("rcpt b@lab.example", act{reply: "550 no such user"}), "a sent, b refused, c sent", "a c"},
		"one for now":              {at("rcpt b@lab.example", act{reply: "450 later"}), "a sent, b retry, c sent", "a c"},
		"too many at once":         {at("rcpt c@lab.example", act{reply: "452 too many"}), "a sent, b sent, c retry", "a b"},
		"too many, by the old 552": {at("rcpt c@lab.example", act{reply: "552 too many"}), "a sent, b sent, c retry", "a b"},
		"forwarded":                {at("rcpt b@lab.example", act{reply: "251 will forward"}), "a sent, b sent, c sent", "a b c"},
		"all refused":              {at("rcpt", act{reply: "550 no such user"}), "a refused, b refused, c refused", ""},
		"sender refused":           {at("mail", act{reply: "550 not you"}), "a refused, b refused, c refused", ""},
		"sender for now":           {at("mail", act{reply: "451 later"}), "a retry, b retry, c retry", ""},
		"DATA refused":             {at("data", act{reply: "554 no"}), "a refused, b refused, c refused", ""},
		"DATA for now":             {at("data", act{reply: "451 no"}), "a retry, b retry, c retry", ""},
		"message refused":          {at("dot", act{reply: "554 spam"}), "a refused, b refused, c refused", "a b c"},
		"message for now":          {at("dot", act{reply: "451 later"}), "a retry, b retry, c retry", "a b c"},
		"first gone, then refused": {func(stage, arg string) act {
			switch {
			case stage == "rcpt" && arg == "a@lab.example":
				return act{reply: "450 later"}
			case stage == "dot":
				return act{reply: "554 spam"}
			}
			return act{}
		}, "a retry, b refused, c refused", "b c"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &scripted{at: c.at}
				s, p := mustSMTP(t, server.serve, nil)
				m := mustMail(t, "a@lab.example", "b@lab.example", "c@lab.example")
				session, err := s.Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				results, err := session.Send(t.Context(), m, addresses(m))
				if err != nil || outcomes(results) != c.want {
					t.Errorf("%v, %v; want %s", outcomes(results), err, c.want)
				}
				for _, r := range results {
					if r.Outcome != Sent && len(r.Text) < 6 {
						t.Errorf("%s without the server's words: %q", r.Outcome, r.Text)
					}
				}
				var arrived strings.Builder
				for _, got := range server.got() {
					arrived.WriteString(strings.ReplaceAll(strings.Join(got.to, " "), "@lab.example", ""))
				}
				if arrived.String() != c.mail {
					t.Errorf("arrived for %q, want %q", arrived.String(), c.mail)
				}
				// Whatever happened, the session takes the next mail.
				server.mu.Lock()
				server.at = nil
				server.mu.Unlock()
				results, err = session.Send(t.Context(), m, []string{"z@lab.example"})
				if err != nil || outcomes(results) != "z sent" {
					t.Errorf("next mail: %v, %v", outcomes(results), err)
				}
				if err := session.Close(t.Context()); err != nil {
					t.Error(err)
				}
				p.wg.Wait()
			})
		})
	}
}

// faultStages are all the places where a server may stop, with the stage that
// must be named.
var faultStages = []struct {
	at    string
	stage Stage
}{
	{"accept", StageBanner}, {"banner", StageBanner}, {"ehlo", StageHello}, {"starttls", StageStartTLS},
	{"handshake", StageTLS}, {"auth", StageAuth}, {"mail", StageMail}, {"rcpt", StageRcpt}, {"data", StageData}, {"dot", StageFinal},
}

func TestAHangingServerCostsOneBoundedAttempt(t *testing.T) {
	t.Parallel()
	ca := mustAuthority(t)
	for _, kind := range []struct {
		name string
		act  act
		most time.Duration
	}{
		{"hang", act{hang: true}, 10 * time.Second}, {"cut", act{cut: true}, 0}, {"drip", act{drip: 3 * time.Second}, 30 * time.Second},
		{"flood", act{flood: true}, 10 * time.Second}, {"rubbish", act{reply: "Hello? Is that HTTP?"}, 0}, {"closing", act{reply: "421 shutting down"}, 0},
		{"out of step", act{reply: "299 what?"}, 0}, {"out of the question", act{reply: "100 what?"}, 0},
	} {
		for _, c := range faultStages {
			if (c.at == "accept" || c.at == "handshake") && !kind.act.hang && !kind.act.cut {
				continue // nothing is said at these
			}
			t.Run(kind.name+" at "+c.at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if kind.name == "out of step" && (c.at == "rcpt" || c.at == "auth") {
						t.Skip("any 2xx is good here")
					}
					server := &scripted{tls: ca.good(t), auth: "PLAIN", at: func(stage, _ string) act {
						if stage == c.at || stage == "helo" && c.at == "ehlo" {
							return kind.act
						}
						return act{}
					}}
					s, p := mustSMTP(t, server.serve, func(o *SMTPOptions) {
						o.RootCAs, o.Auth, o.User, o.Password = ca.pool, AuthPlain, "lab", password
					})
					m := mustMail(t, "a@lab.example", "b@lab.example")
					began := time.Now()
					results, err := s.Send(t.Context(), m, addresses(m))
					took := time.Since(began)
					most := kind.most
					if c.at == "dot" && kind.act.hang {
						most = 30 * time.Second // what is left of the attempt
					}
					if took > most {
						t.Errorf("took %v, want at most %v", took, most)
					}
					f, ok := errors.AsType[*ServerError](err)
					if !ok || outcomes(results) != "a retry, b retry" {
						t.Fatalf("%v, %v; want retries and a ServerError", outcomes(results), err)
					}
					if f.Stage != c.stage {
						t.Errorf("stage %q, want %q: %v", f.Stage, c.stage, err)
					}
					if kind.act.hang && !strings.Contains(err.Error(), "no answer within") ||
						kind.act.cut && !strings.Contains(err.Error(), "was cut") {
						t.Errorf("error does not say what happened: %v", err)
					}
					p.wg.Wait()
					if p.connections() != 1 {
						t.Errorf("dialed %d times", p.connections())
					}
				})
			})
		}
	}
}

func TestAServerThatStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		s, p := mustSMTP(t, func(c net.Conn) {
			lines := bufio.NewReader(c)
			for _, answer := range []string{"220 hi", "250 hello", "250 ok", "250 ok", "354 go"} {
				if answer != "220 hi" {
					if _, err := lines.ReadString('\n'); err != nil {
						return
					}
				}
				if _, err := io.WriteString(c, answer+"\r\n"); err != nil {
					return
				}
			}
			<-done
		}, nil)
		m := mustMail(t, "a@lab.example")
		m.Raw = append(m.Raw, strings.Repeat("x\r\n", 50_000)...)
		began := time.Now()
		results, err := s.Send(t.Context(), m, addresses(m))
		f, ok := errors.AsType[*ServerError](err)
		if !ok || f.Stage != StageFinal || outcomes(results) != "a retry" || time.Since(began) > 30*time.Second {
			t.Errorf("after %v: %v, %v", time.Since(began), results, err)
		}
		close(done)
		p.wg.Wait()
	})
}

func TestHalfAnAnswerIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, reply := range []string{"250 queued", "550 no"} {
			server := &scripted{at: at("dot", act{reply: reply, half: true})}
			s, p := mustSMTP(t, server.serve, nil)
			m := mustMail(t, "a@lab.example")
			if results, err := s.Send(t.Context(), m, addresses(m)); err == nil || outcomes(results) != "a retry" || !strings.Contains(err.Error(), "was cut") {
				t.Errorf("%q: %v, %v", reply, results, err)
			}
			p.wg.Wait()
		}
	})
}

func TestDialing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := mustSMTP(t, nil, func(o *SMTPOptions) {
			o.Dial = func(ctx context.Context, _, addr string) (net.Conn, error) {
				if addr != mailHost+":587" {
					t.Errorf("dials %s", addr)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		began := time.Now()
		_, err := s.Open(t.Context())
		f, ok := errors.AsType[*ServerError](err)
		if !ok || f.Stage != StageDial || time.Since(began) != 10*time.Second || !strings.Contains(err.Error(), "firewall") {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
	refused := errors.New("dial tcp 192.0.2.1:587: connect: connection refused")
	s, _ := mustSMTP(t, nil, func(o *SMTPOptions) {
		o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	})
	if _, err := s.Open(t.Context()); !errors.Is(err, refused) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v should tell why", err)
	}
}

func TestOneConnectionCarriesSeveralMails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &scripted{at: at("dot", act{drip: time.Second})} // 16 s each: together more than one attempt's budget
		s, p := mustSMTP(t, server.serve, nil)
		session, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			m := mustMail(t, "a@lab.example")
			if results, err := session.Send(t.Context(), m, addresses(m)); err != nil || outcomes(results) != "a sent" {
				t.Fatalf("%v, %v", results, err)
			}
		}
		if err := session.Close(t.Context()); err != nil {
			t.Error(err)
		}
		p.wg.Wait()
		if p.connections() != 1 || len(server.got()) != 5 {
			t.Errorf("%d connections, %d mails", p.connections(), len(server.got()))
		}
	})
}

func TestALostSessionSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &scripted{at: at("dot", act{cut: true})}
		s, p := mustSMTP(t, server.serve, nil)
		session, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m := mustMail(t, "a@lab.example")
		for range 2 {
			if results, err := session.Send(t.Context(), m, addresses(m)); err == nil || outcomes(results) != "a retry" {
				t.Fatalf("%v, %v", results, err)
			}
		}
		if err := session.Close(t.Context()); err != nil {
			t.Errorf("closing what is lost: %v", err)
		}
		p.wg.Wait()
	})
}

func TestStoppingCutsAnAttemptAtOnce(t *testing.T) {
	for _, c := range faultStages {
		t.Run(c.at, func(t *testing.T) {
			ca := mustAuthority(t)
			synctest.Test(t, func(t *testing.T) {
				server := &scripted{tls: ca.good(t), auth: "PLAIN", at: func(stage, _ string) act { return act{hang: stage == c.at} }}
				s, p := mustSMTP(t, server.serve, func(o *SMTPOptions) {
					o.RootCAs, o.Auth, o.User, o.Password = ca.pool, AuthPlain, "lab", password
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				m := mustMail(t, "a@lab.example")
				began := time.Now()
				results, err := s.Send(ctx, m, addresses(m))
				if err == nil || outcomes(results) != "a retry" || time.Since(began) != time.Second {
					t.Errorf("after %v: %v, %v", time.Since(began), results, err)
				}
				p.wg.Wait()
			})
		})
	}
}

func TestSizeIsRespected(t *testing.T) {
	t.Parallel()
	for size, want := range map[string]string{"1000": "a refused", "1000000": "a sent", "0": "a sent", "": "a sent", "lots": "a sent"} {
		synctest.Test(t, func(t *testing.T) {
			server := &scripted{size: size}
			s, p := mustSMTP(t, server.serve, nil)
			m := mustMail(t, "a@lab.example")
			results, err := s.Send(t.Context(), m, addresses(m))
			if err != nil || outcomes(results) != want {
				t.Errorf("SIZE %s: %+v, %v; want %s", size, results, err, want)
			}
			if want == "a refused" && (len(server.got()) > 0 || !strings.Contains(results[0].Text, "at most 1000")) {
				t.Errorf("SIZE %s: %+v, %d arrived", size, results, len(server.got()))
			}
			p.wg.Wait()
		})
	}
}

func TestAddressesThatNoServerShouldSee(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &scripted{}
		s, p := mustSMTP(t, server.serve, nil)
		m := mustMail(t, "a@lab.example")
		to := []string{"x@lab.example>\r\nRCPT TO:<y@lab.example", "jörg@lab.example", "a b@lab.example", "a@lab.example"}
		results, err := s.Send(t.Context(), m, to)
		if err != nil || results[0].Outcome != Refused || results[1].Outcome != Refused || results[2].Outcome != Refused || results[3].Outcome != Sent {
			t.Errorf("%+v, %v", results, err)
		}
		p.wg.Wait()
		if got := server.got(); len(got) != 1 || len(got[0].to) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestAServerThatWantsALoginIsNoVerdictOnTheMail(t *testing.T) {
	t.Parallel()
	for stage, reply := range map[string]string{"mail": "530 authentication required", "rcpt": "530 authentication required", "banner": "554 go away", "ehlo": "550 go away"} {
		synctest.Test(t, func(t *testing.T) {
			server := &scripted{at: func(s, _ string) act {
				if s == stage || stage == "ehlo" && s == "helo" {
					return act{reply: reply}
				}
				return act{}
			}}
			s, p := mustSMTP(t, server.serve, nil)
			m := mustMail(t, "a@lab.example")
			results, err := s.Send(t.Context(), m, addresses(m))
			if f, ok := errors.AsType[*ServerError](err); !ok || outcomes(results) != "a retry" || f.Code < 500 || !strings.Contains(err.Error(), reply) {
				t.Errorf("%s: %v, %v", stage, results, err)
			}
			p.wg.Wait()
		})
	}
}

func TestFaultyOptionsAreAllNamed(t *testing.T) {
	t.Parallel()
	_, err := NewSMTP(SMTPOptions{Host: "", Port: 0, Auth: "magic", TLS: "maybe", HELO: "two words", User: "a\r\nb"})
	for _, want := range []string{"server's name", "0 is not a port", "magic", "maybe", "two words", "line end"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in: %v", want, err)
		}
	}
	for _, o := range []SMTPOptions{
		{Host: mailHost, Port: 25, Auth: AuthPlain, TLS: TLSNone, User: "u", Password: password},
		{Host: mailHost, Port: 25, Auth: AuthCRAMMD5, User: "u"},
		{Host: mailHost, Port: 25, Auth: AuthSCRAM, Password: password},
	} {
		if _, err := NewSMTP(o); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%v with %s: %v", o, o.Auth, err)
		}
	}
	if _, err := NewSMTP(SMTPOptions{Host: "localhost", Port: 25, Auth: AuthPlain, TLS: TLSNone, User: "u", Password: password}); err != nil {
		t.Errorf("on this machine a password may be sent in clear: %v", err)
	}
}
