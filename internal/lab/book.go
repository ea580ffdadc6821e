package lab

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Resource is one entry of book's manifest.
type Resource struct {
	// Stub is the experiment's topic stub.
	Stub string
	// Streams are the streams a booking needs, such as "st-video"; nil is
	// sent as null.
	Streams []string
	// Description and ConfigURL are passed on as they are; by default the
	// description is "d-" and the resource's name.
	Description, ConfigURL string
}

// Call is one request book received.
type Call struct {
	// At is when it arrived.
	At           time.Time
	Method, Path string
	// Resource is empty where the path names none, as for the manifest.
	Resource string
	// Available and Reason are the query of a PUT, as sent.
	Available, Reason string
	// Status answered, 0 while there is no answer.
	Status int
}

const resourcesPath = "/api/v1/admin/resources"

// callsKept bounds the record of calls: the oldest are forgotten.
const callsKept = 20_000

type availability struct {
	available bool
	reason    string
}

// booking is book's memory. Guarded by Lab.mu.
type booking struct {
	manifest map[string]Resource
	shelved  map[string]Resource // the manifest while it is forgotten
	state    map[string]availability
	calls    []*Call
}

func loaded(now time.Time) availability {
	return availability{available: true, reason: "Loaded at " + now.UTC().Format(time.RFC3339)}
}

// put enters a resource, into the shelved manifest while it is forgotten.
func (b *booking) put(name string, r Resource, now time.Time) {
	if b.shelved != nil {
		b.shelved[name] = r
		return
	}
	b.manifest[name] = r
	b.state[name] = loaded(now)
}

// reload makes every resource available, as a start and an upload do.
func (b *booking) reload(now time.Time) {
	for name := range b.manifest {
		b.state[name] = loaded(now)
	}
}

// write sets an availability, in the words book gives back later.
func (b *booking) write(name string, available bool, reason string) bool {
	if _, ok := b.manifest[name]; !ok {
		return false
	}
	if !available {
		reason = "unavailable because " + reason
	}
	b.state[name] = availability{available: available, reason: reason}
	return true
}

// wireResource is a resource as book sends it, keys in the measured order.
type wireResource struct {
	ConfigURL   string   `json:"config_url,omitempty"`
	Description string   `json:"description"`
	Streams     []string `json:"streams"`
	Tests       []string `json:"tests"`
	TopicStub   string   `json:"topic_stub"`
}

// quote makes a JSON string of text without escaping <, > and &.
func quote(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return `""` // no string fails to encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// statusWriter tells the status to the record of calls. Book always says it
// explicitly.
type statusWriter struct {
	http.ResponseWriter
	tell func(status int)
}

func (w *statusWriter) WriteHeader(status int) {
	w.tell(status)
	w.ResponseWriter.WriteHeader(status)
}

// bookHandler serves book's administration API.
func (l *Lab) bookHandler() http.Handler {
	base := l.base(Book)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := route(r, base)
		if !ok {
			http.NotFound(w, r)
			return
		}
		name, one := strings.CutPrefix(p, resourcesPath+"/")
		switch {
		case p == resourcesPath && r.Method != http.MethodGet:
			answerNotAllowed(w, r.Method, http.MethodGet)
		case p == resourcesPath:
			l.bookCall(w, r, "", l.bookManifest)
		case !one || strings.Contains(name, "/"):
			answerNotFound(w, p)
		case r.Method == http.MethodGet:
			l.bookCall(w, r, name, l.bookRead)
		case r.Method == http.MethodPut:
			l.bookCall(w, r, name, l.bookWrite)
		default:
			answerNotAllowed(w, r.Method, http.MethodGet, http.MethodPut)
		}
	})
}

