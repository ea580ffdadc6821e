package serve

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// mostEventsShown on an experiment's page; the API has the others.
const mostEventsShown = 50

//go:embed page
var pageFiles embed.FS

// pages are for people: plain HTML, made whole for each request out of the
// snapshot, complete without any script.
type pages struct {
	opts   *Options
	views  *template.Template
	assets map[string]http.Handler // by path
}

func newPages(opts *Options) (*pages, error) {
	views, err := template.ParseFS(pageFiles, "page/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the page's templates: %w", err)
	}
	p := &pages{opts: opts, views: views, assets: make(map[string]http.Handler)}
	for name, contentType := range map[string]string{
		"status.css": "text/css; charset=utf-8",
		"status.js":  "text/javascript; charset=utf-8",
		"status.svg": "image/svg+xml",
	} {
		content, err := fs.ReadFile(pageFiles, "page/"+name)
		if err != nil {
			return nil, fmt.Errorf("read the page's files: %w", err)
		}
		p.assets["/"+name] = getOnly(newBody(contentType, content).serve)
	}
	return p, nil
}

// front shows the laboratory.
func (p *pages) front(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	f := filter{state: query.Get("state"), text: clip(query.Get("q"), 200)}
	p.render(w, r, http.StatusOK, "front.html", newFrontView(p.opts, f, time.Now()))
}

// experiment shows one of them, named in the query: any name can stand there,
// and the page's addresses stay one level deep.
func (p *pages) experiment(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	snap := p.opts.snapshot()
	found := snap.Find(name)
	if found == nil {
		p.render(w, r, http.StatusNotFound, "missing.html", missingView{head: p.head("No such experiment"), Name: clip(name, 200)})
		return
	}
	v := newExperimentView(found, p.head(name), snap.At, time.Now())
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

func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, view string, data any) {
	var out bytes.Buffer
	if err := p.views.ExecuteTemplate(&out, view, data); err != nil {
		p.opts.Log.WithError(err).WithField("page", view).Error("a page could not be made")
		writeError(w, http.StatusInternalServerError, "a fault of ours; it is in the server's log")
		return
	}
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
	Title string // of the window
	Lab   string
	Link  string
}

func (p *pages) head(what string) head {
	h := head{Title: p.opts.Title, Lab: p.opts.Title, Link: p.opts.Link}
	if what != "" {
		h.Title = what + " · " + p.opts.Title
	}
	return h
}

type missingView struct {
	head
	Name string
}

// reportLinks are relative to the page, as a reverse proxy may put it anywhere.
func reportLinks(name string) (report, events string) {
	escaped := url.PathEscape(name)
	return "api/v1/experiments/" + escaped, "api/v1/experiments/events/" + escaped
}
