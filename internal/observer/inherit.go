package observer

// GOSTs tell the state of services, never that of clients. A client that is tied to an
// experiment can be reached no better than its service, so its service's state is
// handed on as its own, until it says something itself.

// inherits says whether the entry's state is its service's.
func (e *entry) inherits() bool {
	return e.origin.Kind == KindHandler && e.origin.Experiment != "" && e.state == ""
}

// mostInherited is how much of what a service went through is handed on to its clients:
// enough for two restarts of three words each. With thousands of clients all of it would
// be no small thing to keep.
const mostInherited = 8

// inherit gives the states that clients take from their services and have not been
// handed on, those of one client in their order.
func (t *table) inherit() []Status {
	var all []Status
	add := func(client *entry, said Status) {
		client.inherited = said.State
		said.Origin = client.origin
		all = append(all, said)
	}
	for service, latest := range t.spoken {
		if service.origin.Kind != KindService {
			continue
		}
		for client := range service.group.members {
			if !client.inherits() {
				continue
			}
			for _, said := range latest {
				said.Restored = said.At.Before(client.first) && staleFor(said.State)
				add(client, said)
			}
		}
	}
	for _, client := range t.fresh {
		service := t.sources[client.origin.Source].entries[Service(client.origin.Service)]
		if service != nil && service.state != "" && client.inherits() && client.inherited != service.state {
			add(client, Status{State: service.state, Message: service.message, At: service.said, Restored: staleFor(service.state)})
		}
	}
	clear(t.spoken)
	t.fresh = nil
	return all
}

// staleFor says that a service's state tells nothing of a client of which something is
// heard only now: the ready since then may be lost, or closed is that of the instance
// before. It counts as what an earlier run has heard.
func staleFor(s State) bool { return s == Failed || s == Closed }
