package lab

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// collectLimit is the longest report the collector takes, in bytes.
const collectLimit = 16 << 20

// verdict is what the collector does with a report.
type verdict struct {
	code int  // of HTTP
	ok   bool // of the answer
	lost bool // the answer is
	why  error
}

// judge takes a report, or not, as is ordered. fault is what is wrong with it.
func (l *Lab) judge(d delivery, kind string, fault error) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.collected
	if fault == nil && c.says == 0 && !c.denies {
		kind, fault = ComplaintForm, c.take(d)
	}
	switch {
	case fault != nil:
		c.figures.Refused++
		c.complain(kind, d.source, "%s", fault)
		if kind == ComplaintToken {
			return verdict{code: http.StatusUnauthorized, why: fault}
		}
		return verdict{code: http.StatusBadRequest, why: fault}
	case c.says != 0:
		c.figures.Refused++
		return verdict{code: c.says, ok: true}
	case c.denies:
		c.figures.Refused++
		return verdict{code: http.StatusOK}
	}
	lost := c.loses != 0
	if c.loses > 0 {
		c.loses--
	}
	return verdict{code: http.StatusOK, ok: true, lost: lost}
}

// collectorHandler takes reports over HTTP.
func (l *Lab) collectorHandler() http.Handler {
	token := l.collected.opt.Token
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, collectLimit))
		if err != nil && !errors.Is(err, http.ErrBodyReadAfterClose) {
			panic(http.ErrAbortHandler) // it has gone, or says more than anybody
		}
		let, source := admitted(r, token)
		d := delivery{source: source, key: r.Header.Get("Idempotency-Key"), habits: foreignHead(r)}
		kind := ComplaintToken
		if !let {
			err = errors.New("no token, or a wrong one")
		} else {
			kind, err = ComplaintForm, headFault(r, len(body))
		}
		if err == nil {
			d.events, err = strictJSON(body)
		}
		v := l.judge(d, kind, err)
		switch {
		case v.lost:
			panic(http.ErrAbortHandler)
		case v.why != nil:
			answer(w, v.code, fmt.Sprintf(`{"ok":false,"error":%s}`, quote(v.why.Error())))
		default:
			answer(w, v.code, fmt.Sprintf(`{"ok":%t}`, v.ok))
		}
	})
}

// admitted looks for the token, and says who reports: the path without it.
func admitted(r *http.Request, token string) (let bool, source string) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if n := slices.Index(parts, token); n >= 0 {
		let, parts = true, slices.Delete(parts, n, n+1)
	}
	return let || r.Header.Get("Authorization") == "Bearer "+token, cmp.Or(strings.Join(parts, "/"), "http")
}

// headFault is what the protocol does not allow in a request.
func headFault(r *http.Request, size int) error {
	switch {
	case r.Method != http.MethodPost:
		return fmt.Errorf("method %s: it is POST", r.Method)
	case r.Proto != "HTTP/1.1":
		return fmt.Errorf("%s: it is HTTP/1.1", r.Proto)
	case !slices.Equal(r.Header["Content-Type"], []string{"application/json"}):
		return fmt.Errorf("Content-Type %q: it is application/json", r.Header["Content-Type"])
	case r.ContentLength != int64(size):
		return errors.New("no Content-Length")
	case size == 0:
		return errors.New("the body is empty")
	}
	return nil
}

// foreignHead is what a GOST does not send.
func foreignHead(r *http.Request) []string {
	var all []string
	for name, want := range map[string]string{"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip", "Idempotency-Key": ""} {
		if got := r.Header.Get(name); got != want {
			all = append(all, fmt.Sprintf("%s is %q", name, got))
		}
	}
	slices.Sort(all)
	return all
}
