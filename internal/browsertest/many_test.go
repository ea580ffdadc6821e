package browsertest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"labstatus/internal/health"
)

// manyExperiments names, in the environment, how many TestManyExperiments has: a
// thousand or more.
const manyExperiments = "BROWSER_TEST_EXPERIMENTS"

// Thousands of experiments: the page is there at once, all of them soon, scrolling
// and typing stay quick, and two hundred changes a second don't freeze it. What is
// limited is the work that the page makes, in its own processor time: on a machine
// that does other things at once, frames come late whatever the page does. Both are
// logged.
func TestManyExperiments(t *testing.T) {
	// Ten thousand is what is promised. What grows with their number has its limit by
	// that number, beside what any number may take: with fewer of them only far too much
	// work for each is found. A little too much, or work that grows faster than their
	// number, takes ten thousand to be found.
	n := 1000
	if asked := os.Getenv(manyExperiments); asked != "" {
		var err error
		if n, err = strconv.Atoi(asked); err != nil || n < 1000 {
			t.Fatalf("%s is %q, not a number from 1000 on", manyExperiments, asked)
		}
	}
	share := float64(n) / 10_000
	w := serveWorld(t, many(n, time.Now()))
	tb := open(t, w.url, desk)
	call(tb, "count processor time", performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
	tb.goTo("")
	tb.until("everything is there", fmt.Sprintf(`document.querySelectorAll("#healthy .grid a").length === %d && (window.there ??= performance.now())`, n-n/100))
	paint := run[float64](tb, `performance.getEntriesByName("first-contentful-paint")[0].startTime`)
	read := run[float64](tb, `performance.getEntriesByType("resource").find((r) => r.name.endsWith("overview.json")).responseEnd`)
	worked := tb.worked()
	t.Logf("first paint after %.0f ms, list read after %.0f ms, everything there after %.0f ms, of which it worked for %.0f ms", paint, read, run[float64](tb, "window.there"), 1000*worked)
	if paint > 3000 || worked > 1+2*share {
		t.Errorf("first paint after %.0f ms, %.0f ms of work for %d experiments: far more than a second for ten thousand", paint, 1000*worked, n)
	}
	tb.shows("h1", fmt.Sprintf("%d of %d,%03d experiments need you", n/100, n/1000, n%1000))
	tb.until("the page is live", `document.querySelector("#live.live")`)

	tb.scrolls("two hundred a second change", 120, 3+3*share, func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := range 40 {
			<-tick.C
			names := make([]string, 0, 10)
			for j := range 10 {
				names = append(names, fmt.Sprintf("expt%05d", (i*10+j)*7%n))
			}
			w.alterAll(names, func(r *health.Report) {
				r.Since = time.Now()
				if r.State == health.StateHealthy {
					r.State = health.StateUnknown
				} else {
					r.State = health.StateHealthy
				}
			})
		}
		want := w.snapshot().Counts
		tb.until("everything has been told", fmt.Sprintf(`document.querySelectorAll("#unknown .grid a").length === %d && document.querySelectorAll("#healthy .grid a").length === %d`, want.Unknown, want.Healthy))
	})
	tb.scrolls("every stream has moved on", -120, 3+3*share, func() {
		all := make([]string, 0, n)
		for _, r := range w.snapshot().Experiments {
			all = append(all, r.Name)
		}
		w.alterAll(all, func(r *health.Report) { r.LastCheckedStreams = time.Now(); r.Streams[0].LastActive = time.Now() })
		last := all[n-1]
		w.alter(last, func(r *health.Report) { *r = *unwell(r.Name, time.Now(), 0) })
		tb.until("what came with it is shown", `document.querySelector("#need .card h3").innerText.includes(`+quote(last)+`)`)
	})

	before := tb.worked()
	tb.write("#q", "expt0012")
	tb.until("only what fits is shown", `document.querySelectorAll("#healthy .grid a, #unknown .grid a, #need a[data-walk]").length === 10`)
	typed := tb.worked() - before
	t.Logf("a search among them is %.0f ms of work", 1000*typed)
	if typed > 1 {
		t.Errorf("a search is %.0f ms of work", 1000*typed)
	}
}

// worked is the processor time that the page's main thread has used, in seconds.
func (tb *tab) worked() float64 {
	tb.t.Helper()
	var seconds float64
	tb.do("read its processor time", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		found, err := cdp.Call(ctx, t, performance.GetMetrics, cdp.Empty{})
		for _, m := range found.Metrics {
			if m.Name == "TaskDuration" {
				seconds = m.Value
			}
		}
		return err
	}))
	return seconds
}

// scrolls has somebody scroll by so many pixels a frame while something happens. The
// page may work for at most so many seconds meanwhile.
func (tb *tab) scrolls(what string, by int, limit float64, happens func()) {
	tb.t.Helper()
	run[bool](tb, fmt.Sprintf(`(() => {
		window.frames_ = [];
		window.going = true;
		let last = performance.now();
		const step = (at) => { window.frames_.push(at - last); last = at; scrollBy(0, %d); if (window.going) requestAnimationFrame(step); };
		requestAnimationFrame((at) => { last = at; requestAnimationFrame(step); });
		return true;
	})()`, by))
	begun, before := time.Now(), tb.worked()
	happens()
	worked := tb.worked() - before
	frames := run[struct{ Count, Longest float64 }](tb, `(() => { window.going = false; return {Count: window.frames_.length, Longest: Math.max(...window.frames_)}; })()`)
	tb.t.Logf("while %s: %.0f ms of work in %.1f s, %.0f frames, the longest %.0f ms", what, 1000*worked, time.Since(begun).Seconds(), frames.Count, frames.Longest)
	if worked > limit || frames.Longest > 10_000 {
		tb.t.Errorf("while %s: %.0f ms of work, the longest frame %.0f ms: the page freezes", what, 1000*worked, frames.Longest)
	}
}

// When everything fails at once the page stays usable: it shows the newest as cards
// and the others small.
func TestEverythingFailsAtOnce(t *testing.T) {
	t.Parallel()
	snap := many(1000, time.Now())
	w := serveWorld(t, snap)
	tb := open(t, w.url, desk)
	tb.visit("")
	tb.shows("h1", "10 of 1,000 experiments need you")
	names := make([]string, 0, len(snap.Experiments))
	for _, r := range snap.Experiments {
		names = append(names, r.Name)
	}
	w.alterAll(names, func(r *health.Report) { *r = *unwell(r.Name, time.Now(), 0) })
	tb.shows("h1", "1,000 of 1,000 experiments need you")
	tb.until("the newest are cards and the rest are cells", `document.querySelectorAll("#need .card").length === 60 && document.querySelectorAll("#need .grid a").length === 940`)
	run[bool](tb, `(document.querySelector("#need .grid").scrollIntoView(), true)`)
	tb.shows("#need .grid", "expt")
}
