package lab

import (
	"maps"
	"slices"
	"time"
)

// report calls tick every period until the instance ends. A tick that is not
// over when the next is due takes its place.
func (i *gostInstance) report(tick func(now time.Time)) {
	ticker := time.NewTicker(i.process.gost.spec.Period)
	defer ticker.Stop()
	for {
		select {
		case <-i.ctx.Done():
			return
		case <-ticker.C:
			tick(time.Now())
		}
	}
}

// serviceReport tells the service's figures where anything has touched them. A
// report that failed is repeated until it is taken, and nothing else is told
// meanwhile.
func (i *gostInstance) serviceReport() func(time.Time) {
	var pending []GOSTEvent
	return func(now time.Time) {
		batch := pending
		if batch == nil {
			batch = i.serviceFigures(now)
		}
		pending = i.attempt(&i.process.services, batch)
	}
}

// clientReport tells the figures of clients, all in one report. 3.3 goes on
// with fresh ones as soon as the pending report is taken, 3.2.6 one period
// later.
func (i *gostInstance) clientReport() func(time.Time) {
	var pending []GOSTEvent
	return func(now time.Time) {
		repeated := pending != nil
		pending = i.attempt(&i.process.handlers, pending)
		if pending != nil || repeated && i.process.gost.spec.Version == GOST326 {
			return
		}
		pending = i.attempt(&i.process.handlers, i.clientFigures(now))
	}
}

// attempt tells a batch, and returns what is left to be told of it.
func (i *gostInstance) attempt(c *gostChannel, batch []GOSTEvent) []GOSTEvent {
	if len(batch) == 0 || i.process.tell(i.ctx, c, batch) {
		return nil
	}
	return batch
}

func (i *gostInstance) serviceFigures(now time.Time) []GOSTEvent {
	l := i.process.gost.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	s, touched := i.own.look(now, i.process.gost.spec.ResetTraffic)
	if !touched {
		return nil
	}
	return []GOSTEvent{{Kind: kindService, Service: i.service.name, Type: typeStats, Stats: &s}}
}

func (i *gostInstance) clientFigures(now time.Time) []GOSTEvent {
	l := i.process.gost.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	var events []GOSTEvent
	for _, id := range slices.Sorted(maps.Keys(i.clients)) {
		if s, touched := i.clients[id].look(now, i.process.gost.spec.ResetTraffic); touched {
			s.TotalErrs = 0 // nothing counts them there
			events = append(events, GOSTEvent{Kind: kindHandler, Service: i.service.name, Client: id, Type: typeStats, Stats: &s})
		}
	}
	l.rng.Shuffle(len(events), func(a, b int) { events[a], events[b] = events[b], events[a] })
	return events
}
