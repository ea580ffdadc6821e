package statusport

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Names of the targets, as policies have them.
const (
	TargetGraphite = "graphite"
	TargetURL      = "url"
)

// PushOptions say where figures are pushed.
type PushOptions struct {
	Graphite string        // host:port of a plaintext listener; empty: none
	URL      string        // http or https; gets the JSON of /_metrics by POST; empty: none
	Interval time.Duration // between pushes of everything; 0: 30 s; below 0: never
	// Dial reaches Graphite; nil: the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// HTTP reaches the URL; nil: a client of our own, without proxies where Dial
	// is given.
	HTTP *http.Client
	Log  logrus.FieldLogger
}

// Bounds of pushing. A target that hangs costs its own worker, and what it missed.
const (
	pushPatience = 10 * time.Second // of one attempt
	pushAttempts = 3
	pushQueue    = 64 // offers that wait for one target
)

// Pusher pushes a port's figures, and what is offered to it. Each target has a
// worker, a queue and a patience of its own.
type Pusher struct {
	port     *Port
	interval time.Duration
	log      logrus.FieldLogger
	targets  []*target
}

type target struct {
	name, place string // place is for the log: it has no secret
	send        func(ctx context.Context, values []Value) error
	queue       chan []Value

	failing bool // the worker's own
	mu      sync.Mutex
	dropped int // offers, since the latest that was sent
}

// NewPusher makes a pusher; nothing is sent before Run.
func NewPusher(port *Port, o PushOptions) (*Pusher, error) {
	p := &Pusher{port: port, interval: o.Interval, log: o.Log}
	if p.interval == 0 {
		p.interval = 30 * time.Second
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	} else if o.HTTP == nil {
		o.HTTP = &http.Client{Transport: &http.Transport{DialContext: o.Dial}}
	}
	if o.Graphite != "" {
		if _, _, err := net.SplitHostPort(o.Graphite); err != nil {
			return nil, fmt.Errorf("STATUS_METRICS_GRAPHITE is host:port: %w", err)
		}
		p.add(&target{name: TargetGraphite, place: o.Graphite, send: graphite(o.Dial, o.Graphite)})
	}
	if o.URL != "" {
		t, err := poster(o.HTTP, o.URL)
		if err != nil {
			return nil, fmt.Errorf("STATUS_METRICS_URL: %w", err)
		}
		p.add(t)
	}
	return p, nil
}

func (p *Pusher) add(t *target) {
	t.queue = make(chan []Value, pushQueue)
	p.targets = append(p.targets, t)
}

// Offer gives numbers to the named targets, or to all where none is named. Their
// names are whole, prefix included, as policies' patterns match them. It never
// waits: a target whose queue is full misses them, and that is logged when it is
// back.
func (p *Pusher) Offer(to []string, numbers iter.Seq2[string, float64]) {
	f := flat{now: time.Now().Unix(), host: p.port.hostname}
	for name, v := range numbers {
		f.add(name, v)
	}
	for _, t := range p.targets {
		if len(to) > 0 && !slices.Contains(to, t.name) || len(f.values) == 0 {
			continue
		}
		select {
		case t.queue <- f.values:
		default:
			t.mu.Lock()
			t.dropped++
			t.mu.Unlock()
		}
	}
}

// Run pushes until ctx ends. Without targets it returns at once.
func (p *Pusher) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for _, t := range p.targets {
		workers.Go(func() { p.work(ctx, t) })
	}
	workers.Wait()
	return nil
}

func (p *Pusher) work(ctx context.Context, t *target) {
	var due <-chan time.Time
	if p.interval > 0 {
		tick := time.NewTicker(p.interval)
		defer tick.Stop()
		due = tick.C
	}
	for {
		var values []Value
		select {
		case <-ctx.Done():
			return
		case values = <-t.queue:
		case <-due:
			all, err := p.port.Values()
			if err != nil {
				p.log.WithError(err).WithField("target", t.name).Error("some figures are missing from a push")
			}
			values = all
		}
		p.report(ctx, t, try(ctx, t, values))
	}
}

// try sends with a few attempts, and gives up before the figures are old.
func try(ctx context.Context, t *target, values []Value) (err error) {
	for attempt := range pushAttempts {
		if attempt > 0 {
			pause := time.Duration(attempt) * time.Second
			select {
			case <-time.After(pause/2 + rand.N(pause)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		limited, cancel := context.WithTimeout(ctx, pushPatience)
		err = t.send(limited, values)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// report logs where trouble begins and where it ends.
func (p *Pusher) report(ctx context.Context, t *target, err error) {
	if ctx.Err() != nil {
		return
	}
	log := p.log.WithField("target", t.name).WithField("place", t.place)
	if err != nil {
		if !t.failing {
			log.WithError(err).Error("figures can't be pushed; this is said once, until they can be again")
		}
		t.failing = true
		return
	}
	t.mu.Lock()
	dropped := t.dropped
	t.dropped = 0
	t.mu.Unlock()
	if t.failing || dropped > 0 {
		log.WithField("missed", dropped).Warn("figures are pushed again")
	}
	t.failing = false
}

// graphiteName cleans a prefix that somebody has set, for Graphite.
func graphiteName(metric string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, metric)
}
