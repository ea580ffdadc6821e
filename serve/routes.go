package serve

import (
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
	api, err := newAPI(&opts)
	if err != nil {
		return nil, err
	}
	pages, err := newPages(&opts)
	if err != nil {
		return nil, err
	}
	return protect(&routes{
		opts:       &opts,
		api:        api,
		front:      getOnly(pages.front),
		experiment: getOnly(pages.experiment),
		assets:     pages.assets,
		probes:     &probes{opts: &opts},
	}, opts.Log), nil
}

// routes sends a request on by its path. Unlike http.ServeMux it never answers
// with a redirect, which a reverse proxy's prefix would make wrong.
type routes struct {
	opts              *Options
	api               http.Handler
	front, experiment http.Handler
	assets            map[string]http.Handler
	probes            *probes
}

func (rt *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if asset, ok := rt.assets[r.URL.Path]; ok {
		asset.ServeHTTP(w, r)
		return
	}
	switch path := r.URL.Path; {
	case path == "/healthz":
		getOnly(rt.probes.alive).ServeHTTP(w, r)
	case path == "/readyz":
		getOnly(rt.probes.ready).ServeHTTP(w, r)
	case path == basePath || strings.HasPrefix(path, basePath+"/"):
		rt.forReaders(w, r, rt.api)
	case path == "/":
		rt.forReaders(w, r, rt.front)
	case path == "/experiment":
		rt.forReaders(w, r, rt.experiment)
	default:
		writeError(w, http.StatusNotFound, "there is nothing at "+clip(path, 200))
	}
}

// forReaders lets those pass who may read.
func (rt *routes) forReaders(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if auth := rt.opts.ReadAuth; auth != nil {
		w.Header().Add("Vary", "Authorization")
		if refusal := auth.Check(r, ScopeRead, ScopeAdmin); refusal != nil {
			writeRefusal(w, refusal)
			return
		}
	}
	next.ServeHTTP(w, r)
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
