package lab

import (
	"errors"
	"fmt"
	"time"
)

// FeedOrder is a handle to order what only relay and jump can do. Its methods
// fail for other services.
type FeedOrder struct {
	lab  *Lab
	name string
}

// Feed returns the handle of Relay or Jump.
func (l *Lab) Feed(name string) FeedOrder { return FeedOrder{lab: l, name: name} }

func (o FeedOrder) set(f func(*feed)) error {
	d := o.lab.feeds[o.name]
	if d == nil {
		return fmt.Errorf("order a fault: %q has no feed: use relay or jump", o.name)
	}
	o.lab.mu.Lock()
	defer o.lab.mu.Unlock()
	f(d)
	return nil
}

// Mute stops its frames; connections stay up and are still pinged.
func (o FeedOrder) Mute() error { return o.set(func(f *feed) { f.mute = true }) }

// Unmute lets frames flow again, from the next tick on.
func (o FeedOrder) Unmute() error { return o.set(func(f *feed) { f.mute = false }) }

// Rubbish sends every client one text message with these bytes, now; in pieces where
// frames are.
func (o FeedOrder) Rubbish(text string) error {
	return o.set(func(f *feed) {
		for c := range f.links {
			c.put(outgoing{text: []byte(text), pieces: f.pieces})
		}
	})
}

// Noise sends every client what other stats clients cause: a request for an
// update, on jump also the note that one has disconnected.
func (o FeedOrder) Noise() error {
	return o.set(func(f *feed) {
		for c := range f.links {
			c.say(updateMessage)
			if o.name == Jump {
				c.say(`{"action":"disconnect","uri":"","uuid":"` + o.lab.uuid() + `"}`)
			}
		}
	})
}

// Fragment sends frames in pieces of at most size bytes; zero ends it.
func (o FeedOrder) Fragment(size int) error {
	if size < 0 {
		return errors.New("fragment frames: the size must not be negative")
	}
	return o.set(func(f *feed) { f.pieces = size })
}

// Drip sends frames from now on byte by byte, with so much time between two; nothing
// else is said meanwhile. Zero ends it, for frames to come.
func (o FeedOrder) Drip(every time.Duration) error {
	if every < 0 {
		return errors.New("let frames drip: the time between two bytes must not be negative")
	}
	return o.set(func(f *feed) { f.drip = every })
}

// Glue sends the next frame the given number of times in one message, without
// a separator and after another client's update.
func (o FeedOrder) Glue(times int) error {
	if times < 1 || times > 1000 {
		return fmt.Errorf("glue frames: %d times: use 1 to 1000", times)
	}
	return o.set(func(f *feed) { f.glue = times })
}

// Every changes the period; the next frame is one period from now.
func (o FeedOrder) Every(d time.Duration) error {
	if d <= 0 {
		return errors.New("change the period: it must be positive")
	}
	return o.set(func(f *feed) {
		f.every = d
		select {
		case f.rewind <- struct{}{}:
		default:
		}
	})
}

// CutLinks drops the websockets of all stats clients, without a close frame.
func (o FeedOrder) CutLinks() error {
	var cut []*feedLink
	err := o.set(func(f *feed) { cut = f.sorted() })
	for _, c := range cut {
		err = errors.Join(err, c.drop())
	}
	return err
}

// RefuseCodes lets the next n codes be silently refused.
func (o FeedOrder) RefuseCodes(n int) error { return o.set(func(f *feed) { f.refuse = max(n, 0) }) }

// Frames returns how many frames have been sent since the start, and to how
// many stats clients the next one would go.
func (o FeedOrder) Frames() (sent, clients int, err error) {
	err = o.set(func(f *feed) { sent, clients = f.frames, len(f.links) })
	return sent, clients, err
}
