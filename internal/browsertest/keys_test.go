package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"labstatus/serve"
)

const focused = `(document.activeElement.closest("[data-walk]")?.innerText ?? document.activeElement.id ?? "").trim().split("\n")[0]`

// The whole page can be used without a mouse.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("")
	walk := func(what, key, want string) {
		t.Helper()
		tb.press(key)
		if got := run[string](tb, focused); got != want {
			t.Fatalf("%s: the focus is on %q, want %q", what, got, want)
		}
	}
	walk("down from nowhere", kb.ArrowDown, "pend31")
	walk("right", kb.ArrowRight, "spin31")
	walk("left", kb.ArrowLeft, "pend31")
	walk("to the last", kb.End, "trus05")
	walk("to the first", kb.Home, "pend31")
	walk("search", "/", "q")
	tb.press("p", "e", "n", "d", "0")
	tb.shows("#healthy .count", "6 experiments")
	walk("down from the field", kb.ArrowDown, "pend00")
	walk("right in the grid", kb.ArrowRight, "pend01")
	walk("back to the field", "/", "q")
	walk("Escape empties it", kb.Escape, "q")
	tb.shows("#healthy .count", "25 experiments")
	tb.press(kb.Escape)
	tb.until("a second leaves it", `document.activeElement === document.body`)

	run[bool](tb, `(document.querySelector("#healthy a[href$=pend01]").focus(), true)`)
	walk("down a row", kb.ArrowDown, run[string](tb, `(() => { const all = [...document.querySelectorAll("#healthy a")]; const i = all.findIndex((a) => a.href.endsWith("pend01"));
		const columns = all.filter((a) => a.offsetTop === all[0].offsetTop).length; return all[i + columns].innerText.trim().split("\n")[0]; })()`))
	walk("up a row", kb.ArrowUp, "pend01")
	if stops := run[int](tb, `document.querySelectorAll('#healthy a[tabindex="0"]').length`); stops != 1 {
		t.Errorf("%d cells of one grid stop Tab", stops)
	}

	tb.press("?")
	tb.shows("dialog", "Keys and signs")
	tb.until("the focus is in the dialog", `document.activeElement.closest("dialog")`)
	tb.press(kb.Escape)
	tb.until("it is closed, and the focus is back", `!document.querySelector("dialog") && document.activeElement.innerText.includes("pend01")`)

	tb.press(kb.Enter)
	tb.shows("h1", "pend01 healthy for")
	tb.until("the page is live", `document.querySelector("#live.live")`)
	tb.press("/")
	tb.until("/ leads to the overview's field", `document.activeElement?.id === "q" && location.search === ""`)
}

// Tab passes everything in the order of the page, and always shows where it is.
func TestTabOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.visit("")
	signIn(tb, token(t, "anna", serve.ScopeAdmin))
	tb.visit("")
	var path []string
	for range 26 {
		tb.press(kb.Tab)
		here := run[map[string]any](tb, `(() => { const e = document.activeElement; const s = getComputedStyle(e); return {
			name: e.className === "skip" ? "skip" : e.dataset.act ?? (e.id || e.innerText.trim().split("\n")[0]),
			outlined: s.outlineStyle !== "none" && s.outlineWidth !== "0px" }; })()`)
		if here["outlined"] != true {
			t.Errorf("at %v the focus can't be seen", here["name"])
		}
		path = append(path, here["name"].(string))
	}
	want := []string{
		"skip", "Test lab", "Overview", "Events", "Maintenance", "Mails", "System", "Board", "person", "help", "q",
		"32 all", "4 unhealthy", "1 flapping", "1 unknown", "1 starting", "25 healthy", "1 acknowledged", "2 silenced", "2 maintenance", "2 held",
		"pend31", "ack", "silence", "hold", "spin31",
	}
	if !equal(path, want) {
		t.Errorf("Tab passes %q,\nwant %q", path, want)
	}
}
