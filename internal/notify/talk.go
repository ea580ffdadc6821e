package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"labstatus/internal/health"
)

// talk writes a conversation down: one line for each line of it, without
// secrets. Its nil value writes nothing.
type talk struct {
	w       io.Writer
	secrets *secrets
	auth    bool   // a login is going on
	server  []byte // an incomplete line
	client  []byte
	body    int // bytes of message passed so far
}

// maxTalkLine is the most that is kept of a line of a transcript.
const maxTalkLine = 1000

// write puts a line into the transcript. A transcript that can't be written is
// its reader's loss, not the mail's.
func (t *talk) write(who, line string) {
	_, _ = fmt.Fprintf(t.w, "%s %s\n", who, clean(t.secrets.hide(line), maxTalkLine))
}

func (t *talk) note(format string, args ...any) {
	if t != nil {
		t.write("--", fmt.Sprintf(format, args...))
	}
}

// say takes what we send.
func (t *talk) say(stage Stage, p []byte) {
	if t == nil {
		return
	}
	if stage == StageFinal {
		t.body += len(p)
		return
	}
	t.client = lines(append(t.client, p...), func(line string) {
		if t.auth && !strings.EqualFold(line, "QUIT") && line != "*" {
			words := strings.Fields(line)
			switch {
			case len(words) > 2 && strings.EqualFold(words[0], "AUTH"):
				line = words[0] + " " + words[1] + " " + hidden
			case len(words) == 2 && strings.EqualFold(words[0], "AUTH"):
			default:
				line = hidden
			}
		}
		t.write("C:", line)
	})
}

// heard takes what the server sends.
func (t *talk) heard(p []byte) {
	if t == nil {
		return
	}
	if t.body > 0 {
		t.write("C:", fmt.Sprintf("(the message, %d bytes with its final dot)", t.body))
		t.body = 0
	}
	t.server = lines(append(t.server, p...), func(line string) {
		if t.auth && strings.HasPrefix(line, "334") && len(line) > 4 {
			line = "334 " + hidden
		}
		t.write("S:", line)
	})
}

// lines hands out the complete lines of b and returns the rest, which is cut
// where a line never ends.
func lines(b []byte, each func(string)) []byte {
	for {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			return b[:min(len(b), 4*maxTalkLine)]
		}
		each(strings.TrimSuffix(string(line), "\r"))
		b = rest
	}
}

// encryption words the state of a connection.
func encryption(c *tls.ConnectionState, verified bool) string {
	if c == nil {
		return "not encrypted"
	}
	s := tls.VersionName(c.Version) + ", " + tls.CipherSuiteName(c.CipherSuite)
	if len(c.PeerCertificates) > 0 {
		cert := c.PeerCertificates[0]
		s += fmt.Sprintf(", certificate for %v until %s", cert.DNSNames, stamp(cert.NotAfter))
	}
	if !verified {
		s += ", certificate NOT verified"
	}
	return s
}

// Talk sends one mail to all its recipients and writes the talk with the server
// to w as it goes, and a summary: encryption, Message-ID, each recipient's
// answer. Secrets are masked. The error says who could not be served.
func (s *SMTP) Talk(ctx context.Context, w io.Writer, m health.Mail) error {
	loud := *s
	loud.transcript = w
	report := &talk{w: w, secrets: s.secrets}
	var to []string
	for _, r := range m.Recipients {
		to = append(to, r.Address)
	}
	report.note("mail server %s", s.addr)
	results, err := loud.Send(ctx, m, to)
	if err != nil { // the server as a whole: the same for everybody
		report.note("failed: %v", err)
		for _, address := range to {
			if !slices.ContainsFunc(results, func(r Result) bool { return r.Address == address && r.Outcome != Retry }) {
				report.note("%s: not sent", address)
			}
		}
		return fmt.Errorf("send test mail: %w", err)
	}
	report.note("Message-ID: <%s>", m.ID)
	var failed []error
	for _, r := range results {
		report.note("%s: %s %s", r.Address, r.Outcome, r.Text)
		if r.Outcome != Sent {
			failed = append(failed, fmt.Errorf("send to %s: %s: %s", r.Address, r.Outcome, r.Text))
		}
	}
	if len(results) == 0 {
		return errors.New("send test mail: it has no recipients, set STATUS_EMAIL_TO")
	}
	return errors.Join(failed...)
}
