package browsertest

import (
	"net/url"
	"testing"
)

// Whatever an experiment, a stream, a mail or a person calls itself appears as text,
// on every page.
func TestNamesStayText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tb := open(t, w.url, desk)
	tb.forgive("mail.html", "elsewhere.example")
	for _, path := range []string{
		"?q=" + url.QueryEscape(hostile), "experiment?name=" + url.QueryEscape(hostile), "events?q=" + url.QueryEscape(hostile),
		"mails?id=one@lab.example", "maintenance?names=" + url.QueryEscape(hostile), "board",
	} {
		tb.visit(path)
		tb.shows("body", `<img src=x onerror="document.title='owned'">`)
		made := run[[]string](tb, `[...document.querySelectorAll("img, script:not([src]), main script, dialog script, [onerror], [onclick], main [style*=url]")].map((e) => e.outerHTML)`)
		if len(made) > 0 {
			t.Errorf("%s has made markup of it: %q", path, made)
		}
		if title := run[string](tb, "document.title"); title == "owned" {
			t.Errorf("%s ran it", path)
		}
	}
	tb.forgive("404")
	tb.goTo("experiment?name=" + url.QueryEscape(hostile+"!"))
	tb.shows("h1", "There is no experiment <img")
}
