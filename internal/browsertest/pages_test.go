package browsertest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/serve"
)

func TestEventsOfAllExperiments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("events")
	tb.shows("#summary", "4 events")
	tb.shows("#list tr", "pend31 unhealthy 12 min so far missing required pend31-st-video")
	tb.write("#q", "JUMP")
	tb.shows("#summary", "1 event that fit")
	tb.until("the address says so", `location.search === "?q=JUMP"`)
	now := time.Now()
	w.alter("pend00", func(r *health.Report) { *r = *unwell("pend00", now, 0) },
		health.Event{Experiment: "pend00", When: now, Issues: []string{"missing jump"}}, health.Event{Experiment: "pend00", When: now.Add(time.Millisecond), Healthy: true})
	tb.shows("#list tr", "pend00")
	tb.shows("#summary", "2 events that fit")
	tb.visit("events?experiment=pend31&since=" + now.Add(-150*time.Minute).UTC().Format(time.RFC3339))
	tb.shows("#summary", "2 events that fit")
	tb.until("the fields show the filter", `document.querySelector("#experiment").value === "pend31" && document.querySelector("#since").value`)
	tb.set("#until", now.In(london).Add(-time.Hour).Format("2006-01-02T15:04"))
	tb.shows("#summary", "1 event that fit")
}

// A mail is shown as it was sent, in a frame in which nothing runs, with what became
// of it; one can be sent to see whether mail works.
func TestMails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.forgive("mail.html", "elsewhere.example") // what the mail would do, and mayn't
	tb.visit("mails")
	tb.shows("#state", "retrying")
	tb.shows("#list tr", "given up for 1, queued for 1, sent to 1")
	tb.click("#list a")
	tb.shows("#mail h2", "1 new problem: pend31")
	tb.shows("#mail tr", "m***@lab.example sent")
	tb.shows("#mail tr", "b***@lab.example given up")
	tb.until("the address names it", `location.search === "?id=one%40lab.example"`)
	tb.click("#mail details:nth-of-type(1) summary")
	tb.shows("#mail pre", "pend31: missing required pend31-st-video")
	tb.click("#mail details:nth-of-type(2) summary")
	tb.shows("#mail pre", "Message-ID: <one@lab.example>")
	if frame := run[string](tb, `document.querySelector("iframe").outerHTML`); !strings.Contains(frame, `sandbox=""`) {
		t.Errorf("the frame is %s", frame)
	}
	tb.until("the frame is loaded", `performance.getEntriesByType("resource").some((r) => r.name.includes("mail.html?id=") && r.responseEnd > 0)`)
	if title := run[string](tb, "document.title"); title != "Mails · Test lab" {
		t.Errorf("the mail changed the window's title to %q", title)
	}
	signIn(tb, token(t, "anna", serve.ScopeAdmin))
	tb.shows("#mail tr", "maint@lab.example sent") // whole, to those who may change something
	tb.click("#test")
	tb.shows("#result", "Queued for 3 recipients.")
	tb.shows("#mail h2", "A test mail")
	w.mu.Lock()
	w.refuse = &serve.ActError{Status: http.StatusConflict, Message: "mail is off: STATUS_EMAIL_TO is not set"}
	w.mu.Unlock()
	tb.forgive("status of 409")
	tb.click("#test")
	tb.shows("#result", "Mail is off: STATUS_EMAIL_TO is not set.")
}

func TestSystem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("system")
	tb.shows("#about", "Version v1.2.3, started")
	tb.shows("#about", "5 of 32 experiments not well")
	tb.shows("#sources tr", "relay settling, settled in")
	tb.shows("#sources tr", "31 connections; one every 5 s; silent after 30 s")
	tb.shows("#connections tr", "book opens 1 11 1 refused 123 kB 0 B")
	tb.shows("#timings tr", "dialer.relay.open 3 12 ms 10 ms 190 ms 200 ms")
	tb.shows("#settings", "They are shown to who enters a token")
	signIn(tb, token(t, "anna", serve.ScopeAdmin))
	tb.shows("#settings tr", "STATUS_SECRET_BOOK *** environment")
}

