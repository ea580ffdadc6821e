package serve

import (
	"maps"
	"net/http"
)

// pageRoutes gives the pages, what they are made of and the list that the overview
// reads, by path.
func pageRoutes(opts *Options) (map[string]http.Handler, error) {
	p, err := newPages(opts)
	if err != nil {
		return nil, err
	}
	routes := maps.Clone(p.sent)
	for path, page := range map[string]http.HandlerFunc{
		"/":            p.front,
		"/experiment":  p.experiment,
		"/events":      p.events,
		"/mails":       p.shell("mails", "Mails"),
		"/system":      p.system,
		"/maintenance": p.shell("maintenance", "Maintenance"),
		"/board":       p.shell("board", "Board"),
	} {
		routes[path] = getOnly(p.forPeople(page))
	}
	routes["/overview.json"] = opts.forReaders(getOnly(newOverview(opts).serve))
	return routes, nil
}
