package serve

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
)

// texts gives the elements of a document that hold text, as a reader of XML gets
// them; it fails where the document is none, or holds a script or foreign elements.
func texts(t *testing.T, document string, known ...string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	var open []string
	decoder := xml.NewDecoder(strings.NewReader(document))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
			if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+token.Name.Local+" ") {
				t.Errorf("an element <%s> that doesn't belong there", token.Name.Local)
			}
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("a handler %s=%q", a.Name.Local, a.Value)
				}
				found["@"+a.Name.Local] = append(found["@"+a.Name.Local], a.Value)
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 && strings.TrimSpace(string(token)) != "" {
				found[open[len(open)-1]] = append(found[open[len(open)-1]], string(token))
			}
		}
	}
}

// A badge says the state in words, a mark and a colour; hostile names are text.
func TestBadges(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	colours := map[string]string{}
	for name, want := range map[string]string{
		"pend00": "pend00: ✓ healthy",
		"pend01": "pend01: ✗ unhealthy",
		"spin30": "spin30: … starting",
		"trus05": "trus05: ? unknown",
		"zeta":   "zeta: ~ flapping",
		hostile:  `"><script>alert(1)</script><img src=x onerror=alert(2)>'{{.…: ✗ unhealthy, maintenance`,
	} {
		w := get(t, h, "/badge/"+url.PathEscape(name)+".svg")
		if w.Code != 200 || w.Header().Get("Content-Type") != "image/svg+xml" {
			t.Fatalf("%s: %d %v", name, w.Code, w.Header())
		}
		found := texts(t, w.Body.String(), "svg", "title", "rect", "path", "g", "text")
		if got := strings.Join(found["title"], ""); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if shown := strings.Join(found["text"], ": "); shown != want {
			t.Errorf("%s shows %q", name, shown)
		}
		colours[found["@fill"][0]] = name
		if got := w.Header().Get("Cache-Control"); got != "public, max-age=30" {
			t.Errorf("Cache-Control %q", got)
		}
		if got := w.Header().Get("Cross-Origin-Resource-Policy"); got != "cross-origin" {
			t.Errorf("other sites' pages can't show it: %q", got)
		}
		if again := get(t, h, "/badge/"+url.PathEscape(name)+".svg", "If-None-Match", w.Header().Get("ETag")); again.Code != 304 {
			t.Errorf("%s again: %d", name, again.Code)
		}
	}
	if len(colours) != 5 {
		t.Errorf("five states have the colours %v", colours)
	}
	closed := newAdminHandler(t, func(o *Options) { o.ReadAuth = o.AdminAuth })
	w := get(t, closed, "/badge/pend00.svg", "Authorization", "Bearer "+mint(t, ScopeRead))
	if got := w.Header().Get("Cache-Control"); got != "private, max-age=30" {
		t.Errorf("where reading takes a token: Cache-Control %q", got)
	}
}

func TestBadgesOfLongNames(t *testing.T) {
	t.Parallel()
	r := healthyReport(strings.Repeat("ö", 300))
	svg := string(badge(r))
	found := texts(t, svg, "svg", "title", "rect", "path", "g", "text")
	if got := []rune(found["text"][0]); len(got) != longestInLine || got[longestInLine-1] != '…' {
		t.Errorf("shows %q", string(got))
	}
	r.State = "of a kind yet unknown"
	if !strings.Contains(string(badge(r)), "? of a kind yet unknown") {
		t.Error("a state that is not known here is not shown")
	}
}

