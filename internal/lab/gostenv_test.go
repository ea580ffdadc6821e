package lab

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What a status server needs to be joined to the GOSTs and the collector is
// there where they are, and nothing of it where they aren't.
func TestObserverSettings(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(b *bench) {
		for name := range b.Env() {
			if strings.HasPrefix(name, "STATUS_OBSERVER") {
				t.Errorf("%s without GOSTs", name)
			}
		}
		if b.ObserverTokens() != "" || !strings.Contains(b.Observers(), `"observers": []`) || b.Addr(Collector) != "" || b.Addr(CollectorGRPC) != "" {
			t.Errorf("without either: %q, %q", b.ObserverTokens(), b.Observers())
		}
		if err := b.Collector().Deny(); err == nil {
			t.Error("no collector was ordered something")
		}
	})
	gosts := []GOST{
		{Name: "leeds", Tunnels: []string{"pend00"}, Required: true, ResetTraffic: true, Period: 2 * time.Second},
		{Name: "york", Token: "a-token-of-its-own", Clients: []string{"pvna00"}},
	}
	inBubble(t, Options{GOSTs: gosts, Collector: &CollectorOptions{Token: "some-other-token"}}, func(b *bench) {
		env := b.Env()
		want := "service tunnel-(?P<stub>.+) required source=leeds ; client (?P<stub>.+) link service=relay source=york"
		if env["STATUS_OBSERVER_MAP"] != want || env["STATUS_OBSERVER_PERIOD"] != "2s" {
			t.Errorf("%v", env)
		}
		if got, want := b.ObserverTokens(), "token-of-the-simulated-leeds  source=leeds  increments\na-token-of-its-own  source=york\n"; got != want {
			t.Errorf("tokens %q, want %q", got, want)
		}
		var list struct {
			Observers []struct{ Name, Type, Address, Token string }
		}
		b.must(json.Unmarshal([]byte(b.Observers()), &list))
		if o := list.Observers; len(o) != 2 || o[0].Address != "http://collector.lab:80/" || o[1].Address != "collector-grpc.lab:80" || o[1].Type != "grpc" || o[1].Token != "some-other-token" {
			t.Errorf("%s", b.Observers())
		}
	})
}

// Where the GOSTs report is as it would be written in their configuration.
func TestObserve(t *testing.T) {
	t.Parallel()
	const base = "collector.lab:80"
	for _, c := range []struct {
		gost        GOST
		addr, token string
		source      string // as the collector sees it; empty where it lets nobody in
	}{
		{GOST{}, base, "", "observer/gost"},
		{GOST{Name: "leeds", TokenInPath: true, Version: GOST326}, base, "", "observer/leeds"},
		{GOST{Version: GOST326}, base, "", ""},
		{GOST{}, base, "another-token-of-it", ""},
		{GOST{}, "http://" + base, "", "observer/gost"},
		{GOST{}, "http://" + base + "/any/place?x=1", "", "any/place"},
		{GOST{}, base + "/", "", "http"},
		{GOST{GRPC: true}, "nowhere.lab:80", "", ""},
	} {
		c.gost.Tunnels, c.gost.Token = []string{"pend00"}, "token-of-the-collector"
		inBubble(t, Options{GOSTs: []GOST{c.gost}, Collector: &CollectorOptions{Token: c.gost.Token}}, func(b *bench) {
			b.Observe(c.addr, c.token)
			synctest.Wait()
			s := b.known(c.source, "tunnel-pend00")
			if (s.State == "ready") != (c.source != "") {
				t.Errorf("%+v to %s: %+v, %+v", c.gost, c.addr, s, b.collected.complaints)
			}
		})
	}
}

// An observer that is set anew holds from the next report on, and makes a
// channel that 3.3 has closed work again.
func TestObserveAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{GOSTs: []GOST{tunnels(GOST33, true)}, Collector: &CollectorOptions{}}, func(b *bench) {
		b.ObserveGRPC("nowhere.lab:80", "")
		synctest.Wait()
		b.must(b.Tunnel("pend00").Carry(1))
		time.Sleep(7 * time.Second)
		b.observeCollector()
		time.Sleep(5 * time.Second)
		if s := b.known("grpc", "tunnel-pend00"); s.State != "" || s.Stats == nil || s.Stats.TotalConns != 1 {
			t.Errorf("states are lost and figures wait: %+v", s)
		}
		b.must(b.Tunnel("pend00").Close())
		synctest.Wait()
		b.must(b.Tunnel("pend00").Open())
		synctest.Wait()
		b.observeCollector()
		synctest.Wait()
		b.must(b.Tunnel("pend00").Fail())
		synctest.Wait()
		if s := b.known("grpc", "tunnel-pend00"); len(s.States) != 1 || s.State != "failed" {
			t.Errorf("closed, running and ready are lost: %+v", s)
		}
	})
}

// What can't be is said when the lab is made, and frees its addresses.
func TestGOSTOptions(t *testing.T) {
	t.Parallel()
	for want, gosts := range map[string][]GOST{
		"version":        {{Version: "2"}},
		"name":           {{Name: "a/b"}},
		"stub or client": {{Tunnels: []string{""}}},
		"two are called": {{}, {}},
	} {
		network := NewNetwork()
		for range 2 {
			if _, err := New(Options{Network: network, GOSTs: gosts}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
	network := NewNetwork()
	if _, err := network.Listen("collector-grpc.lab:80"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := New(Options{Network: network, Collector: &CollectorOptions{}}); err == nil || !strings.Contains(err.Error(), "collector-grpc") {
			t.Errorf("its address is taken: %v", err)
		}
	}
}

// Orders that can't be carried out say why.
func TestTunnelOrderFaults(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{GOSTs: []GOST{tunnels(GOST33, false)}, Collector: &CollectorOptions{}}, func(b *bench) {
		for order, want := range map[string]string{
			"spin00 tunnel fails":      "no GOST of the lab has a tunnel to spin00",
			"pend00 client carries 1":  "no GOST of the lab has a client pend00",
			"pend00 tunnel fails":      "service tunnel-pend00 of leeds does not run",
			"gost restarts york":       "no GOST of the lab is called york",
			"collector says 200":       "use 201 to 599",
			"pend00 tunnel restarts x": "<way>",
		} {
			if err := b.Order(order); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", order, err, want)
			}
		}
		b.observeCollector()
		synctest.Wait()
		if err := b.Order("pend00 tunnel logout"); err == nil || !strings.Contains(err.Error(), "nobody is logged in") {
			t.Errorf("logout of nobody: %v", err)
		}
		b.must(b.Order("pend00 tunnel fails"))
		if err := b.Order("pend00 tunnel carries 1"); err == nil || !strings.Contains(err.Error(), "takes no connections") {
			t.Errorf("a connection to a tunnel that fails: %v", err)
		}
	})
}
