package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// tunnels is a GOST with one tunnel.
func tunnels(version string, overGRPC bool) GOST {
	return GOST{Name: "leeds", Version: version, GRPC: overGRPC, Tunnels: []string{"pend00"}}
}

// story is what a GOST tells the collector in a script.
type story struct {
	name   string
	gost   GOST
	script string
	last   time.Duration // how long it goes on
	want   string        // what was told, a line each; ✗ where that failed
}

var tellings = []story{
	{
		name: "it starts, and says no more while nothing is carried",
		gost: tunnels(GOST33, false), last: 30 * time.Second,
		want: `0s running, 0s ready`,
	}, {
		name: "figures come with the period, only when something has touched them, and count on",
		gost: tunnels(GOST33, false), last: 30 * time.Second,
		script: "2s pend00 tunnel carries 2\n11s pend00 tunnel misses 1\n16s500ms pend00 tunnel login\n22s pend00 tunnel logout",
		want: `0s running, 0s ready, 5s stats 2 0 1000 3000 0, 15s stats 3 0 1000 3000 1,
			20s stats 4 1 1300 6000 1, 25s stats 4 0 1500 8000 1`,
	}, {
		name: "3.3 says failed and ready by turns, as long as the fault is there",
		gost: tunnels(GOST33, false), last: 9 * time.Second,
		script: "2s500ms pend00 tunnel fails\n5s pend00 tunnel heals",
		want:   `0s running, 0s ready, 2.5s failed, 3.5s ready, 3.5s failed, 4.5s ready, 4.5s failed, 5.5s ready`,
	}, {
		name: "3.2.6 stays failed, tries less and less often, and is ready when a connection has come",
		gost: tunnels(GOST326, true), last: 40 * time.Second,
		script: "1s pend00 tunnel fails\n20s pend00 tunnel heals\n31s pend00 tunnel carries 1",
		want: `0s running, 0s ready, 1s failed, 2s failed, 4s failed, 8s failed, 13s failed, 18s failed, 31s ready,
			35s stats 1 0 500 1500 0`,
	}, {
		name: "the old and the new instance of a service speak at once; the new one counts from zero",
		gost: tunnels(GOST33, false), last: 31 * time.Second,
		script: "1s pend00 tunnel carries 3\n6s pend00 tunnel restarts\n7s pend00 tunnel carries 1\n12s pend00 tunnel restarts reload\n20s pend00 tunnel restarts late\n30s gost reloads",
		want: `0s running, 0s ready, 5s stats 3 0 1500 4500 0, 6s running, 6s closed, 6s ready, 11s stats 1 0 500 1500 0,
			12s closed, 12s running, 12s ready, 20s running, 20s ready, 20s closed, 30s closed, 30s running, 30s ready`,
	}, {
		name: "a service that is taken away comes back by order, or as the configuration is read again",
		gost: GOST{Name: "leeds", Version: GOST326, TokenInPath: true, Tunnels: []string{"pend00"}}, last: 10 * time.Second,
		script: "1s pend00 tunnel closes\n2s pend00 tunnel opens\n3s pend00 tunnel opens\n4s pend00 tunnel closes\n5s gost reloads",
		want:   `0s running, 0s ready, 1s closed, 2s running, 2s ready, 4s closed, 5s running, 5s ready`,
	}, {
		name: "a restart says closed, a crash doesn't, and one that isn't heard shows in lower figures only",
		gost: tunnels(GOST33, false), last: 50 * time.Second,
		script: "1s pend00 tunnel carries 3\n6s gost restarts\n10s gost crashes\n12s pend00 tunnel carries 2\n20s gost forgets leeds\n22s pend00 tunnel carries 1\n" +
			"40s gost stops\n42s gost starts",
		want: `0s running, 0s ready, 5s stats 3 0 1500 4500 0, 6s closed, 7s running, 7s ready,
			11s running, 11s ready, 16s stats 2 0 1000 3000 0, 26s stats 1 0 500 1500 0,
			40s closed, 42s running, 42s ready`,
	}, {
		name: "states that aren't taken are lost; of figures the first report comes again as it was, and then the newest",
		gost: tunnels(GOST33, false), last: 40 * time.Second,
		script: "3s collector says 201\n4s pend00 tunnel carries 1\n7s pend00 tunnel carries 1\n8s pend00 tunnel fails\n8s pend00 tunnel heals\n" +
			"9s500ms collector well\n12s collector denies\n16s pend00 tunnel carries 1\n21s collector well",
		want: `0s running, 0s ready, 5s stats 1 0 500 1500 0 ✗, 8s failed ✗, 9s ready ✗,
			10s stats 1 0 500 1500 0, 15s stats 2 0 1000 3000 0 ✗, 20s stats 2 0 1000 3000 0 ✗, 25s stats 2 0 1000 3000 0,
			30s stats 3 0 1500 4500 0`,
	}, {
		name: "a GOST that is cut off keeps the same",
		gost: tunnels(GOST326, true), last: 30 * time.Second,
		script: "1s gost silent\n2s pend00 tunnel login\n4s pend00 tunnel closes\n5s pend00 tunnel opens\n6s pend00 tunnel carries 1\n17s gost speaks",
		want: `0s running, 0s ready, 4s closed ✗, 5s running ✗, 5s ready ✗, 10s stats 1 0 500 1500 0 ✗, 15s stats 1 0 500 1500 0 ✗,
			20s stats 1 0 500 1500 0`,
	}, {
		name: "3.3 over gRPC never says closed, and then nothing more",
		gost: tunnels(GOST33, true), last: 20 * time.Second,
		script: "1s pend00 tunnel restarts\n2s pend00 tunnel carries 1\n12s gost restarts",
		want: `0s running, 0s ready, 1s running, 1s closed ✗, 1s ready ✗, 6s stats 1 0 500 1500 0 ✗, 11s stats 1 0 500 1500 0 ✗,
			12s closed ✗, 13s running, 13s ready`,
	}, {
		name: "the start waits for an observer that hangs, for as long as GOST's patience lasts",
		gost: GOST{Name: "leeds", Tunnels: []string{"pend00", "pend01"}, Timeout: 3 * time.Second}, last: 20 * time.Second,
		script: "1s collector hangs\n2s gost crashes\n8s collector well",
		want:   `0s running, 0s running, 0s ready, 0s ready, 6s running ✗, 8s running, 8s ready, 8s ready`,
	}, {
		name: "and without one for ever",
		gost: GOST{Name: "leeds", Tunnels: []string{"pend00", "pend01"}, Timeout: -1}, last: 200 * time.Second,
		script: "1s collector hangs\n2s gost crashes\n150s collector well",
		want:   `0s running, 0s running, 0s ready, 0s ready, 2m30s running, 2m30s running, 2m30s ready, 2m30s ready`,
	}, {
		name: "clients' figures have no state beside them, and come together; 3.3 goes on as soon as an old report is taken",
		gost: GOST{Name: "leeds", Clients: []string{"a", "b"}}, last: 21 * time.Second,
		script: "1s a client carries 1\n2s collector says 500\n6s b client login\n7s collector well",
		want:   `5s a stats 1 0 500 1500 0 ✗, 10s a stats 1 0 500 1500 0, 10s b stats 1 1 400 4000 0, 15s b stats 1 1 900 9000 0, 20s b stats 1 1 1400 14000 0`,
	}, {
		name: "3.2.6 a period later",
		gost: GOST{Name: "leeds", Version: GOST326, TokenInPath: true, Clients: []string{"a", "b"}}, last: 16 * time.Second,
		script: "1s a client carries 1\n2s collector says 500\n6s b client login\n7s collector well",
		want:   `5s a stats 1 0 500 1500 0 ✗, 10s a stats 1 0 500 1500 0, 15s b stats 1 1 900 9000 0`,
	}, {
		name: "with resetTraffic bytes are since the report before, connections are not; what failed is kept",
		gost: GOST{Name: "leeds", Tunnels: []string{"pend00"}, ResetTraffic: true, Period: time.Millisecond}, last: 8 * time.Second,
		script: "500ms pend00 tunnel carries 1\n1500ms pend00 tunnel carries 1\n1600ms collector fails with 503\n2500ms pend00 tunnel carries 2\n3500ms collector well",
		want: `0s running, 0s ready, 1s stats 1 0 500 1500 0, 2s stats 2 0 500 1500 0 ✗, 3s stats 2 0 500 1500 0 ✗,
			4s stats 2 0 500 1500 0, 5s stats 4 0 1000 3000 0`,
	}, {
		name: "connections can be counted below zero",
		gost: tunnels(GOST33, false), last: 6 * time.Second,
		script: "1s pend00 tunnel miscounts",
		want:   `0s running, 0s ready, 5s stats 0 18446744073709551615 0 0 0`,
	},
}

