package observer_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/lab"
	"labstatus/internal/observer"
)

var relay = observer.Service("relay")

// bench is a reporter with observers of the test's own.
type bench struct {
	t       *testing.T
	net     *lab.Network
	meter   *meter
	shelf   *shelf
	log     *bytesLog
	plugins map[string]*plugin // by name, at <name>.lab:80
	servers []*listening
	out     *observer.Reporter
	running *running
}

func newBench(t *testing.T, names ...string) *bench {
	b := &bench{t: t, net: lab.NewNetwork(), meter: newMeter(), shelf: newShelf(), plugins: map[string]*plugin{}}
	for _, name := range names {
		b.plugins[name] = newPlugin()
		b.servers = append(b.servers, serveHTTP(t, b.net, name+".lab:80", b.plugins[name]))
	}
	return b
}

func at(name string) observer.Observer {
	return observer.Observer{Name: name, Address: "http://" + name + ".lab/observer", Period: time.Second}
}

// start begins a run; the figures of a process begin at zero.
func (b *bench) start(fixed ...observer.Observer) {
	b.meter = newMeter()
	text, log := newLog()
	b.log = text
	b.out = mustReporter(b.t, observer.ReporterOptions{
		Totals: b.meter.totals, Fixed: fixed, Kept: b.shelf.read(b.t), Keeper: b.shelf, Log: log,
		Network: observer.Network{Dial: b.net.DialContext},
	})
	b.running = run(b.t, b.out.Run)
}

func (b *bench) end() {
	b.running.end()
	for _, s := range b.servers {
		s.end()
	}
	time.Sleep(2 * time.Hour) // for answers that hang
}

func (b *bench) told(name string, want ...string) {
	b.t.Helper()
	if got := b.plugins[name].take(b.t); !slices.Equal(got, want) {
		b.t.Errorf("%s was told %q, want %q", name, got, want)
	}
}

func (b *bench) fate(name string) observer.Fate {
	b.t.Helper()
	f, err := b.out.Find(name)
	if err != nil {
		b.t.Error(err)
	}
	return f
}

func refuse(code int) func(int, http.ResponseWriter) {
	return func(_ int, w http.ResponseWriter) { w.WriteHeader(code) }
}

func TestReportsComeEveryPeriodWhileThereIsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		o := at("far")
		o.Period = 5 * time.Second
		b.start(o)
		b.out.Tell(relay, observer.Running, "relay begins")
		b.out.Tell(relay, observer.Ready, "relay is ready")
		time.Sleep(time.Second)
		b.told("far", "relay running relay begins", "relay ready relay is ready")
		time.Sleep(time.Minute)
		b.told("far") // nothing has changed
		b.meter.add(relay, 1, 10, 20)
		b.out.Tell(relay, observer.Ready, "relay is ready") // no news
		time.Sleep(5 * time.Second)
		b.told("far", "relay 0/1 10>20 !0")
		for range 10 {
			b.meter.add(relay, 1, 1, 1)
			time.Sleep(time.Second)
		}
		if n := b.plugins["far"].reports(); n != 2 {
			t.Errorf("%d reports in ten seconds of a period of five", n)
		}
		f := b.fate("far")
		if f.Pending != 0 || f.LastError != "" || f.Failures != 0 || f.Reports < 4 || time.Since(f.LastOK) > 5*time.Second {
			t.Errorf("%+v", f)
		}
	})
}

func TestWhatIsNoStatusIsNotTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		b.start(at("far"))
		b.out.Tell(observer.Service(""), observer.Ready, "")
		b.out.Tell(relay, "fine", "")
		b.out.Tell(relay, observer.Failed, "no\nroute\x00\xff")
		time.Sleep(2 * time.Second)
		b.told("far", "relay failed no route\x00\uFFFD")
	})
}

func TestAReportIsAsGOSTWritesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		o := at("far")
		o.Token = observer.NewSecret("t0ken")
		b.start(o)
		b.meter.add(observer.Client("lab", "pend00"), 1, 10, 20)
		time.Sleep(2 * time.Second)
		p := b.plugins["far"]
		p.mu.Lock()
		defer p.mu.Unlock()
		want := `{"events":[{"kind":"handler","service":"lab","client":"pend00","type":"stats","stats":{"totalConns":1,"currentConns":0,"inputBytes":10,"outputBytes":20,"totalErrs":0}}]}`
		if len(p.got) != 1 || p.got[0] != want {
			t.Fatalf("%q", p.got)
		}
		h := p.header[0]
		if h.Get("Content-Type") != "application/json" || h.Get("Authorization") != "Bearer t0ken" || h.Get("Content-Length") != fmt.Sprint(len(want)) || !strings.HasSuffix(h.Get("Idempotency-Key"), `-1"`) {
			t.Errorf("%v", h)
		}
	})
}

func TestWhatFailsIsToldAgainUntilItIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		far := b.plugins["far"]
		far.set(refuse(503))
		b.start(at("far"))
		b.out.Tell(relay, observer.Running, "1")
		time.Sleep(1500 * time.Millisecond)
		b.out.Tell(relay, observer.Ready, "2")
		b.meter.add(relay, 1, 1, 1)
		time.Sleep(2 * time.Second)
		b.told("far", "relay running 1", "relay running 1", "relay running 1", "relay running 1")
		f := b.fate("far")
		if f.Pending != 2 || f.Failures != 4 || !strings.Contains(f.LastError, "503 Service Unavailable") || f.FailingSince.IsZero() || f.OldestPending.IsZero() {
			t.Errorf("%+v", f)
		}
		far.set(nil)
		time.Sleep(time.Second)
		b.told("far", "relay running 1", "relay ready 2", "relay 0/1 1>1 !0")
		if f := b.fate("far"); f.Pending != 0 || !f.FailingSince.IsZero() || f.LastError == "" {
			t.Errorf("%+v", f)
		}
		if log := b.log.String(); strings.Count(log, "can't be told") != 1 || strings.Count(log, "takes reports again") != 1 {
			t.Error(log)
		}
	})
}

func TestARepeatHasTheSameKeyAndBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		far := b.plugins["far"]
		far.set(func(_ int, _ http.ResponseWriter) { panic(http.ErrAbortHandler) }) // taken, and the answer lost
		o := at("far")
		o.ResetTraffic = true
		b.start(o)
		b.meter.add(relay, 1, 100, 0)
		time.Sleep(1500 * time.Millisecond)
		b.meter.add(relay, 1, 1, 0) // since then: for the next report
		time.Sleep(time.Second)
		far.mu.Lock()
		keys := map[string]bool{}
		for i, body := range far.got {
			keys[far.header[i].Get("Idempotency-Key")] = true
			if body != far.got[0] {
				t.Errorf("%s\nis repeated as %s", far.got[0], body)
			}
		}
		if len(keys) != 1 || len(far.got) < 3 {
			t.Errorf("%d reports, keys %v", len(far.got), keys)
		}
		far.mu.Unlock()
		far.set(nil)
		far.take(t)
		time.Sleep(time.Second)
		b.told("far", "relay 0/1 100>0 !0", "relay 0/2 1>0 !0")
	})
}

func TestAnObserverThatHangsDelaysOnlyItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far", "stuck")
		defer b.end()
		b.plugins["stuck"].set(func(int, http.ResponseWriter) { time.Sleep(time.Hour) })
		b.start(at("far"), at("stuck"))
		for range 20 {
			b.meter.add(relay, 1, 1, 1)
			time.Sleep(time.Second)
		}
		if n := b.plugins["far"].reports(); n < 19 {
			t.Errorf("the other one had %d reports in 20 seconds", n)
		}
		if f := b.fate("stuck"); f.LastError != "no answer within 5s" || f.Failures < 3 || f.Failures > 4 {
			t.Errorf("%+v", f)
		}
		b.net.Cut("stuck.lab:80")
	})
}

func TestWhatIsPendingSurvivesARestart(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]bool{"totals": false, "increments": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "far")
				defer b.end()
				far := b.plugins["far"]
				far.set(refuse(500))
				o := at("far")
				o.ResetTraffic = reset
				b.start(o)
				b.out.Tell(relay, observer.Ready, "first run")
				b.meter.add(relay, 1, 100, 0)
				time.Sleep(3 * time.Second)
				b.meter.add(relay, 1, 11, 0)
				b.out.Tell(relay, observer.Closed, "it stops")
				b.running.end()

				b.start(o)
				b.out.Tell(relay, observer.Running, "second run")
				b.meter.add(relay, 1, 7, 0)
				time.Sleep(3 * time.Second)
				if f := b.fate("far"); f.Pending != 5 {
					t.Errorf("%d pending", f.Pending)
				}
				far.set(nil)
				far.take(t)
				time.Sleep(2 * time.Second)
				second := "relay 0/2 111>0 !0"
				if reset {
					second = "relay 0/2 11>0 !0"
				}
				b.told("far", "relay ready first run", "relay 0/1 100>0 !0", "relay closed it stops", second, "relay running second run", "relay 0/1 7>0 !0")
				calls := b.shelf.asked()
				time.Sleep(time.Minute)
				if b.shelf.asked() != calls {
					t.Error("something is kept though nothing is pending")
				}
			})
		})
	}
}

func TestTheLastWordIsSaidAtTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far", "stuck")
		o := at("far")
		o.Period = time.Minute
		b.start(o, at("stuck"))
		time.Sleep(time.Second)
		b.plugins["stuck"].set(func(int, http.ResponseWriter) { time.Sleep(time.Hour) })
		b.meter.add(relay, 1, 5, 5)
		b.out.Tell(relay, observer.Closed, "the server stops")
		began := time.Now()
		b.running.end()
		if took := time.Since(began); took > 800*time.Millisecond {
			t.Errorf("the stop took %v", took)
		}
		b.end()
		b.told("far", "relay closed the server stops", "relay 0/1 5>5 !0")
		for _, k := range b.shelf.read(t) {
			if n := len(k.Reports); n != 0 && k.Observer.Name == "far" || n != 1 && k.Observer.Name == "stuck" || !k.Fixed {
				t.Errorf("kept is %+v", k)
			}
		}
	})
}

// Though an observer hangs, and the store as well, the server stops within its time.
func TestAStopThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "stuck")
		b.start(at("stuck"))
		time.Sleep(time.Second)
		b.plugins["stuck"].set(func(int, http.ResponseWriter) { time.Sleep(time.Hour) })
		b.out.Tell(relay, observer.Ready, "")
		b.shelf.set(nil, true)
		began := time.Now()
		b.running.end()
		if took := time.Since(began); took > 850*time.Millisecond {
			t.Errorf("the stop took %v", took)
		}
		b.end()
	})
}

// What an observer refuses as wrong keeps back nothing else for ever; what it can't
// take for another reason is not dropped.
func TestAReportThatIsRefusedForADay(t *testing.T) {
	t.Parallel()
	for code, dropped := range map[int]bool{400: true, 413: true, 422: true, 401: false, 503: false} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "far")
				defer b.end()
				far := b.plugins["far"]
				far.set(refuse(code))
				o := at("far")
				o.Period = 10 * time.Minute
				b.start(o)
				b.out.Tell(relay, observer.Ready, "")
				b.meter.add(relay, 1, 1, 1)
				time.Sleep(24*time.Hour - o.Period)
				if f := b.fate("far"); f.Pending != 2 || f.Dropped != 0 {
					t.Errorf("%+v", f)
				}
				time.Sleep(3 * o.Period)
				if f := b.fate("far"); (f.Dropped == 2) != dropped || strings.Contains(b.log.String(), "refused for a day") != dropped {
					t.Errorf("%+v\n%s", f, b.log)
				}
				far.set(nil)
				far.take(t)
				time.Sleep(o.Period)
				if got := far.take(t); got[len(got)-1] != "relay 0/1 1>1 !0" { // the totals are told all the same
					t.Errorf("%q", got)
				}
			})
		})
	}
}

// A name that observers refuse keeps back nothing else.
func TestFiguresThatNobodyTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		b.start(at("far"))
		b.meter.add(observer.Service(strings.Repeat("x", 300)), 1, 1, 1)
		b.meter.add(observer.Service(""), 1, 1, 1)
		b.meter.add(observer.Client("lab", "pend\xff00"), 1, 1, 1)
		time.Sleep(2 * time.Second)
		b.told("far", "lab/pend\uFFFD00 0/1 1>1 !0")
	})
}

// Those who come later are told in the order in which all came to be.
func TestPresentStatesAreToldInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		b.start()
		b.out.Tell(observer.Client("lab", "spin30"), observer.Failed, "")
		b.out.Tell(observer.Service("lab"), observer.Ready, "")
		time.Sleep(time.Second)
		b.out.Tell(observer.Service("jump"), observer.Ready, "")
		b.out.Tell(observer.Client("lab", "pend00"), observer.Ready, "")
		b.out.Tell(relay, observer.Running, "")
		if err := b.out.Add(t.Context(), at("far")); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		b.told("far", "lab ready ", "lab/spin30 failed ", "jump ready ", "lab/pend00 ready ", "relay running ")
	})
}

// What is no more is not told to those who come later.
func TestForgottenSubjects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		b.start()
		b.out.Tell(observer.Client("lab", "pend00"), observer.Closed, "it left the laboratory")
		b.out.Forget(observer.Client("lab", "pend00"))
		b.out.Tell(relay, observer.Ready, "")
		if err := b.out.Add(t.Context(), at("far")); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		b.told("far", "relay ready ")
	})
}
