package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/observer"
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
	a.receiver, err = observer.NewReceiver(observer.ReceiverOptions{
		Credentials: credentials, Map: ties, Kept: a.keptHeard(ctx), Keep: a.keepHeard,
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
			_, _, tied := ties.Tie(t.Source, subjectOf(t.Service, t.Client))
			return !tied || !listening
		})
		for j := range r.Tunnels {
			t := &r.Tunnels[j]
			var experiment string
			if experiment, t.Required, _ = ties.Tie(t.Source, subjectOf(t.Service, t.Client)); experiment != r.Name {
				t.Source = "" // another's now
			}
		}
		r.Tunnels = slices.DeleteFunc(r.Tunnels, func(t health.TunnelRecord) bool { return t.Source == "" })
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
		report(s.Origin, health.TunnelReport{At: s.At, State: health.TunnelState(s.State), Message: s.Message, Restored: s.Restored})
	}
	for _, c := range h.Counters {
		report(c.Origin, health.TunnelReport{At: c.At, NewConns: c.NewConns})
	}
	if len(in.Reports) > 0 {
		a.loop.post(ctx, in)
	}
}

// keptHeard is what an earlier run has heard of others. Totals that can't be read
// begin anew: no reason to leave a laboratory unwatched.
func (a *App) keptHeard(ctx context.Context) (kept observer.KeptObserved) {
	docs, err := a.store.Documents(ctx, docObserved)
	if text := docs[heardName]; err == nil && text != nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		a.log.WithError(err).Error("what tunnels reported before the restart can't be read: their totals begin anew")
		return observer.KeptObserved{}
	}
	return kept
}

func (a *App) keepHeard(ctx context.Context, k observer.KeptObserved) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return a.store.PutDocument(ctx, docObserved, heardName, text)
}

// Bounds of a connection over which reports come; a report itself is bounded by the
// receiver.
const (
	reportHeaderTimeout = 5 * time.Second
	reportTimeout       = 30 * time.Second
	reportIdleTimeout   = 2 * time.Minute
	reportHeaderBytes   = 16 << 10
)

// takeReports serves the receiver on its listeners, each nil where it is not set, and
// gives what ends that. Not being able to go on with one of them is an end of all.
func (a *App) takeReports(servers *sync.WaitGroup, over, overGRPC net.Listener, failed func(error)) (stop func() error) {
	var plain *http.Server
	var calls *grpc.Server
	if over != nil {
		plain = &http.Server{
			Handler: a.receiver.Handler(), ReadHeaderTimeout: reportHeaderTimeout, ReadTimeout: reportTimeout,
			WriteTimeout: reportTimeout, IdleTimeout: reportIdleTimeout, MaxHeaderBytes: reportHeaderBytes,
		}
		servers.Go(func() {
			if err := plain.Serve(over); !errors.Is(err, http.ErrServerClosed) {
				failed(fmt.Errorf("take reports on %s: %w", over.Addr(), err))
			}
		})
	}
	if overGRPC != nil {
		calls = a.receiver.Server(grpc.MaxHeaderListSize(reportHeaderBytes), grpc.ConnectionTimeout(reportHeaderTimeout))
		servers.Go(func() {
			if err := calls.Serve(overGRPC); err != nil {
				failed(fmt.Errorf("take reports by gRPC on %s: %w", overGRPC.Addr(), err))
			}
		})
	}
	return func() error {
		if calls != nil {
			calls.Stop()
		}
		if plain != nil {
			return plain.Close()
		}
		return nil
	}
}
