package notify

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"net/mail"
	"os"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"

	"labstatus/internal/health"
)

//go:embed templates
var templates embed.FS

var (
	textTemplates = texttemplate.Must(texttemplate.ParseFS(templates, "templates/*.txt"))
	htmlTemplates = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/*.html"))
)

// MaxBytes is the most that a rendered message may measure, as sent.
const MaxBytes = 60_000

// Where a mail would outgrow MaxBytes, its lists of news keep this many lines at
// most while the plain list of what is wrong now takes what it needs.
const newsLines = 40

// Options say whom mails come from and go to, and how they present themselves.
type Options struct {
	From string   // "lab@example.org" or "Lab <lab@example.org>"
	To   []string // at least one, in the same forms
	CC   []string
	// Subject names the lab in brackets before each subject; Host when empty.
	Subject string
	// Link leads to the status page; https:// is added where it has no scheme.
	Link string
	// Host is the domain of message ids that experiments' stories thread by, so
	// it should stay the same. This machine's name when empty.
	Host string
}

// Renderer makes mails. It is safe for concurrent use.
type Renderer struct {
	from       *mail.Address
	to, cc     []*mail.Address
	recipients []health.Recipient
	prefix     string
	host       string
	link       pageLink
}

// NewRenderer checks the options and reports every fault in them.
func NewRenderer(o Options) (*Renderer, error) {
	r := &Renderer{host: domain(o.Host)}
	var errs []error
	parse := func(field, s string) *mail.Address {
		a, err := mail.ParseAddress(s)
		if err == nil && !isASCII(a.Address) {
			err = errors.New("it has letters outside ASCII, write its domain in the xn-- form")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("parse mail address %q of %s: %w", s, field, err))
			return nil
		}
		return a
	}
	r.from = parse("From", o.From)
	for _, l := range []struct {
		field string
		in    []string
		out   *[]*mail.Address
	}{{"To", o.To, &r.to}, {"Cc", o.CC, &r.cc}} {
		for _, s := range l.in {
			a := parse(l.field, s)
			if a == nil || slices.ContainsFunc(r.recipients, func(x health.Recipient) bool { return x.Address == a.Address }) {
				continue // named twice, told once
			}
			*l.out = append(*l.out, a)
			r.recipients = append(r.recipients, health.Recipient{Address: a.Address, Fate: health.Queued})
		}
	}
	if len(o.To) == 0 {
		errs = append(errs, errors.New("no recipient: To is empty"))
	}
	r.prefix = clean(o.Subject, maxPrefix)
	if r.prefix == "" {
		r.prefix = clean(r.host, maxPrefix)
	}
	r.link = linkTo(o.Link)
	return r, errors.Join(errs...)
}

// Render makes the mail that tells an alert. The id, from [NewID], becomes its
// Message-ID. Nothing but the arguments and the options shows in the result.
func (r *Renderer) Render(a health.Alert, id string) (health.Mail, error) {
	fresh, over, still := fresh(a.New), endings(a.Resolved), stillWrong(a.Reminder, a.At)
	current, done := current(a.Current, a.Cared), notices(a.Acts)
	v := view{At: stamp(a.At), Headline: headline(a), Lab: laboratory(a.Counts), pageLink: r.link}
	m := message{
		id: id, at: a.At, subject: subject(r.prefix, a),
		references: r.roots(a), name: "alert",
	}
	var linked bool
	build := func(news, now int) ([]byte, error) {
		section := func(lines []line, most int) list {
			if linked {
				lines = r.link.experiments(lines)
			}
			return capped(lines, most, r.link)
		}
		v.New, v.Over, v.Reminder = section(fresh, news).alone(), section(over, news), section(still, news).alone()
		v.Current, v.Acts = section(current, now), section(done, news)
		m.data = v
		return r.build(m)
	}
	// Even a thousand lines can't fit, so nothing is lost by not trying more.
	news, now := min(max(len(fresh), len(over), len(still), len(done)), 1000), min(len(current), 1000)
	linked = max(news, now) <= mostLinks
	raw, err := build(news, now)
	if err == nil && len(raw) > MaxBytes && linked { // whole lists are worth more than links
		linked = false
		raw, err = build(news, now)
	}
	if err == nil && len(raw) > MaxBytes {
		// What is wrong now has the first claim on the room, the news on the rest.
		few := min(news, newsLines)
		now, _, err = fitting(now, func(n int) ([]byte, error) { return build(few, n) })
		if err == nil {
			_, raw, err = fitting(news, func(n int) ([]byte, error) { return build(n, now) })
		}
	}
	if err != nil {
		return health.Mail{}, fmt.Errorf("render mail %s: %w", id, err)
	}
	return r.mail(m, raw), nil
}

// fitting finds how many lines make a message of at most MaxBytes, and makes it.
// Lines are of much the same length, so that two sizes tell nearly where; the rest
// is a few steps down.
func fitting(most int, build func(n int) ([]byte, error)) (lines int, raw []byte, err error) {
	empty, err := build(0)
	if err != nil || most == 0 {
		return 0, empty, err
	}
	full, err := build(most)
	if err != nil || len(full) <= MaxBytes {
		return most, full, err
	}
	n := max(0, most*(MaxBytes-len(empty))/max(len(full)-len(empty), 1))
	for n > 0 {
		raw, err := build(n)
		if err != nil || len(raw) <= MaxBytes {
			return n, raw, err
		}
		n -= 1 + n/50
	}
	return 0, empty, nil
}

// RenderTest makes the mail that `status mail-test` sends.
func (r *Renderer) RenderTest(id string, at time.Time) (health.Mail, error) {
	m := message{
		id: id, at: at, subject: titled(r.prefix, "test mail, nothing is wrong", nil),
		name: "test", data: view{At: stamp(at), Lab: r.prefix, pageLink: r.link},
	}
	raw, err := r.build(m)
	if err != nil {
		return health.Mail{}, fmt.Errorf("render test mail %s: %w", id, err)
	}
	return r.mail(m, raw), nil
}

func (r *Renderer) mail(m message, raw []byte) health.Mail {
	return health.Mail{
		ID: m.id, At: m.at, From: r.from.Address, Subject: m.subject, Raw: raw,
		Recipients: slices.Clone(r.recipients),
	}
}

// domain is host in a form that message ids accept, or this machine's name.
func domain(host string) string {
	if host == "" {
		// The error adds nothing: without a name there is a stand-in below.
		host, _ = os.Hostname()
	}
	if host = dotAtom(host); host == "" {
		return "status.invalid"
	}
	return host
}

// dotAtom gives s back where it may stand in a message id, and nothing where
// not (RFC 5322, 3.2.3; narrowed to what every mail reader takes).
func dotAtom(s string) string {
	if s == "" || len(s) > 64 || strings.Contains(s, "..") || strings.Trim(s, ".") != s {
		return ""
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return ""
		}
	}
	return s
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' })
}
