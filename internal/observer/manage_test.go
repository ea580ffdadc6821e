package observer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/observer"
)

// A token that nobody gave goes where it went, and past nobody who might listen.
func TestATokenThatStays(t *testing.T) {
	t.Parallel()
	ca, other := pemOf(t, newAuthority(t, "far.lab")), pemOf(t, newAuthority(t, "far.lab"))
	secure := func(o observer.TLS) observer.Observer { return observer.Observer{Address: "far.lab:8000", TLS: &o} }
	web := func(address string, o *observer.TLS) observer.Observer {
		return observer.Observer{Address: address, TLS: o}
	}
	plain := observer.Observer{Address: "far.lab:8000"}
	for name, tc := range map[string]struct {
		from, to observer.Observer
		refused  bool
	}{
		"the same":                     {plain, plain, false},
		"another path":                 {web("http://far.lab/a", nil), web("http://far.lab/b", nil), false},
		"another host":                 {web("http://far.lab/a", nil), web("http://evil.lab/a", nil), true},
		"another port":                 {plain, observer.Observer{Address: "far.lab:8001"}, true},
		"another scheme":               {web("https://far.lab/a", nil), web("http://far.lab/a", nil), true},
		"another protocol":             {web("http://far.lab:8000", nil), plain, true},
		"TLS more":                     {plain, secure(observer.TLS{Insecure: true}), false},
		"TLS less":                     {secure(observer.TLS{}), plain, true},
		"bad TLS less":                 {secure(observer.TLS{Insecure: true}), plain, true},
		"any certificate":              {secure(observer.TLS{}), secure(observer.TLS{Insecure: true}), true},
		"no longer any":                {secure(observer.TLS{Insecure: true}), secure(observer.TLS{CA: ca}), false},
		"the same authority":           {secure(observer.TLS{CA: ca}), secure(observer.TLS{CA: ca}), false},
		"another authority":            {secure(observer.TLS{CA: ca}), secure(observer.TLS{CA: other}), true},
		"any authority":                {secure(observer.TLS{CA: ca}), secure(observer.TLS{}), true},
		"another name":                 {secure(observer.TLS{}), secure(observer.TLS{ServerName: "evil.lab"}), true},
		"any certificate over HTTPS":   {web("https://far.lab/a", nil), web("https://far.lab/a", &observer.TLS{Insecure: true}), true},
		"the same over HTTPS, in full": {web("https://far.lab/a", nil), web("https://far.lab/a", &observer.TLS{}), false},
	} {
		t.Run(name, func(t *testing.T) {
			out := mustReporter(t, observer.ReporterOptions{})
			tc.from.Name, tc.from.Token = "far", observer.NewSecret(token)
			if err := out.Add(t.Context(), tc.from); err != nil {
				t.Fatal(err)
			}
			tc.to.Token = observer.NewSecret("***")
			err := out.Change(t.Context(), "far", tc.to)
			if got := fieldsOf(err); tc.refused != slices.Equal(got, []string{"token"}) || !tc.refused && err != nil {
				t.Errorf("%v", err)
			}
			if f, err := out.Find("far"); err != nil || f.Observer.Token.Reveal() != token || tc.refused && f.Observer.Address != tc.from.Address {
				t.Errorf("%+v, %v", f.Observer, err)
			}
			for _, given := range []string{"anew", ""} { // or none
				tc.to.Token = observer.NewSecret(given)
				if err := out.Change(t.Context(), "far", tc.to); err != nil {
					t.Error(err)
				}
			}
			tc.from.Name, tc.from.Token = "far", observer.NewSecret("***") // there is none to be stolen
			if err := out.Change(t.Context(), "far", tc.from); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestObserversAreManagedWhileTelling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "fixed", "first", "second")
		defer b.end()
		b.start(at("fixed"))
		b.out.Tell(relay, observer.Running, "")
		b.out.Tell(relay, observer.Ready, "")
		b.meter.add(relay, 1, 1, 1)
		time.Sleep(time.Second)

		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		must(b.out.Add(t.Context(), at("first")))
		time.Sleep(2 * time.Second)
		b.told("first", "relay ready ", "relay 0/1 1>1 !0") // how it is, not how it came to be so

		// Another address: it knows nothing yet.
		moved := at("first")
		moved.Address = "http://second.lab/elsewhere"
		must(b.out.Change(t.Context(), "first", moved))
		if f := b.fate("first"); !f.LastOK.IsZero() {
			t.Errorf("one that was told nothing yet: %+v", f)
		}
		b.meter.add(relay, 1, 1, 1)
		time.Sleep(2 * time.Second)
		b.told("first")
		b.told("second", "relay ready ", "relay 0/2 2>2 !0")

		// Another token only: it does.
		moved.Token = observer.NewSecret("t0ken")
		must(b.out.Change(t.Context(), "first", moved))
		moved.Token = observer.NewSecret("***") // as it was shown
		must(b.out.Change(t.Context(), "first", moved))
		time.Sleep(2 * time.Second)
		b.told("second")
		if f := b.fate("first"); f.Observer.Token.Reveal() != "t0ken" || f.Fixed || f.LastOK.IsZero() {
			t.Errorf("%+v", f)
		}

		for what, tc := range map[string]struct{ got, want error }{
			"adding one that is there":   {b.out.Add(t.Context(), at("first")), observer.ErrObserverExists},
			"adding one of the file":     {b.out.Add(t.Context(), at("fixed")), observer.ErrObserverExists},
			"changing one of the file":   {b.out.Change(t.Context(), "fixed", at("fixed")), observer.ErrFixedObserver},
			"removing one of the file":   {b.out.Remove(t.Context(), "fixed"), observer.ErrFixedObserver},
			"changing one there is none": {b.out.Change(t.Context(), "third", at("third")), observer.ErrUnknownObserver},
			"removing one there is none": {b.out.Remove(t.Context(), "third"), observer.ErrUnknownObserver},
		} {
			if !errors.Is(tc.got, tc.want) {
				t.Errorf("%s: %v", what, tc.got)
			}
		}
		if got := fieldsOf(b.out.Change(t.Context(), "first", observer.Observer{Address: "nowhere"})); !slices.Equal(got, []string{"address"}) {
			t.Errorf("a bad change names %q", got)
		}
		if got := fieldsOf(b.out.Add(t.Context(), observer.Observer{Address: "a:1"})); !slices.Equal(got, []string{"name"}) {
			t.Errorf("a bad observer names %q", got)
		}

		must(b.out.Remove(t.Context(), "first"))
		b.meter.add(relay, 1, 1, 1)
		time.Sleep(2 * time.Second)
		b.told("second")
		if all := b.out.List(); len(all) != 1 || all[0].Observer.Name != "fixed" {
			t.Errorf("%+v", all)
		}
		if kept := b.shelf.read(t); len(kept) != 0 {
			t.Errorf("kept is %+v", kept)
		}
	})
}

func TestAddedObserversAreThereAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far", "gone")
		defer b.end()
		b.start(at("gone"))
		o := at("far")
		o.Token = observer.NewSecret("t0ken")
		if err := b.out.Add(t.Context(), o); err != nil {
			t.Error(err)
		}
		b.out.Tell(relay, observer.Ready, "")
		time.Sleep(3 * time.Second)
		b.running.end()
		last := b.fate("far").LastOK
		b.plugins["far"].take(t)

		b.start() // the file's is not in the file any more
		if all := b.out.List(); len(all) != 1 || all[0].Observer.Token.Reveal() != "t0ken" || all[0].Fixed || !all[0].LastOK.Equal(last) {
			t.Errorf("%+v", all)
		}
		b.out.Tell(relay, observer.Ready, "again")
		time.Sleep(2 * time.Second)
		b.told("far", "relay ready again")
		b.running.end()

		b.start(at("far")) // now it is in the file, and that one counts
		if f := b.fate("far"); !f.Fixed || !f.Observer.Token.IsZero() || !strings.Contains(b.log.String(), "gives way") {
			t.Errorf("%+v\n%s", f, b.log)
		}
	})
}

func TestWhatCannotBeKeptIsNotAdded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		b.start()
		b.shelf.set(errShelf, false)
		if err := b.out.Add(t.Context(), at("far")); !errors.Is(err, errShelf) || len(b.out.List()) != 0 {
			t.Errorf("%v, %v", err, b.out.List())
		}
		b.shelf.set(nil, false)
		if err := b.out.Add(t.Context(), at("far")); err != nil {
			t.Error(err)
		}
		b.shelf.set(errShelf, false)
		changed := at("far")
		changed.Period = time.Hour
		if err := b.out.Change(t.Context(), "far", changed); !errors.Is(err, errShelf) {
			t.Error(err)
		}
		if err := b.out.Remove(t.Context(), "far"); !errors.Is(err, errShelf) {
			t.Error(err)
		}
		b.out.Tell(relay, observer.Ready, "") // it goes on as it was
		time.Sleep(2 * time.Second)
		b.told("far", "relay ready ")
		if f := b.fate("far"); f.Observer.Period != time.Second {
			t.Errorf("%+v", f)
		}

		b.plugins["far"].set(refuse(500))
		b.out.Tell(relay, observer.Failed, "")
		time.Sleep(3 * time.Second)
		if f := b.fate("far"); !strings.Contains(f.KeepError, errShelf.Error()) || strings.Count(b.log.String(), "can't be kept") != 1 {
			t.Errorf("%+v\n%s", f, b.log)
		}
		b.shelf.set(nil, false)
		time.Sleep(2 * time.Second)
		if f := b.fate("far"); f.KeepError != "" || !strings.Contains(b.log.String(), "can be kept again") {
			t.Errorf("%+v\n%s", f, b.log)
		}
	})
}

