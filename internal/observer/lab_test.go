package observer_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/lab"
	"labstatus/internal/observer"
)

// inLab runs f beside a laboratory, in a bubble.
func inLab(t *testing.T, o lab.Options, f func(t *testing.T, l *lab.Lab, n *lab.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Network = lab.NewNetwork()
		l, err := lab.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := l.Run(ctx); err != nil {
				t.Errorf("the laboratory: %v", err)
			}
		})
		<-l.Ready()
		f(t, l, o.Network)
		cancel()
		wg.Wait()
	})
}

// The receiver counts what the laboratory's GOSTs have carried, over restarts
// that are told and that aren't, faults and lost reports, for every version and
// way of reporting.
func TestReceiverAgreesWithTheLab(t *testing.T) {
	t.Parallel()
	for _, version := range []string{lab.GOST33, lab.GOST326} {
		for _, overGRPC := range []bool{false, true} {
			for _, increments := range []bool{false, true} {
				name := fmt.Sprintf("%s gRPC %t increments %t", version, overGRPC, increments)
				g := lab.GOST{
					Name: "leeds", Version: version, GRPC: overGRPC, ResetTraffic: increments, TokenInPath: !overGRPC && version == lab.GOST326,
					Tunnels: []string{"pend00", "spin00"}, Clients: []string{"trus00"},
				}
				t.Run(name, func(t *testing.T) {
					inLab(t, lab.Options{GOSTs: []lab.GOST{g}}, receive)
				})
			}
		}
	}
}

func receive(t *testing.T, l *lab.Lab, n *lab.Network) {
	credentials, err := observer.ParseCredentials(l.ObserverTokens())
	if err != nil {
		t.Fatal(err)
	}
	ties, err := observer.ParseMap(l.Env()["STATUS_OBSERVER_MAP"])
	if err != nil {
		t.Fatal(err)
	}
	r, err := observer.NewReceiver(observer.ReceiverOptions{Credentials: credentials, Map: ties})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Run(ctx, func(observer.Heard) {}) })
	web, grpcSide := listen(t, n, "status.lab:80"), listen(t, n, "status.lab:81")
	srv, g := &http.Server{Handler: r.Handler()}, r.Server()
	wg.Go(func() { _ = srv.Serve(web) })
	wg.Go(func() { _ = g.Serve(grpcSide) })
	l.Observe("status.lab:80", "")
	l.ObserveGRPC("status.lab:81", "")
	script, err := lab.ParseScript(`
		1s   pend00 tunnel carries 3
		2s   spin00 tunnel login
		3s   trus00 client carries 2
		12s  pend00 tunnel misses 1
		21s  pend00 tunnel fails
		24s  pend00 tunnel heals
		31s  pend00 tunnel carries 1
		41s  gost silent
		42s  trus00 client login
		43s  pend00 tunnel carries 1
		58s  gost speaks
		66s  spin00 tunnel logout
		67s  trus00 client logout
		81s  gost crashes
		84s  pend00 tunnel carries 2
		98s  gost restarts
		101s trus00 client carries 1`)
	if err != nil {
		t.Fatal(err)
	}
	if err := script.Run(t.Context(), l, 1); err != nil {
		t.Fatal(err)
	}
	for _, o := range l.Orders() {
		if o.Err != "" {
			t.Errorf("%s: %s", o.Line, o.Err)
		}
	}
	time.Sleep(30 * time.Second)
	var got, want []string
	for _, s := range r.Snapshot() {
		got = append(got, fmt.Sprintf("%s %s %s: %s %d %d %d %d", s.Service, s.Client, s.Experiment, s.State, s.TotalConns, s.InputBytes, s.OutputBytes, s.TotalErrs))
	}
	for _, s := range l.State().GOSTs[0].Services {
		state, stub := s.State, s.Experiment
		if s.Name == "relay" && s.Client == "" {
			continue // it isn't observed, only its clients
		}
		if s.Client != "" {
			state, stub = "", s.Client
		}
		want = append(want, fmt.Sprintf("%s %s %s: %s %d %d %d %d", s.Name, s.Client, stub, state, s.Ever.TotalConns, s.Ever.InputBytes, s.Ever.OutputBytes, s.Ever.TotalErrs))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("heard\n%s\nwas\n%s\n%+v", strings.Join(got, "\n"), strings.Join(want, "\n"), r.Figures())
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	g.Stop()
	cancel()
	wg.Wait()
}

func listen(t *testing.T, n *lab.Network, addr string) net.Listener {
	t.Helper()
	l, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The laboratory's collector has nothing to object to in what the reporter
// tells, and knows everything in the end, whatever happened to answers.
func TestReporterAgreesWithTheLab(t *testing.T) {
	t.Parallel()
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprintf("reset_traffic %t", reset), func(t *testing.T) {
			inLab(t, lab.Options{Collector: &lab.CollectorOptions{}}, func(t *testing.T, l *lab.Lab, n *lab.Network) {
				observers, err := observer.ParseObservers([]byte(l.Observers()))
				if err != nil {
					t.Fatal(err)
				}
				for i := range observers {
					observers[i].ResetTraffic = reset
				}
				book, pend := observer.Subject{Kind: observer.KindService, Service: "book"}, observer.Subject{Kind: observer.KindHandler, Service: "lab", Client: "pend00"}
				meter := newMeter()
				r := mustReporter(t, observer.ReporterOptions{Totals: meter.totals, Fixed: observers, Network: observer.Network{Dial: n.DialContext}})
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() { _ = r.Run(ctx) })
				for _, s := range []observer.Subject{book, pend} {
					r.Tell(s, observer.Running, "")
					r.Tell(s, observer.Ready, "all is well")
				}
				for n, order := range []string{
					"collector well", "collector says 201", "collector well", "collector denies", "collector well", "collector loses answers 3",
					"collector hangs", "collector well", "collector stops", "collector well", "collector loses answers", "collector well",
				} {
					if err := l.Order(order); err != nil {
						t.Error(err)
					}
					meter.add(book, 1, 100, 200)
					r.Tell(pend, []observer.State{observer.Failed, observer.Ready}[n%2], order)
					time.Sleep(12 * time.Second)
				}
				time.Sleep(time.Minute)
				cancel()
				wg.Wait()
				complaints, err := l.Collector().Complaints()
				if err != nil || len(complaints) > 0 {
					t.Errorf("%+v, %v", complaints, err)
				}
				known, err := l.Collector().Collected()
				if err != nil || len(known) != 4 {
					t.Fatalf("%+v, %v", known, err)
				}
				for _, s := range known {
					if s.State != "ready" || s.Client != "" && len(s.States) != 2+12-1+1 {
						t.Errorf("%+v", s)
					}
					if s.Service != "book" {
						continue
					}
					in := s.Stats.InputBytes
					if reset {
						in = s.InputSum
					}
					if in != 1200 || s.Stats.TotalConns != 12 {
						t.Errorf("%+v %+v", s, s.Stats)
					}
				}
			})
		})
	}
}
