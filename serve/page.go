package serve

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sync"
	"time"
)

// pagePolicy is what a browser lets our pages do: run our scripts and no others,
// frame a mail, and never take text for markup.
const pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

//go:embed page
var pageFiles embed.FS

// pages are for people. Each comes whole out of the snapshot, so that it tells the
// truth at once and to those without script; its module then keeps it live.
type pages struct {
	*compiledIn
	opts *Options
}

// compiledIn is what pages have whatever they show, and whichever server shows them.
type compiledIn struct {
	views *template.Template
	files *assets
	sent  map[string]http.Handler // of the files, by path
}

// readCompiledIn reads it once for all servers of a process: none of it changes.
var readCompiledIn = sync.OnceValues(func() (*compiledIn, error) {
	views, err := template.ParseFS(pageFiles, "page/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the page's templates: %w", err)
	}
	files, err := readAssets(pageFiles, "page/assets")
	if err != nil {
		return nil, err
	}
	return &compiledIn{views: views, files: files, sent: files.handlers()}, nil
})

func newPages(opts *Options) (*pages, error) {
	c, err := readCompiledIn()
	if err != nil {
		return nil, err
	}
	return &pages{compiledIn: c, opts: opts}, nil
}

// mayReadKey marks the requests of those who may read.
type mayReadKey struct{}

// forPeople lets everybody have a page. Where reading takes a token, a browser that
// follows a link can't send one: it gets a page with nothing of the laboratory in
// it, whose script asks for the token. A token that is sent has to be right.
func (p *pages) forPeople(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		mayRead := true
		if p.opts.ReadAuth != nil {
			w.Header().Add("Vary", "Authorization")
			if mayRead = r.Header.Get("Authorization") != ""; mayRead {
				if refusal := p.opts.readerRefused(r); refusal != nil {
					writeRefusal(w, refusal)
					return
				}
			}
		}
		next(w, r.WithContext(context.WithValue(r.Context(), mayReadKey{}, mayRead)))
	}
}

// closed shows the page without anything of the laboratory, where that is all that
// may be shown.
func (p *pages) closed(w http.ResponseWriter, r *http.Request, page, title string) bool {
	if mayRead, _ := r.Context().Value(mayReadKey{}).(bool); mayRead {
		return false
	}
	p.render(w, r, http.StatusOK, "closed.html", p.head(page, title))
	return true
}

// front shows the laboratory.
func (p *pages) front(w http.ResponseWriter, r *http.Request) {
	if p.closed(w, r, "overview", "") {
		return
	}
	query := r.URL.Query()
	f := frontFilter{
		filter: filter{state: query.Get("state"), text: clip(query.Get("q"), 200)},
		mark:   query.Get("mark"),
	}
	v := newFrontView(p.opts, f, time.Now())
	v.head = p.head("overview", v.Headline)
	p.render(w, r, http.StatusOK, "front.html", v)
}

// mostEventsShown on a page as it comes; scripts fetch the others.
const mostEventsShown = 50

// experiment shows one of them, named in the query: any name can stand there,
// and the page's addresses stay one level deep.
func (p *pages) experiment(w http.ResponseWriter, r *http.Request) {
	if p.closed(w, r, "experiment", "Experiment") {
		return
	}
	name := r.URL.Query().Get("name")
	snap := p.opts.snapshot()
	found := snap.Find(name)
	if found == nil {
		p.render(w, r, http.StatusNotFound, "missing.html", missingView{head: p.head("experiment", "No such experiment"), Name: clip(name, 200)})
		return
	}
	v := newExperimentView(found, p.head("experiment", name), snap.At, time.Now())
	kept, err := p.opts.Events(r.Context(), name)
	if err != nil {
		p.opts.Log.WithError(err).Error("events could not be read for a page")
		v.EventsFailed = true
	}
	kept = oldestFirst(kept)
	slices.Reverse(kept)
	v.MoreEvents = max(0, len(kept)-mostEventsShown)
	v.Events = kept[:min(len(kept), mostEventsShown)]
	p.render(w, r, http.StatusOK, "experiment.html", v)
}

// events shows the latest of all experiments.
func (p *pages) events(w http.ResponseWriter, r *http.Request) {
	if p.closed(w, r, "events", "Events") {
		return
	}
	v := eventsView{head: p.head("events", "Events")}
	var err error
	if v.Events, _, err = p.opts.FindEvents(r.Context(), EventQuery{Limit: mostEventsShown}); err != nil {
		p.opts.Log.WithError(err).Error("events could not be read for a page")
		v.Failed = true
	}
	p.render(w, r, http.StatusOK, "events.html", v)
}

// system shows what the server stands on.
func (p *pages) system(w http.ResponseWriter, r *http.Request) {
	if p.closed(w, r, "system", "System") {
		return
	}
	now := time.Now()
	v := newSystemView(p.opts, now)
	v.head = p.head("system", "System")
	v.Observers, v.Reporting = observerViews(p.opts.observers(), now), reportingViews(p.opts.observed.now().sources, now)
	p.render(w, r, http.StatusOK, "system.html", v)
}

// shell is a page that its script fills.
func (p *pages) shell(page, title string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !p.closed(w, r, page, title) {
			p.render(w, r, http.StatusOK, "shell.html", p.head(page, title))
		}
	}
}

func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, view string, data any) {
	var out bytes.Buffer
	if err := p.views.ExecuteTemplate(&out, view, data); err != nil {
		p.opts.Log.WithError(err).WithField("page", view).Error("a page could not be made")
		writeError(w, http.StatusInternalServerError, "a fault of ours; it is in the server's log")
		return
	}
	w.Header().Set("Content-Security-Policy", pagePolicy)
	const contentType = "text/html; charset=utf-8"
	if status == http.StatusOK {
		newBody(contentType, out.Bytes()).serve(w, r)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // a reader that has gone away is no fault
}

// head is what every page has.
type head struct {
	Page    string // names its module
	Heading string
	Title   string // of the window
	Lab     string
	Link    string
	Assets  string   // folder of what it is made of, relative
	Modules []string // what its module needs, to be fetched at once
}

func (p *pages) head(page, heading string) head {
	h := head{
		Page: page, Heading: heading, Title: p.opts.Title, Lab: p.opts.Title, Link: p.opts.Link,
		Assets: p.files.folder, Modules: p.files.modules(page + ".js"),
	}
	if heading != "" {
		h.Title = heading + " · " + p.opts.Title
	}
	return h
}

type missingView struct {
	head
	Name string
}
