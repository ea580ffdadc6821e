package lab

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// orderLimit is the longest order taken, in bytes.
const orderLimit = 4096

// rowsShown bounds the tables of the collector.
const rowsShown = 200

//go:embed control.html control.js
var controlFiles embed.FS

var controlPages = template.Must(template.New("").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.Format("15:04:05") },
	"join":  func(s []string) string { return strings.Join(s, ", ") },
	"first": func(all []Collected) []Collected { return all[:min(len(all), rowsShown)] },
	"more":  func(all []Collected) bool { return len(all) > rowsShown },
	"latest": func(all []Complaint) []Complaint {
		all = slices.Clone(all[max(len(all)-rowsShown, 0):])
		slices.Reverse(all)
		return all
	},
}).ParseFS(controlFiles, "control.html"))

// controlHandler is the lab's own API and pages: what can be ordered, what is
// the case, and the mails that came. POST /order takes one order in the words
// of Grammar; only from programs and the lab's own page, since a browser must
// not be made to break things by another site.
func (l *Lab) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", l.showHome)
	mux.HandleFunc("GET /lab.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, controlFiles, "control.js")
	})
	mux.HandleFunc("POST /order", l.takeOrder)
	mux.HandleFunc("GET /state", l.showState)
	mux.HandleFunc("GET /mails", l.showMails)
	mux.HandleFunc("GET /mails/{n}", l.showMail)
	mux.HandleFunc("GET /mails/{n}/html", l.showMailHTML)
	mux.HandleFunc("GET /mails/{n}/raw", l.showMailRaw)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (l *Lab) takeOrder(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, orderLimit))
	if err != nil {
		plain(w, http.StatusBadRequest, fmt.Sprintf("an order is one line of at most %d bytes\n", orderLimit))
		return
	}
	if strings.Contains(strings.TrimSpace(string(body)), "\n") {
		plain(w, http.StatusBadRequest, "one order at a time\n")
		return
	}
	step, err := ParseOrder(string(body))
	if err != nil {
		plain(w, http.StatusBadRequest, err.Error()+"\n\n"+Grammar())
		return
	}
	if err := l.give(step); err != nil {
		plain(w, http.StatusConflict, err.Error()+"\n")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	say(w, text)
}

func (l *Lab) showState(w http.ResponseWriter, _ *http.Request) {
	body, err := json.MarshalIndent(l.State(), "", "  ")
	if err != nil {
		plain(w, http.StatusInternalServerError, "write the state: "+err.Error()+"\n")
		return
	}
	answer(w, http.StatusOK, string(body)+"\n")
}

func (l *Lab) showHome(w http.ResponseWriter, _ *http.Request) {
	l.page(w, "home", map[string]any{"Grammar": Grammar(), "State": l.State()})
}

func (l *Lab) showMails(w http.ResponseWriter, _ *http.Request) {
	type row struct {
		N int
		ReceivedMail
	}
	l.mu.Lock()
	mails, first := slices.Clone(l.mail.mails), l.mail.arrived-len(l.mail.mails)+1
	l.mu.Unlock()
	var rows []row
	for i, m := range mails {
		rows = append(rows, row{N: first + i, ReceivedMail: m})
	}
	slices.Reverse(rows)
	l.page(w, "mails", rows)
}

// wanted is the mail of a request's number, counted from 1 by arrival.
func (l *Lab) wanted(w http.ResponseWriter, r *http.Request) (ReceivedMail, int, bool) {
	n, err := strconv.Atoi(r.PathValue("n"))
	l.mu.Lock()
	mails, forgotten := slices.Clone(l.mail.mails), l.mail.arrived-len(l.mail.mails)
	l.mu.Unlock()
	i := n - 1 - forgotten
	if err != nil || i < 0 || i >= len(mails) {
		plain(w, http.StatusNotFound, "no such mail\n")
		return ReceivedMail{}, 0, false
	}
	return mails[i], n, true
}

func (l *Lab) showMail(w http.ResponseWriter, r *http.Request) {
	if m, n, ok := l.wanted(w, r); ok {
		head, _, _ := strings.Cut(string(m.Raw), "\r\n\r\n")
		l.page(w, "mail", map[string]any{"N": n, "Mail": m, "Head": head})
	}
}

// showMailHTML shows the HTML part where it can do nothing: no script, no
// request, no origin.
func (l *Lab) showMailHTML(w http.ResponseWriter, r *http.Request) {
	if m, _, ok := l.wanted(w, r); ok {
		w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		say(w, m.HTML)
	}
}

func (l *Lab) showMailRaw(w http.ResponseWriter, r *http.Request) {
	if m, _, ok := l.wanted(w, r); ok {
		plain(w, http.StatusOK, string(m.Raw))
	}
}

func (l *Lab) page(w http.ResponseWriter, name string, data any) {
	var b strings.Builder
	if err := controlPages.ExecuteTemplate(&b, name, data); err != nil {
		plain(w, http.StatusInternalServerError, "show the page: "+err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	say(w, b.String())
}
