package browsertest

import (
	"net/url"
	"testing"
	"time"
)

// Whatever an experiment, a stream, a mail, a person, a source or an observer calls
// itself appears as text, on every page.
func TestNamesStayText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, someObserving(time.Now()).into)
	tb := open(t, w.url, desk)
	tb.forgive("mail.html", "elsewhere.example")
	at := "nowhere"
	for _, p := range []struct{ path, place string }{
		{"?q=" + url.QueryEscape(hostile), "main section"},
		{"?q=" + url.QueryEscape(hostile), "#strip"},
		{"experiment?name=" + url.QueryEscape(hostile), "body"},
		{"experiment?name=pend31", "#tunnels"},
		{"events?q=" + url.QueryEscape(hostile), "body"},
		{"mails?id=one@lab.example", "body"},
		{"maintenance?names=" + url.QueryEscape(hostile), "body"},
		{"system", "#observed-rows"},
		{"board", "body"},
	} {
		if p.path != at {
			tb.visit(p.path)
			at = p.path
		}
		tb.shows(p.place, `<img src=x onerror="document.title='owned'">`)
		made := run[[]string](tb, `[...document.querySelectorAll("img, script:not([src]), main script, dialog script, [onerror], [onclick], main [style*=url]")].map((e) => e.outerHTML)`)
		if len(made) > 0 {
			t.Errorf("%s has made markup of it: %q", p.path, made)
		}
		if title := run[string](tb, "document.title"); title == "owned" {
			t.Errorf("%s ran it", p.path)
		}
	}
	tb.forgive("404")
	tb.goTo("experiment?name=" + url.QueryEscape(hostile+"!"))
	tb.shows("h1", "There is no experiment <img")
}
