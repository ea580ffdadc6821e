package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// orderedStore does with commits what it is ordered to.
type orderedStore struct {
	store.Store
	mu      sync.Mutex
	order   storeOrder
	commits []store.Commit // all that were done
}

// storeOrder is what becomes of a commit.
type storeOrder struct {
	takes time.Duration // whatever its context says
	hangs bool          // until its context ends, and isn't done
	lies  bool          // it is done, and the error is given all the same
	err   error
}

func (s *orderedStore) give(o storeOrder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = o
}

func (s *orderedStore) Commit(ctx context.Context, c store.Commit) error {
	s.mu.Lock()
	o := s.order
	s.mu.Unlock()
	if o.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if o.takes > 0 {
		time.Sleep(o.takes)
	}
	if o.err != nil && !o.lies {
		return o.err
	}
	if err := s.Store.Commit(ctx, c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits = append(s.commits, c)
	return o.err
}

// desk is a journal before a store in memory, on a clock of its own.
type desk struct {
	*testing.T
	*journal
	store  *orderedStore
	logged *logtest.Hook
	began  time.Time
	n      int // of decisions
	woken  []time.Duration
	mu     sync.Mutex
}

func atADesk(t *testing.T, story func(*desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		memory, err := store.OpenMemory(store.Options{EventsPerExperiment: 1000})
		if err != nil {
			t.Fatal(err)
		}
		log, logged := logtest.NewNullLogger()
		d := &desk{T: t, store: &orderedStore{Store: memory}, logged: logged, began: time.Now()}
		d.journal = newJournal(d.store, log, &health.Kept{})
		d.wakeMail = func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.woken = append(d.woken, time.Since(d.began))
		}
		d.render = func(a health.Alert) (*health.Mail, error) { return rendered(&a), nil }
		story(d)
		time.Sleep(2 * time.Minute) // what is stuck ends by itself
	})
}

// rendered is a mail whose text is all that its alert tells.
func rendered(a *health.Alert) *health.Mail {
	var told []string
	for _, i := range a.New {
		told = append(told, "new "+i.Experiment)
	}
	for _, r := range a.Resolved {
		told = append(told, "over "+r.Issue.Experiment)
	}
	for _, act := range a.Acts {
		told = append(told, "act "+act.Text)
	}
	text := strings.Join(told, ", ")
	return &health.Mail{ID: a.At.Format(time.RFC3339Nano) + " " + text, At: a.At, Subject: text, Recipients: []health.Recipient{{Address: "a@x", Fate: health.Queued}}}
}

// decide makes the next decision: an experiment of its own changes, by its number, and
// that is mailed.
func (d *desk) decide() health.Decision {
	d.n++
	name, now := fmt.Sprintf("pend%04d", d.n), time.Now().UTC()
	issue := health.Issue{Code: health.MissingJump, Experiment: name, Since: now}
	return health.Decision{
		At: now, Events: []health.Event{{Experiment: name, When: now}}, Records: []health.Record{{Name: name, Events: d.n}},
		System: &health.SystemRecord{Reminded: now}, Acts: []health.Act{{At: now, Kind: health.ActAck, Text: name}},
		History: []health.StateChange{{Experiment: name, At: now, State: health.StateUnhealthy}},
		Alert:   &health.Alert{At: now, New: []health.Issue{issue}},
	}
}

// turn is one turn of the loop with a decision, or with none.
func (d *desk) turn(decision *health.Decision) (mailQueued bool, took time.Duration) {
	d.Helper()
	began := time.Now()
	if decision == nil {
		mailQueued = d.keep(d.Context(), health.Decision{At: began}, nil)
	} else {
		mailQueued = d.keep(d.Context(), *decision, rendered(decision.Alert))
	}
	return mailQueued, time.Since(began)
}

// turns lets the loop turn once a second, with a decision each time, and gives the
// longest turn.
func (d *desk) turns(n int) (longest time.Duration) {
	d.Helper()
	for range n {
		decision := d.decide()
		_, took := d.turn(&decision)
		longest = max(longest, took)
		time.Sleep(time.Second - took)
	}
	return longest
}