// The feed is Atom as RFC 4287 wants it; hostile names are text; ids stay as they are.
func TestFeed(t *testing.T) {
	t.Parallel()
	events := append(labEvents(hostile), labEvents("pend01")...)
	events = append(events, health.Event{Experiment: "a b&c", When: t0, Healthy: true, Issues: []string{"unhealthy a-st-log"}})
	var asked EventQuery
	feedOf := func(link string) string {
		h := newHandler(t, func(o *Options) {
			o.Link = link
			o.FindEvents = func(_ context.Context, q EventQuery) ([]health.Event, string, error) {
				asked = q
				return events, "more", nil
			}
		})
		w := get(t, h, "/feed.atom")
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/atom+xml; charset=utf-8" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		if again := get(t, h, "/feed.atom", "If-None-Match", w.Header().Get("ETag")); again.Code != 304 {
			t.Errorf("again: %d", again.Code)
		}
		return w.Body.String()
	}
	document := feedOf("https://lab.example/status/?x=1#top")
	if asked != (EventQuery{Limit: mostInFeed}) {
		t.Errorf("asked for %+v", asked)
	}
	var feed struct {
		XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string   `xml:"id"`
		Title   string   `xml:"title"`
		Updated string   `xml:"updated"`
		Author  string   `xml:"author>name"`
		Links   []struct {
			Rel  string `xml:"rel,attr"`
			Href string `xml:"href,attr"`
		} `xml:"link"`
		Entries []struct {
			ID      string `xml:"id"`
			Title   string `xml:"title"`
			Updated string `xml:"updated"`
			Content string `xml:"content"`
			Link    struct {
				Href string `xml:"href,attr"`
			} `xml:"link"`
		} `xml:"entry"`
	}
	texts(t, document, "feed", "id", "title", "updated", "author", "name", "link", "entry", "content")
	if err := xml.Unmarshal([]byte(document), &feed); err != nil {
		t.Fatal(err)
	}
	if feed.Title != "Test <lab>" || feed.Author != "Test <lab>" || feed.Updated != "2025-03-04T05:07:07Z" || !strings.HasPrefix(feed.ID, "urn:uuid:") {
		t.Errorf("%+v", feed)
	}
	if len(feed.Links) != 2 || feed.Links[0].Href != "https://lab.example/status/feed.atom" || feed.Links[1].Href != "https://lab.example/status/" {
		t.Errorf("links %+v", feed.Links)
	}
	ids := map[string]bool{feed.ID: true}
	var titles []string
	for _, e := range feed.Entries {
		if ids[e.ID] || !strings.HasPrefix(e.ID, "urn:uuid:") {
			t.Errorf("the id %s is not one of its own", e.ID)
		}
		ids[e.ID] = true
		if _, err := time.Parse(time.RFC3339, e.Updated); err != nil {
			t.Error(err)
		}
		titles = append(titles, e.Title)
	}
	bare := strings.Map(func(r rune) rune { // without what can't be seen
		if r == 0 || r == '\u202e' {
			return -1
		}
		return r
	}, hostile)
	want := []string{
		bare + ": not well; missing required " + bare + "-st-video", bare + ": well",
		"pend01: not well; missing required pend01-st-video", "pend01: well", "a b&c: well; unhealthy a-st-log",
	}
	if strings.Join(titles, "\n") != strings.Join(want, "\n") {
		t.Errorf("titles\n%s\nwant\n%s", strings.Join(titles, "\n"), strings.Join(want, "\n"))
	}
	if got := feed.Entries[4].Link.Href; got != "https://lab.example/status/experiment?name=a+b%26c" {
		t.Errorf("link %s", got)
	}
	if feedOf("https://lab.example/status/?x=1#top") != document {
		t.Error("a restart makes another feed of the same events")
	}
	for link, want := range map[string]string{
		"":                               "experiment?name=pend01",
		"see the wiki":                   "experiment?name=pend01",
		"javascript:alert(1)":            "experiment?name=pend01",
		"lab.example/status":             "https://lab.example/status/experiment?name=pend01",
		"http://lab.example":             "http://lab.example/experiment?name=pend01",
		"https://user:pass@lab.example/": "https://lab.example/experiment?name=pend01",
	} {
		if !strings.Contains(feedOf(link), `href="`+want+`"`) {
			t.Errorf("with the link %q nothing leads to %s", link, want)
		}
	}
	events = nil
	if err := xml.Unmarshal([]byte(feedOf("")), &feed); err != nil || feed.Updated != "2025-03-04T04:06:07Z" {
		t.Errorf("without events: updated %s, %v", feed.Updated, err)
	}
}
