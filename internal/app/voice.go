package app

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/observer"
)

// Our services as observers are told of them. Experiments are clients of serviceLab.
const (
	serviceRelay      = "relay"
	serviceJump       = "jump"
	serviceBook       = "book"
	serviceMail       = "mail"
	serviceAPI        = "api"
	serviceObserverIn = "observer-in"
	serviceLab        = "lab"
)

// lookEvery is how often it is seen whether there is anything to tell observers. They
// are told once in a period, of a second at least.
const lookEvery = time.Second

// voice tells observers what has changed since it looked last.
type voice struct {
	tell    func(observer.Subject, observer.State, string)
	drop    func(observer.Subject)
	totals  *totals
	version uint64 // of the snapshot it has seen
	known   []*health.Report
	begun   map[string]bool // our services that have been told to be running
}

func newVoice(r *observer.Reporter, t *totals) *voice {
	return &voice{tell: r.Tell, drop: r.Forget, totals: t, begun: map[string]bool{}}
}

// speak tells observers how everything is, until ctx ends; then that our services
// have closed.
func (a *App) speak(ctx context.Context) {
	v := newVoice(a.reporter, a.totals)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		v.lab(a.Snapshot())
		v.service(serviceAPI, observer.Ready, "answering")
		if a.receiver != nil {
			v.service(serviceObserverIn, observer.Ready, "taking reports")
		}
		if a.outbox != nil {
			v.mail(a.outbox.Status().UndeliverableSince)
		}
		select {
		case <-ctx.Done():
			v.close("the status server has stopped")
			return
		case <-tick.C:
		}
	}
}

// service tells of one of ours. It begins running, by which observers know that its
// figures begin at zero.
func (v *voice) service(name string, state observer.State, why string) {
	s := observer.Service(name)
	if !v.begun[name] {
		v.begun[name] = true
		if state != observer.Running {
			v.tell(s, observer.Running, "started")
		}
	}
	v.tell(s, state, why)
}

func (v *voice) close(why string) {
	for _, name := range sortedKeys(v.begun) {
		v.tell(observer.Service(name), observer.Closed, why)
	}
}

// mail says nothing in the mail server's words: they may hold people's addresses.
func (v *voice) mail(undeliverableSince time.Time) {
	if undeliverableSince.IsZero() {
		v.service(serviceMail, observer.Ready, "delivering")
		return
	}
	v.service(serviceMail, observer.Failed, "undeliverable")
}

// lab tells of the sources and the experiments.
func (v *voice) lab(s *health.Snapshot) {
	if s.Version == v.version {
		return
	}
	v.version = s.Version
	for i := range s.Sources {
		v.source(&s.Sources[i])
	}
	silent := slices.ContainsFunc(s.Issues, func(i health.Issue) bool { return i.Code == health.BookSilent })
	switch {
	case silent:
		v.service(serviceBook, observer.Failed, because("not answering", s.Book.LastErr))
	case s.Book.LastManifest.IsZero():
		v.service(serviceBook, observer.Running, "its manifest has not been read yet")
	default:
		v.service(serviceBook, observer.Ready, "answering")
	}
	v.experiments(s.Experiments)
}

func (v *voice) source(s *health.SourceReport) {
	switch s.State {
	case health.SourceStarting:
		v.service(string(s.Name), observer.Running, "has not reported yet")
	case health.SourceSilent:
		v.service(string(s.Name), observer.Failed, because("no fresh reports", s.LastErr))
	default:
		v.service(string(s.Name), observer.Ready, "reporting")
	}
}

// experiments walks what is known now beside what was known before; both are sorted by
// name, and what has not changed is the same report.
func (v *voice) experiments(now []*health.Report) {
	before := v.known
	for _, r := range now {
		for len(before) > 0 && before[0].Name < r.Name {
			v.gone(before[0].Name)
			before = before[1:]
		}
		var was *health.Report
		if len(before) > 0 && before[0].Name == r.Name {
			was, before = before[0], before[1:]
		}
		if was != r {
			v.experiment(was, r)
		}
	}
	for _, r := range before {
		v.gone(r.Name)
	}
	v.known = now
}

// experiment tells how one is now. Of what is not known nothing is told, nor of what is
// as it was: what was told stands.
func (v *voice) experiment(was, r *health.Report) {
	v.totals.look(r)
	s := observer.Client(serviceLab, r.Name)
	if was == nil {
		v.tell(s, observer.Running, "watched")
	} else if was.State == r.State && slices.Equal(was.Issues, r.Issues) {
		return
	}
	switch r.State {
	case health.StateHealthy:
		v.tell(s, observer.Ready, "healthy")
	case health.StateUnhealthy, health.StateFlapping:
		if was == nil || was.State != health.StateUnhealthy && was.State != health.StateFlapping {
			v.totals.fault(r.Name)
		}
		v.tell(s, observer.Failed, inWords(r.Issues))
	}
}

func (v *voice) gone(name string) {
	s := observer.Client(serviceLab, name)
	v.tell(s, observer.Closed, "no longer watched")
	v.drop(s)
	v.totals.forget(name)
}

func inWords(issues []health.Issue) string {
	words := make([]string, len(issues))
	for i := range issues {
		words[i] = issues[i].String()
	}
	return cmp.Or(strings.Join(words, ", "), "not healthy")
}

func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

// tellObservers tells observers how we are until ctx ends, and last of all that we have
// stopped.
func (a *App) tellObservers(ctx context.Context) error {
	telling, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var running sync.WaitGroup
	var err error
	running.Go(func() { err = a.reporter.Run(telling) })
	a.speak(ctx)
	end()
	running.Wait()
	return err
}
