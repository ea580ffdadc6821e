package app

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/observer"
	"labstatus/internal/store"
)

// setUpReceiver makes what takes reports of tunnels, where any listener is set.
func (a *App) setUpReceiver(ctx context.Context, ties *observer.Map) error {
	c := a.o.Config
	if !c.Observer.Listens() {
		return nil
	}
	credentials, err := ObserverTokens(c)
	if err != nil {
		return err
	}
	keeper := heardKeeper{store: a.store, kept: map[string][sha256.Size]byte{}}
	a.receiver, err = observer.NewReceiver(observer.ReceiverOptions{
		Credentials: credentials, Map: ties, Kept: a.keptHeard(ctx), Keep: keeper.keep,
		Log: a.log.WithField("part", "observer-in"),
	})
	if err != nil {
		return fmt.Errorf("set up STATUS_OBSERVER_LISTEN: %w", err)
	}
	return nil
}

// ObserverTokens reads the file of STATUS_OBSERVER_TOKENS.
func ObserverTokens(c *config.Config) ([]observer.Credential, error) {
	text, err := os.ReadFile(c.Observer.Tokens)
	if err != nil {
		return nil, fmt.Errorf("STATUS_OBSERVER_TOKENS: %w", err)
	}
	all, err := observer.ParseCredentials(string(text))
	if err != nil {
		return nil, fmt.Errorf("STATUS_OBSERVER_TOKENS=%s: %w", c.Observer.Tokens, err)
	}
	return all, nil
}

// ObserverMap reads STATUS_OBSERVER_MAP, or the file that it names after an @; nil
// where nothing is set.
func ObserverMap(c *config.Config) (*observer.Map, error) {
	text := c.Observer.Map
	if path, isFile := strings.CutPrefix(text, "@"); isFile {
		read, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("STATUS_OBSERVER_MAP: %w", err)
		}
		text = string(read)
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	ties, err := observer.ParseMap(text)
	if err != nil {
		return nil, fmt.Errorf("STATUS_OBSERVER_MAP: %w", err)
	}
	return ties, nil
}

// retie leaves of the tunnels that an earlier run kept those that the map still ties
// to the same experiment. Where nobody is listened to none are left: nobody would
// ever hear that one is well again.
func retie(kept *health.Kept, ties *observer.Map, listening bool) {
	for i := range kept.Records {
		r := &kept.Records[i]
		r.Tunnels = slices.DeleteFunc(r.Tunnels, func(t health.TunnelRecord) bool {
			experiment, _, tied := ties.Tie(t.Source, subjectOf(t.Service, t.Client))
			return !listening || !tied || experiment != r.Name
		})
		for j := range r.Tunnels {
			t := &r.Tunnels[j]
			_, t.Required, _ = ties.Tie(t.Source, subjectOf(t.Service, t.Client))
		}
	}
}

func subjectOf(service, client string) observer.Subject {
	if client == "" {
		return observer.Service(service)
	}
	return observer.Client(service, client)
}

// heard brings what was reported of tunnels into the loop.
func (a *App) heard(ctx context.Context, h observer.Heard) {
	in := health.Tunnels{At: time.Now()}
	report := func(o observer.Origin, r health.TunnelReport) {
		if o.Experiment == "" || o.Kind == observer.KindHandler && o.Client == "" {
			return
		}
		r.Source, r.Service, r.Client, r.Experiment, r.Required = o.Source, o.Service, o.Client, o.Experiment, o.Required
		in.Reports = append(in.Reports, r)
	}
	for _, s := range h.Statuses {
		report(s.Origin, health.TunnelReport{At: s.At, State: health.TunnelState(s.State), Message: s.Message, Restored: s.Restored, Since: s.Since})
	}
	for _, c := range h.Counters {
		report(c.Origin, health.TunnelReport{At: c.At, NewConns: c.NewConns})
	}
	if len(in.Reports) > 0 {
		a.loop.post(ctx, in)
	}
}

// keptHeard is what an earlier run has heard of others, each source by itself. Totals
// that can't be read begin anew: no reason to leave a laboratory unwatched.
func (a *App) keptHeard(ctx context.Context) (kept observer.KeptObserved) {
	docs, err := a.store.Documents(ctx, docObserved)
	if err != nil {
		a.log.WithError(err).Error("what tunnels reported before the restart can't be read: their totals begin anew")
		return kept
	}
	for _, name := range sortedKeys(docs) {
		source, err := observer.ReadKeptSource(name, docs[name])
		if err != nil {
			a.log.WithError(err).WithField("source", name).Error("what tunnels of a source reported before the restart can't be read: their totals begin anew")
			continue
		}
		kept.Sources = append(kept.Sources, source)
	}
	return kept
}

// heardKeeper keeps what was heard, of each source by itself and only where it has
// changed: that of one can be megabytes, and nobody's fault is another's.
type heardKeeper struct {
	store store.Store
	kept  map[string][sha256.Size]byte // what is kept of each source
}

// keep is called by one goroutine at a time.
func (k *heardKeeper) keep(ctx context.Context, heard observer.KeptObserved) error {
	var faults []error
	for i := range heard.Sources {
		name := heard.Sources[i].Name
		text, err := json.Marshal(&heard.Sources[i])
		if err != nil {
			faults = append(faults, err)
			continue
		}
		sum := sha256.Sum256(text)
		if k.kept[name] == sum {
			continue
		}
		if err := k.store.PutDocument(ctx, docObserved, name, text); err != nil {
			faults = append(faults, fmt.Errorf("source %s: %w", name, err))
			continue
		}
		k.kept[name] = sum
	}
	return errors.Join(faults...)
}
