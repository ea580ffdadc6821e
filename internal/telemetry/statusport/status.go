package statusport

import (
	"encoding/json"
	"net/http"
	"time"
)

// Words for a whole and for its backend.
const (
	wordOK       = "ok"
	wordCritical = "critical"
)

// Status is the answer of /_status: the keys of ghostunnel's, in their order.
type Status struct {
	OK             bool      `json:"ok"`     // listening, and the backend is well
	Status         string    `json:"status"` // ok or critical, as OK is
	ListenAddress  string    `json:"listen_address"`
	ForwardAddress string    `json:"forward_address"`
	BackendOK      bool      `json:"backend_ok"`
	BackendStatus  string    `json:"backend_status"`
	BackendError   string    `json:"backend_error,omitempty"`
	Time           time.Time `json:"time"`
	LastReload     time.Time `json:"last_reload"` // year 1 until the first
	Hostname       string    `json:"hostname,omitempty"`
	Message        Condition `json:"message"`
	Revision       string    `json:"revision"`
	Compiler       string    `json:"compiler"`
}

// Status is what /_status would answer now.
func (p *Port) Status() Status {
	p.mu.Lock()
	condition, lastReload := p.condition, p.lastReload
	p.mu.Unlock()
	backend, why := p.backend()
	s := Status{
		OK:            backend && (condition == Listening || condition == Reloading),
		ListenAddress: p.o.ListenAddress, ForwardAddress: p.o.ForwardAddress,
		BackendOK: backend, Time: time.Now().UTC(), LastReload: lastReload.UTC(),
		Hostname: p.hostname, Message: condition, Revision: p.o.Revision, Compiler: compiler,
	}
	s.Status, s.BackendStatus = word(s.OK), word(backend)
	if !backend {
		s.BackendError = why
	}
	return s
}

func word(ok bool) string {
	if ok {
		return wordOK
	}
	return wordCritical
}

// status answers 200 where all is well and 503 where it isn't.
func (p *Port) status(w http.ResponseWriter, _ *http.Request) {
	s := p.Status()
	text, err := json.Marshal(s)
	if err != nil {
		http.Error(w, "the status can't be worded: "+err.Error(), http.StatusInternalServerError)
		return
	}
	code := http.StatusOK
	if !s.OK {
		code = http.StatusServiceUnavailable
	}
	answer(w, code, "application/json", text)
}

// answer writes what nobody may keep. A reader who has gone needs no answer.
func answer(w http.ResponseWriter, code int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}
