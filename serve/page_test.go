package serve

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
)

var tags = regexp.MustCompile(`<[^>]*>`)

// words are a page's text as a person reads it.
func words(page string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(page, " ")), " ")
}

// The front page says what is wrong first, in plain words.
func TestFrontPage(t *testing.T) {
	w := get(t, newHandler(t), "/")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %s", w.Code, w.Header())
	}
	text := words(w.Body.String())
	at := 0
	for _, next := range []string{
		"3 of 7 experiments need you", "As of 2025-03-04 05:06:07 UTC",
		"jump has no fresh reports", "Not ready: jump has no fresh reports",
		"jump silent last frame", "relay settling last frame", "9 connections",
		"book not answering for", "timeout (1 change not confirmed yet)",
		"mail not delivered for", "deliveries: 40 made, 2 queued, 1 failed: 451 try later",
		"store can&#39;t be written", "disk full (3 writes waiting)", "Settings: STATUS_EMAIL_TO is not set",
		"pend01 unhealthy for", "missing jump for", "missing required pend01-st-video for", "closed for booking, being closed",
		"zeta flapping for", "can be booked",
		"trus05 unknown was not well", "spin30 starting booking not read", "pend00 healthy", "pend02 healthy held",
		"v1.2.3",
	} {
		i := strings.Index(text[at:], next)
		if i < 0 {
			t.Fatalf("%q is not there, or not in its place, in\n%s", next, text)
		}
		at += i
	}
}

func TestHeadlines(t *testing.T) {
	for want, c := range map[string]health.Counts{
		"No experiments are known yet":                          {},
		"1 of 1 experiment needs you":                           {Total: 1, Unhealthy: 1},
		"1 of 96 experiments needs you":                         {Total: 96, Flapping: 1, Healthy: 95},
		"2 of 96 experiments need you":                          {Total: 96, Flapping: 1, Unhealthy: 1, Unknown: 94},
		"All 96 experiments are well":                           {Total: 96, Healthy: 96},
		"The one experiment is well":                            {Total: 1, Healthy: 1},
		"How the 96 experiments are is not known at the moment": {Total: 96, Unknown: 96},
		"Starting: 96 experiments not judged yet":               {Total: 96, Starting: 96},
		"90 of 96 experiments well, 4 not known, 2 starting":    {Total: 96, Healthy: 90, Unknown: 4, Starting: 2},
	} {
		if got, _ := headline(&health.Snapshot{At: t0, Counts: c}); got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
	if got, tone := headline(&health.Snapshot{}); tone != "unsure" || !strings.Contains(got, "Nothing is known yet") {
		t.Errorf("before anything is known: %q, %s", got, tone)
	}
}

// Filters in the address work without a script.
func TestFrontPageFilters(t *testing.T) {
	h := newHandler(t)
	page := get(t, h, "/?state=healthy&q=pend").Body.String()
	for name, want := range map[string]bool{"pend00": true, "pend01": false, "pend02": true, "trus05": false} {
		if got := strings.Contains(page, "experiment?name="+name+`"`); got != want {
			t.Errorf("%s shown: %v", name, got)
		}
	}
	if !strings.Contains(page, `value="pend"`) || !strings.Contains(page, `<a href="?state=healthy&amp;q=pend" aria-current="true">`) {
		t.Error("the page doesn't show its filter")
	}
	if !strings.Contains(words(get(t, h, "/?q=no-such-thing").Body.String()), "No experiment fits") {
		t.Error("nothing is said of an empty result")
	}
}

func TestExperimentPage(t *testing.T) {
	h := newHandler(t)
	text := words(get(t, h, "/experiment?name=pend01").Body.String())
	for _, want := range []string{
		"pend01 unhealthy for", "It needs you", "missing required pend01-st-video for",
		"pend01-st-video required missing", "not connected", "Jump missing not connected",
		"r-pend01 closed for booking, being closed", "2025-03-04 05:07:07 unhealthy missing required pend01-st-video", "raw report",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if !strings.Contains(words(get(t, h, "/experiment?name=pend00").Body.String()), "1 messages/s of 42 bytes") {
		t.Error("no figures")
	}
	if text := words(get(t, h, "/experiment?name=trus05").Body.String()); !strings.Contains(text, "it was not well when last known") ||
		strings.Contains(text, "messages/s") || !strings.Contains(text, "unknown was ok") || !strings.Contains(text, "no statistics are given") {
		t.Errorf("of one that isn't known:\n%s", text)
	}
	if text := words(get(t, h, "/experiment?name=spin30").Body.String()); !strings.Contains(text, "not judged yet") || !strings.Contains(text, "never seen") ||
		!strings.Contains(text, "booking not read yet") {
		t.Errorf("of one that starts:\n%s", text)
	}
	w := get(t, h, "/experiment?name="+url.QueryEscape("<nobody>"))
	if w.Code != 404 || !strings.Contains(w.Body.String(), "&lt;nobody&gt;") || !strings.Contains(w.Header().Get("Content-Type"), "html") {
		t.Errorf("of nobody: %d %s", w.Code, w.Body)
	}
	failing := newHandler(t, func(o *Options) {
		o.Events = func(context.Context, string) ([]health.Event, error) { return nil, errors.New("disk gone") }
	})
	if w := get(t, failing, "/experiment?name=pend00"); w.Code != 200 || !strings.Contains(words(w.Body.String()), "Events can't be read") {
		t.Errorf("without its events: %d", w.Code)
	}
	many := newHandler(t, func(o *Options) {
		o.Events = func(_ context.Context, name string) ([]health.Event, error) {
			var all []health.Event
			for range mostEventsShown {
				all = append(all, labEvents(name)...)
			}
			return all, nil
		}
	})
	if text := words(get(t, many, "/experiment?name=pend00").Body.String()); !strings.Contains(text, "and 50 older") || strings.Count(text, "2025-03-04 05:06:07 healthy") != 0 {
		t.Error("the oldest events are shown, or the newest are not")
	}
}

// Whatever an experiment calls itself stays text, on a page that runs nothing of
// others and works under any address.
func TestPagesAreSafe(t *testing.T) {
	h := newHandler(t)
	for _, target := range []string{
		"/", "/?q=" + url.QueryEscape(hostile) + "&state=" + url.QueryEscape(hostile),
		"/experiment?name=" + url.QueryEscape(hostile), "/experiment?name=pend00", "/experiment?name=" + url.QueryEscape(hostile+"!"),
	} {
		w := get(t, h, target)
		page := w.Body.String()
		for _, bad := range []string{"<script>", "<img", "onerror=alert(2)>'", "style=", "javascript:", "onclick"} {
			if strings.Contains(strings.ToLower(page), bad) {
				t.Errorf("%s holds %s", target, bad)
			}
		}
		for _, link := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			if u, err := url.Parse(strings.ReplaceAll(link[1], "&amp;", "&")); err != nil || (u.IsAbs() || strings.HasPrefix(link[1], "/")) && link[1] != "https://lab.example/status/" {
				t.Errorf("%s: the link %q is not relative: %v", target, link[1], err)
			}
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("policy %q", policy)
		}
		for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Access-Control-Allow-Origin": ""} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %q", header, got)
			}
		}
	}
	link := `api/v1/experiments/` + url.PathEscape(hostile)
	page := get(t, h, "/experiment?name="+url.QueryEscape(hostile)).Body.String()
	found := regexp.MustCompile(`href="(api/v1/experiments/[^"]*)">raw report`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no link like %s", link)
	}
	if w := get(t, h, "/"+strings.ReplaceAll(found[1], "&#39;", "'")); w.Code != 200 {
		t.Errorf("the raw report's link %s leads to %d", found[1], w.Code)
	}
}

