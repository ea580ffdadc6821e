package notify

import (
	"bytes"
	"flag"
	"fmt"
	"net/mail"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"labstatus/internal/health"
)

// TestMain sets how many of a kind the properties try, enough for every day: one
// alert has hundreds of names in all of a mail's places. -rapid.checks=1000 on the
// command line tries more.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	debug.SetGCPercent(400) // with -race a quarter of the work is to collect garbage
	os.Exit(m.Run())
}

func TestDurationsAreHumane(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 900 * time.Millisecond: "0s", 45 * time.Second: "45s", time.Minute: "1m",
		200 * time.Second: "3m 20s", 59*time.Minute + 59*time.Second: "59m 59s", time.Hour + 30*time.Second: "1h",
		125 * time.Minute: "2h 5m", 24 * time.Hour: "1d", 76*time.Hour + 59*time.Minute: "3d 4h", 800 * 24 * time.Hour: "800d",
	} {
		if got := humane(d); got != want {
			t.Errorf("humane(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestCleanedTextIsOneShortLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune("ab \r\n\t\x00\u202e\u2066\u200bשم…\u0085\u2028")), 0, 200, -1),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "s")
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		got := clean(s, limit)
		inner := strings.TrimSuffix(strings.TrimPrefix(got, firstStrongIsolate), popIsolate)
		if !utf8.ValidString(got) || utf8.RuneCountInString(inner) > limit || strings.ContainsAny(inner, "\r\n\t\x00\u202e\u2066\u200b\u0085\u2028") ||
			strings.TrimSpace(inner) != inner {
			t.Fatalf("clean(%q, %d) = %q", s, limit, got)
		}
		if again := clean(inner, limit); strings.Trim(again, firstStrongIsolate+popIsolate) != inner {
			t.Fatalf("clean is not stable: %q, then %q", inner, again)
		}
	})
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	jump := func(name string) health.Issue { return issue(health.MissingJump, name, "", t0) }
	relay := issue(health.NoReports, "", "relay", t0)
	for name, c := range map[string]struct {
		a    health.Alert
		want string
	}{
		"some new, one over": {
			health.Alert{New: []health.Issue{jump("pend00"), jump("spin30")}, Current: []health.Issue{jump("pend00"), jump("spin30")},
				Resolved: []health.Resolved{over(jump("trus05"), time.Second, health.OKAgain)}},
			"[lab/status] 2 new problems, 1 ok again: pend00, spin30, trus05"},
		"more than fit": {
			health.Alert{New: manyDown(9, t0), Current: manyDown(9, t0)},
			"[lab/status] 18 new problems: pend000, pend001, pend002, pend003, pend004 …"},
		"one new problem is told whole": {
			health.Alert{New: []health.Issue{jump("pend00")}, Current: []health.Issue{jump("pend00")}},
			"[lab/status] 1 new problem: pend00 missing jump"},
		"the system": {
			health.Alert{New: []health.Issue{relay}, Current: []health.Issue{relay}},
			"[lab/status] 1 new problem: relay has no fresh reports"},
		"all over": {
			health.Alert{Resolved: []health.Resolved{over(relay, time.Second, health.ReportsResume)}},
			"[lab/status] 1 over, none left: relay"},
		"nothing new": {
			health.Alert{Current: []health.Issue{jump("pend00")}},
			"[lab/status] 1 problem: pend00"},
		"one thing done": {
			health.Alert{Acts: []health.Act{{Kind: health.ActSilence, By: "anna", Experiment: "pend00"}}, Current: []health.Issue{jump("spin30")}},
			"[lab/status] pend00 silenced by anna"},
		"something is over": {
			health.Alert{Acts: []health.Act{{Kind: health.ActUnsilence, Experiment: "pend00"}}},
			"[lab/status] silence of pend00 is over"},
		"long names push nobody out": {
			health.Alert{Acts: []health.Act{{Kind: health.ActSilence, By: strings.Repeat("a", 99), Experiment: strings.Repeat("b", 99)}}},
			"[lab/status] " + strings.Repeat("b", 23) + "… silenced by " + strings.Repeat("a", 23) + "…"},
		"several things done": {
			health.Alert{Acts: []health.Act{{Kind: health.ActAck, By: "ben", Experiment: "pend00"}, {Kind: health.ActHold, By: "ben", Experiment: "spin30"}}},
			"[lab/status] 2 notices: pend00 acknowledged by ben, spin30 off booking by ben"},
		"news comes before what was done": {
			health.Alert{New: []health.Issue{jump("spin30")}, Current: []health.Issue{jump("spin30")}, Acts: []health.Act{{Kind: health.ActUnsilence, Experiment: "spin30"}}},
			"[lab/status] 1 new problem: spin30 missing jump"},
		"a reminder": {
			health.Alert{Reminder: []health.Issue{jump("pend00"), jump("spin30"), relay}, Current: []health.Issue{jump("a"), jump("pend00"), jump("spin30"), relay}},
			"[lab/status] reminder: 3 problems: pend00, spin30, relay"},
		"a reminder of more than fit": {
			health.Alert{Reminder: manyDown(9, t0), Current: manyDown(9, t0)},
			"[lab/status] reminder: 18 problems: pend000, pend001, pend002, pend003 …"},
		"a name of exactly the room is not cut": {
			health.Alert{New: []health.Issue{jump("a"), jump(strings.Repeat("b", 24)), jump(strings.Repeat("c", 17))}, Current: []health.Issue{jump("a")}},
			"[lab/status] 3 new problems: a, " + strings.Repeat("b", 24) + ", " + strings.Repeat("c", 17)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := subject("lab/status", c.a); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestAnExperimentHasOneBearableLine(t *testing.T) {
	t.Parallel()
	var issues []health.Issue
	var ends []health.Resolved
	for n := range 1000 {
		i := issue(health.MissingRequired, "pend00", fmt.Sprintf("pend00-st-%03d", n), time.Time{})
		issues, ends = append(issues, i), append(ends, over(i, time.Duration(n)*time.Minute, health.OKAgain))
	}
	for _, lines := range [][]line{fresh(issues), endings(ends)} {
		if len(lines) != 1 || lines[0].Name != "pend00" || !strings.HasSuffix(lines[0].What, "; and 988 more") || len(lines[0].What) > 1000 {
			t.Errorf("%d lines: %+v", len(lines), lines[0])
		}
	}
	if got := current(issues[:1], nil)[0].String(); got != "pend00: missing required pend00-st-000" {
		t.Errorf("an issue whose beginning isn't known: %q", got)
	}
}

func drawAlert(t *rapid.T) health.Alert {
	name := rapid.OneOf(rapid.StringMatching(`[a-z]{4}[0-9]{2}`), rapid.String(), rapid.SampledFrom([]string{"", "\r\nBcc: x@y", "=?utf-8?q?x?=", strings.Repeat("n", 10_000), strings.Repeat("مختبر", 2000)}))
	code := rapid.SampledFrom([]health.Code{health.MissingJump, health.MissingRequired, health.UnhealthyStream, health.Flapping, health.NoReports, health.BookSilent, "new"})
	one := rapid.Custom(func(t *rapid.T) health.Issue {
		return health.Issue{Code: code.Draw(t, "code"), Experiment: name.Draw(t, "experiment"), Subject: name.Draw(t, "subject"), Since: t0.Add(-time.Duration(rapid.IntRange(-1000, 1e6).Draw(t, "since")) * time.Second)}
	})
	resolved := rapid.Custom(func(t *rapid.T) health.Resolved {
		return over(one.Draw(t, "issue"), time.Duration(rapid.Int64Range(-1, 1e15).Draw(t, "lasted")), health.OKAgain)
	})
	act := rapid.Custom(func(t *rapid.T) health.Act {
		a := health.Act{
			At: t0, By: name.Draw(t, "by"), Experiment: name.Draw(t, "experiment"), Text: name.Draw(t, "text"), Until: t0,
			Kind: rapid.SampledFrom([]health.ActKind{"silence", "unsilence", "ack", "unack", "hold", "release", "set_maintenance", "remove_maintenance", "test_mail", "new"}).Draw(t, "kind"),
		}
		if rapid.Bool().Draw(t, "with a window") {
			a.Window = &health.Window{Names: rapid.SliceOfN(name, 0, 5).Draw(t, "names"), From: t0, Until: t0}
		}
		return a
	})
	alert := health.Alert{
		At: t0, New: rapid.SliceOfN(one, 0, 30).Draw(t, "new"), Resolved: rapid.SliceOfN(resolved, 0, 30).Draw(t, "resolved"),
		Current: rapid.SliceOfN(one, 0, 300).Draw(t, "current"), Counts: health.Counts{Total: rapid.IntRange(0, 9).Draw(t, "total")},
		Acts: rapid.SliceOfN(act, 0, 100).Draw(t, "acts"), Reminder: rapid.SliceOfN(one, 0, 100).Draw(t, "reminder"), Cared: map[string]health.Care{},
	}
	for _, i := range alert.Current {
		if rapid.Bool().Draw(t, "acknowledged") {
			alert.Cared[i.Experiment] = health.Care{Ack: &health.Ack{By: name.Draw(t, "by"), Note: name.Draw(t, "note")}}
		}
	}
	return alert
}

func TestAnyAlertMakesASoundMail(t *testing.T) {
	t.Parallel()
	r := mustRenderer(t)
	headers := map[string]bool{}
	for _, h := range []string{"Auto-Submitted", "Date", "In-Reply-To", "Mime-Version", "Message-Id", "Precedence", "References", "Subject", "X-Auto-Response-Suppress", "From", "To", "Cc", "Content-Type"} {
		headers[h] = true
	}
	rapid.Check(t, func(rt *rapid.T) {
		a := drawAlert(rt)
		id := NewID("lab.example")
		m, err := r.Render(a, id)
		if err != nil {
			rt.Fatal(err)
		}
		again, err := r.Render(a, id)
		if err != nil || !reflect.DeepEqual(m, again) {
			rt.Fatalf("the same alert made another mail (%v)", err)
		}
		text, _ := mustParts(t, m)
		if len(m.Raw) > MaxBytes || !strings.HasPrefix(text, headline(a)) {
			rt.Fatalf("%d bytes, begins %.60q", len(m.Raw), text)
		}
		msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			rt.Fatal(err)
		}
		for h, values := range msg.Header {
			if !headers[h] || len(values) != 1 {
				rt.Fatalf("header %s: %q", h, values)
			}
		}
		if refs := strings.Fields(msg.Header.Get("References")); len(refs) > maxReferences {
			rt.Fatalf("%d references", len(refs))
		}
		if t.Failed() {
			rt.Fatal("mustParts found fault")
		}
	})
}

func TestAStoryThreads(t *testing.T) {
	t.Parallel()
	refs := func(a health.Alert, id string) (string, []string) {
		m, err := mustRenderer(t).Render(a, id)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			t.Fatal(err)
		}
		return msg.Header.Get("In-Reply-To"), strings.Fields(msg.Header.Get("References"))
	}
	down := issue(health.MissingJump, "pend00", "", t0)
	first, _ := refs(health.Alert{New: []health.Issue{down}}, NewID("lab.example"))
	later, all := refs(health.Alert{Resolved: []health.Resolved{over(down, time.Hour, health.OKAgain)}}, NewID("lab.example"))
	if first != "<pend00.labstatus@lab.example>" || later != first || len(all) != 1 || all[0] != first {
		t.Errorf("fault refers to %s, its end to %s %v", first, later, all)
	}
	if _, all := refs(health.Alert{New: manyDown(50, t0)}, NewID("lab.example")); len(all) != maxReferences {
		t.Errorf("%d references, want %d", len(all), maxReferences)
	}
}

func TestRendererOptions(t *testing.T) {
	t.Parallel()
	r, err := NewRenderer(Options{From: "s@lab.example", To: []string{"a@lab.example", "A <a@lab.example>"}, CC: []string{"b@lab.example", "a@lab.example"}, Host: "lab.example", Link: "see the wiki"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.RenderTest(NewID("lab.example"), t0)
	if err != nil {
		t.Fatal(err)
	}
	want := []health.Recipient{{Address: "a@lab.example", Fate: health.Queued}, {Address: "b@lab.example", Fate: health.Queued}}
	if !reflect.DeepEqual(m.Recipients, want) || m.From != "s@lab.example" {
		t.Errorf("from %s to %+v, want each once: %+v", m.From, m.Recipients, want)
	}
	if !strings.HasPrefix(m.Subject, "[lab.example] ") {
		t.Errorf("subject %q should begin with the host", m.Subject)
	}
	if text, html := mustParts(t, m); !strings.Contains(text, "see the wiki") || strings.Contains(html, "href") {
		t.Errorf("a link that is none should be shown and not followed: %s %s", text, html)
	}
	_, err = NewRenderer(Options{From: "nobody", CC: []string{"a@b\r\nBcc: c@d", "jörg@lab.example"}})
	for _, want := range []string{"From", "Cc", "no recipient", "outside ASCII"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in: %v", want, err)
		}
	}
	for _, link := range []string{"javascript:alert(1)", "javascript://alert(1)", "https://", "ftp://lab.example"} {
		if l := linkTo(link); l.URL != "" && !strings.HasPrefix(l.URL, "https://") {
			t.Errorf("link %q is followed to %q", link, l.URL)
		}
	}
}

func TestMessageIDs(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"lab.example", "", "bad host\r\n", "dot..dot", strings.Repeat("x", 300)} {
		id := NewID(host)
		if id == NewID(host) {
			t.Error("the same id twice")
		}
		if _, err := mustRenderer(t).RenderTest(id, t0); err != nil {
			t.Errorf("host %q: %v", host, err)
		}
	}
	for _, id := range []string{"", "a", "a@", "@b", "a@b>\r\nX: y", "a b@c"} {
		if _, err := mustRenderer(t).RenderTest(id, t0); err == nil {
			t.Errorf("id %q was taken", id)
		}
	}
}

func BenchmarkRender500Down(b *testing.B) {
	r, err := NewRenderer(Options{From: "s@lab.example", To: []string{"a@lab.example"}, Host: "lab.example", Link: "lab.example/status"})
	if err != nil {
		b.Fatal(err)
	}
	a := health.Alert{At: t0, New: manyDown(500, t0), Current: manyDown(500, t0), Counts: health.Counts{Total: 500, Unhealthy: 500}}
	for b.Loop() {
		if _, err := r.Render(a, fmt.Sprint("x", b.N, "@lab.example")); err != nil {
			b.Fatal(err)
		}
	}
}
