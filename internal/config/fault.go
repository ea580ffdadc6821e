package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Fault is one thing wrong with one variable. Load returns all of them at once,
// joined; errors.AsType[*Fault] finds the first.
type Fault struct {
	Variable string // in full, e.g. STATUS_HEALTH_STARTUP
	Value    string // as given, shortened; *** for a secret; empty when not set
	Want     string // what is accepted, and the cure where it is known
}

// Error is one line, whatever the value holds.
func (f *Fault) Error() string {
	switch f.Value {
	case "":
		return fmt.Sprintf("%s is not set: want %s", f.Variable, f.Want)
	case mask:
		return fmt.Sprintf("%s=%s: want %s", f.Variable, mask, f.Want)
	}
	return fmt.Sprintf("%s=%q: want %s", f.Variable, f.Value, f.Want)
}

// Warning is something the server starts with but a person should know.
type Warning struct {
	Variable string // in full
	Text     string // what is odd and what to do
}

// String is one line for a log or a terminal.
func (w Warning) String() string { return w.Variable + ": " + w.Text }

// shownLimit keeps a pasted file out of an error line, in bytes.
const shownLimit = 120

// shown makes a value that is not itself a secret fit for an error line: what
// could be a password before an @ is masked, and it is cut short.
func shown(value string) string {
	value = withoutPassword(value)
	if at := strings.LastIndexByte(value, '@'); at >= 0 && !strings.Contains(value, "://") && strings.Contains(value[:at], ":") {
		value = mask + value[at:]
	}
	if len(value) > shownLimit {
		cut := shownLimit
		for cut > 0 && !utf8.RuneStart(value[cut]) {
			cut--
		}
		value = value[:cut] + "…"
	}
	return value
}

// withoutPassword masks what addresses (https://user:word@host) and connection
// strings (password=word) carry along.
func withoutPassword(value string) string {
	if strings.Contains(strings.ToLower(value), "password=") {
		return mask
	}
	if scheme, rest, ok := strings.Cut(value, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			return scheme + "://" + mask + rest[at:]
		}
	}
	return value
}

// hider returns a function that masks the given secrets inside a text: for the
// day somebody gives a secret in a variable that is not one. Short ones stay,
// or ordinary words in a message would turn into asterisks.
func hider(secrets []string) func(string) string {
	var pairs []string
	for _, s := range secrets {
		// As it is, and as other settings would be trimmed.
		for _, form := range []string{s, strings.TrimSpace(s), strings.Trim(s, "\"' \r\n\t")} {
			if len(form) >= 8 {
				pairs = append(pairs, form, mask)
			}
		}
	}
	return strings.NewReplacer(pairs...).Replace
}
