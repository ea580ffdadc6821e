package lab

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// TunnelOrder is a handle on the tunnels to an experiment, of all GOSTs; its
// methods fail when there is none.
type TunnelOrder struct {
	lab  *Lab
	stub string
}

// Tunnel returns the handle of the tunnels to a stub.
func (l *Lab) Tunnel(stub string) TunnelOrder { return TunnelOrder{lab: l, stub: stub} }

func (o TunnelOrder) do(verb string, f func(*gostService) error) error {
	o.lab.mu.Lock()
	defer o.lab.mu.Unlock()
	found := false
	for _, g := range o.lab.gosts {
		for _, s := range g.services {
			if s.stub != o.stub || s.stub == "" {
				continue
			}
			found = true
			if s.instance == nil {
				return fmt.Errorf("%s tunnel: service %s of %s does not run", verb, s.name, g.spec.Name)
			}
			if err := f(s); err != nil {
				return fmt.Errorf("%s tunnel: %w", verb, err)
			}
		}
	}
	if !found {
		return fmt.Errorf("%s tunnel: no GOST of the lab has one to %q", verb, o.stub)
	}
	return nil
}

// soon lets each GOST do an errand for its tunnel.
func (o TunnelOrder) soon(verb string, errand func(*gostService) func(context.Context)) error {
	return o.do(verb, func(s *gostService) error {
		s.gost.send(errand(s))
		return nil
	})
}

// Fail lets it accept no connections any more, as for want of open files.
func (o TunnelOrder) Fail() error {
	return o.do("fail", func(s *gostService) error {
		s.instance.faulty = true
		wake(s.instance.wake)
		return nil
	})
}

// Heal ends Fail: GOST33 finds out when it tries again, GOST326 when the next
// connection comes.
func (o TunnelOrder) Heal() error {
	return o.do("heal", func(s *gostService) error {
		s.instance.faulty = false
		return nil
	})
}

// Close takes the service away, as by GOST's API.
func (o TunnelOrder) Close() error {
	return o.soon("close", func(s *gostService) func(context.Context) { return s.shut })
}

// Open makes a service that was closed again.
func (o TunnelOrder) Open() error {
	return o.soon("open", func(s *gostService) func(context.Context) { return s.open })
}

// Restart makes the service anew; the old and the new instance report at once.
func (o TunnelOrder) Restart(way Way) error {
	if !slices.Contains(ways, way) {
		return fmt.Errorf("restart tunnel: %q: use one of %s", way, list(ways))
	}
	return o.soon("restart", func(s *gostService) func(context.Context) { return s.replace(way) })
}

// Carry lets n connections come, carry 500 bytes in and 1,500 out, and go.
func (o TunnelOrder) Carry(n int) error { return o.used("use", carried(n)) }

// Miss lets n connections come whose target can't be reached: GOST counts an
// error for each.
func (o TunnelOrder) Miss(n int) error {
	return o.used("miss", func(c *gostCounter, now time.Time) error {
		c.open(now, uint64(max(n, 0)), 0)
		c.TotalErrs += uint64(max(n, 0))
		c.ever.TotalErrs += uint64(max(n, 0))
		return nil
	})
}

// Login lets somebody in who stays, and causes 100 bytes in and 1,000 out a
// second.
func (o TunnelOrder) Login() error { return o.used("log in over", stays) }

// Logout lets the last one leave. It fails when nobody is there.
func (o TunnelOrder) Logout() error { return o.used("log out of", leaves) }

// Miscount lets GOST count an end of a connection twice: with nobody there,
// currentConns is just below 2^64.
func (o TunnelOrder) Miscount() error {
	return o.used("miscount", func(c *gostCounter, now time.Time) error {
		c.advance(now)
		c.CurrentConns--
		c.touched = true
		return nil
	})
}

func (o TunnelOrder) used(verb string, f func(*gostCounter, time.Time) error) error {
	return o.do(verb, func(s *gostService) error { return s.instance.used("", f) })
}

// ClientOrder is a handle on a client of a GOST's service "relay"; its methods
// fail when no GOST has it.
type ClientOrder struct {
	lab *Lab
	id  string
}

// Client returns the handle of a client.
func (l *Lab) Client(id string) ClientOrder { return ClientOrder{lab: l, id: id} }

func (o ClientOrder) used(verb string, f func(*gostCounter, time.Time) error) error {
	o.lab.mu.Lock()
	defer o.lab.mu.Unlock()
	found := false
	for _, g := range o.lab.gosts {
		for _, s := range g.services {
			if s.clients[o.id] == nil {
				continue
			}
			found = true
			if s.instance == nil {
				return fmt.Errorf("%s client: service %s of %s does not run", verb, s.name, g.spec.Name)
			}
			if err := s.instance.used(o.id, f); err != nil {
				return fmt.Errorf("%s client: %w", verb, err)
			}
		}
	}
	if !found {
		return fmt.Errorf("%s client: no GOST of the lab has a client %q", verb, o.id)
	}
	return nil
}

// Carry is as that of a tunnel.
func (o ClientOrder) Carry(n int) error { return o.used("use", carried(n)) }

// Login is as that of a tunnel.
func (o ClientOrder) Login() error { return o.used("log in", stays) }

// Logout is as that of a tunnel.
func (o ClientOrder) Logout() error { return o.used("log out", leaves) }
