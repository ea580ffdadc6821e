package notify

import (
	"strings"
	"unicode/utf8"

	"labstatus/internal/health"
)

const (
	maxSubject       = 78 // runes, decoded
	maxPrefix        = 32 // runes of what stands in brackets
	maxNameInSubject = 24 // runes
)

// subject says what matters: exact counts, then names as far as there is room.
func subject(prefix string, a health.Alert) string {
	parts, names := told(a)
	if len(a.New)+len(a.Resolved)+len(a.Reminder) > 0 || len(a.Acts) == 0 {
		names = tail(a)
		if len(a.Current) == 0 {
			parts = append(parts, "none left")
		} else if len(parts) == 0 {
			parts = append(parts, count(len(a.Current), "problem"))
		}
	}
	return titled(prefix, strings.Join(parts, ", "), names)
}

// tail names what the mail is about; a single one is told whole.
func tail(a health.Alert) []string {
	if len(a.New) == 1 && len(a.Resolved) == 0 {
		i := a.New[0]
		return []string{strings.TrimSpace(clean(i.Experiment, maxNameInSubject) + " " + wording(i))}
	}
	if len(a.New) == 0 && len(a.Resolved) == 1 && !a.Resolved[0].Issue.IsSystem() {
		i := a.Resolved[0].Issue
		return []string{strings.TrimSpace(clean(i.Experiment, maxNameInSubject) + " " + wording(i))}
	}
	var names []string
	seen := map[string]bool{}
	add := func(i health.Issue) {
		name := i.Experiment
		if i.IsSystem() {
			name = i.Subject
			if name == "" && i.Code == health.BookSilent {
				name = string(health.Book)
			}
		}
		// More than fit a subject are never shown: no need to clean thousands.
		if name == "" || seen[name] || len(names) > maxSubject {
			return
		}
		seen[name] = true
		if shown := clean(name, maxNameInSubject); shown != "" {
			names = append(names, shown)
		}
	}
	for _, i := range a.New {
		add(i)
	}
	for _, r := range a.Resolved {
		add(r.Issue)
	}
	if len(a.New)+len(a.Resolved) == 0 {
		still := a.Reminder
		if len(still) == 0 {
			still = a.Current
		}
		for _, i := range still {
			add(i)
		}
	}
	return names
}

// titled joins a subject's parts within maxSubject runes.
func titled(prefix, told string, names []string) string {
	s := "[" + prefix + "] " + told
	for n, name := range names {
		sep := ", "
		if n == 0 {
			sep = ": "
		}
		room := maxSubject - utf8.RuneCountInString(s) - len(sep)
		if n < len(names)-1 {
			room -= len(" .") // for the ellipsis that says there are more
		}
		if utf8.RuneCountInString(name) > room {
			if len(names) == 1 && room > 8 {
				s += sep + cut(name, room)
			} else {
				s += " …"
			}
			break
		}
		s += sep + name
	}
	// A name that looks like an encoded word would be decoded by the reader.
	return cut(strings.ReplaceAll(s, "=?", "= ?"), maxSubject)
}
