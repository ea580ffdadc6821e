package app_test

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// display holds what API and page show against what is so, in a laboratory of so many
// experiments of which the first so many lost their video a while ago.
type display struct {
	t          *testing.T
	size, down int
	broke      time.Time // when the video went

	system struct {
		AsOf     time.Time `json:"as_of"`
		Ready    bool
		NotReady []string `json:"not_ready"`
		Counts   map[string]int
		Sources  []struct {
			Name, State string
			LastFrame   time.Time `json:"last_frame"`
		}
	}
	reports []shownReport
	front   string                 // the front page's <main>
	page    func(of string) string // an experiment's
}

// shownReport is what the API says of an experiment.
type shownReport struct {
	Name              string `json:"topic_name"`
	State             string
	Since             time.Time
	Healthy           bool
	JumpOK            bool `json:"jump_ok"`
	JumpKnown         bool `json:"jump_known"`
	Available         bool
	AvailabilityKnown bool `json:"availability_known"`
	Issues            []string
	IssueDetails      []struct{ Since time.Time } `json:"issue_details"`
	Streams           []struct {
		Verdict string
		OK      bool
	}
}

func (b *bench) displays(size, down int, broke time.Time) *display {
	b.t.Helper()
	x := &display{t: b.t, size: size, down: down, broke: broke}
	b.get("/api/v1/system", &x.system)
	b.get("/api/v1/experiments", &x.reports)
	x.page = func(of string) string {
		resp, err := b.client.Get("http://status.lab/" + of)
		if err != nil {
			b.t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.t.Fatal(resp.Status, err)
		}
		return between(string(text), "<main", "</main>")
	}
	x.front = x.page("")
	if len(x.reports) != size || x.system.Counts["total"] != size {
		b.t.Fatalf("%d reports, and %v are counted, of %d", len(x.reports), x.system.Counts, size)
	}
	return x
}

// atFirst is what is to be seen one second after a start: that nothing is known as of
// now but how all was when last known, since when that is so, and what book says.
func (x *display) atFirst(started time.Time) {
	x.t.Helper()
	x.asOfNow()
	x.is("counts", nonZero(x.system.Counts), map[string]int{"total": x.size, "unknown": x.size})
	missing := []string{"relay has not reported yet", "jump has not reported yet"}
	x.is("ready", fmt.Sprint(x.system.Ready, x.system.NotReady), fmt.Sprint(false, missing))
	for _, s := range x.system.Sources {
		x.is(s.Name, fmt.Sprint(s.State, " ", s.LastFrame), fmt.Sprint("starting ", time.Time{}))
	}
	var cells []string
	known := 0
	for i, r := range x.reports {
		well := i >= x.down
		x.isReport(i, "unknown", "unknown")
		x.is(r.Name+": since, and jump is known", fmt.Sprint(r.Since.Before(started), r.JumpKnown), "false false")
		cell := r.Name + " unknown"
		if !well {
			cell += ", was not well"
		}
		switch {
		case !r.AvailabilityKnown:
			cell += ", booking not read"
		case !well:
			cell += ", closed"
			fallthrough
		default:
			known++
			x.is(r.Name+": available", r.Available, well)
		}
		cells = append(cells, cell)
	}
	if known < min(x.size, 100) { // book is asked eight at a time, and takes 50 ms
		x.t.Errorf("a second after the start only %d bookings have been read", known)
	}
	x.is("headline", x.words("h1"), fmt.Sprintf("How the %d experiments are is not known at the moment", x.size))
	x.is("notices", x.words(`div id="notices"`), "Not ready: "+strings.Join(missing, "; "))
	x.is("sources", x.tiles(), "relay starting, jump starting")
	x.is("sections", x.sections(), fmt.Sprintf("Not known at the moment %d", x.size))
	x.is("cells", x.cells(), cells)
	x.is("cards", x.cards(), []string(nil))
	for name, was := range map[string]string{x.reports[0].Name: "not well", x.reports[x.size-1].Name: "well"} {
		page := words(x.page("experiment?name=" + name))
		for _, want := range []string{name + " unknown for 1 s", "How it is can't be told at the moment; it was " + was + " when last known."} {
			if !strings.Contains(page, want) {
				x.t.Errorf("the page of %s doesn't say %q: %s", name, want, page)
			}
		}
	}
}

