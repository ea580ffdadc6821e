package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is what one test does in a window of the browser. Whatever goes wrong in it, also
// unseen, fails its test in the end.
type tab struct {
	t      *testing.T
	ctx    context.Context
	home   string // of its server
	marked bool   // it has altered the window for good

	mu       sync.Mutex
	faults   []string
	forgiven []string // parts of faults that a test has provoked
}

// size of a window, in CSS pixels.
type size struct{ width, height int64 }

var (
	phone = size{320, 640}
	desk  = size{1440, 900}
	wall  = size{1920, 1080}
)

// open gives a tab to look at one server with. Its window may have served other tests,
// and holds nothing of theirs but the page's own files.
func open(t *testing.T, home string, s size) *tab {
	t.Helper()
	win, err := chromium.window()
	if err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	tb := &tab{t: t, ctx: win.ctx, home: home}
	win.tab.Store(tb)
	t.Cleanup(func() {
		for _, asked := range chromium.abroad.take() {
			t.Errorf("a page asks for %s, which is not its server's", asked)
		}
		win.tab.Store(nil)
		if err := win.leave(tb.marked || t.Failed()); err != nil {
			t.Errorf("leave the tab: %v", err)
		}
		tb.mu.Lock()
		defer tb.mu.Unlock()
		for _, fault := range tb.faults {
			t.Error(fault)
		}
	})
	tb.resize(s)
	return tb
}

// hear notes what no page of ours may do.
func (tb *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		tb.fault("the page throws: " + text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var text strings.Builder
			for _, arg := range e.Args {
				fmt.Fprintf(&text, " %s%s", arg.Value, arg.Description)
			}
			tb.fault("the console says" + text.String())
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError {
			tb.fault("the browser's log says: " + e.Entry.Text + " " + e.Entry.URL)
		}
	case *page.EventJavascriptDialogOpening:
		tb.fault("the page opens a dialog of the browser: " + e.Message)
	}
}

func (tb *tab) fault(text string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, part := range tb.forgiven {
		if strings.Contains(text, part) {
			return
		}
	}
	tb.faults = append(tb.faults, text)
}

// forgive faults that hold one of the parts: what a test has a server refuse, the
// browser's log complains of.
func (tb *tab) forgive(parts ...string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.forgiven = append(tb.forgiven, parts...)
}

// do carries out a step within our patience, or ends the test.
func (tb *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tb.t.Fatalf("%s: %v\n%s", what, err, tb.seen())
	}
}

// call sends a command of the browser's protocol.
func call[P, R any](tb *tab, what string, command cdp.Command[P, R], params P) {
	tb.t.Helper()
	tb.do(what, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	}))
}

func (tb *tab) resize(s size) {
	tb.t.Helper()
	call(tb, "resize", emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: 1})
}

// prefer says what the reader prefers, such as prefers-color-scheme: dark.
func (tb *tab) prefer(feature, preference string) {
	tb.t.Helper()
	call(tb, "prefer "+preference, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: feature, Value: preference}}})
}

