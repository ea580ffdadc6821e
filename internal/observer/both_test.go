package observer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"labstatus/internal/lab"
	"labstatus/internal/observer"
)

// Both roles in one world: a server that reports, another one that observes it, and a
// way between them on which reports and answers are lost, doubled and overtaken.
type world struct {
	t   *testing.T
	net *lab.Network
	o   observer.Observer

	// The reporting server.
	shelf     *shelf
	meter     *meter
	out       *observer.Reporter
	reporting *running

	// The observing server. It is another one after each restart, which gen counts.
	in        *observer.Receiver
	receiving *running
	servers   []*listening

	kept box

	mu     sync.Mutex
	fault  string // of the way
	gen    int
	behind sync.WaitGroup // reports that are stuck on their way

	// What there was.
	carried map[observer.Subject]observer.Stats
	states  map[observer.Subject]observer.State
	heard   map[observer.Subject][]observer.State // in order
	said    map[observer.Subject][]observer.State
}

func newWorld(t *testing.T, o observer.Observer) *world {
	w := &world{
		t: t, net: lab.NewNetwork(), o: o, shelf: newShelf(),
		carried: map[observer.Subject]observer.Stats{}, states: map[observer.Subject]observer.State{},
		heard: map[observer.Subject][]observer.State{}, said: map[observer.Subject][]observer.State{},
	}
	w.startReceiver()
	w.startReporter()
	return w
}

func (w *world) startReporter() {
	w.meter = newMeter()
	w.out = mustReporter(w.t, observer.ReporterOptions{
		Totals: w.meter.totals, Fixed: []observer.Observer{w.o}, Kept: w.shelf.read(w.t), Keeper: w.shelf,
		Network: observer.Network{Dial: w.net.DialContext},
	})
	for _, s := range services {
		w.tell(s, observer.Running)
		w.tell(s, observer.Ready)
	}
	w.reporting = run(w.t, w.out.Run)
}

func (w *world) tell(s observer.Subject, state observer.State) {
	w.out.Tell(s, state, "")
	w.states[s] = state
	if all := w.said[s]; len(all) == 0 || all[len(all)-1] != state {
		w.said[s] = append(all, state)
	}
}

func (w *world) carry(s observer.Subject, in uint64) {
	w.meter.add(s, 1, in, 2*in)
	n := w.carried[s]
	n.TotalConns, n.InputBytes, n.OutputBytes = n.TotalConns+1, n.InputBytes+in, n.OutputBytes+2*in
	w.carried[s] = n
}

func (w *world) startReceiver() {
	w.in = mustReceiver(w.t, observer.ReceiverOptions{
		Credentials: []observer.Credential{{Token: observer.NewSecret(token), Increments: w.o.ResetTraffic}},
		Kept:        w.kept.read(w.t), Keep: w.kept.keep,
	})
	w.servers = []*listening{
		serveHTTP(w.t, w.net, httpAddr, w.way(w.in.Handler())),
		serveGRPC(w.t, w.net, grpcAddr, w.in.Server(grpc.UnaryInterceptor(w.wayOfGRPC))),
	}
	w.receiving = run(w.t, func(ctx context.Context) error {
		return w.in.Run(ctx, func(h observer.Heard) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, s := range h.Statuses {
				if all := w.heard[s.Subject]; len(all) == 0 || all[len(all)-1] != s.State {
					w.heard[s.Subject] = append(all, s.State)
				}
			}
		})
	})
}

// stopReceiver ends the observing server: crashed keeps nothing more.
func (w *world) stopReceiver(crashed bool) {
	w.mu.Lock()
	w.gen++
	w.mu.Unlock()
	before := w.kept.content()
	for _, s := range w.servers {
		s.end()
	}
	w.receiving.end()
	if crashed {
		w.kept.put(before)
	}
}

func (w *world) now() (fault string, gen int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault, w.gen
}

func (w *world) set(fault string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = fault
}

