package notify

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"labstatus/internal/health"
)

// maxReferences is how many experiments' stories one mail joins.
const maxReferences = 20

// message is what a mail is built from.
type message struct {
	id         string
	at         time.Time
	subject    string
	references []string // ids of the threads it belongs to
	name       string   // of its templates
	data       view
}

// NewID makes a message id, without angle brackets. The host should be the
// [Options]' one.
func NewID(host string) string {
	return strings.ToLower(rand.Text()) + "@" + domain(host)
}

// roots are ids that no message has, one for each experiment (and each of the
// system's issues) that the alert is about: mail readers show what refers to
// the same id as one conversation, so each experiment has its story.
func (r *Renderer) roots(a health.Alert) []string {
	var ids []string
	seen := map[string]bool{}
	add := func(i health.Issue) {
		name := i.Experiment
		if i.IsSystem() {
			name = "system-" + string(i.Code) + "-" + i.Subject
		}
		if seen[name] || len(ids) == maxReferences {
			return
		}
		seen[name] = true
		atom := dotAtom(name)
		if atom == "" {
			sum := sha256.Sum256([]byte(name))
			atom = "x-" + hex.EncodeToString(sum[:12])
		}
		ids = append(ids, atom+".labstatus@"+r.host)
	}
	for _, i := range a.New {
		add(i)
	}
	for _, res := range a.Resolved {
		add(res.Issue)
	}
	for _, i := range a.Reminder {
		add(i)
	}
	for _, act := range a.Acts {
		if act.Experiment != "" {
			add(health.Issue{Experiment: act.Experiment})
		}
	}
	return ids
}

// build writes the message once, as it will be sent.
func (r *Renderer) build(m message) ([]byte, error) {
	left, right, ok := strings.Cut(m.id, "@")
	if !ok || dotAtom(left) == "" || dotAtom(right) == "" {
		return nil, fmt.Errorf("message id %q is not of the form name@host: make it with NewID", m.id)
	}
	var text, html bytes.Buffer
	if err := textTemplates.ExecuteTemplate(&text, m.name+".txt", m.data); err != nil {
		return nil, fmt.Errorf("fill in the text part: %w", err)
	}
	if err := htmlTemplates.ExecuteTemplate(&html, m.name+".html", m.data); err != nil {
		return nil, fmt.Errorf("fill in the HTML part: %w", err)
	}
	// go-mail's default agent header would change with its version.
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP), mail.WithCharset(mail.CharsetUTF8))
	msg.FromMailAddress(r.from)
	msg.ToMailAddress(r.to...)
	if len(r.cc) > 0 {
		msg.CcMailAddress(r.cc...)
	}
	msg.Subject(m.subject)
	msg.SetDateWithValue(m.at.UTC())
	msg.SetMessageIDWithValue(m.id)
	if len(m.references) > 0 {
		msg.SetGenHeader(mail.HeaderInReplyTo, "<"+m.references[0]+">")
		msg.SetGenHeader(mail.HeaderReferences, "<"+strings.Join(m.references, "> <")+">")
	}
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834
	msg.SetGenHeader(mail.HeaderPrecedence, "bulk")
	msg.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All")
	sum := sha256.Sum256([]byte(m.id))
	msg.SetBoundary("labstatus-" + hex.EncodeToString(sum[:16]))
	msg.SetBodyString(mail.TypeTextPlain, text.String())
	msg.AddAlternativeString(mail.TypeTextHTML, html.String())
	var raw bytes.Buffer
	if _, err := msg.WriteTo(&raw); err != nil {
		return nil, fmt.Errorf("build the message: %w", err)
	}
	return raw.Bytes(), nil
}
