package serve

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"labstatus/internal/health"
)

// mostInFeed is how many events a feed holds: the newest.
const mostInFeed = 50

// feed tells events to feed readers (RFC 4287).
type feed struct{ opts *Options }

type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Author  atomAuthor  `xml:"author"`
	Links   []atomLink  `xml:"link"`
	Entries []atomEntry `xml:"entry"`
}

type atomAuthor struct {
	Name string `xml:"name"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

type atomEntry struct {
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Link    atomLink `xml:"link"`
	Content atomText `xml:"content"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

func (f *feed) serve(w http.ResponseWriter, r *http.Request) {
	newest, _, err := f.opts.FindEvents(r.Context(), EventQuery{Limit: mostInFeed})
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			f.opts.Log.WithError(err).Error("events could not be read for the feed")
		}
		writeError(w, http.StatusServiceUnavailable, "events can't be read from the store at the moment; try again later")
		return
	}
	out, err := xml.MarshalIndent(f.atom(newest), "", " ")
	if err != nil {
		f.opts.Log.WithError(err).Error("the feed could not be made")
		writeError(w, http.StatusInternalServerError, "a fault of ours; it is in the server's log")
		return
	}
	newBody("application/atom+xml; charset=utf-8", append([]byte(xml.Header), out...)).serve(w, r)
}

func (f *feed) atom(newest []health.Event) *atomFeed {
	page := pageAddress(f.opts.Link)
	// Ids last: they must not depend on where a reader happened to find the feed.
	space := uuid.NewSHA1(uuid.NameSpaceURL, []byte("labstatus "+page+" "+f.opts.Title))
	updated := f.opts.System().Started
	if len(newest) > 0 {
		updated = newest[0].When
	}
	a := &atomFeed{
		ID: space.URN(), Title: oneLine(f.opts.Title, 200), Updated: stamp(updated), Author: atomAuthor{oneLine(f.opts.Title, 200)},
		Links: []atomLink{
			{"self", "application/atom+xml", page + "feed.atom"},
			{"alternate", "text/html", cmp.Or(page, "./")},
		},
	}
	for i := range newest {
		e := &newest[i]
		issues := strings.Join(e.Issues, "; ")
		what, detail := "well", "Nothing is known to be wrong with it."
		if !e.Healthy {
			what = "not well"
		}
		if issues != "" {
			detail = "What is known to be wrong: " + issues + "."
		}
		a.Entries = append(a.Entries, atomEntry{
			ID:      uuid.NewSHA1(space, []byte(strings.Join([]string{e.Experiment, e.When.UTC().Format(time.RFC3339Nano), what, issues}, "\x00"))).URN(),
			Title:   oneLine(e.Experiment+": "+strings.Join(append([]string{what}, e.Issues...), "; "), 200),
			Updated: stamp(e.When),
			Link:    atomLink{"alternate", "text/html", page + "experiment?name=" + url.QueryEscape(e.Experiment)},
			Content: atomText{"text", detail},
		})
	}
	return a
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// pageAddress is the page's address as people know it, with a slash at its end;
// empty where the settings hold none, so that links are relative.
func pageAddress(link string) string {
	if link != "" && !strings.Contains(link, "://") {
		link = "https://" + link
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	return strings.TrimSuffix(u.String(), "/") + "/"
}
