package lab

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// codeLife is how long a code may be used. The real services sweep unused
// ones once a minute, whatever they promise.
const codeLife = time.Minute

// route finds the path below a service's base, cleaned as the services do:
// doubled slashes and one at the end do not matter.
func route(r *http.Request, base string) (string, bool) {
	rest, ok := strings.CutPrefix(r.URL.Path, base)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return path.Clean("/" + rest), true
}

func answerNotFound(w http.ResponseWriter, p string) {
	answer(w, http.StatusNotFound, fmt.Sprintf(`{"code":404,"message":%s}`, quote("path "+p+" was not found")))
}

func answerNotAllowed(w http.ResponseWriter, method string, allowed ...string) {
	w.Header().Set("Allow", strings.Join(allowed, ","))
	answer(w, http.StatusMethodNotAllowed, fmt.Sprintf(`{"code":405,"message":%s}`,
		quote(fmt.Sprintf("method %s is not allowed, but [%s] are", method, strings.Join(allowed, ",")))))
}

// answerNumber writes the error form of the routing and authentication layer.
func answerNumber(w http.ResponseWriter, status, code int, message string) {
	answer(w, status, fmt.Sprintf(`{"code":%d,"message":%s}`, code, quote(message)))
}

// answerString writes the error form of the services' own handlers, whose
// code is a string.
func answerString(w http.ResponseWriter, status int, message string) {
	answer(w, status, fmt.Sprintf(`{"code":"%d","message":%s}`+"\n", status, quote(message)))
}

// wantsJSON refuses bodies of another kind, as the routing layer does.
func wantsJSON(w http.ResponseWriter, r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if r.ContentLength == 0 || kind == "" || kind == "application/json" {
		return true
	}
	answerNumber(w, http.StatusUnsupportedMediaType, 415,
		fmt.Sprintf("unsupported media type %q, only [application/json] are allowed", kind))
	return false
}

// handler serves the access API and the websockets of a feed.
func (f *feed) handler() http.Handler {
	name := f.svc.name
	access, sockets := f.lab.base(name), f.lab.websocketBase(name)
	prefix := map[string]string{Relay: "session", Jump: "connect"}[name]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := route(r, sockets); ok {
			if topic, ok := strings.CutPrefix(p, "/"+prefix+"/"); ok && (name == Jump || r.Method == http.MethodGet) {
				f.serveWebsocket(w, r, topic)
				return
			}
		}
		p, ok := route(r, access)
		if !ok {
			http.NotFound(w, r)
			return
		}
		topic, ok := f.topic(p)
		switch {
		case !ok:
			answerNotFound(w, p)
		case r.Method != http.MethodPost:
			answerNotAllowed(w, r.Method, http.MethodPost)
		default:
			f.grant(w, r, topic)
		}
	})
}

// topic returns the last part of an access path.
func (f *feed) topic(p string) (string, bool) {
	below := map[string]string{Relay: "/session/", Jump: "/api/v1/connect/"}[f.svc.name]
	topic, ok := strings.CutPrefix(p, below)
	return topic, ok && topic != "" && !strings.Contains(topic, "/")
}

// grant answers an access request with the address of a websocket and a code
// in it, or with the refusal measured for each fault.
func (f *feed) grant(w http.ResponseWriter, r *http.Request, topic string) {
	token := r.Header.Get("Authorization")
	if token == "" {
		answerNumber(w, http.StatusUnauthorized, 401, "unauthenticated for invalid credentials")
		return
	}
	name := f.svc.name
	now := time.Now()
	c, err := readToken(token, f.secret(), f.lab.shows(name))
	if err != nil {
		message := "token invalid"
		if name == Jump {
			message = "error reading token was " + err.Error()
		}
		answerNumber(w, http.StatusInternalServerError, 500, message)
		return
	}
	if err := c.meant(f.lab.Audience(name)); err != nil {
		answerNumber(w, http.StatusInternalServerError, 500, err.Error())
		return
	}
	if !wantsJSON(w, r) {
		return
	}
	missing := c.Topic == "" || c.Prefix == "" || len(c.Scopes) == 0
	if name == Relay {
		switch {
		case missing:
			answer(w, http.StatusUnauthorized, `"Token Missing Required Claims"`+"\n")
			return
		case c.Topic != topic:
			answer(w, http.StatusUnauthorized, `"Token Wrong Topic"`+"\n")
			return
		}
	} else if message := jumpRefusal(c, topic, missing); message != "" {
		answerString(w, http.StatusUnauthorized, message)
		return
	}
	if !c.timed() {
		panic(http.ErrAbortHandler) // the real handlers fall over it
	}
	prefix := "connect"
	if name == Relay {
		prefix = c.Prefix
	}
	uri := "ws://" + f.svc.gate.addr + path.Join("/", f.lab.websocketBase(name), prefix, topic) + "?code=" + f.code(c, now)
	answer(w, http.StatusOK, `{"uri":`+quote(uri)+"}\n")
}

// jumpRefusal is what jump says of a token's claims; empty when it is content.
func jumpRefusal(c claims, topic string, missing bool) string {
	switch {
	case missing:
		return "token missing required claims"
	case c.Topic != topic:
		return "host_id does not match topic in token"
	case c.has("host") && c.has("client"):
		return "can only have client or host scope, not both"
	case topic == "stats" && !c.has("stats"):
		return "path not valid without stats scope"
	case topic != "stats" && c.has("stats"):
		return "path not valid for stats scope"
	case !slices.ContainsFunc([]string{"host", "client", "stats"}, c.has):
		return "path not valid without host or client scope"
	}
	return ""
}

func (f *feed) secret() []byte {
	if f.svc.name == Jump {
		return []byte(f.lab.opt.Secrets.Jump)
	}
	return []byte(f.lab.opt.Secrets.Relay)
}

// code makes a single-use code and forgets those nobody came for.
func (f *feed) code(c claims, now time.Time) string {
	f.lab.mu.Lock()
	defer f.lab.mu.Unlock()
	for old, g := range f.codes {
		if now.After(g.until) {
			delete(f.codes, old)
		}
	}
	code := f.lab.uuid()
	f.codes[code] = grant{claims: c, until: now.Add(codeLife)}
	return code
}