// Those who manage wait for each other and for the store, no longer than they want.
func TestAStoreThatHangsDelaysNoObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		b.start(at("far"))
		b.shelf.set(nil, true)
		hung := run(t, func(context.Context) error {
			if err := b.out.Add(t.Context(), at("other")); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			return nil
		})
		synctest.Wait()
		began := time.Now()
		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := b.out.Remove(short, "far"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		b.out.Tell(relay, observer.Ready, "")
		time.Sleep(time.Second)
		b.told("far", "relay ready ")
		hung.done.Wait()
	})
}

func TestAfterTheStopNothingIsManaged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		b.start(at("far"))
		b.end()
		if err := b.out.Add(t.Context(), at("other")); err == nil {
			t.Error("it was added")
		}
		if err := b.out.Run(context.Background()); err == nil {
			t.Error("it ran again")
		}
		b.out.Tell(relay, observer.Ready, "") // harmless
	})
}

func TestObserversThatCannotBeToldAtTheStart(t *testing.T) {
	t.Parallel()
	if _, err := observer.NewReporter(observer.ReporterOptions{Fixed: []observer.Observer{{Name: "a", Address: "nowhere"}}}); err == nil || !strings.Contains(err.Error(), "STATUS_OBSERVERS") {
		t.Error(err)
	}
	if _, err := observer.NewReporter(observer.ReporterOptions{Fixed: []observer.Observer{at("a"), at("a")}}); !errors.Is(err, observer.ErrObserverExists) {
		t.Error(err)
	}
	var many []observer.KeptObserver
	for n := range observer.MaxObservers + 1 {
		many = append(many, observer.KeptObserver{Observer: at(fmt.Sprint("a", n))})
	}
	many = append(many, observer.KeptObserver{Observer: observer.Observer{Name: "broken"}})
	text, log := newLog()
	r := mustReporter(t, observer.ReporterOptions{Kept: many, Log: log})
	if n := len(r.List()); n != observer.MaxObservers || strings.Count(text.String(), "can't be told any more") != 2 {
		t.Errorf("%d observers\n%s", n, text)
	}
	if err := r.Add(t.Context(), at("one-more")); !errors.Is(err, observer.ErrTooManyObservers) {
		t.Error(err)
	}
	if err := r.Remove(t.Context(), "a1"); err != nil { // before Run, too
		t.Error(err)
	}
	if err := r.Add(t.Context(), at("one-more")); err != nil {
		t.Error(err)
	}
}

// Everybody may do everything at once.
func TestManyManageAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "far")
		defer b.end()
		b.start(at("far"))
		var all sync.WaitGroup
		for n := range 8 {
			name := fmt.Sprint("far", n%4) // two go for each
			all.Go(func() {
				for round := range 20 {
					o := at(name)
					o.Address = "http://far.lab/" + name
					o.ResetTraffic = round%2 == 0
					for _, err := range []error{b.out.Add(t.Context(), o), b.out.Change(t.Context(), name, o), b.out.Remove(t.Context(), name)} {
						if err != nil && !errors.Is(err, observer.ErrObserverExists) && !errors.Is(err, observer.ErrUnknownObserver) {
							t.Error(err)
						}
					}
					b.out.Tell(observer.Service(name), []observer.State{observer.Ready, observer.Failed}[round%2], "")
					b.meter.add(observer.Service(name), 1, 1, 1)
					b.out.List()
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		all.Wait()
		time.Sleep(2 * time.Second)
		if list := b.out.List(); len(list) != 1 || list[0].Pending != 0 || len(b.shelf.read(t)) != 0 {
			t.Errorf("%+v", list)
		}
	})
}
