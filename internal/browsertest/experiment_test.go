package browsertest

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
)

func TestExperimentTellsAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("experiment?name=pend31")
	tb.shows("h1", "pend31 unhealthy for 12 min")
	tb.shows(".lead", "It needs you. In the last 24 hours it was well for 98.7 % of the time that is known.")
	tb.shows("#streams tr", "pend31-st-data required")
	tb.shows("#streams tr", "25 messages/s of 1400 bytes, mean since it connected")
	tb.shows("#streams tr", "camera/1.0 from 192.0.2.7, 10.0.0.1 may read, write, expt")
	tb.shows("#streams tr", "token ends in 4 h 59 min")
	tb.shows("#streams tr", "pend31-st-video required missing for 12 min 12 min ago not connected")
	tb.shows("#jump", "ok · for 1 d 6 h")
	tb.shows("#booking tr", "r-pend31 closed for booking")
	tb.shows("#events tr", "unhealthy 12 min so far missing required pend31-st-video")
	tb.shows("#events tr", "healthy 1 h 48 min nothing")
	tb.shows("#events tr", "unhealthy 1 h missing jump")
	tb.click("#rawbox summary")
	tb.shows("#rawtext", `"topic_name": "pend31"`)
}

// The last transmission ticks, and a report that comes starts it anew.
func TestLastTransmissionTicks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("experiment?name=pend00")
	age := `Number.parseInt(document.querySelector("#streams tbody td:nth-child(3)").innerText)`
	before := run[int](tb, age)
	tb.until("it ticks", age+" > "+strconv.Itoa(before))
	w.alter("pend00", func(r *health.Report) {
		r.LastCheckedStreams = time.Now()
		r.Streams[0].LastActive = time.Now()
	})
	tb.until("a report starts it anew", age+" <= 1")
	w.alter("pend00", func(r *health.Report) { *r = *unwell("pend00", time.Now(), 0) })
	tb.shows("h1", "pend00 unhealthy for")
	tb.shows("#streams tr", "missing")
	tb.until("the window says so", `document.title === "pend00 unhealthy · Test lab"`)
}

// A bar can be read without colour: each state has a height, a pattern or a letter
// of its own, and everything is said in words too.
func TestHistoryNeedsNoColour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("experiment?name=pend31")
	tb.shows("#bars figcaption", "Last 24 hours 93.1 % well not well for 1 h 42 min in 2 stretches; left out: 2 h not known, 2 h in maintenance")
	tb.shows("#bars figcaption", "Last 7 days 99.91 % well")
	tb.shows("#bars figcaption", "Last 30 days uptime not known")
	looks := run[map[string]string](tb, `Object.fromEntries([...document.querySelectorAll(".legend .segment")].map((e) => {
		const s = getComputedStyle(e);
		const pattern = s.backgroundImage.replace(/(rgb|color|var)[^)]*\)/g, "").replace(/#[0-9a-f]+/g, "");
		return [e.className, [Math.round(e.offsetHeight), pattern, e.textContent, s.borderBottomStyle].join(" ")];
	}))`)
	seen := map[string]string{}
	for state, look := range looks {
		if other, again := seen[look]; again {
			t.Errorf("without colour %s looks like %s: %s", state, other, look)
		}
		seen[look] = state
	}
	if len(looks) != 7 {
		t.Errorf("the legend explains %d states: %v", len(looks), looks)
	}
	label := run[string](tb, `document.querySelector("#bars [role=img]").getAttribute("aria-label")`)
	if !strings.Contains(label, "Last 24 hours: not well for 1 h 42 min in 2 stretches") {
		t.Errorf("the bar is said to be %q", label)
	}
	tb.click("#bars details summary")
	tb.shows("#bars details tr", "1 h 30 min flapping")
	tb.shows("#bars details tr", "unhealthy, in maintenance")
	if wrong := run[int](tb, `[...document.querySelectorAll("#bars [data-key='30d'] .segment.unhealthy")].filter((e) => e.offsetWidth >= 3).length`); wrong < 6 {
		t.Errorf("in a month %d short faults can be seen", wrong)
	}
}

func TestExperimentThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.forgive("404")
	tb.goTo("experiment?name=nobody")
	tb.shows("h1", "There is no experiment nobody")
	w.mu.Lock()
	next := *w.snap
	next.Version++
	next.Experiments = append([]*health.Report{well("nobody", time.Now())}, next.Experiments...)
	w.snap = &next
	w.mu.Unlock()
	tb.until("the page follows the server", `document.querySelector("#live.live")`)
	w.live.Publish(&next, nil)
	tb.shows("h1", "nobody healthy for")
	gone := next
	gone.Version++
	gone.Experiments = next.Experiments[1:]
	w.live.Publish(&gone, nil)
	tb.shows("#gone", "in neither the manifest nor any report any more")
}
