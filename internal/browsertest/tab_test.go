package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/css"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is a window of the browser, with a profile of its own. Whatever goes wrong in
// it, also unseen, fails its test in the end.
type tab struct {
	t    *testing.T
	ctx  context.Context
	home string // nothing outside of it may be asked for

	mu       sync.Mutex
	faults   []string
	requests []string // as "GET http://…"
	forgiven []string // parts of faults that a test has provoked
}

// size of a window, in CSS pixels.
type size struct{ width, height int64 }

var (
	phone = size{320, 640}
	desk  = size{1440, 900}
	wall  = size{1920, 1080}
)

// open makes a tab that may ask one server and nobody else.
func open(t *testing.T, home string, s size) *tab {
	t.Helper()
	browser, err := chromium.context()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	tb := &tab{t: t, ctx: ctx, home: home}
	t.Cleanup(func() {
		tb.mu.Lock()
		defer tb.mu.Unlock()
		cancel()
		for _, fault := range tb.faults {
			t.Error(fault)
		}
	})
	if err := chromedp.Listen(ctx, tb.hear); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	// Nothing here asks for nodes; being told of each that changes is most of the work.
	call(tb, "hear of no styles", css.Disable, cdp.Empty{})
	call(tb, "hear of no nodes", dom.Disable, cdp.Empty{})
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
	case *network.EventRequestWillBeSent:
		tb.note(e.Request.Method, e.Request.URL)
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

func (tb *tab) note(method, address string) {
	if u, err := url.Parse(address); err != nil || u.Scheme == "about" || u.Scheme == "data" { // data: the signs of the browser's own fields
		return
	}
	tb.mu.Lock()
	tb.requests = append(tb.requests, method+" "+address)
	tb.mu.Unlock()
	if !strings.HasPrefix(address, tb.home) {
		tb.fault("the page asks for " + address + ", which is not below " + tb.home)
	}
}

// forgive faults that hold one of the parts: what a test has a server refuse, the
// browser's log complains of.
func (tb *tab) forgive(parts ...string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.forgiven = append(tb.forgiven, parts...)
}

// asked gives the requests made so far that hold the part.
func (tb *tab) asked(part string) (found []string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, request := range tb.requests {
		if strings.Contains(request, part) {
			found = append(found, request)
		}
	}
	return found
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
	wait := fmt.Sprintf(`(async () => { while (!(%s)) await new Promise((resolve) => setTimeout(resolve, 50)); return true; })()`, condition)
	for {
		done, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
		switch {
		case done:
			return
		case ctx.Err() != nil:
			tb.t.Fatalf("waited in vain until %s\n%s", what, tb.seen())
		case err != nil && !strings.Contains(err.Error(), "navigat") && !strings.Contains(err.Error(), "context") && !strings.Contains(err.Error(), "collected"):
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

// click presses what a person would. An act asks something first: where what has just
// come in has moved its button from under the pointer, it is pressed again.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	tb.pressOn(selector)
	if !strings.HasPrefix(selector, "button[data-act=") {
		return
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for n := 1; n < 160 && !run[bool](tb, `document.querySelector("dialog") !== null`); n++ {
		<-look.C
		if n%40 == 0 {
			tb.pressOn(selector)
		}
	}
}

// pressOn presses once, on what is there, uncovered, can be pressed, and stands still.
func (tb *tab) pressOn(selector string) {
	tb.t.Helper()
	tb.until("there is "+selector+", at rest and uncovered", fmt.Sprintf(`await (async () => {
		const place = () => {
			const e = document.querySelector(%s);
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
		return before && window.target && before.join() === window.target.join();
	})()`, quote(selector)))
	at := run[[]float64](tb, "window.target")
	for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
		call(tb, "click "+selector, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: at[0], Y: at[1], Button: input.MouseButtonLeft, ClickCount: 1})
	}
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