var errLost = errors.New("lost")

// pass brings a report over the way, by means of deliver, and gives its answer. An
// error is what the reporting server sees of it.
func pass[T any](w *world, deliver func() T) (answer T, err error) {
	fault, gen := w.now()
	switch fault {
	case "lost":
		return answer, errLost
	case "doubled":
		deliver()
	case "stuck": // longer than anybody waits for the answer
		w.behind.Go(func() {
			time.Sleep(30 * time.Second)
			if _, now := w.now(); now == gen {
				deliver()
			}
		})
		time.Sleep(time.Second)
		return answer, errLost
	}
	answer = deliver()
	if fault == "answer lost" {
		return answer, errLost
	}
	return answer, nil
}

func (w *world) way(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := readAll(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		answer, err := pass(w, func() *httptest.ResponseRecorder {
			again := r.Clone(context.WithoutCancel(r.Context()))
			again.Body = body()
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, again)
			return answer
		})
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		rw.WriteHeader(answer.Code)
		if _, err := rw.Write(answer.Body.Bytes()); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
}

func (w *world) wayOfGRPC(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	type answer struct {
		reply any
		err   error
	}
	a, err := pass(w, func() answer {
		reply, err := next(context.WithoutCancel(ctx), req)
		return answer{reply, err}
	})
	if err != nil {
		return nil, status.Error(codes.Unavailable, "lost")
	}
	return a.reply, a.err
}

func (w *world) end() {
	w.reporting.end()
	w.behind.Wait()
	w.stopReceiver(false)
}

var (
	services = []observer.Subject{observer.Service("relay"), observer.Service("lab")}
	subjects = append(slices.Clone(services), observer.Client("lab", "pend00"), observer.Client("lab", "spin30"))
)

// happening is one thing that happens in such a world.
type happening struct {
	what    string
	subject int
	n       uint64
	wait    time.Duration
}

func anyHappening(t *rapid.T) happening {
	return happening{
		what: rapid.SampledFrom([]string{
			"carry", "carry", "carry", "change", "fine", "fine", "lost", "answer lost", "answer lost", "doubled", "stuck",
			"cut", "refuse", "reporter restarts", "receiver restarts", "receiver crashes",
		}).Draw(t, "what"),
		subject: rapid.IntRange(0, len(subjects)-1).Draw(t, "subject"),
		n:       rapid.Uint64Range(0, 50).Draw(t, "n"),
		wait:    time.Duration(rapid.IntRange(0, 20_000).Draw(t, "wait")) * time.Millisecond,
	}
}

func (w *world) happens(h happening) {
	time.Sleep(max(h.wait, time.Nanosecond))
	s := subjects[h.subject]
	switch h.what {
	case "carry":
		w.carry(s, h.n)
	case "change":
		w.tell(s, []observer.State{observer.Ready, observer.Failed}[h.n%2])
	case "cut":
		w.net.Cut(httpAddr)
		w.net.Cut(grpcAddr)
	case "refuse":
		w.net.Refuse(httpAddr)
		w.net.Refuse(grpcAddr)
	case "reporter restarts":
		w.reporting.end()
		w.startReporter()
	case "receiver restarts":
		w.stopReceiver(false)
		w.startReceiver()
	case "receiver crashes":
		if w.o.ResetTraffic { // what was only in memory is gone: totals heal, increments can't
			return
		}
		time.Sleep(2 * time.Minute) // it has kept what it knew of the reporter's start
		w.stopReceiver(true)
		w.startReceiver()
	default:
		w.net.Heal(httpAddr)
		w.net.Heal(grpcAddr)
		w.set(h.what)
	}
}

