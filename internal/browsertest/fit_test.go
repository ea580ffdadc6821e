package browsertest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"labstatus/serve"
)

// pagesToSee are all there are, as a maintainer meets them.
var pagesToSee = []struct {
	name, path string
	has        map[string]string // what comes later than the rest, by its place
	more       func(*look)       // looks at what the page opens
}{
	{"overview", "", map[string]string{"#strip": "tunnels"}, dialogsOfOverview},
	{"experiment", "experiment?name=pend31", map[string]string{"#tunnels": "12 connections"}, nil},
	{"events", "events", nil, nil},
	{"mails", "mails?id=one@lab.example", map[string]string{"#mail h2": "1 new problem"}, nil},
	{"system", "system", map[string]string{"#observers": "collector", "#observed": "spare"}, dialogsOfObservers},
	{"maintenance", "maintenance", nil, nil},
	{"the form of maintenance", "maintenance?names=pend*", map[string]string{"#matches": "Fits"}, nil},
	{"board", "board", nil, nil},
}

const axeFile = "../../.cache/axe/node_modules/axe-core/axe.min.js"

// structure gives what is wrong with the bones of a page.
const structure = `(() => {
	const wrong = [];
	const only = (selector, what) => { const n = [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility()).length; if (n !== 1) wrong.push(n + " " + what); };
	only("h1", "main headings");
	only("main", "main landmarks");
	only("body > header", "banners");
	only("header nav[aria-label]", "named navigations");
	only("#said[aria-live=polite]", "live regions");
	let level = 1;
	for (const h of document.querySelectorAll("main :is(h1, h2, h3, h4)")) {
		if (!h.checkVisibility()) continue;
		const next = Number(h.tagName[1]);
		if (next > level + 1) wrong.push("after a heading of level " + level + " comes " + h.outerHTML.slice(0, 80));
		level = next;
	}
	if (document.documentElement.scrollWidth > innerWidth) {
		const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1);
		wrong.push("it scrolls sideways to " + document.documentElement.scrollWidth + " px: " + wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 80)).join(" | "));
	}
	const cut = [...document.querySelectorAll("button, h1, h2, h3, .pill, #states a")].filter((e) => e.checkVisibility() && e.id !== "person" && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline");
	if (cut.length) wrong.push("cut off: " + cut.map((e) => e.outerHTML.slice(0, 80)).join(" | "));
	for (const e of document.querySelectorAll("button, input, select")) {
		const box = e.getBoundingClientRect();
		if (e.checkVisibility() && box.height < 16) wrong.push("too small to be hit: " + e.outerHTML.slice(0, 80));
	}
	return wrong;
})()`

// Every page fits a phone and a desk, in light and dark, has bones that a screen
// reader can follow, and passes axe-core's rules. In the dark half of the places are
// judged by them in each run, the other half perhaps in the next: that is much of what
// this costs, and BROWSER_TEST_EVERY=1 has all be judged.
func TestPagesFitAndCanBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, someObserving(time.Now()).into)
	l := newLook(t, w.url)
	tb := l.tab
	tb.forgive("mail.html", "elsewhere.example")
	for _, p := range pagesToSee {
		tb.visit(p.path)
		for place, text := range p.has {
			tb.shows(place, text)
		}
		l.at(p.name)
		if p.more != nil {
			p.more(l)
		}
	}
}

func dialogsOfOverview(l *look) {
	for _, dialog := range []string{"#help", "button[data-act=silence]", "#person"} {
		l.tab.click(dialog)
		l.tab.until("the dialog is open", `document.querySelector("dialog[open]") && !document.querySelector("dialog .main").disabled`)
		l.at("the dialog of " + dialog)
		l.close()
	}
}

