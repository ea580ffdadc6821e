package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sirupsen/logrus"
)

// Prefix begins every variable.
const Prefix = "STATUS_"

// Setting is one row of Table.
type Setting struct {
	Name    string // without Prefix
	Group   string // heading in help and README
	Type    string // with its limits, for people
	Default string // as one would write it; empty for none
	Worked  string // where an empty Default is worked out at start: how, for people
	Help    string

	Secret   bool // never shown; may come from a file or a credential
	Required bool
	Aliases  []string // older names, without Prefix; Name wins

	// confided says that a value that is refused may be a secret in the wrong place,
	// and isn't shown.
	confided bool

	// field points at what the row fills.
	field func(*Config) any
	// set parses raw and fills the field. Its error says what is accepted.
	set func(c *Config, raw string) error
	// show is the effective value as one would write it.
	show func(*Config) string
}

// Variable is the full name.
func (s Setting) Variable() string { return Prefix + s.Name }

// fills completes a row from the field it fills and how that is read and shown.
func fills[T any](s Setting, at func(*Config) *T, parse func(string) (T, error), show func(T) string) Setting {
	s.field = func(c *Config) any { return at(c) }
	s.set = func(c *Config, raw string) error {
		v, err := parse(raw)
		if err == nil {
			*at(c) = v
		}
		return err
	}
	s.show = func(c *Config) string { return show(*at(c)) }
	return s
}

func asIs(s string) string { return s }

func secret(s Setting, at func(*Config) *Secret) Setting {
	s.Type, s.Secret = "secret", true
	return fills(s, at, func(raw string) (Secret, error) { return NewSecret(raw), nil }, Secret.String)
}

// confidential hides what is refused: where a file of secrets belongs, people put the
// secret itself.
func confidential(s Setting) Setting {
	s.confided = true
	return s
}

// textLimit is in runes: enough for any subject, too little for a pasted file.
const textLimit = 500

func text(s Setting, at func(*Config) *string) Setting {
	s.Type = "text"
	return fills(s, at, func(raw string) (string, error) {
		if utf8.RuneCountInString(raw) > textLimit {
			return "", fmt.Errorf("at most %d characters", textLimit)
		}
		return raw, nil
	}, asIs)
}

// basePath shows the empty path as it is written.
func basePath(s Setting, at func(*Config) *string, parse func(string) (string, error)) Setting {
	s.Type, s.Default = "path", "/"
	return fills(s, at, parse, func(p string) string { return cmp.Or(p, "/") })
}

func written(s Setting, at func(*Config) *string, parse func(string) (string, error)) Setting {
	return fills(s, at, parse, asIs)
}

func choice(s Setting, at func(*Config) *string, words ...string) Setting {
	s.Type = strings.Join(words, ", ")
	return fills(s, at, func(raw string) (string, error) {
		word := strings.ReplaceAll(strings.ToLower(raw), "_", "-")
		if !slices.Contains(words, word) {
			return "", errors.New("one of " + strings.Join(words, ", "))
		}
		return word, nil
	}, asIs)
}

func boolean(s Setting, at func(*Config) *bool) Setting {
	s.Type = "true or false"
	return fills(s, at, func(raw string) (bool, error) {
		switch strings.ToLower(raw) {
		case "true", "t", "1", "yes", "y", "on":
			return true, nil
		case "false", "f", "0", "no", "n", "off":
			return false, nil
		}
		return false, errors.New("true or false (also 1, 0, yes, no, on, off)")
	}, strconv.FormatBool)
}

func port(s Setting, at func(*Config) *int) Setting {
	s.Type = "port"
	return fills(s, at, parsePort, strconv.Itoa)
}

func logLevel(s Setting, at func(*Config) *logrus.Level) Setting {
	s.Type = "trace, debug, info, warn, error, fatal or panic"
	return fills(s, at, func(raw string) (logrus.Level, error) {
		level, err := logrus.ParseLevel(raw)
		if err != nil {
			return 0, errors.New("one of trace, debug, info, warn, error, fatal, panic")
		}
		return level, nil
	}, func(level logrus.Level) string {
		// The word everybody sets, which logrus reads and does not write.
		return strings.Replace(level.String(), "warning", "warn", 1)
	})
}

// limits bounds a duration or a count. off accepts 0 too, below lo.
type limits[T int | time.Duration] struct {
	lo, hi T
	off    bool
	why    string // why not more than hi
}

func (l limits[T]) check(v T, show func(T) string) error {
	switch {
	case v == 0 && l.off:
	case v < l.lo && l.off:
		return fmt.Errorf("0 or at least %s", show(l.lo))
	case v < l.lo:
		return fmt.Errorf("at least %s", show(l.lo))
	case v > l.hi:
		return fmt.Errorf("at most %s: %s", show(l.hi), l.why)
	}
	return nil
}

func (l limits[T]) describe(kind string, show func(T) string) string {
	described := fmt.Sprintf("%s, %s to %s", kind, show(l.lo), show(l.hi))
	if l.off {
		described += " or 0"
	}
	return described
}

func duration(s Setting, at func(*Config) *time.Duration, l limits[time.Duration]) Setting {
	s.Type = l.describe("duration", FormatDuration)
	return fills(s, at, func(raw string) (time.Duration, error) {
		d, err := ParseDuration(raw)
		if err != nil {
			return 0, errors.New("a duration such as 30s, 10m or 1d12h (units ms s m h d w y)")
		}
		return d, l.check(d, FormatDuration)
	}, FormatDuration)
}

func count(s Setting, at func(*Config) *int, l limits[int]) Setting {
	s.Type = l.describe("count", strconv.Itoa)
	return fills(s, at, func(raw string) (int, error) {
		n, err := strconv.Atoi(raw)
		if err != nil {
			return 0, errors.New("a whole number")
		}
		return n, l.check(n, strconv.Itoa)
	}, strconv.Itoa)
}

func addresses(s Setting, at func(*Config) *[]mail.Address) Setting {
	s.Type = "addresses, split by commas or blanks"
	return fills(s, at, parseAddresses, showAddresses)
}