// atStart has a script run before those of every page to come.
func (tb *tab) atStart(what, script string) {
	tb.t.Helper()
	tb.marked = true
	call(tb, what, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// seen is what a person would see, for who reads of a failure.
func (tb *tab) seen() string {
	ctx, cancel := context.WithTimeout(tb.ctx, 2*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 3000)`))
	if err != nil {
		text = "(the page doesn't answer)"
	}
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return "--- the page\n" + text + "\n--- faults\n" + strings.Join(tb.faults, "\n")
}

// goTo loads a page, by its address below home.
func (tb *tab) goTo(path string) {
	tb.t.Helper()
	tb.do("go to "+path, chromedp.Navigate(tb.home+path))
}

// visit loads a page and waits until it follows the server.
func (tb *tab) visit(path string) {
	tb.t.Helper()
	tb.goTo(path)
	tb.until(path+" is live", `document.querySelector("#live.live") && !document.querySelector("[aria-busy]")`)
}

// until waits for a condition in the page's own language. A page that is left
// meanwhile is followed.
func (tb *tab) until(what, condition string) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	wait := fmt.Sprintf(`(async () => { while (!(%s)) await new Promise((resolve) => setTimeout(resolve, 100)); return true; })()`, condition)
	for {
		done, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
		switch {
		case done:
			return
		case ctx.Err() != nil:
			tb.t.Fatalf("waited in vain until %s\n%s", what, tb.seen())
		case err != nil && !left(err):
			tb.t.Fatalf("wait until %s: %v\n%s", what, err, tb.seen())
		}
	}
}

const textOf = `[...document.querySelectorAll(%s)].some((e) => e.checkVisibility() && e.innerText.replace(/\s+/g, " ").includes(%s))`

// shows waits until the text can be seen in an element.
func (tb *tab) shows(selector, text string) {
	tb.t.Helper()
	tb.until(fmt.Sprintf("%s shows %q", selector, text), fmt.Sprintf(textOf, quote(selector), quote(text)))
}

// hides waits until the text can't be seen in any such element.
func (tb *tab) hides(selector, text string) {
	tb.t.Helper()
	tb.until(fmt.Sprintf("%s shows %q no more", selector, text), "!"+fmt.Sprintf(textOf, quote(selector), quote(text)))
}

// click presses what a person would, on what is there, uncovered, can be pressed, and
// stands still. What has just come in may move it from under the pointer all the same,
// more so the longer a busy machine takes for the way there: the page is asked what was
// hit, and the press is made again where it was something else.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	tb.clickUnless("false", selector)
}

// clickUnless presses what may go away by itself, which it has where the condition holds.
func (tb *tab) clickUnless(over, selector string) {
	tb.t.Helper()
	for range 20 {
		tb.until("there is "+selector+", at rest and uncovered", fmt.Sprintf(`await (async () => {
			if (%[2]s) {
				window.target = null;
				return true;
			}
			const place = () => {
				const e = document.querySelector(%[1]s);
				if (!e || !e.checkVisibility() || e.disabled) return null;
				e.scrollIntoView({block: "nearest"});
				const box = e.getClientRects()[0];
				const at = [box.x + box.width / 2, box.y + box.height / 2];
				const top = document.elementFromPoint(...at);
				return e.contains(top) ? at : null;
			};
			const before = place();
			await new Promise((resolve) => setTimeout(resolve, 30));
			window.target = place();
			if (!before || !window.target || before.join() !== window.target.join()) return false;
			window.hit = false;
			if (!window.watched) addEventListener("click", (event) => { window.hit ||= Boolean(event.target.closest?.(window.watched)); }, true);
			window.watched = %[1]s;
			return true;
		})()`, quote(selector), over))
		at := run[[]float64](tb, "window.target")
		if at == nil {
			return
		}
		for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
			call(tb, "click "+selector, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: at[0], Y: at[1], Button: input.MouseButtonLeft, ClickCount: 1})
		}
		if tb.hit() {
			return
		}
		tb.t.Logf("%s was pressed beside: again", selector)
	}
	tb.t.Fatalf("%s can't be hit\n%s", selector, tb.seen())
}

// hit tells whether the last press reached what it was meant for. A page that is being
// left, or that knows of no press, is one to which it has led.
func (tb *tab) hit() bool {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	found, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`window.hit !== false`))
	if err != nil && !left(err) {
		tb.t.Fatalf("ask what was hit: %v\n%s", err, tb.seen())
	}
	return found || err != nil
}

// left tells whether a page didn't answer as another is taking its place.
func left(err error) bool {
	for _, part := range []string{"navigat", "context", "collected"} {
		if strings.Contains(err.Error(), part) {
			return true
		}
	}
	return false
}

// write replaces what a field holds.
func (tb *tab) write(selector, text string) {
	tb.t.Helper()
	tb.until("there is "+selector, fmt.Sprintf(`document.querySelector(%s)?.checkVisibility()`, quote(selector)))
	run[chromedp.Void](tb, fmt.Sprintf(`((e) => { e.focus(); e.select(); })(document.querySelector(%s))`, quote(selector)))
	call(tb, "write into "+selector, input.InsertText, input.InsertTextParams{Text: text})
}

// set gives a field that isn't written in a value, as if it had been chosen.
func (tb *tab) set(selector, value string) {
	tb.t.Helper()
	tb.until("there is "+selector, fmt.Sprintf(`document.querySelector(%s)?.checkVisibility()`, quote(selector)))
	run[chromedp.Void](tb, fmt.Sprintf(`((e) => { e.value = %s; e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector(%s))`, quote(value), quote(selector)))
}

// press sends keys to whatever has the focus, one after the other, as a keyboard
// does: a page that takes a key leaves nothing of it to be written.
func (tb *tab) press(keys ...string) {
	tb.t.Helper()
	for _, key := range keys {
		tb.do(fmt.Sprintf("press %q", key), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			for _, r := range key {
				events := kb.Encode(r)
				down, up := *events[0], *events[len(events)-1]
				if len(events) == 3 {
					down.Type, down.Text, down.UnmodifiedText = kb.KeyDown, events[1].Text, events[1].UnmodifiedText
				}
				for _, event := range []input.DispatchKeyEventParams{down, up} {
					if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, event); err != nil {
						return err
					}
				}
			}
			return nil
		}))
	}
}

// run evaluates an expression of the page, and waits for a promise.
func run[T any](tb *tab, expression string) T {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tb.t.Fatalf("evaluate %.200s: %v\n%s", expression, err, tb.seen())
	}
	return value
}

// module evaluates an expression in which m is a module of the page.
func module[T any](tb *tab, name, expression string) T {
	tb.t.Helper()
	return run[T](tb, fmt.Sprintf(`import(new URL(%s, document.querySelector("script[type=module]").src)).then((m) => (%s))`, quote("./"+name), expression))
}

// quote writes a text in JavaScript.
func quote(text string) string {
	out, _ := json.Marshal(text) // a text can be marshalled
	return string(out)
}
