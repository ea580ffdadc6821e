package config

import (
	"fmt"
	"strings"
)

// helpWidth is that of a terminal, in columns.
const helpWidth = 80

// Help is the part of `status serve --help` about settings: every one with its
// type, default and meaning. It does not depend on the environment.
func Help() string {
	var b strings.Builder
	b.WriteString("Settings are environment variables. A secret may also come from a file\n" +
		"(STATUS_SECRET_BOOK_FILE=/path) or a systemd credential (status_secret_book).\n" +
		"Durations are written 30s, 10m, 1d12h (units ms s m h d w y).\n")
	group := ""
	for _, s := range Table {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		fmt.Fprintf(&b, "  %s\n", s.Variable())
		value := s.defaultWords()
		if s.Default+s.Worked != "" {
			value = "default " + value
		}
		wrap(&b, "      ", fmt.Sprintf("%s (%s; %s)", s.meaning(), s.Type, value))
	}
	return b.String()
}

// Markdown is the README's table of settings, one under each group's name.
func Markdown() string {
	var b strings.Builder
	cell := strings.NewReplacer("|", `\|`, "<", `\<`)
	group := ""
	for _, s := range Table {
		if s.Group != group {
			if group != "" {
				b.WriteByte('\n')
			}
			group = s.Group
			fmt.Fprintf(&b, "**%s**\n\n| Variable | Type | Default | Meaning |\n|---|---|---|---|\n", group)
		}
		value := s.defaultWords()
		if s.Default != "" {
			value = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Variable(), cell.Replace(s.Type), value, cell.Replace(s.meaning()))
	}
	return b.String()
}

// meaning is Help with what goes for the row besides.
func (s Setting) meaning() string {
	var words strings.Builder
	words.WriteString(s.Help)
	for _, a := range s.Aliases {
		words.WriteString(" Also read as " + Prefix + a + ".")
	}
	return words.String()
}

func (s Setting) defaultWords() string {
	switch {
	case s.Required:
		return "required"
	case s.Worked != "":
		return s.Worked
	case s.Default == "":
		return "not set"
	}
	return s.Default
}

// wrap writes words in lines of at most helpWidth columns.
func wrap(b *strings.Builder, indent, words string) {
	column := 0
	for word := range strings.FieldsSeq(words) {
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+len(word) > helpWidth:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
}