// line is one report as the stories write it.
func (d Told) lines(began time.Time) []string {
	var all []string
	for _, e := range d.Events {
		who := e.Client
		if who != "" {
			who += " "
		}
		var what string
		if e.Status != nil {
			what = e.Status.State
		} else {
			what = fmt.Sprintf("stats %d %d %d %d %d", e.Stats.TotalConns, e.Stats.CurrentConns, e.Stats.InputBytes, e.Stats.OutputBytes, e.Stats.TotalErrs)
		}
		if d.Err != "" {
			what += " ✗"
		}
		all = append(all, fmt.Sprintf("%s %s%s", d.At.Sub(began), who, what))
	}
	return all
}

// What each kind of GOST tells is as it was measured, and the collector, which
// knows the protocol by itself, has nothing against it.
func TestGOSTTells(t *testing.T) {
	for _, s := range tellings {
		t.Run(s.name, func(t *testing.T) {
			inBubble(t, Options{GOSTs: []GOST{s.gost}, Collector: &CollectorOptions{Genuine: true}}, func(b *bench) {
				began := time.Now()
				b.observeCollector()
				script, err := ParseScript(s.script)
				b.must(err)
				b.must(script.Run(b.Context(), b.Lab, 1))
				time.Sleep(s.last - time.Since(began))
				told, err := b.GOST("leeds").Told()
				b.must(err)
				var got []string
				for _, d := range told {
					got = append(got, d.lines(began)...)
				}
				want := strings.Join(strings.Fields(s.want), " ")
				if strings.Join(got, ", ") != want {
					t.Errorf("told\n%s\nwant\n%s", strings.Join(got, ", "), want)
				}
				complaints, err := b.Collector().Complaints()
				b.must(err)
				for _, c := range complaints {
					if c.Kind != ComplaintOrder { // where states were lost on their way
						t.Errorf("the collector complains: %+v", c)
					}
				}
				for _, o := range b.Orders() {
					if o.Err != "" {
						t.Errorf("%s: %s", o.Line, o.Err)
					}
				}
			})
		})
	}
}

// observeCollector lets the GOSTs report to the collector, with its token.
func (b *bench) observeCollector() {
	token := b.collected.opt.Token
	b.Observe(b.Addr(Collector), token)
	b.ObserveGRPC(b.Addr(CollectorGRPC), token)
}