// afterwards is what is to be seen when everything is known, whether after a restart or
// without one.
func (x *display) afterwards() {
	x.t.Helper()
	x.asOfNow()
	x.is("counts", nonZero(x.system.Counts), map[string]int{"total": x.size, "unhealthy": x.down, "healthy": x.size - x.down})
	x.is("ready", fmt.Sprint(x.system.Ready, x.system.NotReady), "true []")
	for _, s := range x.system.Sources {
		if s.State != "fresh" || time.Since(s.LastFrame) > relayEvery {
			x.t.Errorf("%s is %s, its last frame came at %s", s.Name, s.State, s.LastFrame)
		}
	}
	var cards, cells []string
	for i, r := range x.reports {
		well := i >= x.down
		x.is(r.Name+": available", fmt.Sprint(r.AvailabilityKnown, r.Available), fmt.Sprint(true, well))
		x.is(r.Name+": jump is known", r.JumpKnown, true)
		if well {
			x.isReport(i, "healthy", "ok")
			cells = append(cells, r.Name+" healthy")
			continue
		}
		x.isReport(i, "unhealthy", "missing")
		x.is(r.Name+": since", r.Since, r.IssueDetails[0].Since)
		lasts := lasting(r.Since)
		cards = append(cards, fmt.Sprintf("%s unhealthy for %s missing required %[1]s-st-video for %[2]s closed for booking", r.Name, lasts))
	}
	x.is("headline", x.words("h1"), fmt.Sprintf("%d of %d experiments need you", x.down, x.size))
	x.is("notices", x.words(`div id="notices"`), "")
	x.is("sources", x.tiles(), "relay fresh, jump fresh")
	x.is("sections", x.sections(), fmt.Sprintf("Needs you %d, Well %d", x.down, x.size-x.down))
	x.is("cells", x.cells(), cells)
	x.is("cards", x.cards(), cards)
}

// isReport checks what the API says of an experiment's health: as last known, where
// that is what it says.
func (x *display) isReport(i int, state, verdict string) {
	x.t.Helper()
	r, well := x.reports[i], i >= x.down
	name := fmt.Sprintf("pend%03d", i)
	want := fmt.Sprint(name, state, well, true, []string{}, verdict, well)
	if !well {
		want = fmt.Sprint(name, state, well, true, []string{"missing required " + name + "-st-video"}, verdict, well)
		noticedAt := x.broke.Add(noticed)
		if s := r.IssueDetails[0].Since; s.Before(x.broke) || s.After(noticedAt) {
			x.t.Errorf("%s is wrong since %s, want between %s and %s", name, s, x.broke, noticedAt)
		}
	}
	x.is(name, fmt.Sprint(r.Name, r.State, r.Healthy, r.JumpOK, r.Issues, r.Streams[0].Verdict, r.Streams[0].OK), want)
}

// asOfNow: API and page say of when they are, which is no longer ago than a turn.
func (x *display) asOfNow() {
	x.t.Helper()
	if age := time.Since(x.system.AsOf); age < 0 || age > time.Second {
		x.t.Errorf("the API is as of %s ago", age)
	}
	asOf := x.system.AsOf.UTC()
	x.is("as of", x.words(`p id="asof"`), fmt.Sprintf("As of %s UTC, %s ago", asOf.Format(time.DateTime), lasting(asOf)))
}

func (x *display) is(what string, got, want any) {
	x.t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		x.t.Errorf("%s: %s\nwant %s", what, g, w)
	}
}

// lasting words how long something has been so, as the page does below an hour.
func lasting(since time.Time) string {
	if d := time.Since(since); d >= time.Minute {
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d s", int(time.Since(since).Seconds()))
}

func nonZero(counts map[string]int) map[string]int {
	for name, n := range counts {
		if n == 0 {
			delete(counts, name)
		}
	}
	return counts
}

var (
	tags     = regexp.MustCompile(`<[^>]*>`)
	headings = regexp.MustCompile(`(?s)<h2 .*?</h2>`)
	aTile    = regexp.MustCompile(`<li class="\w+"><b>.*?</b> <span class="word">.*?</span>`)
	aCell    = regexp.MustCompile(`<a href="experiment\?name=[^"]*" data-state="\w+">.*?</a>`)
	aCard    = regexp.MustCompile(`(?s)<article .*?</article>`)
)

// words is what a person reads of some HTML.
func words(of string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(of, ""))), " ")
}

func between(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return from + text + to
}

// words of the front page's element that begins so.
func (x *display) words(tag string) string {
	name, _, _ := strings.Cut(tag, " ")
	return words(between(x.front, "<"+tag, "</"+name+">"))
}

func all(re *regexp.Regexp, in string) (found []string) {
	for _, f := range re.FindAllString(in, -1) {
		found = append(found, words(f))
	}
	return found
}

func (x *display) tiles() string    { return strings.Join(all(aTile, x.front)[:2], ", ") }
func (x *display) sections() string { return strings.Join(all(headings, x.front), ", ") }
func (x *display) cells() []string  { return all(aCell, x.front) }

// cards in the order of their names; the page puts first what broke last.
func (x *display) cards() []string {
	return slices.SortedFunc(slices.Values(all(aCard, x.front)), cmp.Compare[string])
}
