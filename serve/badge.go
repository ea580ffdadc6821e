package serve

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"labstatus/internal/health"
)

const (
	badgePath     = "/badge/"
	longestInLine = 60 // characters of a name in a badge
)

// badges shows an experiment's state as a small picture, for a lab's own pages.
type badges struct{ opts *Options }

func (b *badges) serve(w http.ResponseWriter, r *http.Request) {
	name, isPicture := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, badgePath), ".svg")
	if !isPicture {
		writeError(w, http.StatusNotFound, "there is nothing at "+clip(r.URL.Path, 200)+"; a badge is at badge/<experiment>.svg")
		return
	}
	found := b.opts.snapshot().Find(name)
	if found == nil {
		writeError(w, http.StatusNotFound, fmt.Sprintf("there is no experiment %q", clip(name, 200)))
		return
	}
	picture := newBody("image/svg+xml", badge(found))
	picture.cache = "public, max-age=30"
	if b.opts.ReadAuth != nil {
		picture.cache = "private, max-age=30"
	}
	// Other sites' pages may show it: that is what it is for.
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	picture.serve(w, r)
}

// badgeLooks are a mark, which tells states apart without colour and before a word
// is read, and a colour dark enough for white letters.
var badgeLooks = map[health.State]struct{ mark, colour string }{
	health.StateHealthy:   {"✓", "#2e7d32"},
	health.StateUnhealthy: {"✗", "#b3261e"},
	health.StateFlapping:  {"~", "#8f4e00"},
	health.StateUnknown:   {"?", "#5f6368"},
	health.StateStarting:  {"…", "#1558b0"},
}

func badge(r *health.Report) []byte {
	const letter, gap = 7, 12 // pixels; the letters are fitted to the room they have
	look, known := badgeLooks[r.State]
	if !known {
		look = badgeLooks[health.StateUnknown]
	}
	name, state := oneLine(r.Name, longestInLine), look.mark+" "+string(r.State)
	if r.Maintenance != nil {
		state += ", maintenance"
	}
	nameRoom, stateRoom := letter*utf8.RuneCountInString(name), letter*utf8.RuneCountInString(state)
	left, width := nameRoom+gap, nameRoom+stateRoom+2*gap
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="20" role="img"><title>%s: %s</title>`,
		width, escapeXML(name), escapeXML(state))
	fmt.Fprintf(&out, `<rect width="%d" height="20" rx="3" fill="%s"/><path d="M3 0h%dv20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#3c4043"/>`,
		width, look.colour, left-3)
	fmt.Fprint(&out, `<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" aria-hidden="true">`)
	fmt.Fprintf(&out, `<text x="%d" y="14" textLength="%d" lengthAdjust="spacingAndGlyphs">%s</text>`, gap/2, nameRoom, escapeXML(name))
	fmt.Fprintf(&out, `<text x="%d" y="14" textLength="%d" lengthAdjust="spacingAndGlyphs">%s</text></g></svg>`, left+gap/2, stateRoom, escapeXML(state))
	return out.Bytes()
}

// oneLine makes foreign text fit for one line: nothing invisible that could reorder
// or hide what is around it, and not too long.
func oneLine(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit-1]) + "…"
	}
	return text
}

func escapeXML(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text)) // writing to memory can't fail
	return out.String()
}
