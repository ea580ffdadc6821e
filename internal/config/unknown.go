package config

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// unknown warns of STATUS_ names that set nothing. Their values are not shown:
// a misspelt secret is still a secret.
func (l *loading) unknown(environ []string) {
	known := knownVariables()
	names := map[string]bool{}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, Prefix) && !slices.Contains(known, name) && !names[name] {
			names[name] = true
			text := "no such setting, ignored"
			if near := nearest(name, known); near != "" {
				text += "; the nearest is " + near
			}
			l.warn(cleanName(name), text)
		}
	}
}

// knownVariables is every full name that is read, in Table's order.
func knownVariables() []string {
	var known []string
	for _, s := range Table {
		known = append(known, s.Variable())
		if s.Secret {
			known = append(known, s.Variable()+"_FILE")
		}
		for _, a := range s.Aliases {
			known = append(known, Prefix+a)
		}
	}
	return known
}

// nameLimit is longer than any name of ours, in bytes.
const nameLimit = 64

// cleanName keeps a strange name from spoiling the line it is shown on.
func cleanName(name string) string {
	if len(name) > nameLimit {
		name = name[:nameLimit] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, name)
}

// nearest is the known name with the fewest letters to add, drop, change or
// swap; empty if more than half of name would have to go.
func nearest(name string, known []string) string {
	if len(name) > nameLimit {
		return ""
	}
	name = strings.ToUpper(name)
	best, bestDistance := "", (len(name)-len(Prefix))/2+1
	for _, k := range known {
		if d := distance(name, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is the optimal string alignment distance, in bytes.
func distance(a, b string) int {
	older, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		older, last, row = last, row, older
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