// recordCalls keeps what is asked of book, and what it answers once it does.
func (l *Lab) recordCalls(next http.Handler) http.Handler {
	resources := l.base(Book) + resourcesPath + "/"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		call := &Call{Method: r.Method, Path: r.URL.Path, Available: q.Get("available"), Reason: q.Get("reason")}
		if name, ok := strings.CutPrefix(path.Clean(r.URL.Path), resources); ok {
			call.Resource = name
		}
		l.mu.Lock()
		call.At = time.Now() // their order is that of their moments
		l.book.calls = append(l.book.calls, call)
		if n := len(l.book.calls); n > callsKept+callsKept/4 { // not at each: all of them would be moved
			l.book.calls = slices.Delete(l.book.calls, 0, n-callsKept)
		}
		l.mu.Unlock()
		next.ServeHTTP(&statusWriter{ResponseWriter: w, tell: func(status int) {
			l.mu.Lock()
			defer l.mu.Unlock()
			call.Status = status
		}}, r)
	})
}

type bookAction func(w http.ResponseWriter, r *http.Request, c claims, name string)

func (l *Lab) bookCall(w http.ResponseWriter, r *http.Request, name string, do bookAction) {
	if c, ok := l.bookToken(w, r); ok {
		do(w, r, c, name)
	}
}

func (l *Lab) bookToken(w http.ResponseWriter, r *http.Request) (claims, bool) {
	token := r.Header.Get("Authorization")
	if token == "" {
		answerNumber(w, http.StatusUnauthorized, 401, "unauthenticated for invalid credentials")
		return claims{}, false
	}
	c, err := readToken(token, []byte(l.opt.Secrets.Book), l.shows(Book))
	if err != nil {
		answerNumber(w, http.StatusInternalServerError, 500, "error parsing claims was "+err.Error())
		return c, false
	}
	if err := c.meant(l.Audience(Book)); err != nil {
		answerNumber(w, http.StatusInternalServerError, 500, err.Error())
		return c, false
	}
	return c, true
}

func bookAdmin(w http.ResponseWriter, c claims) bool {
	if c.has("booking:admin") {
		return true
	}
	answerString(w, http.StatusUnauthorized, "no scope booking:admin")
	return false
}

func (l *Lab) bookManifest(w http.ResponseWriter, _ *http.Request, c claims, _ string) {
	if !bookAdmin(w, c) {
		return
	}
	l.mu.Lock()
	manifest := maps.Clone(l.book.manifest)
	l.mu.Unlock()
	out := map[string]wireResource{}
	for name, r := range manifest {
		d := r.Description
		if d == "" {
			d = "d-" + name
		}
		out[name] = wireResource{ConfigURL: r.ConfigURL, Description: d, Streams: r.Streams, TopicStub: r.Stub}
	}
	body, err := json.Marshal(out)
	if err != nil {
		answerNumber(w, http.StatusInternalServerError, 500, fmt.Sprintf("error writing manifest was %s", err))
		return
	}
	answer(w, http.StatusOK, string(body)+"\n")
}

func (l *Lab) bookRead(w http.ResponseWriter, _ *http.Request, c claims, name string) {
	if !bookAdmin(w, c) {
		return
	}
	l.mu.Lock()
	_, ok := l.book.manifest[name]
	a := l.book.state[name]
	l.mu.Unlock()
	if !ok {
		answerString(w, http.StatusNotFound, "resource "+name+" not found")
		return
	}
	answer(w, http.StatusOK, fmt.Sprintf(`{"available":%t,"reason":%s}`+"\n", a.available, quote(a.reason)))
}

func (l *Lab) bookWrite(w http.ResponseWriter, r *http.Request, c claims, name string) {
	q := r.URL.Query()
	if !wantsJSON(w, r) {
		return
	}
	for _, key := range []string{"available", "reason"} {
		if q.Get(key) == "" {
			answerNumber(w, http.StatusUnprocessableEntity, 602, key+" in query is required")
			return
		}
	}
	if !bookAdmin(w, c) {
		return
	}
	// Whatever is not a word for true is taken as false, not refused.
	yes := slices.Contains([]string{"true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"}, strings.ToLower(q.Get("available")))
	l.mu.Lock()
	ok := l.book.write(name, yes, q.Get("reason"))
	l.mu.Unlock()
	if !ok {
		answerString(w, http.StatusNotFound, "resource "+name+" not found")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
