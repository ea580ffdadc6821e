package browsertest

import (
	"fmt"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/serve"
)

// A page that has lost its server says since when, and goes on by itself with what
// it has missed.
func TestLostServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.forgive("502", "net::ERR_", "network error")
	tb.visit("")
	tb.until("there is no banner", `document.querySelector("#lost").hidden`)
	w.lose(true)
	w.cut()
	tb.shows("#lost", "No word from the server since")
	tb.shows("#lost", "What you see is as of then; this page goes on by itself when the server is back.")
	tb.shows("#live", "not connected")
	tb.shows("#need .card", "pend31")
	w.alter("pend00", func(r *health.Report) { *r = *unwell("pend00", time.Now(), 0) })
	w.lose(false)
	tb.clickUnless(`document.querySelector("#lost").hidden`, "#lost button") // it looks for its server by itself, too
	tb.shows("#live", "live")
	tb.until("the banner is gone", `document.querySelector("#lost").hidden`)
	tb.shows("#need .card", "pend00")
	if n := len(w.asked("overview.json")); n > 2 {
		t.Errorf("what was missed could be told, yet the whole list was read %d times", n)
	}
}

// After a restart of the server the page begins anew without being told to.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.forgive("502", "net::ERR_", "network error")
	tb.visit("")
	other := newWorld(t, func(other *world, _ *serve.Options) {
		other.snap = kinds(time.Now())
		other.snap.Version = 1
	})
	other.alter("pend01", func(r *health.Report) { *r = *unwell("pend01", time.Now(), 0) })
	w.become(other)
	w.cut()
	tb.shows("#need .card", "pend01")
	other.alter("pend02", func(r *health.Report) { *r = *unwell("pend02", time.Now(), 0) })
	tb.shows("#need .card", "pend02")
	tb.shows("h1", "4 of 32 experiments need you")
}

// Silence is a loss too: a connection that stands and says nothing is given up.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("")
	// A minute to a second: far more than lies between two messages.
	run[bool](tb, `(() => { const now = Date.now, begun = now(); window.realNow = now; Date.now = () => begun + (now() - begun) * 60; return true; })()`)
	tb.shows("#lost", "it says nothing any more")
	run[bool](tb, `(Date.now = window.realNow, true)`)
	tb.shows("#live", "live")
	tb.until("the banner is gone", `document.querySelector("#lost").hidden`)
}

// Where reading takes a token the page comes without anything of the laboratory in
// it, asks for the token, and then shows everything.
func TestClosedServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *serve.Options) { o.ReadAuth = o.AdminAuth })
	tb := open(t, w.url, desk)
	tb.forgive("status of 401", "mail.html", "elsewhere.example")
	for _, path := range []string{"mails?id=one@lab.example", "experiment?name=pend31", ""} {
		tb.goTo(path)
		tb.shows("#token-why", "token")
		if run[bool](tb, `/pend31|trus|spin|springs/.test(document.documentElement.outerHTML)`) {
			t.Errorf("%q shows something of the laboratory to everybody", path)
		}
	}
	tb.click("dialog button[value=cancel]")
	tb.shows("#lost", "reading it takes a token")
	tb.until("who has declined isn't asked again", `await new Promise((resolve) => setTimeout(() => resolve(!document.querySelector("dialog")), 300))`)
	tb.click("#person")
	tb.write("#token", token(t, "guest", serve.ScopeRead))
	tb.click("dialog button.main")
	tb.shows("#need .card", "pend31")
	tb.shows("#live", "live")
	tb.shows("#person", "guest, may read, until")
	tb.visit("experiment?name=pend31")
	tb.shows("#streams tr", "pend31-st-video")
	tb.visit("mails?id=one@lab.example")
	tb.until("the mail is framed all the same", `performance.getEntriesByType("resource").some((r) => r.name.includes("mail.html?id=") && r.responseStatus === 200)`)
}

// A browser has six connections to a server: pages that are left behind let go of
// theirs, so that the next one can load.
func TestManyPagesInOneTab(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	for _, path := range []string{"", "maintenance", "system", "", "events", "maintenance", "system", "board"} {
		tb.visit(path)
	}
	run[bool](tb, `(setTimeout(() => history.go(-3)), true)`) // what goes back at once may not answer any more
	tb.until("the way back leads to a page that is live", `location.pathname.endsWith("/events") && document.querySelector("#live.live")`)
	w.alter("pend00", func(r *health.Report) { *r = *unwell("pend00", time.Now(), 0) },
		health.Event{Experiment: "pend00", When: time.Now(), Issues: []string{"missing jump"}})
	tb.shows("#list tr", "pend00")
}

// A page that nobody looks at lets go of its connection, looks in now and then so
// that its title stays true, and is live again as soon as somebody looks.
func TestHiddenPageLetsGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.atStart("have timers run twenty times as fast", `
		const slow = window.setTimeout;
		window.setTimeout = (task, ms, ...given) => slow(task, (ms ?? 0) / 20, ...given);
		Object.defineProperty(document, "hidden", {get: () => Boolean(window.away)});
		window.look = (away) => { window.away = away; document.dispatchEvent(new Event("visibilitychange")); };`)
	tb.visit("")
	run[bool](tb, `(look(true), true)`)
	follows := len(w.asked("events/live"))
	tb.until("it has looked in again", fmt.Sprintf(`performance.getEntriesByType("resource").filter((r) => r.name.includes("events/live")).length > %d`, follows))
	w.alter("pend00", func(r *health.Report) { *r = *unwell("pend00", time.Now(), 0) })
	tb.until("its title is true", `document.title.startsWith("3 of 32")`)
	if !run[bool](tb, `document.querySelector("#lost").hidden`) {
		t.Error("it takes its own nap for a loss")
	}
	run[bool](tb, `(look(false), true)`)
	w.alter("pend01", func(r *health.Report) { *r = *unwell("pend01", time.Now(), 0) })
	tb.shows("#need .card", "pend01")
	tb.shows("#live", "live")
}
