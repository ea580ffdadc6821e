package serve

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

var tags = regexp.MustCompile(`<[^>]*>`)

// words are a page's text as a person reads it.
func words(page string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(page, " ")), " ")
}

// The front page says what is wrong first, in plain words, before any script runs.
func TestFrontPage(t *testing.T) {
	t.Parallel()
	w := get(t, newHandler(t), "/")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %s", w.Code, w.Header())
	}
	text := words(w.Body.String())
	at := 0
	for _, next := range []string{
		"1 of 7 experiments needs you", "As of 2025-03-04 05:06:07 UTC",
		"jump has no fresh reports", "Not ready: jump has no fresh reports", "Settings: STATUS_EMAIL_TO is not set",
		"jump silent last frame", "relay settling last frame", "9 connections",
		"book not answering for", "timeout (1 change not confirmed yet)",
		"mail not delivered for", "deliveries: 40 made, 2 queued, 1 failed: 451 try later",
		"store can&#39;t be written", "disk full (3 writes waiting)",
		"2 unhealthy", "1 flapping", "1 unknown", "1 starting", "2 healthy",
		"Needs you 1", "zeta flapping for", "flapping for", "can be booked",
		"Cared for: acknowledged, silenced or in maintenance 2", "pend01 unhealthy for", "missing jump for", "missing required pend01-st-video for",
		"closed for booking, being closed", "Acknowledged by anna : on my way",
		"Not known at the moment 1", "trus05 unknown, was not well",
		"Starting: not judged yet 1", "spin30 starting, booking not read",
		"Well 2", "pend00 healthy", "pend02 healthy, silenced, held",
		"v1.2.3",
	} {
		i := strings.Index(text[at:], next)
		if i < 0 {
			t.Fatalf("%q is not there, or not in its place, in\n%s", next, text)
		}
		at += i
	}
}

// Ten thousand experiments are not sent with the page: what is wrong is, and the
// script fetches the rest.
func TestFrontPageStaysSmall(t *testing.T) {
	t.Parallel()
	snap := bigSnapshot(10_000, 1)
	for i, r := range snap.Experiments {
		if i%10 == 0 {
			r.State = health.StateUnhealthy
		}
	}
	snap.Counts = health.Counts{Total: 10_000, Unhealthy: 1000, Healthy: 9000}
	page := get(t, newHandler(t, func(o *Options) { o.Snapshot = func() *health.Snapshot { return snap } }), "/").Body.String()
	text := words(page)
	if !strings.Contains(text, "1,000 of 10,000 experiments need you") || !strings.Contains(text, "more; search for them") {
		t.Errorf("the page says %.500s", text)
	}
	if cards := strings.Count(page, "<article"); cards != mostProblems {
		t.Errorf("%d problems are told, want %d", cards, mostProblems)
	}
	if len(page) > 300<<10 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

func TestFrontPageFilters(t *testing.T) {
	t.Parallel()
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
	if marked := words(get(t, h, "/?mark=silenced").Body.String()); !strings.Contains(marked, "pend02") || strings.Contains(marked, "pend00") {
		t.Errorf("of the silenced: %s", marked)
	}
	if !strings.Contains(words(get(t, h, "/?q=no-such-thing").Body.String()), "No experiment fits") {
		t.Error("nothing is said of an empty result")
	}
}

func TestExperimentPage(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	text := words(get(t, h, "/experiment?name=pend01").Body.String())
	for _, want := range []string{
		"pend01 unhealthy for", "It is not well, and somebody knows", "Acknowledged by anna", "missing required pend01-st-video for",
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

// The other pages tell what can be told without script, and where the rest is.
func TestOtherPages(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for target, says := range map[string]string{
		"/events":      "2025-03-04 05:07:07 pend01 unhealthy missing required pend01-st-video",
		"/system":      "Version v1.2.3, started 2025-03-04 04:06:07 UTC",
		"/mails":       "This page needs script",
		"/maintenance": "This page needs script",
		"/board":       "This page needs script",
	} {
		w := get(t, h, target)
		if text := words(w.Body.String()); w.Code != 200 || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s", target, w.Code, text)
		}
		if !strings.Contains(w.Body.String(), ` aria-current="page"`) {
			t.Errorf("%s doesn't say where one is", target)
		}
	}
	failing := newHandler(t, func(o *Options) {
		o.FindEvents = func(context.Context, EventQuery) ([]health.Event, string, error) {
			return nil, "", errors.New("disk gone")
		}
	})
	if w := get(t, failing, "/events"); w.Code != 200 || !strings.Contains(words(w.Body.String()), "Events can't be read") {
		t.Errorf("without its events: %d", w.Code)
	}
}

// Where reading takes a token, a page comes to everybody, with nothing in it; a
// token that is sent has to be right.
func TestClosedPages(t *testing.T) {
	t.Parallel()
	log, _ := test.NewNullLogger()
	auth, err := NewAuth(testSecret, testAudience, log)
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, func(o *Options) { o.ReadAuth = auth })
	for _, target := range []string{"/", "/?q=pend", "/experiment?name=pend01", "/experiment?name=nobody", "/events", "/mails", "/system", "/maintenance", "/board"} {
		w := get(t, h, target)
		if page := w.Body.String(); w.Code != 200 || !strings.Contains(words(page), "Reading this server takes a token") || strings.Contains(page, "pend") || strings.Contains(page, "v1.2.3") {
			t.Errorf("%s without a token: %d %s", target, w.Code, words(page))
		}
		if vary := w.Header().Values("Vary"); !slices.Contains(vary, "Authorization") {
			t.Errorf("%s: caches aren't told, Vary is %q", target, vary)
		}
		if w := get(t, h, target, "Authorization", "Bearer rubbish"); w.Code != 401 {
			t.Errorf("%s with a wrong token: %d", target, w.Code)
		}
		if w := get(t, h, target, "Authorization", "Bearer "+mint(t, ScopeRead)); w.Code == 401 || strings.Contains(w.Body.String(), "takes a token") {
			t.Errorf("%s with a good token: %d", target, w.Code)
		}
	}
	if w := get(t, h, "/overview.json"); w.Code != 401 {
		t.Errorf("the overview's list: %d", w.Code)
	}
	if auth.Refused() != 10 {
		t.Errorf("%d refusals: one without a token is none", auth.Refused())
	}
}

// Whatever an experiment calls itself stays text, on a page that runs nothing of
// others and works under any address.
func TestPagesAreSafe(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for _, target := range []string{
		"/", "/events", "/mails", "/system", "/maintenance", "/board", "/?q=" + url.QueryEscape(hostile) + "&state=" + url.QueryEscape(hostile),
		"/experiment?name=" + url.QueryEscape(hostile), "/experiment?name=pend00", "/experiment?name=" + url.QueryEscape(hostile+"!"),
	} {
		w := get(t, h, target)
		page := w.Body.String()
		for _, bad := range []string{"<script>", "<script src", "<img", "onerror=alert(2)>'", "style=", "javascript:", "onclick"} {
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
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "require-trusted-types-for 'script'") {
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
