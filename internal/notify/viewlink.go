package notify

import (
	"net/url"
	"slices"
	"strings"
)

// pageLink leads to the page: as shown, and as followed. Both are empty where there
// is none; URL alone where it isn't one to follow.
type pageLink struct{ Link, URL string }

// linkTo makes a link of what the settings hold, which may lack a scheme.
func linkTo(s string) pageLink {
	s = clean(s, 500)
	if s == "" {
		return pageLink{}
	}
	shown := s
	if !strings.Contains(s, "://") {
		shown = "https://" + s
	}
	u, err := url.Parse(shown)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.Contains(s, " ") {
		return pageLink{Link: s}
	}
	return pageLink{Link: shown, URL: shown}
}

const (
	// mostLinks is from how many lines on the room in a mail is for lines alone.
	mostLinks = 60
	// maxLinkedName is how many bytes of a name lead to a page. Nobody calls an
	// experiment so; whoever may connect one could.
	maxLinkedName = 128
)

// experiment is where an experiment's own page is; empty where there is no link to
// follow.
func (l pageLink) experiment(name string) string {
	if l.URL == "" || name == "" || len(name) > maxLinkedName {
		return ""
	}
	u, err := url.Parse(l.URL)
	if err != nil {
		return ""
	}
	u = u.JoinPath("experiment")
	u.RawQuery, u.Fragment = url.Values{"name": {name}}.Encode(), ""
	return u.String()
}

// experiments leads each experiment's line to its page.
func (l pageLink) experiments(lines []line) []line {
	lines = slices.Clone(lines)
	for i := range lines {
		lines[i].URL = l.experiment(lines[i].experiment)
	}
	return lines
}
