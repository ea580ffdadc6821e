package browsertest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"labstatus/internal/health"
	"labstatus/serve"
)

// A token is asked for when it is first needed, kept for the tab, and sent where it
// belongs: it is in no address and outlives no tab.
func TestTokenIsEnteredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	made := token(t, "anna", serve.ScopeAdmin)
	tb.visit("")
	tb.shows("#person", "Token…")
	tb.click(`button[data-act=ack][data-of=pend31]`)
	tb.write("#act-text", "on my way")
	tb.press(kb.Enter)
	tb.write("#token", "rubbish")
	tb.press(kb.Enter)
	tb.shows("dialog .wrong", "That is no token")
	tb.write("#token", "Bearer "+made)
	tb.press(kb.Enter)
	tb.shows("#cared .card", "Acknowledged by anna")
	tb.shows("#cared .card", "on my way")
	tb.shows("h1", "1 of 32 experiments needs you")
	tb.shows("#person", "anna, until")
	tb.until("no dialog is left", `!document.querySelector("dialog")`)

	tb.click(`button[data-act=silence][data-of=spin31]`)
	tb.write("#act-text", "loose contact")
	tb.click("dialog button.main")
	tb.shows("#cared .card", "loose contact by anna")
	tb.shows("h1", "Nothing needs you: 5 of 32 experiments are cared for")

	if kept := run[string](tb, `JSON.stringify([Object.values(localStorage), document.cookie, location.href])`); strings.Contains(kept, made[:20]) {
		t.Error("the token is kept beyond the tab")
	}
	for _, request := range w.asked("") {
		if strings.Contains(request, made[:20]) {
			t.Errorf("the token is in an address: %s", request)
		}
	}
	tb.visit("experiment?name=spin31")
	tb.shows("#person", "anna, until")
	tb.click("#person")
	tb.shows("#person", "Token…")
}

// Each act can be done on the experiment's page, is shown at once, and can be undone.
func TestEveryAct(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alter("pend31", func(r *health.Report) {
		second := r.Resources[0]
		second.Name = "r-pend31-extra"
		r.Resources = append(r.Resources, second)
	})
	tb := open(t, w.url, phone)
	tb.visit("experiment?name=pend31")
	signIn(tb, token(t, "bob", serve.ScopeAdmin))

	tb.click("button[data-act=ack]")
	tb.click("dialog button.main") // a note may be left out
	tb.shows(".marks", "Acknowledged by bob")
	tb.click("button[data-act=unack]")
	tb.click("dialog button.main")
	tb.hides("#wrong", "Acknowledged")

	tb.click("button[data-act=silence]")
	tb.set("#act-end", "")
	tb.set("#act-until", time.Now().In(london).Add(50*time.Hour).Format("2006-01-02T15:04"))
	tb.write("#act-text", "until it is mended")
	tb.click("dialog button.main")
	tb.shows(".marks", "until it is mended by bob")
	tb.shows(".marks", "(in 2 d 1 h)")
	tb.click("button[data-act=unsilence]")
	tb.click("dialog button.main")
	tb.hides("#wrong", "Silenced")

	tb.click("button[data-act=hold]")
	tb.write("#act-text", "belt is off")
	tb.click(`dialog [name=resource][value="r-pend31-extra"]`) // leave it out
	tb.click("dialog button.main")
	tb.shows(".marks", "Held off booking: r-pend31, belt is off")
	tb.hides(".marks", "r-pend31-extra")
	tb.click("button[data-act=release]")
	tb.click("dialog button.main")
	tb.hides("#wrong", "Held")

	kinds := []health.ActKind{}
	for _, a := range w.acts {
		if a.Experiment == "pend31" {
			kinds = append(kinds, a.Kind)
			if a.By != "bob" {
				t.Errorf("%s is said to be by %q", a.Kind, a.By)
			}
		}
	}
	if want := []health.ActKind{health.ActRelease, health.ActHold, health.ActUnsilence, health.ActSilence, health.ActUnack, health.ActAck}; !equal(kinds, want) {
		t.Errorf("the server was told %v, want %v", kinds, want)
	}
	tb.visit("maintenance")
	tb.shows("#audit tr", "bob held off booking pend31 belt is off")
}

// What the server refuses is said in its words, where it was asked for, and nothing
// that was written is lost.
func TestRefusalsAreSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refuse = &serve.ActError{Status: http.StatusConflict, Message: "nothing is wrong with pend31 " + hostile}
	tb := open(t, w.url, desk)
	tb.forgive("status of 401", "status of 403", "status of 409")
	tb.visit("experiment?name=pend31")
	signIn(tb, token(t, "carol", serve.ScopeRead))
	tb.click("button[data-act=ack]")
	tb.write("#act-text", "words to keep")
	tb.click("dialog button.main")
	tb.shows("dialog .wrong", "The token lacks the scope status:admin.")
	tb.press(kb.Escape)
	tb.until("the focus is back on the button", `document.activeElement.dataset.act === "ack"`)

	tb.click("#person")
	signIn(tb, token(t, "", serve.ScopeAdmin))
	tb.click("button[data-act=ack]")
	tb.click("dialog button.main")
	tb.shows("#token-why", "The token doesn't say whose it is")
	tb.write("#token", token(t, "carol", serve.ScopeAdmin))
	tb.press(kb.Enter)
	tb.shows("dialog .wrong", "Nothing is wrong with pend31 <img src=x")
	tb.until("the dialog is still there", `document.querySelector("dialog[open] #act-text") && !document.querySelector("#wrong .marks")`)
}

// On a server whose secret isn't set nothing is offered that can't be done.
func TestNothingCanBeChangedWithoutSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *serve.Options) { o.AdminAuth = nil })
	tb := open(t, w.url, desk)
	tb.visit("experiment?name=pend31")
	tb.shows("#acts", "Nothing can be changed from here: the server runs without STATUS_SECRET_STATUS.")
	tb.until("no act is offered", `!document.querySelector("button[data-act]")`)
	tb.visit("")
	tb.shows("#need .card", "pend31")
	tb.until("no act is offered", `!document.querySelector("button[data-act]")?.checkVisibility()`)
	tb.visit("mails")
	tb.until("no test mail is offered", `!document.querySelector("#test").checkVisibility()`)
	tb.visit("maintenance")
	tb.shows("#windows", "new springs")
	tb.until("no maintenance is offered", `!document.querySelector("#new").checkVisibility() && !document.querySelector("button[data-window]")`)
}

var london, _ = time.LoadLocation("Europe/London")

func signIn(tb *tab, token string) {
	tb.t.Helper()
	tb.click("#person")
	tb.write("#token", token)
	tb.press(kb.Enter)
	tb.until("the token is taken", `!document.querySelector("dialog") && document.querySelector("#person").innerText !== "Token…"`)
}

func equal[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
