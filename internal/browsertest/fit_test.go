package browsertest

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// pagesToSee are all there are, as a maintainer meets them.
var pagesToSee = []struct{ name, path string }{
	{"overview", ""},
	{"experiment", "experiment?name=pend31"},
	{"events", "events"},
	{"mails", "mails?id=one@lab.example"},
	{"system", "system"},
	{"maintenance", "maintenance"},
	{"board", "board"},
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
// reader can follow, and passes axe-core's rules.
func TestPagesFitAndCanBeRead(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		t.Fatalf("there is no axe-core: %s\n%v", cure, err)
	}
	for _, c := range []struct {
		size   size
		scheme string
		rules  string // of axe-core: in the dark only what the dark changes
	}{
		{phone, "light", `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`},
		{desk, "dark", `{type: "rule", values: ["color-contrast", "link-in-text-block"]}`},
	} {
		t.Run(fmt.Sprintf("%d px, %s", c.size.width, c.scheme), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tb := open(t, w.url, c.size)
			tb.forgive("mail.html", "elsewhere.example")
			tb.prefer("prefers-color-scheme", c.scheme)
			call(tb, "let axe-core in", page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true})
			for _, p := range pagesToSee {
				tb.visit(p.path)
				if p.name == "mails" {
					tb.shows("#mail h2", "1 new problem")
				}
				for _, wrong := range run[[]string](tb, structure) {
					t.Errorf("%s: %s", p.name, wrong)
				}
				tb.judge(p.name, string(axe), c.rules)
			}
			tb.visit("")
			for _, dialog := range []string{"#help", "button[data-act=silence]", "#person"} {
				tb.click(dialog)
				tb.until("the dialog is open", `document.querySelector("dialog[open]") && !document.querySelector("dialog .main").disabled`)
				tb.judge("the dialog of "+dialog, string(axe), c.rules)
				tb.press("\u001b")
				tb.until("it is closed", `!document.querySelector("dialog")`)
			}
			tb.visit("maintenance?names=pend*")
			tb.shows("#matches", "Fits")
			tb.judge("the form of maintenance", string(axe), c.rules)
			for _, wrong := range run[[]string](tb, structure) {
				t.Errorf("the form of maintenance: %s", wrong)
			}
		})
	}
}

// judge has axe-core look at the page: nothing serious or critical may be wrong.
func (tb *tab) judge(what, axe, rules string) {
	tb.t.Helper()
	if !run[bool](tb, `typeof axe === "object"`) {
		tb.do("load axe-core", chromedp.Steps(evaluate(axe)))
	}
	found := run[json.RawMessage](tb, `axe.run(document, {resultTypes: ["violations"], iframes: false, runOnly: `+rules+`})
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
