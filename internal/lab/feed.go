package lab

import (
	"context"
	"slices"
	"strings"
	"time"
)

// updateMessage asks a feed for a frame at once; other stats clients get to
// see it.
const updateMessage = `{"cmd":"update"}`

// hubLimit is how many unserved updates stop relay 0.7 until it is restarted.
const hubLimit = 256

// feed is the statistics side of relay or jump: it hands out codes and sends
// every stats client a frame at each tick.
type feed struct {
	lab     *Lab
	svc     *service
	started time.Time
	kick    chan struct{} // asks for a frame now
	rewind  chan struct{} // the period starts anew

	// Guarded by Lab.mu.
	every      time.Duration
	codes      map[string]grant
	links      map[*feedLink]struct{}
	refuse     int
	mute       bool
	stuck      bool // too many updates
	updates    int  // asked for since the one served last, within its second
	lastUpdate time.Time
	pieces     int           // size of the fragments of a frame; 0 for natural ones
	drip       time.Duration // between two bytes of a frame; 0: at once
	glue       int           // times the next frame is repeated in its message
	frames     int
	size       int // of the latest frame
}

// grant is what a single-use code stands for.
type grant struct {
	claims claims
	until  time.Time
}

func newFeed(l *Lab, s *service, every time.Duration) *feed {
	return &feed{lab: l, svc: s, every: every, started: time.Now(), codes: map[string]grant{},
		links: map[*feedLink]struct{}{}, kick: make(chan struct{}, 1), rewind: make(chan struct{}, 1)}
}

// run sends frames until ctx ends. Relay's period starts anew with a frame
// that was asked for.
func (f *feed) run(ctx context.Context) error {
	timer := time.NewTimer(f.period())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.rewind:
		case <-f.kick:
			f.tick()
			if f.svc.name == Jump {
				continue
			}
		case <-timer.C:
			f.tick()
		}
		timer.Reset(f.period())
	}
}

func (f *feed) period() time.Duration {
	f.lab.mu.Lock()
	defer f.lab.mu.Unlock()
	return f.every
}

// tick computes one frame and queues it for every reader.
func (f *feed) tick() {
	l := f.lab
	l.mu.Lock()
	silent := f.mute || f.stuck || f.svc.mode == modeHang || f.svc.mode == modeStopped || len(f.links) == 0
	l.mu.Unlock()
	if silent {
		return
	}
	now := time.Now()
	compute := l.relayFrame
	if f.svc.name == Jump {
		compute = l.jumpFrame
	}
	frame := compute(f, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	message := frame
	if f.glue > 1 {
		message = slices.Concat([]byte(updateMessage), slices.Repeat(frame, f.glue))
	}
	f.glue = 0
	f.frames++
	for c := range f.links {
		c.put(outgoing{text: message, pieces: f.pieces, drip: f.drip})
		c.got(now, len(message))
	}
}

// update is a stats client's request for a frame at once. It is called with
// the client's message still to be shown to the others.
func (f *feed) update(from *feedLink) {
	f.lab.mu.Lock()
	defer f.lab.mu.Unlock()
	for c := range f.links {
		if c != from {
			c.say(updateMessage)
		}
	}
	if now := time.Now(); f.svc.name == Relay {
		if now.Sub(f.lastUpdate) < time.Second { // served already
			f.updates++
			f.stuck = f.stuck || f.lab.opt.RelayStats && f.updates > hubLimit
			return
		}
		f.lastUpdate, f.updates = now, 0
	}
	select {
	case f.kick <- struct{}{}:
	default: // one is under way already
	}
}

// sorted lists the clients in the order they came. It is called with mu held.
func (f *feed) sorted() []*feedLink {
	all := make([]*feedLink, 0, len(f.links))
	for c := range f.links {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *feedLink) int {
		if d := a.since.Compare(b.since); d != 0 {
			return d
		}
		return strings.Compare(a.code, b.code)
	})
	return all
}

// lost is what a service forgets when it is stopped or restarted.
func (l *Lab) lost(service string, restarted bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if service == Book && restarted {
		l.book.reload(l.services[Book].clock.show(time.Now()))
	}
	f := l.feeds[service]
	if f == nil {
		return nil
	}
	clear(f.codes)
	f.stuck, f.updates, f.lastUpdate, f.started = false, 0, time.Time{}, time.Now()
	select {
	case f.rewind <- struct{}{}:
	default:
	}
	return nil
}
