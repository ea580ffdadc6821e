package notify

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
)

// The whole way: what an outbox holds, through a server that fails at each of
// its stages for a while, to a mailbox.
func TestMailSurvivesAServerThatFailsAtAnyStage(t *testing.T) {
	t.Parallel()
	ca := mustAuthority(t)
	for _, kind := range []act{{hang: true}, {cut: true}, {reply: "421 back soon"}, {reply: "451 back soon"}} {
		for _, c := range faultStages {
			if (c.at == "accept" || c.at == "handshake") && kind.reply != "" {
				continue // nothing is said at these
			}
			t.Run(fmt.Sprintf("%s %+v", c.at, kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var recovers time.Time
					server := &scripted{tls: ca.good(t), auth: "PLAIN", at: func(stage, _ string) act {
						if (stage == c.at || c.at == "ehlo" && stage == "helo") && time.Now().Before(recovers) {
							return kind
						}
						return act{}
					}}
					recovers = time.Now().Add(100 * time.Second)
					s, p := mustSMTP(t, server.serve, func(o *SMTPOptions) {
						o.RootCAs, o.Auth, o.User, o.Password = ca.pool, AuthPlain, "lab", password
					})
					m1, m2 := mustMail(t, "a@lab.example", "b@lab.example"), mustMail(t, "a@lab.example")
					store := newFakeStore(m1, m2)
					log := &bytes.Buffer{}
					logger := logrus.New()
					logger.SetOutput(log)
					o := NewOutbox(store, s.Open, logger)
					stop := start(t, o)
					elapse(100 * time.Second)
					if st := o.Status(); st.Sent != 0 || st.UndeliverableSince.IsZero() || st.LastError == "" {
						t.Errorf("while it fails: %+v", st)
					}
					if p.connections() > 16 {
						t.Errorf("%d connections in 100 seconds", p.connections())
					}
					elapse(time.Minute)
					if st := o.Status(); st.Sent != 3 || st.Queued != 0 || !st.UndeliverableSince.IsZero() {
						t.Errorf("a minute after recovery: %+v", st)
					}
					stop()
					p.wg.Wait()
					// However often a message was passed, it was the same message.
					got := server.got()
					for _, r := range got {
						if !bytes.Equal(r.raw, m1.Raw) && !bytes.Equal(r.raw, m2.Raw) {
							t.Error("an attempt differs from what was rendered")
						}
					}
					taken := 0
					for _, r := range got {
						taken += len(r.to)
					}
					if c.at != "dot" && taken != 3 {
						t.Errorf("taken for %d recipients, want each once", taken)
					}
					assertNoSecret(t, log.String()+fmt.Sprintf("%+v", o.Status()), password)
					if n := strings.Count(log.String(), "\n"); n > 12 {
						t.Errorf("%d lines of log for one outage:\n%s", n, log)
					}
				})
			})
		}
	}
}
