package config

import (
	"fmt"
	"net/mail"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// leaves are the addresses of everything in c that a row may fill: structs of
// ours are walked, all else is a leaf.
func leaves(t *testing.T, v reflect.Value, path string, found map[any]string) {
	t.Helper()
	whole := []reflect.Type{reflect.TypeFor[Secret](), reflect.TypeFor[mail.Address](), reflect.TypeFor[Listen](), reflect.TypeFor[Store]()}
	for i := range v.NumField() {
		f, sf := v.Field(i), v.Type().Field(i)
		switch {
		case !sf.IsExported(), sf.Name == "APIPath":
		case f.Kind() == reflect.Struct && !slices.Contains(whole, f.Type()):
			leaves(t, f, path+"."+sf.Name, found)
		default:
			found[f.Addr().Interface()] = path + "." + sf.Name
		}
	}
}

// Every row fills a field of its own, and every field is filled by a row.
func TestTableAndStructAgree(t *testing.T) {
	c := Default()
	found := map[any]string{}
	leaves(t, reflect.ValueOf(c).Elem(), "Config", found)
	for _, s := range Table {
		p := s.field(c)
		if _, ok := found[p]; !ok {
			t.Errorf("%s fills %T, which is no field or another row's", s.Name, p)
		}
		delete(found, p)
	}
	for _, path := range found {
		t.Errorf("no row fills %s", path)
	}
}

func TestTableRows(t *testing.T) {
	name := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
	seen := map[string]bool{}
	group, groups := "", map[string]bool{}
	for _, s := range Table {
		for _, n := range append([]string{s.Name}, s.Aliases...) {
			if seen[n] || !name.MatchString(n) || len(Prefix+n) > nameLimit {
				t.Errorf("%s: taken twice, or no name", n)
			}
			seen[n] = true
		}
		if s.Group != group && groups[s.Group] {
			t.Errorf("%s: group %s is in two places", s.Name, s.Group)
		}
		group, groups[s.Group] = s.Group, true
		if s.Type == "" || !strings.HasSuffix(s.Help, ".") || s.Secret != (s.Type == "secret") {
			t.Errorf("%s: type %q, help %q", s.Name, s.Type, s.Help)
		}
		if (s.Default != "") && (s.Required || s.Worked != "" || s.Secret) {
			t.Errorf("%s: a default and no need for one", s.Name)
		}
		if s.Default == "" {
			continue
		}
		// Every default is accepted, and shown again it is the same setting.
		a, b := Default(), Default()
		if err := s.set(a, s.Default); err != nil {
			t.Errorf("%s: default %s refused: want %v", s.Name, s.Default, err)
		}
		if shown := s.show(a); shown != "" {
			if err := s.set(b, shown); err != nil || s.show(b) != shown {
				t.Errorf("%s: shown as %q, which reads %q, %v", s.Name, shown, s.show(b), err)
			}
		}
	}
}

func TestHelpAndMarkdownNameEverything(t *testing.T) {
	help, markdown := Help(), Markdown()
	for _, s := range Table {
		for _, n := range append([]string{s.Name}, s.Aliases...) {
			if !strings.Contains(help, Prefix+n) || !strings.Contains(markdown, Prefix+n) {
				t.Errorf("%s is missing", n)
			}
		}
		if s.Default != "" && !strings.Contains(markdown, "`"+s.Default+"`") {
			t.Errorf("%s: default %s is not in the table", s.Name, s.Default)
		}
	}
	for line := range strings.Lines(help) {
		if len(line) > helpWidth+1 || line != strings.TrimRight(line, " \n")+"\n" {
			t.Errorf("help line of %d: %q", len(line), line)
		}
	}
	for line := range strings.Lines(markdown) {
		if strings.HasPrefix(line, "|") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 5 {
			t.Errorf("not four columns: %s", line)
		}
	}
	if want := "  STATUS_HEALTH_CONFIRM_DOWN\n      Checks in a row before a stream is taken as not ok. (count, 1 to 1000;\n      default 1)\n"; !strings.Contains(help, want) {
		t.Errorf("no\n%s in\n%s", want, help)
	}
	if want := "| `STATUS_TIMEOUT_BOOK` | duration, 10ms to 10m | `5s` | Patience with one call to book. |\n"; !strings.Contains(markdown, want) {
		t.Errorf("no\n%s in\n%s", want, markdown)
	}
}

func TestExplain(t *testing.T) {
	c, _ := mustLoad(t, least("STATUS_HEALTH_LAST", "90s", "STATUS_EMAIL_FROM", "Lab <lab@example.org>", "STATUS_LISTEN", "unix:/run/s.sock"))
	got := map[string]string{}
	for line := range strings.Lines(c.Explain()) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[name] = regexp.MustCompile(` {2,}`).ReplaceAllString(strings.TrimSpace(rest), " | ")
	}
	if len(got) != len(Table) {
		t.Errorf("%d lines for %d settings", len(got), len(Table))
	}
	for name, want := range map[string]string{
		"STATUS_HEALTH_LAST_ACTIVE":   "1m30s | alias STATUS_HEALTH_LAST",
		"STATUS_EMAIL_FROM":           "Lab <lab@example.org> | environment",
		"STATUS_EMAIL_USER":           "lab@example.org | from STATUS_EMAIL_FROM",
		"STATUS_SECRET_BOOK":          "*** | environment",
		"STATUS_SECRET_STATUS":        "(not set) | default",
		"STATUS_RECONNECT_JUMP_EVERY": "1d | default",
		"STATUS_LISTEN":               "unix:/run/s.sock | environment",
		"STATUS_BASEPATH_BOOK":        "/ | default",
	} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
	c, _ = mustLoad(t, least("STATUS_EMAIL_LINK", "https://user:word@example.org/x", "STATUS_EMAIL_USER", "0123456789abcdef-book"))
	if text := c.Explain(); strings.Contains(text, "word@") || strings.Contains(text, "abcdef-book") {
		t.Error(text)
	}
}

