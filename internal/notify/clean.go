package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
)

// Marks that keep right-to-left text from reordering what stands beside it.
const (
	firstStrongIsolate = "\u2068"
	popIsolate         = "\u2069"
)

// clean makes foreign text fit for one line of a mail: at most limit runes, no
// line ends or other control characters, nothing invisible that could reorder
// or hide what is around it. Names come from the network: anybody who may
// connect an experiment chooses them.
func clean(s string, limit int) string {
	var b strings.Builder
	runes, gap, rightToLeft := 0, false, false
	for i, r := range s {
		if runes >= limit {
			return isolated(cut(b.String()+"…", limit), rightToLeft)
		}
		// A name of blanks or invisible runes only must not cost the whole of it.
		if i > 16*limit {
			break
		}
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Cc, r):
			gap = b.Len() > 0
			continue
		case unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			continue
		}
		if gap {
			b.WriteByte(' ')
			runes++
			gap = false
		}
		b.WriteRune(r) // an invalid byte becomes U+FFFD
		runes++
		rightToLeft = rightToLeft || isRightToLeft(r)
	}
	return isolated(cut(b.String(), limit), rightToLeft)
}

func isRightToLeft(r rune) bool {
	p, _ := bidi.LookupRune(r)
	return p.Class() == bidi.R || p.Class() == bidi.AL
}

func isolated(s string, rightToLeft bool) string {
	if !rightToLeft {
		return s
	}
	return firstStrongIsolate + s + popIsolate
}

// cut shortens s to at most limit runes, the last of them an ellipsis where
// something is left out.
func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	if limit <= 0 {
		return ""
	}
	n := 0
	for i := range s {
		if n == limit-1 {
			return strings.TrimRight(s[:i], " ") + "…"
		}
		n++
	}
	return s
}
