package serve

import (
	"fmt"
	"net/http"
	"strings"
)

const basePath = "/api/v1"

// New makes the handler of everything that is served over HTTP. It starts
// nothing.
func New(opts Options) (http.Handler, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	if opts.Title == "" {
		opts.Title = "Laboratory status"
	}
	opts.observed = &observed{ask: opts.Observed}
	opts.Live.speakFor(&opts)
	admins, tickets := newAdmins(opts.AdminAuth, opts.Link), newTickets()
	api, err := newAPI(&opts, admins, tickets)
	if err != nil {
		return nil, err
	}
	pages, err := pageRoutes(&opts)
	if err != nil {
		return nil, err
	}
	probes := &probes{opts: &opts}
	mails := &mailFrame{opts: &opts, admins: admins, tickets: tickets}
	rt := &routes{
		exact: map[string]http.Handler{
			"/healthz":   getOnly(probes.alive),
			"/readyz":    getOnly(probes.ready),
			"/mail.html": getOnly(mails.serve),
			"/feed.atom": opts.forReaders(getOnly((&feed{opts: &opts}).serve)),
		},
		api:   opts.forReaders(api),
		badge: opts.forReaders(getOnly((&badges{opts: &opts}).serve)),
	}
	for path, page := range pages {
		if rt.exact[path] != nil || path == basePath || strings.HasPrefix(path, basePath+"/") || strings.HasPrefix(path, badgePath) {
			return nil, fmt.Errorf("route a page to %s: that is taken", path)
		}
		rt.exact[path] = page
	}
	return protect(rt, opts.Log), nil
}

// routes sends a request on by its path. Unlike http.ServeMux it never answers
// with a redirect, which a reverse proxy's prefix would make wrong.
type routes struct {
	exact      map[string]http.Handler // by path
	api, badge http.Handler
}

func (rt *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if exact, ok := rt.exact[path]; ok {
		exact.ServeHTTP(w, r)
		return
	}
	switch {
	case path == basePath || strings.HasPrefix(path, basePath+"/"):
		rt.api.ServeHTTP(w, r)
	case strings.HasPrefix(path, badgePath):
		rt.badge.ServeHTTP(w, r)
	default:
		writeError(w, http.StatusNotFound, "there is nothing at "+clip(path, 200))
	}
}

// forReaders lets those pass who may read.
func (o *Options) forReaders(next http.Handler) http.Handler {
	if o.ReadAuth == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Authorization")
		if refusal := o.readerRefused(r); refusal != nil {
			writeRefusal(w, refusal)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readerRefused gives nil where whoever asks may read.
func (o *Options) readerRefused(r *http.Request) *Refusal {
	if o.ReadAuth == nil {
		return nil
	}
	return o.ReadAuth.Check(r, ScopeRead, ScopeAdmin)
}

// getOnly refuses every method but GET and HEAD.
func getOnly(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeError(w, http.StatusMethodNotAllowed, "method "+clip(r.Method, 20)+" is not allowed here; GET and HEAD are")
			return
		}
		next(w, r)
	})
}
