package lab

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

var errNoCollector = errors.New("order a fault: the lab has no collector: ask for it in Options")

// CollectorOrder is a handle on the collector; its methods fail where the lab
// has none. What every service can be ordered, hang and restart, is at
// Lab.Service(Collector), for HTTP and gRPC at once.
type CollectorOrder struct{ lab *Lab }

// Collector returns the handle of the collector.
func (l *Lab) Collector() CollectorOrder { return CollectorOrder{lab: l} }

func (o CollectorOrder) do(f func(*collection)) error {
	if o.lab.services[Collector] == nil {
		return errNoCollector
	}
	o.lab.mu.Lock()
	defer o.lab.mu.Unlock()
	f(&o.lab.collected)
	return nil
}

// Say takes nothing and answers the code, over gRPC UNAVAILABLE. To GOST any
// code but 200 is a failure, 201 too.
func (o CollectorOrder) Say(code int) error {
	if code < 201 || code > 599 {
		return fmt.Errorf("order the collector: code %d: use 201 to 599", code)
	}
	return o.do(func(c *collection) { c.says = code })
}

// Deny takes nothing and answers 200 with ok false.
func (o CollectorOrder) Deny() error { return o.do(func(c *collection) { c.denies = true }) }

// Lose takes the next n reports and cuts their connections before the answer;
// 0 for all until Well.
func (o CollectorOrder) Lose(n int) error {
	if n < 0 {
		return fmt.Errorf("order the collector: lose %d answers: use 0 for all, or a count", n)
	}
	return o.do(func(c *collection) { c.loses = cmp.Or(n, -1) })
}

// Well ends all that was ordered of it.
func (o CollectorOrder) Well() error {
	err := o.do(func(c *collection) { c.says, c.denies, c.loses = 0, false, 0 })
	if err != nil {
		return err
	}
	s := o.lab.Service(Collector)
	return errors.Join(s.Latency(0), s.Start())
}

// Figures count what has come.
func (o CollectorOrder) Figures() (f CollectorFigures, err error) {
	err = o.do(func(c *collection) { f = c.figures })
	return f, err
}

// Complaints returns what was wrong with reports, oldest first, at most the
// newest thousand.
func (o CollectorOrder) Complaints() (all []Complaint, err error) {
	err = o.do(func(c *collection) { all = slices.Clone(c.complaints) })
	return all, err
}

// Collected returns everything it was told of, sorted.
func (o CollectorOrder) Collected() (all []Collected, err error) {
	err = o.do(func(c *collection) { all = c.sorted() })
	return all, err
}

// sorted copies what is known, by source, service, kind and client.
func (c *collection) sorted() []Collected {
	all := []Collected{}
	for _, s := range c.subjects {
		one := *s
		one.States = slices.Clone(s.States)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Collected) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Client, b.Client))
	})
	return all
}