// faults says what of the observing server's knowledge is wrong.
func (w *world) faults() (all []string) {
	known := map[observer.Subject]observer.Observed{}
	for _, o := range w.in.Snapshot() {
		known[o.Subject] = o
	}
	for _, s := range subjects {
		if got, want := known[s].Stats, w.carried[s]; got != want {
			all = append(all, fmt.Sprintf("%v: %+v were counted, %+v were carried", s, got, want))
		}
		if got, want := known[s].State, w.states[s]; got != want {
			all = append(all, fmt.Sprintf("%v: known as %s, is %s", s, got, want))
		}
	}
	for _, f := range w.out.List() {
		if f.Pending > 0 || f.Dropped > 0 {
			all = append(all, fmt.Sprintf("%d pending, %d dropped: %s", f.Pending, f.Dropped, f.LastError))
		}
	}
	return all
}

// Whatever is lost, doubled, late, and whoever restarts: in the end what is known is
// what there was.
func TestTotalsAgreeInTheEnd(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]observer.Observer{
		"totals over HTTP":     {Address: "http://" + httpAddr + "/observer/leeds"},
		"increments over HTTP": {Address: "http://" + httpAddr + "/observer/leeds", ResetTraffic: true},
		"totals over gRPC":     {Address: grpcAddr},
		"increments over gRPC": {Address: grpcAddr, ResetTraffic: true},
	} {
		o.Name, o.Token, o.Timeout = "far", observer.NewSecret(token), 2*time.Second
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				script := rapid.SliceOfN(rapid.Custom(anyHappening), 5, 60).Draw(rt, "script")
				var faults []string
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, o)
					for _, h := range script {
						w.happens(h)
					}
					w.happens(happening{what: "fine"})
					time.Sleep(2 * time.Minute)
					faults = w.faults()
					w.end()
					for s, said := range w.said { // every change, in order, each once
						if heard := w.heard[s]; !slices.Equal(heard, said) && !slices.ContainsFunc(script, crashes) {
							faults = append(faults, fmt.Sprintf("%v: heard %v of %v", s, heard, said))
						}
					}
				})
				if len(faults) > 0 {
					rt.Fatalf("%q", faults)
				}
			})
		})
	}
}

// However long nobody listens, and though most changes of such a time are not told
// any more, totals and states agree when somebody does again.
func TestALongOutage(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]bool{"totals": false, "increments": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, observer.Observer{
					Name: "far", Address: "http://" + httpAddr + "/observer", Token: observer.NewSecret(token), Period: 10 * time.Minute, ResetTraffic: reset,
				})
				w.carry(services[0], 100)
				time.Sleep(time.Hour)
				w.net.Refuse(httpAddr)
				w.net.Cut(httpAddr)
				for run, hours := range []int{20, 40, 10} {
					for hour := range hours {
						w.carry(services[0], 200)
						w.tell(services[0], []observer.State{observer.Failed, observer.Ready}[hour%2])
						time.Sleep(time.Hour)
					}
					if f := w.out.List()[0]; f.Pending == 0 || (f.Dropped > 0) != (hours > 24) {
						t.Errorf("%+v", f)
					}
					if run < 2 {
						w.reporting.end()
						w.startReporter()
					}
				}
				w.net.Heal(httpAddr)
				time.Sleep(time.Hour)
				for _, fault := range w.faults() {
					t.Error(fault)
				}
				w.end()
			})
		})
	}
}

func crashes(h happening) bool { return h.what == "receiver crashes" }

// The world's own check: without the faults there is something to be told, and a fault
// that nobody mends is seen.
func TestTheWorldSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, observer.Observer{Name: "far", Address: "http://" + httpAddr + "/observer", Token: observer.NewSecret(token)})
		w.carry(subjects[2], 7)
		time.Sleep(10 * time.Second)
		if faults := w.faults(); len(faults) > 0 {
			t.Error(faults)
		}
		w.set("lost")
		w.carry(subjects[2], 7)
		time.Sleep(10 * time.Second)
		if faults := w.faults(); len(faults) != 2 {
			t.Errorf("a lost report gives %q", faults)
		}
		w.set("fine")
		w.end()
	})
}
