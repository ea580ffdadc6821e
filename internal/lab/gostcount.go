package lab

import (
	"errors"
	"fmt"
	"time"
)

// What the lab's people cause: a short connection as a whole, and somebody who
// is logged in, each second.
const (
	shortIn, shortOut = 500, 1500
	loginIn, loginOut = 100, 1000
)

// gostCounter counts for a service, or for a client of one. Guarded by Lab.mu.
type gostCounter struct {
	GOSTStats
	ever    *GOSTStats // totals in all instances; its CurrentConns stay 0
	logins  uint64
	until   time.Time // what logins carry is counted until then
	touched bool      // since the last look
}

func (c *gostCounter) carry(in, out uint64) {
	c.InputBytes += in
	c.OutputBytes += out
	c.ever.InputBytes += in
	c.ever.OutputBytes += out
	c.touched = true
}

// open counts n connections that come, of which some stay.
func (c *gostCounter) open(now time.Time, n, stay uint64) {
	c.advance(now)
	c.TotalConns += n
	c.ever.TotalConns += n
	c.CurrentConns += stay
	c.logins += stay
	c.touched = true
}

// leave ends the connection of one who stayed.
func (c *gostCounter) leave(now time.Time) {
	c.advance(now)
	c.CurrentConns--
	c.logins--
	c.touched = true
}

// advance counts what was carried in whole seconds by those who are logged in.
func (c *gostCounter) advance(now time.Time) {
	if c.logins == 0 {
		c.until = now
		return
	}
	if n := uint64(now.Sub(c.until) / time.Second); n > 0 {
		c.until = c.until.Add(time.Duration(n) * time.Second)
		c.carry(n*c.logins*loginIn, n*c.logins*loginOut)
	}
}

// look is what a report says, and whether there is one to make. With
// resetTraffic to look is to take away.
func (c *gostCounter) look(now time.Time, reset bool) (s GOSTStats, touched bool) {
	c.advance(now)
	if !c.touched {
		return s, false
	}
	c.touched, s = false, c.GOSTStats
	if reset {
		c.InputBytes, c.OutputBytes = 0, 0
	}
	return s, true
}

// used does something at the counters of who comes by the service, or as a
// client of it, and at the service's own. Where a connection comes, the first
// after a failure shows 3.2.6 that it is ready. It is called with mu held.
func (i *gostInstance) used(client string, f func(*gostCounter, time.Time) error) error {
	if !i.usable() {
		return fmt.Errorf("service %s of %s takes no connections: it is %s", i.service.name, i.process.gost.spec.Name, i.state)
	}
	now := time.Now()
	if client != "" {
		if err := f(i.clients[client], now); err != nil {
			return err
		}
	}
	before := i.own.TotalConns
	if err := f(&i.own, now); err != nil {
		return err
	}
	if i.failing && i.own.TotalConns > before {
		i.failing, i.words = false, append(i.words, stateReady)
		wake(i.wake)
	}
	return nil
}

// usable reports whether it takes connections.
func (i *gostInstance) usable() bool {
	return i.begun && !i.faulty && i.retry.IsZero() && i.ctx.Err() == nil
}

func carried(n int) func(*gostCounter, time.Time) error {
	return func(c *gostCounter, now time.Time) error {
		all := uint64(max(n, 0))
		c.open(now, all, 0)
		c.carry(all*shortIn, all*shortOut)
		return nil
	}
}

func stays(c *gostCounter, now time.Time) error {
	c.open(now, 1, 1)
	return nil
}

func leaves(c *gostCounter, now time.Time) error {
	if c.logins == 0 {
		return errNobody
	}
	c.leave(now)
	return nil
}

var errNobody = errors.New("nobody is logged in")
