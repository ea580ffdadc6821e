package observer

import "time"

// GOSTs tell the state of services, never that of clients. A client that is tied to an
// experiment can be reached no better than its service, so its service's state is
// handed on as its own, until it says something itself.

// inherits says whether the entry's state is its service's.
func (e *entry) inherits() bool {
	return e.origin.Kind == KindHandler && e.origin.Experiment != "" && e.state == ""
}

// mostInherited is how much of what a service went through is kept for its clients: two
// restarts of three words each.
const mostInherited = 6

// inherit gives the states that clients take from their services and have not been
// handed on, those of one client in their order.
func (t *table) inherit() []Status {
	var all []Status
	add := func(client *entry, w word, since time.Time, old bool) {
		all = append(all, Status{Origin: client.origin, State: w.state, Message: w.message, At: w.at, Since: since, Restored: old})
	}
	for service := range t.spoken {
		untold := service.words[len(service.words)-service.untold:]
		service.untold = 0
		if service.origin.Kind != KindService {
			continue
		}
		for client := range service.group.members {
			if client.fresh || !client.inherits() {
				continue
			}
			for _, w := range untold {
				add(client, w, w.at, false)
			}
		}
	}
	for _, client := range t.fresh {
		client.fresh = false
		service := t.sources[client.origin.Source].entries[Service(client.origin.Service)]
		switch {
		case service == nil || !client.inherits():
		case len(service.words) > 0:
			words, before := service.wordsFor(client)
			for i, w := range words {
				add(client, w, w.at, i < before && w.stale())
			}
		case service.state != "":
			add(client, word{service.state, service.message, service.said}, service.since, true)
		}
	}
	clear(t.spoken)
	t.fresh = nil
	return all
}

// wordsFor gives what a service has said as far as it concerns a client that is new, and
// how many of these words were said before anything was heard of it. With the running and
// the ready of an instance it is known whose a closed that comes late is.
func (e *entry) wordsFor(client *entry) (words []word, before int) {
	words = e.words
	for before < len(words) && words[before].at.Before(client.first) {
		before++
	}
	if before > 0 && words[before-1].stale() {
		return words[before-1:], 1
	}
	return words, before
}

// stale says that a service's word tells nothing of a client of which something is heard
// only now: the ready since then may be lost, or closed is that of the instance before.
func (w word) stale() bool { return w.state == Failed || w.state == Closed }