// settles lets the loop turn without news until nothing is owed.
func (d *desk) settles() {
	d.Helper()
	for range 20 {
		d.turn(nil)
		time.Sleep(time.Second)
	}
	if s := d.Status(); !s.FailingSince.IsZero() || s.LastErr != "" || s.Pending != 0 {
		d.Errorf("when all is well again: %+v", s)
	}
}

// keptOnce fails the test unless the store has everything of all decisions, once and in
// their order, and nobody is owed anything.
func (d *desk) keptOnce() {
	d.Helper()
	kept, _, err := d.store.Kept(d.Context())
	if err != nil || len(kept.Records) != d.n {
		d.Fatalf("%d records of %d, %v", len(kept.Records), d.n, err)
	}
	events, _, err := d.store.FindEvents(d.Context(), store.EventQuery{}, 1000, "")
	if err != nil || len(events) != d.n {
		d.Errorf("%d events of %d, %v", len(events), d.n, err)
	}
	acts, _, err := d.store.Audit(d.Context(), 1000, "")
	if err != nil || len(acts) != d.n {
		d.Errorf("%d acts of %d, %v", len(acts), d.n, err)
	}
	mails, _, err := d.store.Mails(d.Context(), 1000, "")
	if err != nil || len(mails) != d.n {
		d.Errorf("%d mails of %d, %v", len(mails), d.n, err)
	}
	for i := range d.n {
		name := fmt.Sprintf("pend%04d", d.n-i)
		if i < len(events) && events[i].Experiment != name || i < len(acts) && acts[i].Text != name || i < len(mails) && mails[i].Subject != "new "+name {
			d.Fatalf("%s isn't in its place", name)
		}
		changes, err := d.store.History(d.Context(), name, time.Time{}, time.Time{})
		if err != nil || len(changes) != 1 {
			d.Fatalf("history of %s: %v, %v", name, changes, err)
		}
	}
	if n := len(d.owedEvents()) + len(d.owedActs()) + len(d.owedHistory()); n != 0 {
		d.Errorf("%d things are owed still", n)
	}
}

// said counts the lines of a level in the log.
func (d *desk) said(level logrus.Level) (n int) {
	for _, e := range d.logged.AllEntries() {
		if e.Level == level {
			n++
		}
	}
	return n
}

var errOrdered = errors.New("as ordered")

// Whatever the store does, no turn waits long for it, and once it is well again it has
// everything, once and in order.
func TestJournalKeepsEverythingOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		order  storeOrder
		fails  bool // and that is said, once
		waited time.Duration
	}{
		"while it works":                         {storeOrder{}, false, 0},
		"while it is a little slow":              {storeOrder{takes: 40 * time.Millisecond}, false, 40 * time.Millisecond},
		"while it is slow":                       {storeOrder{takes: 300 * time.Millisecond}, false, turnPatience},
		"while it is slower than the loop turns": {storeOrder{takes: 990 * time.Millisecond}, false, turnPatience},
		"while it is so slow that it fails":      {storeOrder{takes: 2500 * time.Millisecond}, true, turnPatience},
		"while it hangs":                         {storeOrder{hangs: true}, true, turnPatience},
		"while it is stuck":                      {storeOrder{takes: 12 * time.Second}, true, turnPatience},
		"while it fails":                         {storeOrder{err: errOrdered}, true, 0},
		"while it fails slowly":                  {storeOrder{err: errOrdered, takes: 200 * time.Millisecond}, true, turnPatience},
		"while it says that it fails, and lies":  {storeOrder{err: errOrdered, lies: true}, true, 0},
		"while it lies slowly":                   {storeOrder{err: errOrdered, lies: true, takes: 200 * time.Millisecond}, true, turnPatience},
	} {
		t.Run(name, func(t *testing.T) {
			atADesk(t, func(d *desk) {
				d.turns(3)
				d.store.give(test.order)
				if longest := d.turns(20); longest != test.waited {
					d.Errorf("a turn waited for %s, want %s", longest, test.waited)
				}
				if failing := !d.Status().FailingSince.IsZero(); failing != test.fails {
					d.Errorf("it is said to fail: %t", failing)
				}
				d.store.give(storeOrder{})
				d.turns(3)
				d.settles()
				d.keptOnce()
				want := 0
				if test.fails {
					want = 1
				}
				if d.said(logrus.ErrorLevel) != want || d.said(logrus.WarnLevel) != want {
					d.Errorf("said %d times that it fails, %d times that it is well again, want %d", d.said(logrus.ErrorLevel), d.said(logrus.WarnLevel), want)
				}
				if s := d.Status(); s.Dropped != 0 {
					d.Errorf("status %+v", s)
				}
			})
		})
	}
}

