package notify

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"labstatus/internal/health"
)

// Whatever experiments and topics are called, a mail is a mail: ASCII, short
// lines, two parts that can be read, a subject of one line, and no header that a
// name has brought in.
func FuzzRender(f *testing.F) {
	f.Add("pend00", "pend00-st-video", 3, int64(60))
	f.Add("a\r\nBcc: x@y.example\r\n\r\n<script>", "=?utf-8?q?x?=\u202e", 700, int64(-5))
	f.Add("\xff\xfe", strings.Repeat("x", 70_000), 40, int64(1)<<40)
	f.Add("", ".\r\n.\r\n", 1, int64(0))
	f.Add("שלום", "\u2066\u2028 ", 2, int64(86_400))
	r, err := NewRenderer(Options{From: "Lab <status@lab.example>", To: []string{"a@lab.example"}, CC: []string{"b@lab.example"}, Link: "lab.example/status", Host: "lab.example"})
	if err != nil {
		f.Fatal(err)
	}
	at := time.Date(2026, 11, 20, 22, 10, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, name, topic string, n int, lasted int64) {
		alert := health.Alert{At: at, Counts: health.Counts{Total: n, Unhealthy: n}}
		for i := range min(max(n, 1), 800) {
			issue := health.Issue{
				Code:       []health.Code{health.MissingRequired, health.UnhealthyStream, health.MissingJump, health.Flapping, health.Code(topic)}[i%5],
				Experiment: name + string(rune('a'+i%26)), Subject: topic, Since: at.Add(-time.Duration(lasted)),
			}
			alert.New, alert.Current = append(alert.New, issue), append(alert.Current, issue)
			alert.Resolved = append(alert.Resolved, health.Resolved{Issue: issue, Until: at, Ending: health.OKAgain})
		}
		said := health.Act{At: at, Kind: health.ActSilence, By: topic, Experiment: name, Until: at, Text: name + topic}
		alert.Acts = []health.Act{said, {At: at, Kind: health.ActSetMaintenance, By: name, Text: topic, Window: &health.Window{Names: []string{topic, name}, From: at}}}
		alert.Cared = map[string]health.Care{name + "a": {Silence: &health.Silence{By: topic, Reason: name, Until: at}}}
		if lasted%2 == 0 { // a reminder has no news
			alert.New, alert.Resolved, alert.Reminder = nil, nil, alert.New
		}
		m, err := r.Render(alert, "fixed@lab.example")
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Raw) > MaxBytes || utf8.RuneCountInString(m.Subject) > maxSubject || strings.ContainsAny(m.Subject, "\r\n") {
			t.Errorf("%d bytes, subject %q", len(m.Raw), m.Subject)
		}
		for line := range bytes.SplitSeq(m.Raw, []byte("\r\n")) {
			if len(line) > 998 || bytes.ContainsAny(line, "\r\n") || bytes.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
				t.Fatalf("a line that no server has to take: %q", line)
			}
		}
		msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"Bcc", "Sender", "Reply-To"} {
			if msg.Header.Get(key) != "" {
				t.Errorf("a name has brought in %s: %q", key, msg.Header.Get(key))
			}
		}
		readParts(t, msg)
	})
}

// readParts fails where the text part doesn't hold the lists, or the HTML part a
// tag that isn't ours.
func readParts(t *testing.T, msg *mail.Message) {
	t.Helper()
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for _, want := range []string{"All current problems at ", "<html"} {
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = p
		if p.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			body = quotedprintable.NewReader(p)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(text) || !strings.Contains(string(text), want) || strings.Contains(string(text), "<script") && want == "<html" {
			t.Errorf("the part with %q reads %q", want, text)
		}
	}
}
