package health

import "strings"

// How book begins the reasons that are not somebody's own words.
const (
	bookUnavailable = "unavailable because" // before the reason of whatever is unavailable
	bookLoaded      = "Loaded at "          // after a restart or a new manifest
)

// PersonsHold says whether what book answered for a resource is a person's
// hold: unavailable, for a reason that is neither ours ([OwnReason]) nor book's
// own. words is that person's reason as it was given, and empty where nothing
// is held.
//
// Space around the reason means nothing. Letters are compared exactly: machines
// wrote ours and book's, so a "Status Server:" is a person's. Book's preamble is
// taken off as often as it is there, because whoever reads a reason and
// later puts it back, around the upload of a manifest say, gives it a second
// one. A reason that is missing can't be ours, so it counts as a person's.
func PersonsHold(available bool, reason string) (held bool, words string) {
	if available {
		return false, ""
	}
	words = withoutPreamble(reason)
	if strings.HasPrefix(words, OwnReason) || strings.HasPrefix(words, bookLoaded) {
		return false, ""
	}
	return true, words
}

// withoutPreamble gives the reason as it was written to book.
func withoutPreamble(reason string) string {
	for {
		reason = strings.TrimSpace(reason)
		rest, found := strings.CutPrefix(reason, bookUnavailable)
		if !found || (rest != "" && strings.TrimSpace(rest[:1]) != "") {
			return reason
		}
		reason = rest
	}
}
