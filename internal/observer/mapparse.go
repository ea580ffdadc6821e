package observer

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// stubGroup is the group of a pattern that names the experiment.
const stubGroup = "stub"

// Bounds of a map.
const (
	maxRules   = 500
	maxPattern = 500 // bytes
)

// ParseMap reads the text of STATUS_OBSERVER_MAP: a rule a line, or several on one
// with ; between them. Blank lines and what follows a # at the begin of a word
// are left out.
//
//	service tunnel-(?P<stub>.+)  link
//	client  (?P<stub>[a-z]+\d+)  required  service=rtcp-.*  source=edinburgh
//	client  8a1f…                link      stub=pend00
//	service internal-.*          ignore
//
// A rule says what it is about (a service, or a client of one), the pattern of its
// name, what it is to the experiment, and where the rule holds. Patterns are regular
// expressions of Go for the whole name. Who is meant says the group stub, or stub=.
// The first rule that fits decides.
//
// All faults are given at once, each with its line.
func ParseMap(text string) (*Map, error) {
	m := new(Map)
	err := eachRule(atEnds.Replace(text+"\n"), func(words []string) error {
		if len(m.rules) == maxRules {
			return fmt.Errorf("there are more than %d rules", maxRules)
		}
		r, err := parseRule(words)
		if err == nil {
			m.rules = append(m.rules, r)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// atEnds sets a ; apart that ends a word: no pattern does.
var atEnds = strings.NewReplacer("; ", " ; ", ";\n", " ;\n", ";\r", " ;\r", ";\t", " ;\t")

// eachRule splits a text into lines, rules and words.
func eachRule(text string, rule func(words []string) error) error {
	var faults []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		words := strings.Fields(line)
		if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "#") }); i >= 0 {
			words = words[:i]
		}
		for len(words) > 0 {
			n := slices.Index(words, ";")
			one := words
			if words = nil; n >= 0 {
				one, words = one[:n], one[n+1:]
			}
			if len(one) == 0 {
				continue
			}
			if err := rule(one); err != nil {
				faults = append(faults, fmt.Errorf("line %d: %w", number, err))
			}
		}
	}
	return errors.Join(faults...)
}

func parseRule(words []string) (r rule, err error) {
	const form = "a rule is: service or client, a pattern, and link, required or ignore"
	if len(words) < 3 {
		return r, errors.New(form)
	}
	switch words[0] {
	case "service":
		r.kind = KindService
	case "client":
		r.kind = KindHandler
	default:
		return r, fmt.Errorf("it begins with %q; %s", oneLine(words[0], 100), form)
	}
	if r.name, err = compile(words[1]); err != nil {
		return r, err
	}
	switch r.role = role(words[2]); r.role {
	case roleLink, roleRequired, roleIgnore:
	default:
		return r, fmt.Errorf("%q is not what it is to an experiment; %s", oneLine(words[2], 100), form)
	}
	for _, word := range words[3:] {
		if err := r.option(word); err != nil {
			return r, err
		}
	}
	return r, r.check()
}

func (r *rule) option(word string) (err error) {
	key, value, _ := strings.Cut(word, "=")
	if value == "" {
		return fmt.Errorf("%q is none of stub=…, service=…, source=…", oneLine(word, 100))
	}
	switch key {
	case "stub":
		r.stub = value
	case "service":
		r.service, err = compile(value)
	case "source":
		if !nameForm.MatchString(value) {
			err = fmt.Errorf("source=%s: letters, digits, dots, dashes and underscores only", oneLine(value, 100))
		}
		r.source = value
	default:
		err = fmt.Errorf("%q is none of stub=…, service=…, source=…", oneLine(word, 100))
	}
	return err
}

func (r *rule) check() error {
	grouped := r.name.SubexpIndex(stubGroup) >= 0
	switch {
	case r.service != nil && r.kind == KindService:
		return errors.New("service=… is for rules about clients; a rule about services has its pattern")
	case r.role == roleIgnore && r.stub != "":
		return errors.New("what is ignored has no stub=…")
	case r.role == roleIgnore:
		return nil
	case grouped && r.stub != "":
		return errors.New("the experiment is named twice, by the group stub and by stub=…")
	case !grouped && r.stub == "":
		return errors.New("the experiment isn't named: put (?P<stub>…) around its part of the pattern, or add stub=…")
	case len(r.stub) > maxName:
		return fmt.Errorf("stub=… has at most %d bytes", maxName)
	}
	return nil
}

// compile reads a pattern, for a whole name.
func compile(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("a pattern has at most %d bytes", maxPattern)
	}
	if _, err := regexp.Compile(pattern); err != nil { // as it was written, so that the error quotes that
		return nil, fmt.Errorf("the pattern can't be read: %w", err)
	}
	return regexp.Compile(`^(?:` + pattern + `)$`)
}
