package telemetry

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"golang.org/x/net/trace"
)

// Debug serves /debug/events, the live connections of a [Tracker], and
// /debug/requests, its latest dials, to callers on this machine and to those that
// allowed knows, such as the bearers of an admin's token; nil knows nobody.
//
// The guard can't tell a reverse proxy on this machine that passes on neither
// Host nor the client's address: mount this on a listener of its own, or keep
// /debug/ out of the proxy.
func Debug(allowed func(*http.Request) bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		trace.RenderEvents(w, r, false)
	})
	mux.HandleFunc("GET /debug/requests", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		trace.Render(w, r, false)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !FromHere(r) && (allowed == nil || !allowed(r)) {
			http.Error(w, "only from this machine, or with an admin's token", http.StatusForbidden)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// FromHere says whether a request was made on this machine and meant for it: from
// a loopback address or a Unix socket, to a loopback name (a page that points its
// own name at 127.0.0.1 is turned away), and not passed on by a proxy.
func FromHere(r *http.Request) bool {
	for _, passedOn := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "X-Forwarded-Host", "Via"} {
		if _, is := r.Header[passedOn]; is {
			return false
		}
	}
	return loopback(r.Host) && (r.RemoteAddr == "" || r.RemoteAddr == "@" || loopback(r.RemoteAddr))
}

func loopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