// A store that does now this and now that gets everything all the same.
func TestJournalBeforeAMoodyStore(t *testing.T) {
	t.Parallel()
	for range 20 {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		atADesk(t, func(d *desk) {
			for range 60 {
				d.store.give(storeOrder{
					takes: time.Duration(rng.IntN(4)) * time.Duration(rng.IntN(900)) * time.Millisecond, hangs: rng.IntN(4) == 0, lies: rng.IntN(2) == 0,
					err: []error{nil, nil, errOrdered}[rng.IntN(3)],
				})
				if rng.IntN(3) == 0 {
					d.turn(nil)
					time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
				} else if longest := d.turns(1); longest > turnPatience {
					d.Errorf("a turn waited for %s", longest)
				}
			}
			d.store.give(storeOrder{})
			d.settles()
			d.keptOnce()
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// A mail is said to be queued only when the store has it, and at once then, also
// between turns.
func TestJournalWakesTheOutbox(t *testing.T) {
	t.Parallel()
	atADesk(t, func(d *desk) {
		first := d.decide()
		if queued, _ := d.turn(&first); !queued || len(d.woken) != 0 {
			d.Errorf("a prompt store: queued %t, woken %v", queued, d.woken)
		}
		time.Sleep(time.Second)
		d.store.give(storeOrder{takes: 300 * time.Millisecond})
		second := d.decide()
		if queued, _ := d.turn(&second); queued {
			d.Error("it is said to be queued and isn't")
		}
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if want := []time.Duration{1300 * time.Millisecond}; !slices.Equal(d.woken, want) {
			d.Errorf("woken at %v, want %v", d.woken, want)
		}
		third := d.decide()
		third.Alert = &health.Alert{}
		d.keep(d.Context(), third, nil) // there is nobody to wake for
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if len(d.woken) != 1 {
			d.Errorf("woken at %v", d.woken)
		}
		d.store.give(storeOrder{err: errOrdered})
		fourth := d.decide()
		if queued, _ := d.turn(&fourth); queued || len(d.woken) != 1 {
			d.Errorf("a store that fails: queued %t, woken %v", queued, d.woken)
		}
	})
}

// Readers find what happened in the store or in what is owed, in one of them.
func TestJournalShowsWhatIsOwed(t *testing.T) {
	t.Parallel()
	atADesk(t, func(d *desk) {
		shown := func(when string, owed int) {
			d.Helper()
			if e, a, h := len(d.owedEvents()), len(d.owedActs()), len(d.owedHistory()); e != owed || a != owed || h != owed {
				d.Errorf("%s: %d events, %d acts, %d changes are owed, want %d", when, e, a, h, owed)
			}
			if p := d.Status().Pending; p != 3*owed {
				d.Errorf("%s: %d pending, want %d", when, p, 3*owed)
			}
		}
		shown("at first", 0)
		d.store.give(storeOrder{takes: 700 * time.Millisecond})
		first, second := d.decide(), d.decide()
		d.turn(&first)
		shown("while it is in flight", 1)
		d.turn(&second)
		shown("while one is in flight and one waits", 2)
		time.Sleep(700 * time.Millisecond)
		synctest.Wait()
		shown("once it has landed, before anybody looked", 1)
		d.store.give(storeOrder{hangs: true})
		third := d.decide()
		d.turn(&third)
		shown("while two are in flight", 2)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		shown("when they could not be kept", 2)
		fourth := d.decide()
		d.turn(&fourth)
		shown("while they are owed", 3)
		if owed := d.owedActs(); owed[0].Text != "pend0002" || owed[2].Text != "pend0004" {
			d.Errorf("out of order: %v", owed)
		}
		d.store.give(storeOrder{})
		d.settles()
		shown("in the end", 0)
		d.keptOnce()
	})
}

// replacedStore is one whose contents were lost, and that says so.
type replacedStore struct {
	orderedStore
	lost bool
}

func (s *replacedStore) Commit(ctx context.Context, c store.Commit) error {
	if s.lost && !c.Whole {
		return store.ErrReplaced
	}
	s.lost = false
	return s.orderedStore.Commit(ctx, c)
}

// A store that was replaced gets everything in the same turn, and nobody is alarmed: it
// has said itself what has happened.
func TestJournalWritesAReplacedStoreAnew(t *testing.T) {
	t.Parallel()
	atADesk(t, func(d *desk) {
		kept := health.Kept{Records: []health.Record{{Name: "from before"}}}
		s := &replacedStore{orderedStore: orderedStore{Store: d.store.Store}}
		log, logged := logtest.NewNullLogger()
		d.journal = newJournal(s, log, &kept)
		for range 3 {
			decision := d.decide()
			d.turn(&decision)
		}
		left := d.decide()
		left.History[0].State, left.Records, left.Forgotten = "", nil, []string{left.Records[0].Name}
		d.turn(&left)

		fresh, err := store.OpenMemory(store.Options{})
		if err != nil {
			d.Fatal(err)
		}
		old := health.StateChange{Experiment: "ancient", At: d.began.Add(-time.Hour), State: health.StateHealthy}
		if err := fresh.Commit(d.Context(), store.Commit{At: d.began, Records: []health.Record{{Name: "ancient"}}, History: []health.StateChange{old}}); err != nil {
			d.Fatal(err)
		}
		s.Store, s.lost = fresh, true
		time.Sleep(time.Second)
		if queued, _ := d.turn(nil); queued || !s.lost {
			d.Error("without anything to keep it isn't asked")
		}
		last := d.decide()
		if queued, _ := d.turn(&last); !queued || s.lost {
			d.Errorf("queued %t", queued)
		}
		now, _, err := fresh.Kept(d.Context())
		if err != nil {
			d.Fatal(err)
		}
		var names []string
		for _, r := range now.Records {
			names = append(names, r.Name)
		}
		if want := []string{"from before", "pend0001", "pend0002", "pend0003", "pend0005"}; !slices.Equal(names, want) || now.System.Reminded != last.At {
			d.Errorf("kept %v, system of %v", names, now.System.Reminded)
		}
		var states []string
		for changes, err := range fresh.AllHistory(d.Context(), time.Now().Add(-time.Nanosecond), time.Time{}) {
			if err != nil {
				d.Fatal(err)
			}
			c := changes[len(changes)-1]
			states = append(states, strings.TrimSpace(c.Experiment+" "+string(c.State)))
		}
		if want := []string{"ancient", "pend0001 unhealthy", "pend0002 unhealthy", "pend0003 unhealthy", "pend0005 unhealthy"}; !slices.Equal(states, want) {
			d.Errorf("histories: %v", states)
		}
		if status := d.Status(); len(logged.AllEntries()) != 0 || !status.FailingSince.IsZero() {
			d.Errorf("%d lines logged, %+v", len(logged.AllEntries()), status)
		}
	})
}

// After a failure the store gets all there is: its file may have been taken away.
func TestJournalWritesAllAfterAFailure(t *testing.T) {
	t.Parallel()
	atADesk(t, func(d *desk) {
		d.turns(3)
		d.store.give(storeOrder{err: errOrdered})
		d.turns(1)
		d.store.give(storeOrder{})
		d.settles()
		last := d.store.commits[len(d.store.commits)-1]
		if !last.Whole || len(last.Records) != 4 || len(last.History) != 4 || last.System == nil {
			d.Errorf("the commit after it: %+v", last)
		}
		d.turns(1)
		if last := d.store.commits[len(d.store.commits)-1]; last.Whole || len(last.Records) != 1 {
			d.Errorf("the one after that: %+v", last)
		}
	})
}

// However long the store fails, what waits for it stays within bounds, and everybody is
// told of everything all the same.
func TestJournalLeavesNobodyUntold(t *testing.T) {
	t.Parallel()
	atADesk(t, func(d *desk) {
		d.store.give(storeOrder{err: errOrdered})
		const n = 4 * maxOwedMails
		for range n {
			decision := d.decide()
			d.turn(&decision)
			time.Sleep(100 * time.Millisecond)
		}
		if len(d.owed.mails) > maxOwedMails {
			d.Errorf("%d mails wait", len(d.owed.mails))
		}
		d.store.give(storeOrder{})
		d.settles()
		var told []string
		mails, _, err := d.store.Mails(d.Context(), 1000, "")
		if err != nil || len(mails) != maxOwedMails {
			d.Fatal(len(mails), err)
		}
		for _, m := range slices.Backward(mails) {
			told = append(told, strings.Split(m.Subject, ", ")...)
		}
		for i := range n {
			if want := fmt.Sprintf("new pend%04d", i+1); i >= len(told) || told[i] != want {
				d.Fatalf("%d things are told, %q is missing", len(told), want)
			}
		}
		if s := d.Status(); s.Dropped != 0 || d.said(logrus.ErrorLevel) != 1 {
			d.Errorf("status %+v, %d errors logged", s, d.said(logrus.ErrorLevel))
		}
	})
}

// Without anybody to render what was joined the oldest mails are lost, and so are events
// beyond the bound: that is counted and said.
func TestJournalSaysWhatItLoses(t *testing.T) {
	t.Parallel()
	atADesk(t, func(d *desk) {
		d.render = nil
		d.store.give(storeOrder{err: errOrdered})
		d.turns(maxOwedMails + 2)
		if s := d.Status(); s.Dropped != 2 {
			d.Errorf("%d lost, want 2", s.Dropped)
		}
		many := d.decide()
		for len(many.Events) < maxOwedEvents {
			many.Events = append(many.Events, many.Events[0])
		}
		d.keep(d.Context(), many, nil)
		if s := d.Status(); s.Dropped != 2+maxOwedMails+2 {
			d.Errorf("%d lost, want as many events too", s.Dropped)
		}
		if len(d.owedEvents()) != maxOwedEvents {
			d.Errorf("%d events wait", len(d.owedEvents()))
		}
		if n := d.said(logrus.ErrorLevel); n != 1+2+1 {
			d.Errorf("said %d times", n)
		}
	})
}

// A stop waits no longer than it may, and keeps what can be kept by then.
func TestJournalFinishes(t *testing.T) {
	t.Parallel()
	const patience = 150 * time.Millisecond
	for name, test := range map[string]struct {
		before, then storeOrder
		takes        time.Duration
		says         string // empty: all is kept
		inUse        bool
	}{
		"with nothing owed":                          {storeOrder{}, storeOrder{}, 0, "", false},
		"once the store works again":                 {storeOrder{err: errOrdered}, storeOrder{}, 0, "", false},
		"with a commit that is slow":                 {storeOrder{takes: 130 * time.Millisecond}, storeOrder{}, 80 * time.Millisecond, "", false},
		"with a slow one and another owed":           {storeOrder{takes: 130 * time.Millisecond}, storeOrder{takes: 30 * time.Millisecond}, 80 * time.Millisecond, "", false},
		"while the store fails":                      {storeOrder{err: errOrdered}, storeOrder{err: errOrdered}, 0, "9 events, acts and mails are lost: as ordered", false},
		"while the store is stuck":                   {storeOrder{takes: time.Minute}, storeOrder{}, patience, "9 events, acts and mails may be lost", true},
		"once it works again, but too slowly":        {storeOrder{err: errOrdered}, storeOrder{takes: time.Minute}, patience, "9 events, acts and mails may be lost", true},
		"once it has become a little slow meanwhile": {storeOrder{err: errOrdered}, storeOrder{takes: 100 * time.Millisecond}, 100 * time.Millisecond, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			atADesk(t, func(d *desk) {
				d.store.give(test.before)
				for range 3 {
					decision := d.decide()
					d.turn(&decision)
				}
				d.store.give(test.then)
				began := time.Now()
				err := d.finish(d.Context(), patience)
				if took := time.Since(began); took > patience || test.takes == patience && took != patience {
					d.Errorf("it took %s", took)
				}
				if d.flying != nil != test.inUse {
					d.Errorf("the store is in use: %t", d.flying != nil)
				}
				if test.says != "" {
					if err == nil || !strings.Contains(err.Error(), test.says) {
						d.Errorf("it ends with %v, want %s", err, test.says)
					}
					return
				}
				if err != nil {
					d.Error(err)
				}
				d.keptOnce()
			})
		})
	}
}

func TestJoinAlerts(t *testing.T) {
	t.Parallel()
	issue := func(name string, hour int) health.Issue {
		return health.Issue{Code: health.UnhealthyStream, Experiment: name, Subject: name + "-st-video", Since: noon.Add(time.Duration(hour) * time.Hour)}
	}
	missing := func(name string, hour int) health.Issue {
		i := issue(name, hour)
		i.Code = health.MissingRequired
		return i
	}
	over := func(i health.Issue, hour int) health.Resolved {
		return health.Resolved{Issue: i, Until: noon.Add(time.Duration(hour) * time.Hour), Ending: health.OKAgain}
	}
	system := health.Issue{Code: health.NoReports, Subject: "relay", Since: noon}
	type alerts = []health.Alert
	for name, test := range map[string]struct {
		told alerts
		want health.Alert
	}{
		"what is new in either is new": {alerts{{New: []health.Issue{issue("b", 1)}}, {New: []health.Issue{issue("a", 2), issue("c", 2)}}},
			health.Alert{New: []health.Issue{issue("a", 2), issue("b", 1), issue("c", 2)}}},
		"the system comes first": {alerts{{New: []health.Issue{issue("b", 1)}}, {New: []health.Issue{system}}},
			health.Alert{New: []health.Issue{system, issue("b", 1)}}},
		"what was new and is over is over": {alerts{{New: []health.Issue{issue("a", 1)}}, {Resolved: []health.Resolved{over(issue("a", 1), 2)}}},
			health.Alert{Resolved: []health.Resolved{over(issue("a", 1), 2)}}},
		"what was over and is new again is both": {alerts{{Resolved: []health.Resolved{over(issue("a", 1), 2)}}, {New: []health.Issue{issue("a", 3)}}},
			health.Alert{New: []health.Issue{issue("a", 3)}, Resolved: []health.Resolved{over(issue("a", 1), 2)}}},
		"what comes and goes is over as it was last": {alerts{{New: []health.Issue{issue("a", 1)}}, {Resolved: []health.Resolved{over(issue("a", 1), 2)}}, {New: []health.Issue{issue("a", 3)}}, {Resolved: []health.Resolved{over(issue("a", 3), 4)}}},
			health.Alert{Resolved: []health.Resolved{over(issue("a", 3), 4)}}},
		"a stream that was missing and is there, silent, is one": {alerts{{New: []health.Issue{missing("a", 1)}}, {Resolved: []health.Resolved{over(issue("a", 1), 2)}}},
			health.Alert{Resolved: []health.Resolved{over(issue("a", 1), 2)}}},
		"what people did is told in full": {alerts{{Acts: []health.Act{{Text: "1"}, {Text: "2"}}}, {Acts: []health.Act{{Text: "3"}}}},
			health.Alert{Acts: []health.Act{{Text: "1"}, {Text: "2"}, {Text: "3"}}}},
		"what is wrong now is what the newer one says": {alerts{{Current: []health.Issue{issue("a", 1)}, Counts: health.Counts{Total: 1}}, {At: noon, New: []health.Issue{issue("b", 2)}, Current: []health.Issue{issue("b", 2)}, Counts: health.Counts{Total: 2}}},
			health.Alert{At: noon, New: []health.Issue{issue("b", 2)}, Current: []health.Issue{issue("b", 2)}, Counts: health.Counts{Total: 2}}},
		"of two reminders the newer one is enough": {alerts{{Reminder: []health.Issue{issue("a", 1), issue("b", 1)}}, {Reminder: []health.Issue{issue("a", 1)}}},
			health.Alert{Reminder: []health.Issue{issue("a", 1)}}},
		"news makes a reminder needless": {alerts{{New: []health.Issue{issue("a", 1)}}, {Reminder: []health.Issue{issue("a", 1)}}},
			health.Alert{New: []health.Issue{issue("a", 1)}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := &test.told[0]
			for i := range test.told[1:] {
				got = joinAlerts(got, &test.told[i+1])
			}
			if !reflect.DeepEqual(*got, test.want) {
				t.Errorf("\ngot  %+v\nwant %+v", *got, test.want)
			}
		})
	}
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
