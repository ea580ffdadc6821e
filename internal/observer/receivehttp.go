package observer

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// readWait is how long somebody may take to send a report.
const readWait = 10 * time.Second

// Handler takes reports at POST /observer and /observer/<source>. The token comes as
// Authorization: Bearer, or as a further part of the path, for GOSTs that send none.
// It answers as GOST wants it: {"ok":true} with 200, and anything else for a report
// that was not taken.
//
// Its listener is best one of its own, at http.Server with ReadHeaderTimeout set and
// MaxHeaderBytes as low as 16 KiB.
func (r *Receiver) Handler() http.Handler { return http.HandlerFunc(r.serveHTTP) }

func (r *Receiver) serveHTTP(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if no := r.overHTTP(w, req); no != nil {
		r.refused(no, clientOf(req.RemoteAddr))
		no.answer(w)
		return
	}
	_, _ = io.WriteString(w, `{"ok":true}`+"\n") // who doesn't read it sends the report again
}

func (r *refusal) answer(w http.ResponseWriter) {
	switch r.reason {
	case refusedToken:
		w.Header().Set("WWW-Authenticate", `Bearer realm="observer"`)
	case refusedMethod:
		w.Header().Set("Allow", http.MethodPost)
	case refusedBusy:
		w.Header().Set("Retry-After", "5")
	}
	status := r.httpStatus()
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the same
		OK      bool   `json:"ok"`
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{false, status, r.message})
}

func (r *Receiver) overHTTP(w http.ResponseWriter, req *http.Request) *refusal {
	path, ours := parts(req.URL.Path)
	if !ours {
		return refuse(refusedPath, "there is nothing here: reports go to /observer or /observer/<source>")
	}
	g, no := r.door.open(bearer(req.Header.Get("Authorization")), path)
	if no != nil {
		return no
	}
	if req.Method != http.MethodPost {
		return refuse(refusedMethod, "reports are sent by POST")
	}
	if coding := req.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return refuse(refusedCoding, "reports are not compressed")
	}
	if req.ContentLength > maxBody {
		return refuse(refusedSize, "a report has at most 1 MiB")
	}
	if !r.enter() {
		return tooMany()
	}
	defer r.leave()
	// Some writers know no deadlines, those of tests for instance.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readWait))
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return refuse(refusedSize, "a report has at most 1 MiB")
		}
		return refuse(refusedGone, "the report did not come whole")
	}
	events, err := decodeJSON(body)
	if err != nil {
		return refuse(refusedBody, err.Error())
	}
	return r.take(req.Context(), g, req.Header.Get(keyHeader), events)
}

// parts gives what follows /observer in a path.
func parts(path string) (rest []string, ours bool) {
	rest = strings.Split(strings.Trim(path, "/"), "/")
	return rest[1:], rest[0] == "observer" && len(rest) <= 3
}

// bearer finds a token in a header; one that stands there bare is understood too.
func bearer(header string) string {
	header = strings.TrimSpace(header)
	if scheme, token, _ := strings.Cut(header, " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return header
}

// clientOf is an address without its port, for a log.
func clientOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
