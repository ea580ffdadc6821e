package lab

import (
	"fmt"
	"slices"
	"time"
)

// SetResource enters a resource in book's manifest, available, or replaces
// it. Several resources may share a stub.
func (l *Lab) SetResource(name, stub string, streams []string) {
	l.SetResourceEntry(name, Resource{Stub: stub, Streams: streams})
}

// SetResourceEntry is SetResource with every field.
func (l *Lab) SetResourceEntry(name string, r Resource) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Streams = slices.Clone(r.Streams)
	l.book.put(name, r, l.services[Book].clock.show(time.Now()))
}

// DropResource takes a resource out of the manifest.
func (l *Lab) DropResource(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.book.manifest, name)
	delete(l.book.shelved, name)
	delete(l.book.state, name)
}

// ForgetManifest makes the manifest empty, as after a restart of a book that
// keeps nothing.
func (l *Lab) ForgetManifest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.book.shelved != nil {
		return
	}
	l.book.shelved, l.book.manifest = l.book.manifest, map[string]Resource{}
	clear(l.book.state)
}

// LoadManifest uploads the manifest again: what was forgotten is back, and
// every resource is available with the reason `Loaded at …`.
func (l *Lab) LoadManifest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.book.shelved != nil {
		l.book.manifest, l.book.shelved = l.book.shelved, nil
	}
	l.book.reload(l.services[Book].clock.show(time.Now()))
}

// SetAvailable sets the availability of a resource as a person does it in
// book, with a reason of their own.
func (l *Lab) SetAvailable(name string, available bool, reason string) error {
	if reason == "" {
		return fmt.Errorf("set availability of %q: book wants a reason", name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.book.write(name, available, reason) {
		return fmt.Errorf("set availability: no resource %q in the manifest", name)
	}
	return nil
}

// Availability returns what book would answer for a resource; known is false
// when it is not in the manifest.
func (l *Lab) Availability(name string) (available bool, reason string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known = l.book.manifest[name]
	a := l.book.state[name]
	return a.available, a.reason, known
}

// Calls returns every request book received, those it has not answered (yet)
// too, in the order of their arrival: at most the newest 20,000.
func (l *Lab) Calls() []Call { return l.CallsSince(time.Time{}) }

// CallsSince returns those of Calls that came after a moment.
func (l *Lab) CallsSince(moment time.Time) []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.book.calls[max(0, len(l.book.calls)-callsKept):]
	first, _ := slices.BinarySearchFunc(kept, moment, func(c *Call, moment time.Time) int {
		if c.At.After(moment) {
			return 1
		}
		return -1
	})
	calls := make([]Call, 0, len(kept)-first)
	for _, c := range kept[first:] {
		calls = append(calls, *c)
	}
	return calls
}
