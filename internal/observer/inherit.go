package observer

import "slices"

// GOSTs tell the state of services, never that of clients. A client that is tied to an
// experiment can be reached no better than its service, so its service's state is
// handed on as its own, until it says something itself.

// inherits says whether the entry's state is its service's.
func (e *entry) inherits() bool {
	return e.origin.Kind == KindHandler && e.origin.Experiment != "" && e.state == ""
}

// inherit gives the states that clients take from their services and have not been
// handed on, sorted. What a service went through meanwhile is left out: with thousands
// of clients that would be no small thing to keep.
func (t *table) inherit() []Status {
	if len(t.moved)+len(t.fresh) == 0 {
		return nil
	}
	var all []Status
	add := func(service, client *entry) {
		if service == nil || service.state == "" || !client.inherits() || client.inherited == service.state {
			return
		}
		client.inherited = service.state
		all = append(all, Status{Origin: client.origin, State: service.state, Message: service.message, At: service.since})
	}
	for service := range t.moved {
		for e := range service.group.members {
			add(service, e)
		}
	}
	for _, e := range t.fresh {
		add(t.sources[e.origin.Source].entries[Service(e.origin.Service)], e)
	}
	clear(t.moved)
	t.fresh = nil
	slices.SortFunc(all, func(a, b Status) int { return compareOrigins(a.Origin, b.Origin) })
	return all
}
