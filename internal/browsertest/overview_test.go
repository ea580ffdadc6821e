package browsertest

import (
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
)

// What is wrong stands first and says why; what somebody cares for comes after it,
// then what isn't known, and what is well takes least room.
func TestOverviewSaysWhatIsWrongFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("")
	tb.shows("h1", "2 of 32 experiments need you")
	tb.shows("#need .card", "pend31 unhealthy for 12 min")
	tb.shows("#need .card", "missing required pend31-st-video not connected to relay, last sent 12 min ago")
	tb.shows("#need .card", "closed for booking")
	tb.shows("#need .card", "spin31 flapping for 40 min")
	tb.shows("#cared .card", "Silenced until")
	tb.shows("#cared .card", "camera is on order by anna")
	tb.shows("#cared .card", "new springs by bob, bookings closed")
	tb.shows("#unknown .grid", "trus32 unknown was not well")
	tb.shows("#starting .grid", "spin33 starting booking not read")
	tb.shows("#healthy .grid", "pend32 healthy held")
	tb.shows("#strip", "relay settling")
	tb.shows("#strip", "mail retrying")
	tb.shows("#notices", "STATUS_EMAIL_TO is short")
	order := run[string](tb, `[...document.querySelectorAll("main section:not([hidden])")].map((s) => s.id).join(" ")`)
	if order != "need cared unknown starting healthy" {
		t.Errorf("the sections stand as %s", order)
	}
	if title := run[string](tb, "document.title"); title != "2 of 32 experiments need you · Test lab" {
		t.Errorf("the window is called %q", title)
	}
	if icon := run[string](tb, `document.querySelector("#icon").href`); !strings.HasSuffix(icon, "/bad.svg") {
		t.Errorf("the window's sign is %s", icon)
	}
}

// Nothing that is only unknown or starting looks like something broken: not by its
// words, not by its sign, not by its colour.
func TestAfterRestartNothingLooksBroken(t *testing.T) {
	t.Parallel()
	now := time.Now()
	snap := kinds(now)
	for i, r := range snap.Experiments {
		again := well(r.Name, now)
		again.State, again.JumpKnown = health.StateUnknown, false
		again.Resources[0].Known = false
		if i%2 == 0 {
			again.State, again.Healthy = health.StateStarting, false
		}
		snap.Experiments[i] = again
	}
	snap.Counts = count(snap.Experiments)
	snap.Sources[0].State, snap.Sources[1].State = health.SourceStarting, health.SourceStarting
	snap.Book = health.BookReport{}
	w := serveWorld(t, snap)
	tb := open(t, w.url, desk)
	tb.visit("")
	tb.shows("h1", "0 of 32 experiments well, 16 not known, 16 starting")
	tb.shows("#strip", "book not read yet")
	red := run[[]string](tb, `(() => {
		const bad = getComputedStyle(document.documentElement).getPropertyValue("--bad");
		const probe = document.body.appendChild(document.createElement("i"));
		probe.style.color = bad;
		const red = getComputedStyle(probe).color;
		probe.remove();
		return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && ["color", "backgroundColor", "borderLeftColor"]
			.some((p) => getComputedStyle(e)[p] === red && (p !== "borderLeftColor" || getComputedStyle(e).borderLeftWidth !== "0px")))
			.map((e) => e.outerHTML.slice(0, 100));
	})()`)
	if len(red) > 0 {
		t.Errorf("shown in the colour of faults: %q", red)
	}
	if n := run[int](tb, `document.querySelectorAll(".sign.bad, .sign.unhealthy, .sign.flapping, .sign.missing, .card").length`); n > 0 {
		t.Errorf("%d signs and cards of faults", n)
	}
}

// What changes is shown without loading anything anew, and nothing else moves.
func TestOverviewIsLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("")
	tb.shows("#healthy .grid", "pend00")
	run[bool](tb, `(window.kept = document.querySelector("#need .card"), document.querySelector("#healthy a[href$=pend01]").focus(), true)`)
	now := time.Now()
	w.alter("pend00", func(r *health.Report) { *r = *unwell("pend00", now, 0) })
	tb.shows("h1", "3 of 32 experiments need you")
	tb.shows("#need .card", "pend00 unhealthy for")
	tb.hides("#healthy .grid", "pend00")
	tb.until("the first card is the newest", `document.querySelector("#need .card h3").innerText.includes("pend00")`)
	if !run[bool](tb, `window.kept.isConnected && document.activeElement.getAttribute("href") === "experiment?name=pend01"`) {
		t.Error("a card that had not changed was made anew, or the focus was lost")
	}
	tb.until("the change is announced", `document.querySelector("#said").textContent.includes("pend00: unhealthy")`)
	w.alter("pend00", func(r *health.Report) { *r = *well("pend00", now) })
	tb.shows("#healthy .grid", "pend00")
	tb.hides("#need .cards", "pend00")
	tb.shows("h1", "2 of 32 experiments need you")
	if got := run[string](tb, `[...document.querySelectorAll("#healthy .name")].slice(0, 3).map((e) => e.innerText).join(" ")`); got != "pend00 pend01 pend02" {
		t.Errorf("back in the grid as %q", got)
	}
	if n := len(w.asked("overview.json")); n > 2 {
		t.Errorf("the whole list was read %d times", n)
	}
}

// Search and filters are in the address: it can be sent to somebody, and back works.
func TestOverviewFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("?state=healthy&q=pend0")
	tb.shows("#healthy .count", "6 experiments")
	tb.hides("#need", "pend31")
	tb.until("the field shows what is searched for", `document.querySelector("#q").value === "pend0"`)
	tb.write("#q", "R-SPIN0")
	tb.shows("#healthy .grid", "spin00")
	tb.until("the address says so", `location.search === "?state=healthy&q=R-SPIN0"`)
	tb.click(`#states a[href*="state=unknown"]`)
	tb.shows("#none", "No experiment fits")
	tb.click("#none a")
	tb.shows("#need .card", "pend31")
	tb.until("the address is plain again", `location.search === "" && document.querySelector("#q").value === ""`)
	run[bool](tb, `(history.back(), true)`)
	tb.until("back leads to the filter before", `location.search === "?state=unknown&q=R-SPIN0"`)
	tb.shows("#none", "No experiment fits")
	tb.click("#none a")
	tb.click(`#states a[href="?mark=silenced"]`)
	tb.shows("#cared", "spin32")
	tb.hides("#cared", "trus31")
	tb.write("#q", "missing required spin32")
	tb.shows("#cared .count", "1 experiment")
}
