package health

import "testing"

func TestPersonsHold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about     string
		available bool
		reason    string
		held      bool
		words     string
	}{
		{"book just started", true, "Loaded at 2026-11-20T23:10:02Z", false, ""},
		{"opened by us", true, "status server: ok", false, ""},
		{"opened by a person is no hold", true, "camera is back", false, ""},
		{"closed by us", false, "unavailable because status server: test", false, ""},
		{"closed by us, without a space", false, "unavailable because status server:x", false, ""},
		{"closed by a person", false, "unavailable because lens is being cleaned", true, "lens is being cleaned"},
		{"a person's words keep their inner space", false, "unavailable because  back on  Monday ", true, "back on  Monday"},
		{"book's own", false, "unavailable because Loaded at 2026-11-20T23:10:02Z", false, ""},
		{"book's own, bare", false, "Loaded at 2026-11-20T23:10:02Z", false, ""},
		{"ours, bare", false, "status server: test", false, ""},
		{"ours, read and put back", false, "unavailable because unavailable because status server: test", false, ""},
		{"a person's, read and put back", false, "unavailable because unavailable because broken", true, "broken"},
		{"a person may name us", false, "unavailable because the status server: wrong again", true, "the status server: wrong again"},
		{"letters are compared exactly", false, "unavailable because Status server: test", true, "Status server: test"},
		{"no reason at all", false, "", true, ""},
		{"preamble alone", false, "unavailable because ", true, ""},
		{"preamble within a longer word", false, "unavailable becauseway is blocked", true, "unavailable becauseway is blocked"},
		{"preamble before a line end", false, "unavailable because\n\tstatus server: test", false, ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			held, words := PersonsHold(c.available, c.reason)
			if held != c.held || words != c.words {
				t.Errorf("PersonsHold(%v, %q) = %v, %q; want %v, %q", c.available, c.reason, held, words, c.held, c.words)
			}
		})
	}
}
