package book

import (
	"cmp"
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

const (
	firstRetry  = time.Second      // doubled each time, of which half to all is waited
	lastRetry   = 30 * time.Second // no more than that
	requeryGap  = 5 * time.Second  // between manifests, however often they are asked for
	failureEach = time.Second      // BookFailed at most that often
	// atOnce is not zero: in a synctest bubble Go 1.26's race detector crashes on
	// timers that have expired when they are set, where several goroutines have
	// them.
	atOnce = time.Nanosecond
)

// KeeperOptions say how a Keeper works.
type KeeperOptions struct {
	QueryEvery time.Duration // from manifest to manifest; 0: 15 min
	Workers    int           // calls at a time, besides the manifest; 0: 8
	Override   bool          // open also what a person holds closed
	// Jitter gives a random time below the given one; nil: rand.N.
	Jitter func(time.Duration) time.Duration
	Log    logrus.FieldLogger
}

// Keeper keeps health informed of what book says, and book at what health
// wishes.
type Keeper struct {
	client *Client
	opt    KeeperOptions
	log    logrus.FieldLogger

	wake    chan struct{} // a worker should look at the queue
	requery chan struct{} // the manifest should be asked for
	warned  string        // what was last logged of the manifest; poll's own

	mu       sync.Mutex // never held across a call, or across post
	queue    queue
	unknown  map[string]bool // book answered that it doesn't know these
	reported time.Time       // the latest BookFailed
	status   Status
}

// Status is how the work stands. Counts are since the program began.
type Status struct {
	Pending  int // wishes that book has not confirmed
	Waiting  int // resources waiting for another attempt
	InFlight int // calls under way
	Calls    int // made
	Failures int // of these, without a good answer
	LastErr  string
	LastFail time.Time // zero: none
	LastOK   time.Time // the latest good answer; zero: none
}

// NewKeeper makes a keeper; nothing is called before Run.
func NewKeeper(client *Client, o KeeperOptions) *Keeper {
	o.QueryEvery = cmp.Or(max(o.QueryEvery, 0), 15*time.Minute)
	o.Workers = cmp.Or(max(o.Workers, 0), 8)
	if o.Jitter == nil {
		o.Jitter = rand.N[time.Duration]
	}
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		o.Log = quiet
	}
	return &Keeper{
		client:  client,
		opt:     o,
		log:     o.Log,
		wake:    make(chan struct{}, 1),
		requery: make(chan struct{}, 1),
		queue:   queue{jobs: make(map[string]*job), maxAgain: max(1, o.Workers/2)},
		unknown: make(map[string]bool),
	}
}

// Run works until ctx ends; calls under way are then cancelled, and everything
// it started has ended when it returns. What was wished and not done is still
// there for another Run.
//
// post brings inputs to the engine. It is called by several goroutines, may
// block, and must return once ctx has ended. For each resource inputs come in
// the order in which book answered.
func (k *Keeper) Run(ctx context.Context, post func(health.Input)) {
	defer k.client.Close()
	var running sync.WaitGroup
	running.Go(func() { k.poll(ctx, post) })
	for range k.opt.Workers {
		running.Go(func() { k.work(ctx, post) })
	}
	running.Wait()
}

// Want takes wishes on. It never waits for book. A wish overtakes an earlier one
// for its resource, also one that waits for another attempt; the same wish again
// doesn't hasten that attempt. A call under way is not cut short: what became of
// it is read and posted.
func (k *Keeper) Want(wishes []health.Wish) {
	if len(wishes) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for _, w := range wishes {
		j := k.queue.get(w.Resource)
		switch {
		case w.Want != health.Open && w.Want != health.Close: // Leave
			if j.wish != nil {
				j.rev++
				j.failures, j.due = 0, time.Time{}
			}
			k.queue.setWish(j, nil)
		default:
			if j.wish == nil || j.wish.Want != w.Want {
				j.rev++
				j.failures, j.due = 0, time.Time{}
			}
			w.Reason = cmp.Or(strings.TrimSpace(w.Reason), health.OwnReason+" gave no reason")
			k.queue.setWish(j, &w)
		}
		k.queue.put(j, now)
	}
	k.nudge()
}

// Requery asks for the manifest soon: at once, or five seconds after the latest.
func (k *Keeper) Requery() {
	select {
	case k.requery <- struct{}{}:
	default: // asked for already
	}
}

// Status gives how the work stands.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	s.Pending = k.queue.wishes
	s.Waiting = len(k.queue.later)
	return s
}

// nudge makes a worker look at the queue.
func (k *Keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// began and ended keep the books on a call.
func (k *Keeper) began() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Calls++
	k.status.InFlight++
}

func (k *Keeper) ended(ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.InFlight--
	if ok {
		k.status.LastOK = time.Now()
	}
}

// failed posts that an attempt failed, unless it was us who ended it. Of many
// that fail together one is posted: book's trouble is one fact.
func (k *Keeper) failed(ctx context.Context, err error, post func(health.Input)) {
	if ctx.Err() != nil {
		return
	}
	k.log.WithError(err).Debug("book: a call failed and will be tried again")
	now := time.Now()
	k.mu.Lock()
	k.status.Failures++
	k.status.LastErr, k.status.LastFail = err.Error(), now
	tell := k.reported.IsZero() || now.Sub(k.reported) >= failureEach
	if tell {
		k.reported = now
	}
	k.mu.Unlock()
	if tell {
		post(health.BookFailed{At: now, Err: err.Error()})
	}
}

// backoff is how long to wait after so many failures in a row: 0.5 to 1 s at
// first, 15 to 30 s at most.
func (k *Keeper) backoff(failures int) time.Duration {
	d := lastRetry
	if n := failures - 1; n < 5 {
		d = firstRetry << max(n, 0)
	}
	return d/2 + k.opt.Jitter(d/2)
}
