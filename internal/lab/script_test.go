package lab

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Every fault of a script is named, with its line and what would do.
func TestParseScriptFaults(t *testing.T) {
	t.Parallel()
	_, err := ParseScript("# fine\n1m pend00 video vanishes\nsoon pend00 video vanishes\n2m pend00 video explodes\n" +
		"3m book answers in a while\n4m mail hangs at lunch\n5m\n6m nonsense\n-1s relay mute\n7m relay fails with 200 # too late\n" +
		"8m somebody closes r-a because\n9m book hums\n")
	if err == nil {
		t.Fatal("taken")
	}
	got := strings.Split(err.Error(), "\n")
	want := []string{
		`line 3: "soon" is not a time`,
		`line 4: "pend00 video explodes" is no order; near it are: <stub> jump drops`,
		`line 5: "book answers in a while" is no order; near it are: <service> answers in <duration>`,
		`line 6: "mail hangs at lunch": <stage> is "lunch": want one of accept, banner`,
		`line 7: an order is missing`,
		`line 8: "nonsense" is no order; near it are: <stub>`,
		`line 9: "-1s" is not a time`,
		`line 10: "relay fails with 200": <failure> is "200": want a code from 400 to 599`,
		`line 11: "somebody closes r-a because" is no order; near it are: somebody closes`,
		`line 12: "book hums" is no order; near it are: `,
	}
	if len(got) != len(want) {
		t.Errorf("%d faults named, want %d:\n%s", len(got), len(want), err)
	}
	for i := range min(len(got), len(want)) {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

// A script is run in the order of its times, faster by its speed, goes on
// after an order that cannot be carried out, and ends early with its context.
func TestScriptRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(Options{Network: NewNetwork(), Experiments: captured()})
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseScript("4m pend01 video vanishes # gone\n2m nobody video vanishes\n6m p* video returns\n1m pend01 data silent")
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := s.Run(t.Context(), l, 60); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d != 6*time.Second {
			t.Errorf("6 minutes at 60 times the speed took %s", d)
		}
		var got []string
		for _, o := range l.Orders() {
			got = append(got, o.At.Sub(begin).String()+" "+o.Say+" "+o.Err)
		}
		want := "1s pend01 data silent |2s nobody video vanishes no experiment in the lab is called nobody|4s gone |6s p* video returns "
		if strings.Join(got, "|") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
		}
		for _, e := range l.State().Experiments {
			if e.Stub == "pend01" && (e.Streams["st-data"] != "silent" || e.Streams["st-video"] != "sending") {
				t.Errorf("pend01 ends as %v", e.Streams)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Run(ctx, l, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
		if s.Run(t.Context(), l, 0) == nil {
			t.Error("ran at no speed")
		}
	})
}

// The demo's story can be told: every order is carried out, and it ends with
// everything well.
func TestDemoScript(t *testing.T) {
	t.Parallel()
	opt := Options{Experiments: DemoExperiments(), RelayStats: true, GOSTs: DemoGOSTs(), Collector: &CollectorOptions{}}
	inBubble(t, opt, func(b *bench) {
		b.observeCollector()
		if err := DemoScript().Run(b.Context(), b.Lab, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		for _, o := range b.Orders() {
			if o.Err != "" {
				t.Errorf("%s: %s", o.Line, o.Err)
			}
		}
		s := b.State()
		for _, e := range s.Experiments {
			for name, is := range e.Streams {
				if is != "sending" || !e.Jump {
					t.Errorf("%s %s is %s at the end, jump %v", e.Stub, name, is, e.Jump)
				}
			}
		}
		for _, svc := range s.Services {
			if svc.Mode != "well" || svc.Mute || svc.Latency != "0s" {
				t.Errorf("%+v at the end", svc)
			}
		}
		for _, r := range s.Resources {
			if !r.Available {
				t.Errorf("%+v at the end", r)
			}
		}
		for _, g := range s.GOSTs {
			for _, svc := range g.Services {
				if !svc.Usable || svc.State != "ready" || svc.Now.CurrentConns != 0 || g.Silent {
					t.Errorf("%s %+v at the end", g.Name, svc)
				}
			}
		}
		if s.Collector.Mode != "well" {
			t.Errorf("the collector is %s at the end", s.Collector.Mode)
		}
	})
}

// Each order of the grammar can be parsed from its form with fitting
// arguments, and is carried out by a lab that has what it speaks of.
func TestEveryOrder(t *testing.T) {
	t.Parallel()
	example := strings.NewReplacer("<stub> arrives", "newcomer arrives", "<stub>", "pend01", "<stream>", "video", "<service>", "relay", "<feed>", "jump", "<duration>", "1s", "<timed>", "book", "<skew>", "-1h",
		"<code>", "450", "<failure>", "503", "<n>", "2", "<size>", "100", "<text>", "some words", "<resource>", "r-pend01", "<streams>", "data,st-video",
		"<stage>", "data", "<kind>", "unknown", "<recipient>", "*@x", "<way>", "late", "<gost>", "lee*", "[", "", "]", "")
	prepared := map[string][]string{"<stub> tunnel logout": {"pend01 tunnel login"}, "<stub> client logout": {"pend01 client login"}}
	for _, o := range orders {
		opt := Options{Experiments: captured(), Collector: &CollectorOptions{}, GOSTs: []GOST{{Name: "leeds", Tunnels: []string{"pend01"}, Clients: []string{"pend01"}}}}
		opt.MailServer.TLS = TLSStart
		inBubble(t, opt, func(b *bench) {
			b.Observe(b.Addr(Collector), b.collected.opt.Token)
			synctest.Wait()
			for _, before := range prepared[o.form] {
				b.must(b.Order(before))
			}
			if err := b.Order(example.Replace(o.form)); err != nil {
				t.Errorf("%s: %v", o.form, err)
			}
			if !strings.Contains(Grammar(), o.form) {
				t.Errorf("%s is not listed", o.form)
			}
		})
	}
}

// The control API takes orders, says what is wrong with bad ones, shows the
// state and the mails, and takes nothing from another site's page.
func TestControl(t *testing.T) {
	t.Parallel()
	opt := Options{Experiments: captured(), Collector: &CollectorOptions{}, GOSTs: []GOST{{Name: "leeds", Tunnels: []string{"pend01"}, Clients: []string{"<b>"}}}}
	inBubble(t, opt, func(b *bench) {
		b.observeCollector()
		synctest.Wait()
		b.must(b.Tunnel("pend01").Carry(2))
		b.must(b.Client("<b>").Login())
		b.reporting(nil, "/leeds", "{}")
		time.Sleep(6 * time.Second)
		url := strings.TrimSuffix(b.ControlURL(), "/")
		for order, want := range map[string]int{"pend01 video vanishes": 204, "pend01 video burns": 400, "nobody jump drops": 409, "a\nb": 400, strings.Repeat("x", orderLimit+1): 400} {
			if status, body := b.ask("POST", url+"/order", "", "", order); status != want {
				t.Errorf("order %.30q: %d %s", order, status, body)
			}
		}
		if _, body := b.ask("POST", url+"/order", "", "", "x"); !strings.Contains(body, "<stub> <stream> vanishes") {
			t.Errorf("a bad order does not show the grammar: %s", body)
		}
		if _, body := b.ask("GET", url+"/state", "", "", ""); !strings.Contains(body, `"st-video": "absent"`) {
			t.Errorf("state: %s", body)
		}
		_, home := b.ask("GET", url+"/", "", "", "")
		for _, want := range []string{"<h2>GOST leeds</h2>", "3.3 over HTTP, running.", "<td>tunnel-pend01</td><td>ready</td><td>2, 0 open</td>", "relay / &lt;b&gt;",
			"<h2>Collector</h2>", "service tunnel-pend01 is ready", "<td>1000</td><td>3000</td>", "1 complaints", "&#34;events&#34; is missing"} {
			if !strings.Contains(home, want) {
				t.Errorf("the page does not show %s: %s", want, home)
			}
		}
		if at, err := b.post(time.Minute, "a@lab.example"); err != nil {
			t.Fatal(at, err)
		}
		for path, want := range map[string]string{
			"/": "What can be ordered", "/mails": "/mails/1", "/mails/1": "pend00 ✓", "/mails/1/raw": "boundary=b",
			"/mails/1/html": "<b>well</b>", "/lab.js": "addEventListener",
		} {
			if status, body := b.ask("GET", url+path, "", "", ""); status != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: %d %.200s", path, status, body)
			}
		}
		r, err := http.NewRequestWithContext(b.Context(), "POST", url+"/order", strings.NewReader("relay mute"))
		b.must(err)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		res, err := b.http.Do(r)
		b.must(err)
		b.must(res.Body.Close())
		if res.StatusCode != 403 {
			t.Errorf("an order from another site's page: %d", res.StatusCode)
		}
		for _, path := range []string{"/mails/0", "/mails/2", "/mails/x", "/nothing"} {
			if status, _ := b.ask("GET", url+path, "", "", ""); status != 404 {
				t.Errorf("%s: %d", path, status)
			}
		}
	})
}
