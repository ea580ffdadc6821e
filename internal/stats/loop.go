package stats

import (
	"context"
	"strings"
	"sync"
	"time"

	"labstatus/internal/health"
)

const (
	// patienceCeiling bounds how far patience grows by doubling.
	patienceCeiling = 2 * time.Minute
	// expirySlack is how much earlier than our clock says a service may cut a
	// connection for its expiry.
	expirySlack = 10 * time.Second
	// renewalTime is the least time for a renewal: an access call, a handshake
	// and a second try.
	renewalTime = 10 * time.Second
	longestLead = 5 * time.Minute
	// atOnce is not zero: in a synctest bubble Go 1.26's race detector crashes on
	// timers that have expired when they are set, where several goroutines have
	// them.
	atOnce = time.Nanosecond
)

// loop is one run of a subscriber. Everything in it belongs to the goroutine
// that calls Run.
type loop struct {
	s      *Subscriber
	handle func(health.Input)
	events chan event
	wg     sync.WaitGroup

	cur  *conn // the one whose frames count; nil while waiting to connect again
	next *conn // beside it: to renew it, or because it is silent

	retry    backoff // of cur
	retryAt  time.Time
	beside   backoff // of next
	besideAt time.Time

	cadence health.Cadence
	heard   bool // a frame has come in this run
	silent  int  // silent replacements since the latest frame
	up      bool // the link, as last told
	broke   bool // it was up before

	decoder Decoder
	taken   func([]health.Conn) // handed to the decoder, so that it is made once
	latest  time.Time           // of all events
	from    *conn               // of the message being decoded
	at      time.Time           // of the message being decoded
	handled time.Duration       // time that its frames have taken, once decoded

	say voice
}

func newLoop(s *Subscriber, handle func(health.Input)) *loop {
	l := &loop{s: s, handle: handle, events: make(chan event), say: voice{log: s.log}}
	l.retry.jitter, l.beside.jitter = s.cfg.Jitter, s.cfg.Jitter
	l.cadence.Seed(s.cfg.Cadence)
	l.taken = l.frame
	return l
}

func (l *loop) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer l.wg.Wait()
	defer cancel()
	l.act(ctx, time.Now())
	timer := time.NewTimer(max(time.Until(l.due()), atOnce))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-l.events:
			if ctx.Err() != nil { // what ends now ends because of us
				e.conn.done <- struct{}{}
				return
			}
			l.on(e)
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return
		}
		l.act(ctx, time.Now())
		timer.Reset(max(time.Until(l.due()), atOnce))
	}
}

// start begins a connection. Where it takes another's place that one has been
// cancelled, and is closed first: there are never more than two.
func (l *loop) start(ctx context.Context, planned bool, instead *conn) *conn {
	ctx, cancel := context.WithCancel(ctx)
	c := &conn{cancel: cancel, done: make(chan struct{}, 1), ended: make(chan struct{}), planned: planned}
	l.wg.Go(func() {
		defer close(c.ended)
		defer cancel()
		if instead != nil {
			<-instead.ended
		}
		l.s.serve(ctx, c, l.events)
	})
	return c
}

// act does what is due.
func (l *loop) act(ctx context.Context, now time.Time) {
	reached := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	switch {
	case l.cur == nil:
		if !now.Before(l.retryAt) {
			l.cur = l.start(ctx, false, nil)
		}
	case !l.cur.open: // it takes its time, but not for ever
	case l.next == nil:
		if now.Before(l.besideAt) {
			return
		}
		if reached(l.silentAt(l.cur)) {
			l.say.silence(now.Sub(l.cur.since))
			l.handle(health.Link{At: now, Source: l.s.cfg.Source, Up: true, Err: l.whySilent()})
			l.next = l.start(ctx, false, nil)
		} else if reached(l.renewAt()) {
			l.next = l.start(ctx, true, nil)
		}
	case l.next.open && reached(l.silentAt(l.next)):
		// Of two silent ones the older goes; but one that speaks stays, and its
		// renewal is tried again.
		l.s.count.unheard.Add(1)
		if l.next.planned && !reached(l.silentAt(l.cur)) {
			l.next.cancel()
			l.next = l.start(ctx, true, l.next)
			return
		}
		l.cur.cancel()
		instead := l.cur
		l.cur = l.next
		l.next = l.start(ctx, false, instead)
	}
}

// whySilent words what a silence may mean: a refusal after the upgrade looks just
// so.
func (l *loop) whySilent() string {
	if l.heard {
		return "connected, but it says nothing any more"
	}
	return "connected, but it says nothing: it may report rarely, or refuse us in silence; compare the clocks of the two hosts and STATUS_SECRET_" +
		strings.ToUpper(string(l.s.cfg.Source))
}

// due says when something will have to be done, if no event comes before.
func (l *loop) due() time.Time {
	const never = 24 * time.Hour // nothing waits for it
	due := time.Now().Add(never)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(due) {
			due = t
		}
	}
	switch {
	case l.cur == nil:
		return l.retryAt
	case !l.cur.open:
	case l.next == nil:
		earlier(l.silentAt(l.cur))
		earlier(l.renewAt())
		if due.Before(l.besideAt) {
			due = l.besideAt
		}
	case l.next.open:
		earlier(l.silentAt(l.next))
	}
	return due
}

// silentAt says when an open connection will have been silent for too long.
func (l *loop) silentAt(c *conn) time.Time {
	w := l.s.cfg.Patience
	if l.heard || l.cadence.Value() > 0 {
		w = l.cadence.Window(w)
	}
	return c.since.Add(max(w, min(w<<min(l.silent, 8), patienceCeiling)))
}

// renewAt says when the connection's token should be renewed, zero where it
// needn't be.
func (l *loop) renewAt() time.Time {
	if l.cur.expires.IsZero() {
		return time.Time{}
	}
	return l.cur.expires.Add(-lead(l.cur.life, l.cadence.Value()))
}

// lead is how long before its expiry a token is renewed: a tenth of its life, but
// two cadences and no less than a few seconds, so that a frame comes on the new
// connection before the old one is cut; and at most half of a short life.
func lead(life, cadence time.Duration) time.Duration {
	t := min(life/10, longestLead)
	return min(max(t, 2*cadence+renewalTime), life/2)
}