// No text made here holds a secret, nor four bytes of one: not when all is
// well, not when the secret stands where another setting belongs, not in the
// printed Config.
func TestNoOutputHoldsASecret(t *testing.T) {
	var names []string
	for _, s := range Table {
		if s.Secret {
			names = append(names, s.Variable())
		}
	}
	fixed := Help() + Markdown() // four letters of ours are no leak
	rapid.Check(t, func(t *rapid.T) {
		env := least("STATUS_EMAIL_FROM", "lab@example.org", "STATUS_EMAIL_AUTH_TYPE", "plain", "STATUS_EMAIL_TLS", "none", "STATUS_EMAIL_HOST", "mail")
		var secrets []string
		for _, name := range names {
			s := rapid.StringMatching(`["' ]?[QZXJVK#%=~^]{8,40}["' ]?`).Draw(t, name)
			env[name] = s
			secrets = append(secrets, strings.TrimSpace(s))
		}
		misplaced := rapid.SampledFrom(Table).Draw(t, "misplaced")
		word := rapid.SampledFrom(secrets).Draw(t, "word")
		if rapid.Bool().Draw(t, "mistake") && !misplaced.Secret && misplaced.Type != "text" {
			form := rapid.SampledFrom([]string{"%s", "https://u:%s@host/x", "%s@", "postgres://a:%s@b", "password=%s", "1%s"}).Draw(t, "form")
			env[misplaced.Variable()] = fmt.Sprintf(form, word)
		}
		env["STATUS_SECERT_BOOK"] = word

		c, warnings, err := LoadMap(env)
		out := fmt.Sprintln(warnings, err)
		if c != nil && env[misplaced.Variable()] == least()[misplaced.Variable()] {
			out += c.Explain()
			for _, p := range []any{c, *c, []any{*c}, c.Book, &c.Email, c.Serve} {
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
					out += fmt.Sprintf(verb, p)
				}
			}
			out += mustJSON(t, c)
		} else if c != nil {
			out += c.Explain()
		}
		out = strings.ReplaceAll(out, "%!", "") // fmt's word for a wrong verb
		for _, s := range secrets {
			for i := range len(s) - 3 {
				if part := s[i : i+4]; strings.Contains(out, part) && !strings.Contains(fixed, part) {
					t.Fatalf("%q of %q found in:\n%s", part, s, out)
				}
			}
		}
	})
}
