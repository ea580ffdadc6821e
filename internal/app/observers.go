package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"labstatus/internal/config"
	"labstatus/internal/observer"
	"labstatus/internal/store"
)

// Kinds of documents that the store keeps for observers.
const (
	docObserver = "observer" // one for each observer, by its name
	docObserved = "observed" // what was heard, one for each source
)

// setUpReporter makes what tells observers how we are.
func (a *App) setUpReporter(ctx context.Context) error {
	fixed, err := ObserversFile(a.o.Config)
	if err != nil {
		return err
	}
	a.reporter, err = observer.NewReporter(observer.ReporterOptions{
		Totals: a.totals.all, Fixed: fixed, Kept: a.keptObservers(ctx), Keeper: observerKeeper{a.store},
		Network: observer.Network{
			Dial: a.o.dial(placeObserver), Proxy: a.o.proxy(), Wrap: a.o.wrap(placeObserver), RootCAs: a.o.RootCAs,
		},
		Log: a.log.WithField("part", "observers"),
	})
	if err != nil {
		return fmt.Errorf("set up observers: %w", err)
	}
	return nil
}

// ObserversFile reads the observers that STATUS_OBSERVERS names; none where it is
// not set.
func ObserversFile(c *config.Config) ([]observer.Observer, error) {
	path := c.Observer.File
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("STATUS_OBSERVERS: %w", err)
	}
	all, err := observer.ParseObservers(text)
	if err != nil {
		return nil, fmt.Errorf("STATUS_OBSERVERS=%s: %w", path, err)
	}
	return all, nil
}

// keptObservers are those that the API has set, and what nobody has acknowledged yet.
// One that can't be read is left out, loudly: the others are told all the same.
func (a *App) keptObservers(ctx context.Context) []observer.KeptObserver {
	docs, err := a.store.Documents(ctx, docObserver)
	if err != nil {
		a.log.WithError(err).Error("the observers that were set by the API can't be read and are not told until a restart")
		return nil
	}
	var all []observer.KeptObserver
	for _, name := range sortedKeys(docs) {
		k, err := observer.ReadKeptObserver(name, docs[name])
		if err != nil {
			a.log.WithError(err).WithField("observer", name).Error("a kept observer can't be read; set it anew")
			continue
		}
		all = append(all, k)
	}
	return all
}

// addKeptObservers begins to tell the observers of a store that could be opened late.
// They are told how everything is now; what an earlier run left to tell is not.
func (a *App) addKeptObservers() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, k := range a.keptObservers(ctx) {
		if k.Fixed {
			continue
		}
		if n := len(k.Reports) + len(k.Waiting); n > 0 {
			a.log.WithField("observer", k.Observer.Name).WithField("reports", n).Warn("what an earlier run left to tell an observer is not told: the store could not be opened in time")
		}
		err := a.reporter.Add(ctx, k.Observer)
		if err != nil && !errors.Is(err, observer.ErrObserverExists) {
			a.log.WithError(err).WithField("observer", k.Observer.Name).Error("an observer of the store can't be told; set it anew")
		}
	}
}

// observerKeeper keeps observers as documents.
type observerKeeper struct{ store store.Store }

func (k observerKeeper) KeepObserver(ctx context.Context, kept observer.KeptObserver) error {
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return k.store.PutDocument(ctx, docObserver, kept.Observer.Name, text)
}

func (k observerKeeper) ForgetObserver(ctx context.Context, name string) error {
	return k.store.DropDocument(ctx, docObserver, name)
}

// CheckObserverFiles reads what the settings of observers name, and gives all that is
// wrong with it.
func CheckObserverFiles(c *config.Config) error {
	_, observers := ObserversFile(c)
	_, ties := ObserverMap(c)
	var tokens error
	if c.Observer.Listens() {
		_, tokens = ObserverTokens(c)
	}
	return errors.Join(observers, tokens, ties)
}
