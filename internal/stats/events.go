package stats

import (
	"time"

	"labstatus/internal/health"
)

// on takes in what a connection tells.
func (l *loop) on(e event) {
	// Two connections may have waited to be heard: what is told never goes back
	// in time.
	if e.at.Before(l.latest) {
		e.at = l.latest
	}
	l.latest = e.at
	known := e.conn == l.cur || e.conn == l.next
	switch {
	case e.kind == received:
		if known {
			l.message(e)
		}
		e.conn.done <- struct{}{}
	case !known: // given up, and ended since
	case e.kind == opened:
		l.opened(e)
	case e.conn == l.next:
		l.nextEnded(e)
	default:
		l.curEnded(e)
	}
}

func (l *loop) opened(e event) {
	l.s.count.connects.Add(1)
	c := e.conn
	c.open, c.since, c.expires = true, e.at, e.expires
	c.life = e.expires.Sub(e.at)
	switch {
	case c == l.cur:
		l.linkUp(e.at, false)
	case !c.planned:
		l.silent++
	}
}

// message reads one message, and hands its frames over.
func (l *loop) message(e event) {
	count := &l.s.count
	count.messages.Add(1)
	count.bytes.Add(uint64(len(e.msg)))
	l.from, l.at, l.handled = e.conn, e.at, 0
	began := time.Now()
	skipped := l.decoder.Decode(e.msg, l.taken)
	if l.s.cfg.Decoded != nil {
		l.s.cfg.Decoded(time.Since(began) - l.handled)
	}
	count.null.Add(uint64(skipped.Null))
	count.objects.Add(uint64(skipped.Objects))
	count.others.Add(uint64(skipped.Others))
	count.rubbish.Add(uint64(skipped.Rubbish))
	l.say.rubbish(e.at, skipped)
}

// frame takes one frame of the message being read.
func (l *loop) frame(conns []health.Conn) {
	began := time.Now()
	defer func() { l.handled += time.Since(began) }()
	c := l.from
	switch {
	case c == l.next:
		l.takeOver(l.at)
	case l.next != nil && !l.next.planned: // it was only slow
		l.drop(l.next)
		l.next = nil
	}
	c.spoke = true
	l.heard, l.silent = true, 0
	l.say.heard()
	l.retry.reset()
	l.cadence.Frame(l.at)
	l.s.count.frames.Add(1)
	l.handle(health.Frame{At: l.at, Source: l.s.cfg.Source, Conns: conns})
	c.since = time.Now() // as long as we don't listen, nobody is silent
}

// takeOver puts the next connection, which has spoken, in place of the present
// one.
func (l *loop) takeOver(at time.Time) {
	if l.next.planned {
		l.s.count.renewals.Add(1)
		l.cur.cancel()
	} else {
		l.drop(l.cur)
	}
	l.cur, l.next = l.next, nil
	l.beside.reset()
	l.say.replaced(l.cur.planned)
	l.linkUp(at, l.cur.planned)
}

// drop gives up a silent connection.
func (l *loop) drop(c *conn) {
	l.s.count.unheard.Add(1)
	c.cancel()
}

// nextEnded notes that the connection beside the present one could not be made,
// or broke before it had said anything.
func (l *loop) nextEnded(e event) {
	if !e.conn.open {
		l.s.count.failed.Add(1)
	}
	l.next = nil
	l.besideAt = e.at.Add(l.beside.wait())
	l.say.besideFailed(e.at, e.conn.planned, e.err)
}

// curEnded notes that the present connection broke, or could not be made.
func (l *loop) curEnded(e event) {
	c := e.conn
	if !c.open {
		l.s.count.failed.Add(1)
	}
	expired := c.open && !c.expires.IsZero() && !e.at.Before(c.expires.Add(-expirySlack))
	l.cur, l.next = l.next, nil
	other := l.cur != nil && l.cur.open
	switch {
	case other && expired && l.cur.planned:
		l.s.count.renewals.Add(1)
		l.beside.reset()
		l.say.replaced(true)
		l.linkUp(e.at, true)
		return
	case other && !c.spoke:
		return // neither has ever said anything: nothing is lost with it
	}
	why := e.err.Error()
	if expired {
		why = string(l.s.cfg.Source) + " dropped the connection because its token expired before it could be renewed"
	}
	l.linkDown(e.at, why)
	switch {
	case other:
		l.linkUp(e.at, false)
	case l.cur == nil:
		l.retryAt = e.at.Add(l.retry.wait())
	}
}

func (l *loop) linkUp(at time.Time, planned bool) {
	if !l.up && l.broke {
		l.s.count.reconnects.Add(1)
	}
	if !l.up {
		l.say.up(at)
	}
	l.up = true
	l.handle(health.Link{At: at, Source: l.s.cfg.Source, Up: true, Planned: planned})
}

func (l *loop) linkDown(at time.Time, why string) {
	if l.up {
		l.broke = true
		l.s.count.breaks.Add(1)
	}
	l.up = false
	l.cadence.Break()
	l.say.down(at, why)
	l.handle(health.Link{At: at, Source: l.s.cfg.Source, Err: why})
}
