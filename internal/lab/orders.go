package lab

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// order is one line of the grammar. In its form, <words> stand for arguments,
// words in brackets may be left out, and <text> takes the rest of the line.
type order struct {
	form string
	help string
	do   func(l *Lab, a args) error
}

// args are the arguments of one order by name, checked by kind.
type args map[string]string

func (a args) duration(name string) time.Duration {
	d, err := time.ParseDuration(a[name])
	if err != nil {
		return 0 // an argument left out: kinds have been checked
	}
	return d
}

func (a args) number(name string) int {
	n, err := strconv.Atoi(a[name])
	if err != nil {
		return 0 // an argument left out: kinds have been checked
	}
	return n
}

// kinds check arguments when a script is read, before anything is ordered.
// Arguments of other names take any word.
var kinds = map[string]struct {
	want string
	ok   func(string) bool
}{
	"stub": {"a stub, or a pattern such as pend*, or *", func(s string) bool {
		_, err := path.Match(s, "")
		return err == nil && !slices.Contains([]string{Book, Relay, Jump, Mail, Collector, "gost", "somebody"}, s)
	}},
	"service":   {"book, relay, jump, mail or collector", oneOf(Book, Relay, Jump, Mail, Collector)},
	"feed":      {"relay or jump", oneOf(Relay, Jump)},
	"stage":     {"one of " + list(stages), func(s string) bool { return slices.Contains(stages, Stage(s)) }},
	"timed":     {"book, relay or jump", oneOf(Book, Relay, Jump)},
	"skew":      {"a time such as 1h or -1h", func(s string) bool { _, err := time.ParseDuration(s); return err == nil }},
	"kind":      {"one of " + list(certificates), func(s string) bool { return slices.Contains(certificates, Certificate(s)) }},
	"duration":  {"a time such as 7s", func(s string) bool { d, err := time.ParseDuration(s); return err == nil && d >= 0 }},
	"failure":   {"a code from 400 to 599", between(400, 599)},
	"code":      {"a code from 200 to 599", between(200, 599)},
	"n":         {"a count from 1 to 1000", between(1, 1000)},
	"size":      {"a number of bytes, 0 to end it", between(0, 1<<20)},
	"way":       {"one of " + list(ways) + ": what comes first of its old end and its new start", func(s string) bool { return slices.Contains(ways, Way(s)) }},
	"gost":      {"the name of a GOST, or a pattern; all of them where it is left out", func(s string) bool { _, err := path.Match(s, ""); return err == nil }},
	"recipient": {"an address or a pattern such as *@lab.example", func(s string) bool { _, err := path.Match(s, ""); return err == nil }},
}

func oneOf(words ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(words, s) }
}

func between(low, high int) func(string) bool {
	return func(s string) bool { n, err := strconv.Atoi(s); return err == nil && n >= low && n <= high }
}

// onStreams gives an order to the named stream of every experiment that fits
// the pattern. A stream may be named short: video for st-video.
func onStreams(f func(l *Lab, topic string) error) func(*Lab, args) error {
	return onStubs(func(l *Lab, a args, stub string) error {
		name := a["stream"]
		if !strings.Contains(name, "st-") {
			name = "st-" + name
		}
		return f(l, stub+"-"+name)
	})
}

func onStubs(f func(l *Lab, a args, stub string) error) func(*Lab, args) error {
	return func(l *Lab, a args) error {
		l.mu.Lock()
		var stubs []string
		for _, x := range l.sorted() {
			stubs = append(stubs, x.stub)
		}
		l.mu.Unlock()
		return onAll(a["stub"], stubs, "no experiment in the lab is called", func(stub string) error { return f(l, a, stub) })
	}
}

// onAll gives an order to each of the names that fits the pattern.
func onAll(pattern string, names []string, none string, f func(name string) error) error {
	// Where a pattern fits several, those without such a stream are
	// passed over, unless all are.
	var faults []error
	fitting := 0
	for _, name := range names {
		if ok, err := path.Match(pattern, name); !ok || err != nil {
			continue
		}
		fitting++
		if err := f(name); err != nil {
			faults = append(faults, err)
		}
	}
	switch {
	case fitting == 0:
		return fmt.Errorf("%s %s", none, pattern)
	case len(faults) < fitting:
		return nil
	}
	return errors.Join(faults...)
}

// Grammar lists the orders of scripts and of the control API, one a line with
// what each does.
func Grammar() string {
	var b strings.Builder
	for _, o := range orders {
		fmt.Fprintf(&b, "%-52s %s\n", o.form, o.help)
	}
	for _, name := range []string{"stub", "service", "feed", "timed", "stage", "kind", "duration", "skew", "failure", "code", "n", "size", "way", "gost", "recipient"} {
		fmt.Fprintf(&b, "%-52s %s\n", "  where <"+name+"> is", kinds[name].want)
	}
	b.WriteString("  a <stream> is named st-video or, for short, video; <text> is the rest of the line\n")
	return b.String()
}

// ParseOrder reads one order in the words of Grammar.
func ParseOrder(line string) (Step, error) {
	text, say := cutComment(line)
	words := strings.Fields(text)
	if len(words) == 0 {
		return Step{}, errors.New("an order is missing")
	}
	var near []string
	best := 0
	for _, o := range orders {
		a, matched, err := o.match(words)
		if err == nil {
			step := Step{Line: strings.Join(words, " "), Say: say, Do: func(l *Lab) error { return o.do(l, a) }}
			if say == "" {
				step.Say = step.Line
			}
			return step, nil
		}
		if argument, ok := errors.AsType[*argumentError](err); ok {
			return Step{}, fmt.Errorf("%q: %w", text, argument)
		}
		if matched > best {
			near, best = nil, matched
		}
		if matched > 0 && matched == best {
			near = append(near, o.form)
		}
	}
	if len(near) == 0 {
		return Step{}, fmt.Errorf("%q is no order: begin with a stub, book, relay, jump, mail, gost, collector or somebody", text)
	}
	return Step{}, fmt.Errorf("%q is no order; near it are: %s", text, strings.Join(near, "; "))
}

var errNoMatch = errors.New("another order")

type argumentError struct{ name, value, want string }

func (e *argumentError) Error() string {
	return fmt.Sprintf("<%s> is %q: want %s", e.name, e.value, e.want)
}

// match fits words to the form. It returns how far they fit, counting the
// first word and the order's own; an argumentError when only an argument is
// wrong.
func (o order) match(words []string) (a args, matched int, err error) {
	a = args{}
	var wrong error
	for i, f := range strings.Fields(o.form) {
		optional := strings.HasPrefix(f, "[")
		f = strings.Trim(f, "[]")
		name := strings.Trim(f, "<>")
		kind, checked := kinds[name]
		switch {
		case len(words) == 0 && optional:
			return a, matched, wrong
		case len(words) == 0, name == f && words[0] != f:
			return nil, matched, errNoMatch
		case name == f:
			matched++
		case name == "text":
			a[name] = strings.Join(words, " ")
			return a, matched, wrong
		case checked && !kind.ok(words[0]):
			if i == 0 {
				return nil, 0, errNoMatch
			}
			wrong = cmp.Or(wrong, error(&argumentError{name: name, value: words[0], want: kind.want}))
		case i == 0:
			matched++
		}
		if name != f {
			a[name] = words[0]
		}
		words = words[1:]
	}
	if len(words) > 0 {
		return nil, matched, errNoMatch
	}
	return a, matched, wrong
}