func TestAssets(t *testing.T) {
	h := newHandler(t)
	for target, contentType := range map[string]string{"/status.css": "text/css; charset=utf-8", "/status.js": "text/javascript; charset=utf-8", "/status.svg": "image/svg+xml"} {
		w := get(t, h, target)
		if w.Code != 200 || w.Header().Get("Content-Type") != contentType || w.Header().Get("ETag") == "" {
			t.Errorf("%s: %d %v", target, w.Code, w.Header())
		}
	}
	if w := get(t, h, "/page/front.html"); w.Code != 404 {
		t.Errorf("a template is served: %d", w.Code)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0 s", 0: "0 s", 59900 * time.Millisecond: "59 s", time.Minute: "1 min", 61 * time.Minute: "1 h 1 min",
		2 * time.Hour: "2 h", 10*time.Hour + 30*time.Minute: "10 h 30 min", 24 * time.Hour: "1 d", 50 * time.Hour: "2 d 2 h", 240 * time.Hour: "10 d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestBookingLine(t *testing.T) {
	two := func(change func(a, b *health.ResourceReport)) *health.Report {
		a, b := health.ResourceReport{Name: "r-a", Known: true, Available: true}, health.ResourceReport{Name: "r-b", Known: true, Available: true}
		change(&a, &b)
		return &health.Report{Resources: []health.ResourceReport{a, b}}
	}
	for want, r := range map[string]*health.Report{
		"not in the booking system": {},
		"can be booked":             two(func(_, _ *health.ResourceReport) {}),
		"r-a: can be booked; r-b: closed for booking, being opened": two(func(_, b *health.ResourceReport) { b.Available, b.Wanted = false, health.Open }),
		"r-a: booking not read yet; r-b: can be booked":             two(func(a, _ *health.ResourceReport) { a.Known = false }),
		"r-a: held off booking by a person; r-b: can be booked":     two(func(a, _ *health.ResourceReport) { a.Held, a.Available = true, false }),
	} {
		if got := bookingLine(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	partly := bookingOf(two(func(a, _ *health.ResourceReport) { a.Known = false }))
	if partly.known || !partly.available {
		t.Errorf("one of two known and available: %+v", partly)
	}
}
