package browsertest

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp/kb"

	"labstatus/internal/health"
	"labstatus/serve"
)

// An observer is added, changed and removed on the page of the system; what is refused
// is said at its field, and no token is ever shown.
func TestObserversAreManaged(t *testing.T) {
	t.Parallel()
	o := someObserving(time.Now())
	w := newWorld(t, o.into)
	tb := open(t, w.url, desk)
	tb.forgive("status of 422")
	tb.visit("system")
	tb.shows("#observers tr", "collector https://collector.example http, every 5s, patience 5s, with a token")
	tb.shows("#observers tr", "1,234 reports with 5,678 events")
	tb.shows("#observers tr", "failing for 5 min")
	tb.shows("#observers tr", "17 events, the oldest of 5 min ago")
	tb.until("one of the file can't be changed", `!document.querySelector("button[data-observer][data-name=grafana]")`)
	tb.hides("#observers", "s3cret")

	// Whoever changes something is asked for a token, before a form shows half an address.
	tb.click(`button[data-observer=change][data-name=collector]`)
	tb.write("#token", token(t, "anna", serve.ScopeAdmin))
	tb.press(kb.Enter)
	tb.until("the form has the whole address", `document.querySelector("#ob-address")?.value === "https://collector.example/observer/s3cret" && document.querySelector("#ob-token").value === ""`)
	tb.write("#ob-period", "1m")
	tb.click("dialog button.main")
	tb.shows("#observer-result", "collector is changed.")
	tb.shows("#observers tr", "every 1m")

	tb.click("#observer-new")
	tb.write("#ob-name", "mine")
	tb.write("#ob-address", "ftp://nowhere")
	tb.write("#ob-token", "t0ken")
	tb.click("#ob-tls")
	tb.write("#ob-tls-server_name", "observer.lab")
	o.mu.Lock()
	o.refuse = &serve.ActError{Status: http.StatusUnprocessableEntity, Field: "address", Message: "HTTP wants a URL " + hostile}
	o.mu.Unlock()
	tb.click("dialog button.main")
	tb.shows("dialog .wrong", "Address: HTTP wants a URL <img src=x")
	tb.until("the field is marked and has the focus", `document.activeElement.id === "ob-address" && document.activeElement.getAttribute("aria-invalid") === "true"`)
	o.mu.Lock()
	o.refuse = &serve.ActError{Status: http.StatusUnprocessableEntity, Field: "tls.server_name", Message: "a host name, without port"}
	o.mu.Unlock()
	tb.write("#ob-address", "10.0.0.9:8000")
	tb.click("dialog button.main")
	tb.shows("dialog .wrong", "Tls.server_name: a host name, without port")
	tb.until("the other field is marked alone", `document.activeElement.id === "ob-tls-server_name" && document.querySelectorAll("[aria-invalid]").length === 1`)
	o.mu.Lock()
	o.refuse = &serve.ActError{Status: http.StatusUnprocessableEntity, Message: "there are too many"}
	o.mu.Unlock()
	tb.click("dialog button.main")
	tb.shows("dialog .wrong", "There are too many")
	tb.until("the focus stays", `document.activeElement.matches("dialog button.main")`)
	o.mu.Lock()
	o.refuse = nil
	o.mu.Unlock()
	tb.click("dialog button.main")
	tb.shows("#observer-result", "mine is told from now on.")
	tb.shows("#observers tr", "mine 10.0.0.9:8000")
	tb.shows("#strip", "3 observers, 17 events pending")
	tb.hides("#observers", "t0ken")

	tb.click(`button[data-observer=remove][data-name=mine]`)
	tb.shows("dialog h2", "Tell mine nothing more?")
	tb.click("dialog button.main")
	tb.shows("#observer-result", "mine is removed.")
	tb.hides("#observer-list", "mine")
	tb.until("the focus is where one can go on", `document.activeElement.id === "observer-new"`)
	tb.until("nothing is said twice", `!document.querySelector("#said").textContent.includes("mine")`)

	want := []string{
		"anna changes collector to {Name:collector Type:http Address:https://collector.example/observer/s3cret Token:*** TLS:<nil> Timeout:5s Period:1m ResetTraffic:false}",
		"anna adds {Name:mine Type: Address:10.0.0.9:8000 Token:t0ken TLS:0x",
		"anna removes mine",
	}
	if got := o.changes(); !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("the server was asked:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A token that may only read opens no form, nor does one that only says that it may
// more: it would be given half an address.
func TestReadersChangeNoObserver(t *testing.T) {
	t.Parallel()
	o := someObserving(time.Now())
	w := newWorld(t, o.into)
	tb := open(t, w.url, desk)
	tb.visit("system")
	tb.shows("#observers tr", "collector")
	signIn(tb, token(t, "carol", serve.ScopeRead))
	tb.click(`button[data-observer=change][data-name=collector]`)
	tb.shows("#observer-result", "takes a token with the scope status:admin; the server takes yours for none")
	tb.until("no form is open", `!document.querySelector("dialog")`)

	forged, err := serve.MintToken("another secret", audience, "mallory", []string{serve.ScopeAdmin}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	forger := open(t, w.url, desk)
	forger.visit("system")
	forger.shows("#observers tr", "collector")
	signIn(forger, forged)
	forger.click(`button[data-observer=change][data-name=collector]`)
	forger.shows("#observer-result", "the server takes yours for none")
	forger.until("no form is open", `!document.querySelector("dialog")`)

	locked := open(t, newWorld(t, o.into, func(_ *world, opts *serve.Options) { opts.AdminAuth = nil }).url, desk)
	locked.visit("system")
	locked.shows("#observers tr", "collector")
	locked.until("nothing is offered that can't be done", `!document.querySelector("button[data-observer]") && !document.querySelector("#observer-new").checkVisibility()`)
}

// An experiment's tunnels are on its page, with what they carried; the overview tells
// of those in trouble, and how many there are.
func TestTunnelsAreShown(t *testing.T) {
	t.Parallel()
	o := someObserving(time.Now())
	w := newWorld(t, o.into)
	tb := open(t, w.url, desk)
	tb.visit("experiment?name=pend31")
	tb.shows("#tunnels tr", "leeds/silent access unknown has not said no figures yet never")
	tb.shows("#tunnels tr", "leeds/tunnel-pend31 required unhealthy failed for 4 min dial tcp: refused 12 connections, 1 open, 3.40 MB in, 120 B out, 2 errors")
	tb.shows("#wrong", "unhealthy tunnel leeds/tunnel-pend31 it said: failed, dial tcp: refused (for 4 min")
	w.alter("pend31", func(r *health.Report) {
		r.Tunnels = slices.Clone(r.Tunnels)
		r.Tunnels[1].State, r.Tunnels[1].Verdict, r.Tunnels[1].OK, r.Tunnels[1].Since, r.Tunnels[1].Message = health.TunnelReady, health.VerdictOK, true, time.Now(), ""
		r.Issues = r.Issues[:1]
	})
	tb.shows("#tunnels tr", "leeds/tunnel-pend31 required ok ready for")
	tb.hides("#wrong", "tunnel")
	tb.visit("experiment?name=pend00")
	tb.until("one without tunnels has no such section", `document.querySelector("#streams tr") && !document.querySelector("#tunnels").checkVisibility()`)

	tb.visit("")
	tb.shows("#strip", "tunnels 3 sources, 2 ready, 2 failed newest report")
	tb.shows("#strip", "observers grafana failing for 5 min")
	o.report("spare", "closed")
	tb.shows("#strip", "1 ready, 2 failed, 1 closed")

	plain := open(t, newWorld(t).url, desk)
	plain.visit("")
	plain.shows("#need .card", "pend31")
	plain.hides("#strip", "tunnels")
	plain.hides("#strip", "observers")
	plain.visit("system")
	plain.shows("#observers", "Nobody is told how this server is.")
	plain.shows("#observed", "Reports are not listened to")
	plain.resize(phone)
	for _, wrong := range run[[]string](plain, structure) {
		t.Error(wrong)
	}
}

// Twenty thousand subjects are found by source, state and name; no more are shown than
// somebody asks for, and the page doesn't freeze.
func TestTwentyThousandTunnels(t *testing.T) {
	const n = 20_000
	o := someObserving(time.Now())
	o.observed = manyObserved(n, time.Now())
	w := newWorld(t, o.into)
	tb := open(t, w.url, desk)
	call(tb, "count processor time", performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
	tb.visit("system")
	tb.shows("#observed-in", "Reports are listened to at 127.0.0.1:3008. Since the start 40 reports with 60 events taken, 1 repeat left out, 2 events of unknown kind ignored, 5 refused (2 body, 3 token).")
	tb.shows("#observed-count", "200 of 20,000 services and clients are shown.")
	tb.shows("#observed h3", "source00 396 ready, 4 failed, newest report")
	tb.click("#observed-more")
	tb.shows("#observed-count", "400 of 20,000")
	tb.set("#observed-state", "failed")
	tb.shows("#observed-count", "200 services and clients that fit.")
	tb.until("no more are offered", `!document.querySelector("#observed-more").checkVisibility() && document.querySelectorAll("#observed-rows > section").length === 50`)
	tb.set("#observed-source", "source49")
	tb.shows("#observed-count", "4 services and clients that fit.")
	tb.until("the address says so", `location.search === "?source=source49&state=failed"`)
	tb.write("#observed-q", "19950")
	tb.shows("#observed-count", "1 service or client that fit.")
	tb.shows("#observed tr", "tunnel-19950 service expt19950 access failed for")
	worked := tb.worked()
	t.Logf("%.0f ms of work", 1000*worked)
	if worked > 5 {
		t.Errorf("%.0f ms of work: the page freezes", 1000*worked)
	}
	tb.visit("system?source=source07&q=tunnel-0280")
	tb.shows("#observed-count", "10 services and clients that fit.")
	tb.until("the fields show the filter", `document.querySelector("#observed-source").value === "source07" && document.querySelector("#observed-q").value === "tunnel-0280"`)
}

// The list grows to a thousand rows; what is beyond is found by the filter.
func TestObservedListIsBounded(t *testing.T) {
	t.Parallel()
	o := someObserving(time.Now())
	o.observed = manyObserved(1001, time.Now())
	tb := open(t, newWorld(t, o.into).url, desk)
	tb.visit("system")
	for _, n := range []string{"200", "400", "600", "800"} {
		tb.shows("#observed-count", n+" of 1,001 services and clients are shown.")
		tb.click("#observed-more")
	}
	tb.shows("#observed-count", "1,000 of 1,001 services and clients are shown; use the filter for the others.")
	tb.until("no more are offered", `!document.querySelector("#observed-more").checkVisibility()`)
}

// What can't be read anew leaves what was read before, and the filter, by which
// another part may be asked for. The address asks for no state that there isn't.
func TestObservedListOutlivesFaults(t *testing.T) {
	t.Parallel()
	tb := open(t, newWorld(t, someObserving(time.Now()).into).url, desk)
	tb.atStart("have a server that can be lost", `
		const real = window.fetch;
		window.lost = true;
		window.fetch = (what, ...rest) => window.lost && String(what).includes("observed?") ? Promise.reject(new TypeError("lost")) : real(what, ...rest);`)
	tb.visit("system?source=york&state=ill")
	tb.shows("#observed-fault", "What is reported can't be shown. The server can't be reached.")
	tb.until("the filter is there", `document.querySelector("#observed-filter").checkVisibility() && document.querySelector("#observed-source").value === "york" && document.querySelector("#observed-state").value === ""`)
	run[bool](tb, `window.lost = false, true`)
	tb.set("#observed-state", "ready")
	tb.shows("#observed-rows tr", "spare service")
	tb.until("the fault is over", `!document.querySelector("#observed-fault").hasChildNodes() && location.search === "?source=york&state=ready"`)
	run[bool](tb, `window.lost = true`)
	tb.set("#observed-state", "failed")
	tb.shows("#observed-fault", "Below is what was read before; what is asked for now can't be shown. The server can't be reached.")
	tb.shows("#observed-rows tr", "spare service")
}

// An answer that was asked for earlier and comes later is not taken.
func olderAnswersAreNotTaken(t *testing.T, tb *tab) {
	t.Helper()
	got := module[[]string](tb, "observing.js", `(async () => {
		const real = window.fetch;
		const held = [];
		window.fetch = (what, ...rest) => String(what).includes("observe") ? new Promise((answer) => held.push(answer)) : real(what, ...rest);
		const said = [];
		const asked = ["older", "newer"].map((name) => {
			const from = held.length;
			const done = m.readObserving();
			const [observers, observed] = held.slice(from);
			return () => {
				observers(Response.json([{spec: {name}, pending: 0}]));
				observed(Response.json({sources: [], subjects: [], total: 0}));
				return done.then(() => said.push(m.told.observers[0].spec.name));
			};
		});
		await asked[1]();
		await asked[0]();
		window.fetch = real;
		return said;
	})()`)
	if !slices.Equal(got, []string{"newer", "newer"}) {
		t.Errorf("shown: %q", got)
	}
}

// The page's script says in the strip what the server says: see testdata/observing.json.
func observingWords(t *testing.T, tb *tab) {
	t.Helper()
	table, err := os.ReadFile("testdata/observing.json")
	if err != nil {
		t.Fatal(err)
	}
	run[bool](tb, "(window.table = "+string(table)+", true)")
	wrong := module[[]string](tb, "observing.js", `(() => {
		const wrong = [];
		const now = Date.now();
		const ago = (seconds) => seconds ? new Date(now - seconds * 1000).toISOString() : undefined;
		const check = (c, tile) => {
			const got = [tile?.word ?? "", tile?.tone ?? "", tile?.note ?? "", Number.isFinite(tile?.at) ? Math.round((now - tile.at) / 1000) : 0];
			const want = [c.says, c.tone ?? "", c.note ?? "", c.newest ?? 0];
			if (JSON.stringify(got) !== JSON.stringify(want)) wrong.push(JSON.stringify(c) + ": " + JSON.stringify(got));
		};
		const zero = {ready: 0, running: 0, failed: 0, closed: 0, unsaid: 0};
		for (const c of table.tunnels) {
			const sources = c.sources.map((s) => ({...zero, ...s, last_at: ago(s.last_at), subjects: Object.keys(zero).reduce((n, state) => n + (s[state] ?? 0), 0)}));
			check(c, m.tunnelsTile({sources, receiver: {refused: c.refused ?? {}, keep_error: c.keep_error}}));
		}
		for (const c of table.observers) {
			check(c, m.observersTile(c.of.map((o) => ({pending: 0, ...o, spec: {name: o.name}, last_ok: ago(o.last_ok), failing_since: ago(o.failing_since)}))));
		}
		return wrong;
	})()`)
	for _, fault := range wrong {
		t.Error(fault)
	}
	figures := module[[]string](tb, "figures.js", `[999, 1000, 999_499, 999_500, 999_999, 999.6e6, 18.4e18].map(m.bytes)`)
	if want := []string{"999 B", "1.00 kB", "999 kB", "1.00 MB", "1.00 MB", "1.00 GB", "18.4 EB"}; !slices.Equal(figures, want) {
		t.Errorf("bytes are %q, want %q", figures, want)
	}
}
