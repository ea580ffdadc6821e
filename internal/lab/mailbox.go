package lab

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ReceivedMail is one message that reached its final dot, whatever was
// answered: what a server may have taken although the client cannot know.
type ReceivedMail struct {
	At time.Time
	// From and To are the envelope's.
	From string
	To   []string
	Raw  []byte
	// Answer is the reply to the final dot, such as "250 2.0.0 OK: queued";
	// empty when there was none.
	Answer string

	// What a sender that came to its end can have known: when its connection was
	// taken, when the answer began to be written to it, when that was done, and when it
	// said the next thing after that. Zero: it did not come to it.
	Opened, Answering, Answered, Spoke time.Time

	// Read from Raw; what cannot be read stays empty.
	Header    mail.Header
	Subject   string
	MessageID string
	Text      string
	HTML      string
}

// Accepted reports whether the client was told that the mail was taken.
func (m *ReceivedMail) Accepted() bool { return strings.HasPrefix(m.Answer, "2") }

// mailsKept bounds what is kept in memory: the oldest are forgotten.
const mailsKept = 5000

// mailState is the mail server's memory. Guarded by Lab.mu.
type mailState struct {
	opt     MailOptions
	cert    *tls.Certificate // what is shown at the moment
	faults  []MailFault
	talks   map[*mailTalk]struct{} // those that hang
	mails   []ReceivedMail
	arrived int // ever
}

// keep records a mail, and writes it to Options.MailDir. That it could not be
// written is the operator's worry, not the sender's. It gives the mail's number.
func (l *Lab) keep(m *ReceivedMail) int {
	m.parse()
	l.mu.Lock()
	l.mail.arrived++
	n := l.mail.arrived
	l.mail.mails = append(l.mail.mails, *m)
	if extra := len(l.mail.mails) - mailsKept; extra > 0 {
		l.mail.mails = slices.Delete(l.mail.mails, 0, extra)
	}
	l.mu.Unlock()
	log := l.log.WithField("subject", m.Subject).WithField("answer", m.Answer)
	log.Info("mail received")
	if l.opt.OnMail != nil {
		l.opt.OnMail(*m)
	}
	if l.opt.MailDir == "" {
		return n
	}
	name := filepath.Join(l.opt.MailDir, fmt.Sprintf("%04d.eml", n))
	if err := os.WriteFile(name, m.Raw, 0o600); err != nil {
		log.WithError(err).Error("the mail could not be written to the mail directory: it is only in memory")
	}
	return n
}

// amend changes what is kept of a mail, where it still is.
func (l *Lab) amend(number int, change func(*ReceivedMail)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := number - 1 - (l.mail.arrived - len(l.mail.mails)); i >= 0 {
		change(&l.mail.mails[i])
	}
}

// ForgetMails forgets the mails that have come, for whoever sends more of them than
// memory is for.
func (l *Lab) ForgetMails() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mail.mails = nil
}

// Mails returns every mail that reached its final dot, oldest first, at most
// the newest 5,000, but for those forgotten.
func (l *Lab) Mails() []ReceivedMail {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.mail.mails)
}

func (m *ReceivedMail) parse() {
	msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return // not a mail: Raw is all there is to show
	}
	m.Header = msg.Header
	m.MessageID = msg.Header.Get("Message-Id")
	m.Subject = msg.Header.Get("Subject")
	if s, err := new(mime.WordDecoder).DecodeHeader(m.Subject); err == nil {
		m.Subject = s
	}
	m.part(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body, 0)
}

// part reads one body, or the bodies inside it, and keeps the first of each
// kind.
func (m *ReceivedMail) part(kind, encoding string, body io.Reader, depth int) {
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		media = "text/plain"
	}
	if strings.HasPrefix(media, "multipart/") && depth < 5 {
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err != nil {
				return // the end, or no more that can be read
			}
			m.part(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, depth+1)
		}
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		text = append(text, fmt.Sprintf("\n[the rest cannot be decoded: %s]", err)...)
	}
	switch {
	case media == "text/plain" && m.Text == "":
		m.Text = string(text)
	case media == "text/html" && m.HTML == "":
		m.HTML = string(text)
	}
}