// Maintenance is planned, changed and ended on its page, once or every week.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("maintenance")
	signIn(tb, token(t, "anna", serve.ScopeAdmin))
	tb.shows("#windows tr", "trus31 in force, ends in 59 min")
	tb.shows("#windows tr", "every mon fri, 08:00 to 07:00 of the next day, Europe/London")
	tb.shows("#audit tr", "by itself silence ended pend00")

	tb.click("#new")
	tb.write("#names", "pend0?, spin*")
	tb.shows("#matches", "Fits 15 experiments: pend00")
	tb.write("#reason", "new floor")
	tb.set("#bookings", "close")
	soon := time.Now().In(london).Add(48 * time.Hour)
	tb.set("#from", soon.Format("2006-01-02T15:04"))
	tb.set("#until", soon.Add(-time.Hour).Format("2006-01-02T15:04"))
	tb.click("dialog button.main")
	tb.shows("dialog .wrong", "It ends before it begins.")
	tb.set("#until", soon.Add(time.Hour).Format("2006-01-02T15:04"))
	tb.click("dialog button.main")
	tb.shows("#result", "It is planned.")
	tb.shows("#windows tr", "begins in 1 d 23 h")
	tb.shows("#windows tr", "new floor by anna bookings closed")
	tb.shows("#audit tr", "anna maintenance set pend0?, spin* new floor")

	id := windowOf(w, "new floor").ID
	tb.click("button[data-window=change][data-id=" + quote(id) + "]")
	tb.until("the form holds what there is", `document.querySelector("#reason").value === "new floor" && document.querySelector("#names").value === "pend0?, spin*"`)
	tb.click("#everyweek")
	tb.click(`[name=day][value=wed]`)
	tb.set("#start", "22:00")
	tb.set("#end", "06:30")
	tb.write("#zone", "Europe/Nowhere")
	tb.set("#until", "")
	tb.forgive("status of 422")
	tb.click("dialog button.main")
	tb.shows("dialog .wrong", "zone")
	tb.write("#zone", "Europe/London")
	tb.click("dialog button.main")
	tb.shows("#windows tr", "every wed, 22:00 to 06:30 of the next day, Europe/London")
	if got := windowOf(w, "new floor"); got.Weekly == nil || !slices.Equal(got.Weekly.Days, []string{"wed"}) || !got.Until.IsZero() || got.Bookings != health.BookingsClose {
		t.Errorf("the server has %+v", got)
	}
	tb.click("button[data-window=remove][data-id=" + quote(id) + "]")
	tb.shows("dialog", "It is not in force now.")
	tb.click("dialog button.main")
	tb.shows("#result", "It is ended.")
	tb.hides("#windows", "new floor")

	tb.visit("maintenance?names=pend31")
	tb.until("the form is open for it", `document.querySelector("dialog #names")?.value === "pend31" && location.search === ""`)
	tb.shows("#matches", "Fits 1 experiment: pend31")
}

func windowOf(w *world, reason string) health.Window {
	for _, found := range w.snapshot().Windows {
		if found.Reason == reason {
			return found
		}
	}
	w.t.Fatalf("there is no window for %q", reason)
	return health.Window{}
}

// The board fits its screen, turns over what doesn't, and says when it is blind.
func TestBoard(t *testing.T) {
	t.Parallel()
	snap := kinds(time.Now())
	for i := range snap.Experiments {
		if name := snap.Experiments[i].Name; strings.HasPrefix(name, "pend0") || strings.HasPrefix(name, "spin0") || strings.HasPrefix(name, "trus0") {
			snap.Experiments[i] = unwell(name, time.Now(), time.Duration(i)*time.Minute)
		}
	}
	snap.Counts = count(snap.Experiments)
	w := serveWorld(t, snap)
	tb := open(t, w.url, wall)
	tb.visit("board")
	tb.shows("h1", "20 of 32 experiments need you")
	tb.shows("#tally", "7 healthy")
	tb.shows("#turn", "1 of ")
	if run[bool](tb, `document.documentElement.scrollHeight > innerHeight || document.querySelector("#tally").getBoundingClientRect().bottom > innerHeight`) {
		t.Error("the board doesn't fit its screen")
	}
	first := run[string](tb, `document.querySelector("#problems h2").innerText`)
	tb.press(" ")
	tb.shows("#turn", "2 of ")
	if second := run[string](tb, `document.querySelector("#problems h2").innerText`); second == first {
		t.Errorf("turned over, it still shows %s first", first)
	}
	tb.press("f")
	tb.until("it fills the screen", `document.fullscreenElement && !document.querySelector("header").checkVisibility()`)
}