func dialogsOfObservers(l *look) {
	tb := l.tab
	signIn(tb, token(tb.t, "anna", serve.ScopeAdmin))
	tb.click(`button[data-observer=change][data-name=collector]`)
	tb.until("the form is there", `document.querySelector("#ob-tls")?.checkVisibility()`)
	tb.click("#ob-tls")
	tb.until("the form is whole", `document.querySelector("#ob-tls-ca").checkVisibility()`)
	l.at("the form of an observer")
	l.close()
	tb.click(`button[data-observer=remove][data-name=collector]`)
	tb.until("it is asked", `document.querySelector("dialog[open]")`)
	l.at("the dialog that asks whether to remove one")
	l.close()
}

// look is how a page is judged: at every size and in every scheme that it is made for.
type look struct {
	tab   *tab
	axe   string
	views []view // the first is the one that the window has
	// Of so many places, one is judged by axe-core.
	every, turn int
}

type view struct {
	size   size
	scheme string
	rules  string // of axe-core
}

// newLook has all rules tried on a phone in the light. On a desk in the dark it is those
// that hang on colours or sizes: the elements and their roles are the same.
func newLook(t *testing.T, home string) *look {
	t.Helper()
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		t.Fatalf("there is no axe-core: %s\n%v", cure, err)
	}
	every, err := strconv.Atoi(cmp.Or(os.Getenv("BROWSER_TEST_EVERY"), "2"))
	if err != nil || every < 1 {
		t.Fatalf("BROWSER_TEST_EVERY: %d, %v", every, err)
	}
	l := &look{axe: string(axe), every: every, turn: rand.IntN(every), views: []view{
		{phone, "light", `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`},
		{desk, "dark", `{type: "rule", values: ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"]}`},
	}}
	l.tab = open(t, home, phone)
	l.tab.prefer("prefers-color-scheme", "light")
	return l
}

// at judges what is there in the view that it came in, then in the other, which what
// follows comes in.
func (l *look) at(what string) {
	tb := l.tab
	tb.t.Helper()
	for i, v := range l.views {
		if i > 0 {
			tb.view(v.size, v.scheme)
		}
		what := fmt.Sprintf("%s, %d px, %s", what, v.size.width, v.scheme)
		for _, wrong := range run[[]string](tb, structure) {
			tb.t.Errorf("%s: %s", what, wrong)
		}
		if l.turn%l.every == 0 {
			tb.judge(what, l.axe, v.rules)
		}
	}
	l.turn++
	slices.Reverse(l.views)
}

// close ends the dialog that was looked at.
func (l *look) close() {
	l.tab.t.Helper()
	l.tab.press(kb.Escape)
	l.tab.until("it is closed", `!document.querySelector("dialog")`)
}

// view changes the window and waits until the page has been laid out for it.
func (tb *tab) view(s size, scheme string) {
	tb.t.Helper()
	tb.resize(s)
	tb.prefer("prefers-color-scheme", scheme)
	tb.until("the page has its new size", fmt.Sprintf(`innerWidth === %d && matchMedia("(prefers-color-scheme: %s)").matches
		&& await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`, s.width, scheme))
}

// judge has axe-core look at the page, or at the dialog that covers it: nothing may be
// wrong.
func (tb *tab) judge(what, axe, rules string) {
	tb.t.Helper()
	if !run[bool](tb, `typeof axe === "object"`) {
		tb.do("load axe-core", chromedp.Steps(evaluate(axe)))
	}
	found := run[json.RawMessage](tb, `axe.run(document.querySelector("dialog[open]") ?? document, {resultTypes: ["violations"], iframes: false, runOnly: `+rules+`})
		.then((r) => r.violations.map((v) => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 150) + " " + n.any.concat(n.all).map((a) => a.message).join("; "))})))`)
	var violations []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	if err := json.Unmarshal(found, &violations); err != nil {
		tb.t.Fatalf("axe-core answered %s: %v", found, err)
	}
	for _, v := range violations {
		tb.t.Errorf("%s: %s (%s, %s)\n%s", what, v.Help, v.ID, v.Impact, strings.Join(v.Nodes, "\n"))
	}
}

func evaluate(source string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](source)
}
