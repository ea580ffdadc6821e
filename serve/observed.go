package serve

import (
	"strings"
	"sync"
	"time"

	"github.com/go-openapi/runtime/middleware"

	"labstatus/internal/health"
	"labstatus/serve/restapi/operations"
)

// observedFor is how long a list of what is reported to us is good: every open page
// asks for it, and one of twenty thousand takes a while to make.
const observedFor = time.Second

// stateUnsaid asks for what has not said how it is.
const stateUnsaid = "unsaid"

// observed keeps the list for that long.
type observed struct {
	ask func() []ObservedInfo // nil: nothing is reported

	mu   sync.Mutex
	at   time.Time
	list *observedList
}

// observedList is what is reported to us, and what that comes to for each source.
type observedList struct {
	all     []ObservedInfo
	sources []observedSource // sorted by name
}

// observedSource counts what a source reports, by state.
type observedSource struct {
	name                                             string
	subjects, ready, running, failed, closed, unsaid int64
	lastAt                                           time.Time
}

func (o *observed) now() *observedList {
	if o.ask == nil {
		return &observedList{}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.list == nil || time.Since(o.at) >= observedFor {
		o.list, o.at = newObservedList(o.ask()), time.Now()
	}
	return o.list
}

// newObservedList takes what is sorted by source.
func newObservedList(all []ObservedInfo) *observedList {
	list := &observedList{all: all}
	for i := range all {
		s := &all[i]
		if n := len(list.sources); n == 0 || list.sources[n-1].name != s.Source {
			list.sources = append(list.sources, observedSource{name: s.Source})
		}
		list.sources[len(list.sources)-1].add(s)
	}
	return list
}

func (o *observedSource) add(s *ObservedInfo) {
	o.subjects++
	switch health.TunnelState(s.State) {
	case health.TunnelReady:
		o.ready++
	case health.TunnelRunning:
		o.running++
	case health.TunnelFailed:
		o.failed++
	case health.TunnelClosed:
		o.closed++
	default:
		o.unsaid++
	}
	if s.LastAt.After(o.lastAt) {
		o.lastAt = s.LastAt
	}
}

// observedQuery says what of it is asked for. Empty texts let all pass.
type observedQuery struct {
	experiment, source, state, text string
	limit                           int
}

// pick gives the first that fit, and how many do.
func (q observedQuery) pick(all []ObservedInfo) (picked []*ObservedInfo, total int) {
	text := strings.ToLower(q.text)
	for i := range all {
		s := &all[i]
		if !q.fits(s, text) {
			continue
		}
		total++
		if len(picked) < q.limit {
			picked = append(picked, s)
		}
	}
	return picked, total
}

func (q observedQuery) fits(s *ObservedInfo, lower string) bool {
	switch {
	case q.experiment != "" && s.Experiment != q.experiment, q.source != "" && s.Source != q.source:
		return false
	case q.state == stateUnsaid && s.State != "", q.state != "" && q.state != stateUnsaid && s.State != q.state:
		return false
	case lower == "":
		return true
	}
	for _, name := range []string{s.Source, s.Service, s.Client, s.Experiment} {
		if strings.Contains(strings.ToLower(name), lower) {
			return true
		}
	}
	return false
}

func (a *api) listObserved(params operations.ListObservedParams) middleware.Responder {
	q := observedQuery{
		experiment: valueOf(params.Experiment), source: valueOf(params.Source), state: valueOf(params.State), text: valueOf(params.Q),
		limit: int(*params.Limit),
	}
	return a.answer(params.HTTPRequest, observedAnswer(a.opts.observed.now(), q, a.opts.receiver()))
}

// receiver gives nil where no reports are listened to.
func (o *Options) receiver() *ObserverInInfo {
	if o.ObserverIn == nil {
		return nil
	}
	return o.ObserverIn()
}
