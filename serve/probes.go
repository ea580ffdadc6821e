package serve

import (
	"encoding/json"
	"net/http"
	"strings"
)

// probes answer systemd, proxies and supervisors. They are open to everybody;
// the reasons are for those who may read.
type probes struct{ opts *Options }

func (p *probes) alive(w http.ResponseWriter, r *http.Request) {
	newBody("application/json", []byte(`{"status":"alive"}`)).serve(w, r)
}

func (p *probes) ready(w http.ResponseWriter, r *http.Request) {
	type answer struct {
		Code    int      `json:"code"`
		Message string   `json:"message"`
		Ready   bool     `json:"ready"`
		Reasons []string `json:"reasons"`
	}
	reasons := p.opts.Ready()
	a := answer{Code: http.StatusOK, Message: "ready", Ready: true, Reasons: []string{}}
	if len(reasons) > 0 {
		a = answer{Code: http.StatusServiceUnavailable, Message: "not ready", Reasons: []string{}}
		if p.mayRead(r) {
			a.Message += ": " + strings.Join(reasons, "; ")
			a.Reasons = reasons
		}
	}
	// Marshalling integers, strings and booleans can't fail.
	out, _ := json.Marshal(a)
	writeJSON(w, a.Code, out) // never kept by anybody: the next moment may differ
}

// mayRead doesn't count a probe without a token as a refusal.
func (p *probes) mayRead(r *http.Request) bool {
	if p.opts.ReadAuth == nil {
		return true
	}
	return r.Header.Get("Authorization") != "" && p.opts.ReadAuth.Check(r, ScopeRead, ScopeAdmin) == nil
}
