package notify

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"labstatus/internal/health"
)

var rewrite = flag.Bool("rewrite", false, "write the golden mails of testdata anew")

var t0 = time.Date(2026, 11, 20, 22, 10, 5, 0, time.UTC)

func mustRenderer(t *testing.T) *Renderer {
	t.Helper()
	r, err := NewRenderer(Options{
		From: "Lab Status <status@lab.example>", To: []string{"ann@lab.example", "Bob Ünal <bob@lab.example>"},
		CC: []string{"carol@lab.example"}, Subject: "app.practable.io/tenant",
		Link: "app.practable.io/tenant/status", Host: "lab.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func issue(code health.Code, experiment, subject string, since time.Time) health.Issue {
	return health.Issue{Code: code, Experiment: experiment, Subject: subject, Since: since}
}

func over(i health.Issue, lasted time.Duration, e health.Ending) health.Resolved {
	return health.Resolved{Issue: i, Until: i.Since.Add(lasted), Ending: e}
}

func manyDown(n int, since time.Time) []health.Issue {
	var all []health.Issue
	for i := range n {
		name := fmt.Sprintf("pend%03d", i)
		all = append(all, issue(health.MissingRequired, name, name+"-st-data", since),
			issue(health.MissingRequired, name, name+"-st-video", since))
	}
	return all
}

func manyBack(n int) []health.Resolved {
	var all []health.Resolved
	for k, i := range manyDown(n, t0.Add(-3*time.Hour)) {
		all = append(all, over(i, 2*time.Hour+time.Duration(k)*time.Second, health.OKAgain))
	}
	return all
}

// hostile is what somebody could call an experiment or a stream.
var hostile = []health.Issue{
	issue(health.MissingJump, "<script>alert(1)</script>", "", t0),
	issue(health.MissingRequired, "a\r\nBcc: all@lab.example\r\n\r\nb", "a\r\nX-Evil: 1\x00\x1b[31m", t0),
	issue(health.MissingJump, "=?utf-8?q?fake?=", "", t0),
	issue(health.MissingJump, "\u202eevil\u200b\u2066", "", t0),
	issue(health.MissingRequired, "مختبر", "مختبر-st-video", t0),
	issue(health.MissingJump, "\u200b\u200b", "", t0),
	issue(health.UnhealthyStream, strings.Repeat("long", 2560), strings.Repeat("é", 5000), t0),
	issue(health.UnhealthyStream, "bad\xff\xfeutf8", "{{.}} %s &amp; \"quoted\" 'x' javascript:alert(1)", t0),
	issue("brand_new_code\r\n", "pend00", "x", t0),
	issue(health.MissingJump, ".", "", t0),
	issue(health.MissingJump, "From here", "", t0),
}

// hostileActs are what somebody with an account could say.
var hostileActs = []health.Act{
	{At: t0, Kind: health.ActSilence, By: "<script>alert(1)</script>", Experiment: "=?utf-8?q?fake?=", Until: t0, Text: "a\r\nBcc: all@lab.example\r\n\r\n<b>b"},
	{At: t0, Kind: health.ActAck, By: "\u200b", Experiment: "\u200b", Text: "\u202eevil\x00"},
	{At: t0, Kind: health.ActHold, By: strings.Repeat("long", 2560), Experiment: strings.Repeat("name", 2560), Text: strings.Repeat("é", 5000)},
	{At: t0, Kind: health.ActRelease, By: "bad\xff\xfe", Experiment: "مختبر"},
	{At: t0, Kind: "brand_new\r\n", By: "ann", Experiment: "ann"},
	{At: t0, Kind: health.ActUnack, Experiment: "x?name=y&z=\"><i>", Text: "javascript:alert(1)"},
	{At: t0, Kind: health.ActSetMaintenance, By: "anna", Text: "{{.}} %s", Window: &health.Window{
		Names: []string{"</li>", "a\nb", strings.Repeat("*", 256), "d", "e"}, From: t0, Until: t0,
	}},
	{At: t0, Kind: health.ActRemoveMaintenance, By: "anna", Window: &health.Window{
		Weekly: &health.Weekly{Days: []string{"mon\r\n", strings.Repeat("x", 500)}, Start: strings.Repeat("0", 500), Zone: "<Zone>"},
	}},
	{At: t0, Kind: health.ActSetMaintenance, By: "anna"},
}

// goldens are the alerts whose mails are kept in testdata, by the name of their
// files.
func goldens() map[string]health.Alert {
	video := issue(health.MissingRequired, "pend00", "pend00-st-video", t0.Add(-time.Second))
	jump := issue(health.MissingJump, "spin30", "", t0.Add(-25*time.Hour))
	relay := issue(health.NoReports, "", "relay", t0.Add(-30*time.Second))
	book := issue(health.BookSilent, "", "book", t0.Add(-30*time.Second))
	flap := issue(health.Flapping, "pend00", "", t0)
	return map[string]health.Alert{
		"one-problem": {At: t0, New: []health.Issue{video}, Current: []health.Issue{video},
			Counts: health.Counts{Total: 60, Healthy: 59, Unhealthy: 1}},
		"several": {At: t0,
			New: []health.Issue{
				issue(health.MissingJump, "pend00", "", t0), issue(health.MissingRequired, "pend00", "pend00-st-data", t0),
				video, issue(health.UnhealthyStream, "spin31", "spin31-st-data", t0),
			},
			Resolved: []health.Resolved{over(issue(health.MissingJump, "trus05", "", t0.Add(-time.Hour)), 200*time.Second, health.NotWatched)},
			Current: []health.Issue{
				issue(health.MissingJump, "pend00", "", t0), issue(health.MissingRequired, "pend00", "pend00-st-data", t0),
				video, jump, issue(health.UnhealthyStream, "spin31", "spin31-st-data", t0),
			},
			Counts: health.Counts{Total: 60, Healthy: 55, Unhealthy: 3, Starting: 1, Unknown: 1}},
		"recoveries": {At: t0, Resolved: []health.Resolved{
			over(video, 200*time.Second, health.OKAgain), over(jump, 76*time.Hour, health.OKAgain),
		}, Counts: health.Counts{Total: 60, Healthy: 60}},
		"system-lost": {At: t0, New: []health.Issue{book, relay}, Current: []health.Issue{book, relay, jump},
			Counts: health.Counts{Total: 60, Unknown: 60}},
		"system-returned": {At: t0.Add(time.Hour), Resolved: []health.Resolved{
			over(book, 5*time.Minute, health.OKAgain), over(relay, time.Hour, health.ReportsResume),
		}, Current: []health.Issue{jump}, Counts: health.Counts{Total: 60, Healthy: 59, Unhealthy: 1}},
		"flapping-begins": {At: t0, New: []health.Issue{flap}, Current: []health.Issue{flap},
			Counts: health.Counts{Total: 60, Healthy: 59, Flapping: 1}},
		"flapping-ends": {At: t0.Add(time.Hour), New: []health.Issue{video},
			Resolved: []health.Resolved{over(flap, time.Hour, health.Steady)}, Current: []health.Issue{video},
			Counts: health.Counts{Total: 60, Healthy: 59, Unhealthy: 1}},
		"500-down": {At: t0, New: manyDown(500, t0), Current: manyDown(500, t0),
			Counts: health.Counts{Total: 500, Unhealthy: 500}},
		"500-back": {At: t0, Resolved: manyBack(500), Counts: health.Counts{Total: 500, Healthy: 500}},
		"silenced": {At: t0, Current: []health.Issue{jump}, Counts: health.Counts{Total: 60, Healthy: 59, Unhealthy: 1},
			Acts:  []health.Act{{At: t0, Kind: health.ActSilence, By: "anna", Experiment: "spin30", Until: t0.Add(2 * time.Hour), Text: "rewiring"}},
			Cared: map[string]health.Care{"spin30": {Silence: &health.Silence{By: "anna", Until: t0.Add(2 * time.Hour), Reason: "rewiring"}}}},
		"acts-and-news": {At: t0, New: []health.Issue{video}, Current: []health.Issue{video, jump}, Counts: health.Counts{Total: 60, Healthy: 58, Unhealthy: 2},
			Acts: []health.Act{
				{At: t0.Add(-time.Minute), Kind: health.ActAck, By: "anna", Experiment: "spin30", Text: "cable ordered"},
				{At: t0, Kind: health.ActUnsilence, Experiment: "pend00", Text: "rewiring"},
				{At: t0, Kind: health.ActHold, By: "ben", Experiment: "trus05", Text: "<b>loose</b>\r\nBcc: x@y.example"},
			},
			Cared: map[string]health.Care{"spin30": {Ack: &health.Ack{At: t0.Add(-time.Minute), By: "anna", Note: "cable ordered"}}}},
		"notices": {At: t0, Counts: health.Counts{Total: 60, Healthy: 60}, Acts: []health.Act{
			{At: t0, Kind: health.ActHold, By: "ben", Experiment: "trus05", Text: "loose"},
			{At: t0, Kind: health.ActRelease, By: "ben", Experiment: "trus04"},
		}},
		"reminder": {At: t0.Add(4 * time.Hour), Reminder: []health.Issue{video}, Current: []health.Issue{video, jump}, Counts: health.Counts{Total: 60, Healthy: 58, Unhealthy: 2},
			Cared: map[string]health.Care{"spin30": {Ack: &health.Ack{At: t0, By: "anna"}}}},
		"maintenance": {At: t0, Counts: health.Counts{Total: 60, Healthy: 60}, Acts: []health.Act{{
			At: t0, Kind: health.ActSetMaintenance, By: "anna", Text: "lectures", Window: &health.Window{
				ID: "w1", Names: []string{"pend*", "spin30"}, Reason: "lectures", By: "anna", Bookings: health.BookingsClose, From: t0,
				Weekly: &health.Weekly{Days: []string{"mon", "wed"}, Start: "08:00", End: "12:30", Zone: "Europe/London"},
			},
		}}},
		"silence-ends": {At: t0, New: []health.Issue{video}, Resolved: []health.Resolved{over(jump, 25*time.Hour, health.OKAgain)},
			Current: []health.Issue{video}, Counts: health.Counts{Total: 60, Healthy: 59, Unhealthy: 1},
			Acts: []health.Act{{At: t0, Kind: health.ActUnsilence, Experiment: "spin30", Until: t0, Text: "rewiring"}}},
		"500-reminded": {At: t0.Add(4 * time.Hour), Reminder: manyDown(500, t0), Current: manyDown(500, t0), Counts: health.Counts{Total: 500, Unhealthy: 500}},
		"hostile-acts": {At: t0, Acts: hostileActs, Current: []health.Issue{video}, Counts: health.Counts{Total: 60, Healthy: 59, Unhealthy: 1},
			Cared: map[string]health.Care{"pend00": {
				Ack:         &health.Ack{By: "\x00", Note: "<img src=x>\r\n"},
				Silence:     &health.Silence{By: strings.Repeat("b", 5000), Reason: strings.Repeat("é", 5000), Until: t0},
				Maintenance: &health.Maintenance{By: "\u202eben", Reason: "</li>", Until: t0},
			}}},
		"hostile": {At: t0, New: hostile, Current: hostile, Counts: health.Counts{Total: 9, Unhealthy: 9}},
	}
}

func TestMailsAreAsTheGoldensShow(t *testing.T) {
	t.Parallel()
	for name, a := range goldens() {
		t.Run(name, func(t *testing.T) {
			m, err := mustRenderer(t).Render(a, "abc123@lab.example")
			if err != nil {
				t.Fatal(err)
			}
			text, html := mustParts(t, m)
			compare(t, name+".txt", "Subject: "+m.Subject+"\n\n"+text)
			compare(t, name+".html", html)
			if name == "several" || name == "hostile" || name == "hostile-acts" {
				compare(t, name+".eml", strings.ReplaceAll(string(m.Raw), "\r\n", "\n"))
			}
			if len(m.Raw) > MaxBytes {
				t.Errorf("%d bytes, want at most %d", len(m.Raw), MaxBytes)
			}
		})
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("%s differs; if that is meant, run with -rewrite. Got:\n%s", path, got)
	}
}

// mustParts checks that a message is what any mail reader takes, and gives its
// two parts.
func mustParts(t testing.TB, m health.Mail) (text, html string) {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil || subject != m.Subject {
		t.Fatalf("subject reads %q (%v), want %q", subject, err, m.Subject)
	}
	if n := utf8.RuneCountInString(subject); n > maxSubject {
		t.Errorf("subject has %d runes: %q", n, subject)
	}
	for line := range bytes.SplitSeq(m.Raw, []byte("\r\n")) {
		if len(line) > 120 || !printable(line) {
			t.Errorf("line is not short ASCII: %q", line)
		}
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	read := func(kind string) string {
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Header.Get("Content-Type"); got != kind+"; charset=UTF-8" {
			t.Errorf("part is %q, want %s", got, kind)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(b) {
			t.Errorf("%s is not UTF-8", kind)
		}
		return strings.ReplaceAll(string(b), "\r\n", "\n")
	}
	text, html = read("text/plain"), read("text/html")
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("more than two parts: %v", err)
	}
	return text, html
}

// printable says that a line is ASCII that can be seen, blanks and tabs included.
func printable(line []byte) bool {
	for _, c := range line {
		if c > '~' || c < ' ' && c != '\t' {
			return false
		}
	}
	return true
}

func TestTheTestMail(t *testing.T) {
	t.Parallel()
	m, err := mustRenderer(t).RenderTest("abc123@lab.example", t0)
	if err != nil {
		t.Fatal(err)
	}
	text, html := mustParts(t, m)
	compare(t, "test-mail.txt", "Subject: "+m.Subject+"\n\n"+text)
	compare(t, "test-mail.html", html)
}
