package config

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/viper"
)

// Lookup finds one environment variable, as os.LookupEnv does.
type Lookup = func(name string) (string, bool)

// LoadEnv loads from this process's environment.
func LoadEnv() (*Config, []Warning, error) { return Load(os.LookupEnv, os.Environ()) }

// LoadMap loads from a map of full variable names: the demo's way in, and the
// tests'. Files and credentials it names are read all the same.
func LoadMap(env map[string]string) (*Config, []Warning, error) {
	environ := make([]string, 0, len(env))
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	return Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, environ)
}

// Load reads and validates every setting. lookup gives the values; environ, a
// list of NAME=value like os.Environ's, is searched for names nobody knows.
//
// The error joins a *Fault for everything that is wrong, in Table's order, and
// then there is no Config. Warnings come either way, sorted by variable.
//
// Viper holds the raw values: what the environment says is its override layer,
// what secret files and credentials say its config layer, and Table's defaults
// its default layer, so that precedence is viper's. It is an instance of this
// call's own, filled from lookup rather than bound to the process environment,
// so that a load has no other input than its arguments and leaves nothing
// behind. Lists and durations are parsed here because viper splits an
// environment string at blanks only and knows no days.
func Load(lookup Lookup, environ []string) (*Config, []Warning, error) {
	l := &loading{
		lookup:  lookup,
		values:  viper.New(),
		config:  blank(),
		faulted: map[string]bool{},
	}
	for _, s := range Table {
		l.gather(s)
	}
	for _, s := range Table {
		l.apply(s)
	}
	l.workOut()
	l.crossCheck()
	l.unknown(environ)

	c, err := l.finish()
	slices.SortStableFunc(l.warnings, func(a, b Warning) int { return cmp.Compare(a.Variable, b.Variable) })
	return c, l.warnings, err
}

// finish takes secrets out of all texts and joins the faults.
func (l *loading) finish() (*Config, error) {
	hide := hider(l.config.secrets())
	for i, w := range l.warnings {
		l.warnings[i].Text = hide(w.Text)
	}
	if len(l.faults) == 0 {
		return l.config, nil
	}
	errs := make([]error, len(l.faults))
	for i, f := range l.faults {
		f.Value, f.Want = shown(hide(f.Value)), hide(f.Want)
		errs[i] = f
	}
	return nil, errors.Join(errs...)
}

// LoadOnly reads the named settings and no other, which stay at their defaults: for
// a command that needs few of them. The names are those of Table, without the
// prefix. The error is as Load's.
func LoadOnly(lookup Lookup, names ...string) (*Config, error) {
	l := &loading{
		lookup:  lookup,
		values:  viper.New(),
		config:  blank(),
		faulted: map[string]bool{},
	}
	for _, s := range Table {
		l.values.SetDefault(s.Name, s.Default)
		s.Required = false
		if slices.Contains(names, s.Name) {
			l.gather(s)
		}
		l.apply(s)
	}
	l.workOut()
	return l.finish()
}

// Default is the Config of an empty environment, without what is required:
// hosts and secrets are empty.
func Default() *Config {
	l := &loading{
		lookup:  func(string) (string, bool) { return "", false },
		values:  viper.New(),
		config:  blank(),
		faulted: map[string]bool{},
	}
	for _, s := range Table {
		l.values.SetDefault(s.Name, s.Default)
		s.Required = false
		l.apply(s)
	}
	l.workOut()
	return l.config
}

func blank() *Config {
	return &Config{
		Book:    Service{APIPath: apiPath},
		Jump:    Service{APIPath: apiPath},
		sources: map[string]string{},
	}
}

// loading is one call of Load.
type loading struct {
	lookup   Lookup
	values   *viper.Viper
	config   *Config
	warnings []Warning
	faults   []*Fault
	faulted  map[string]bool // settings, by name
}

func (l *loading) warn(variable, text string) {
	l.warnings = append(l.warnings, Warning{variable, text})
}

func (l *loading) fault(name string, f *Fault) {
	l.faults = append(l.faults, f)
	l.faulted[name] = true
}

// apply parses what gather found.
func (l *loading) apply(s Setting) {
	if l.faulted[s.Name] {
		return
	}
	raw := l.values.GetString(s.Name)
	variable := l.variableOf(s)
	if raw == "" {
		if s.Required {
			want := s.Type + ". " + s.Help
			if s.Secret {
				want = "the secret, here, in the file named by " + s.Variable() + "_FILE, or as the systemd credential " + credentialName(s)
			}
			l.fault(s.Name, &Fault{Variable: s.Variable(), Want: want})
		}
		return
	}
	var err error
	if !s.Secret {
		err = printable(raw)
	}
	if err == nil {
		err = s.set(l.config, raw)
	}
	if err != nil {
		if s.Secret || s.confided {
			raw = mask
		}
		l.fault(s.Name, &Fault{Variable: variable, Value: raw, Want: err.Error()})
	}
}

// printable refuses what has no place in a setting and could forge a mail
// header or a log line.
func printable(raw string) error {
	switch {
	case !utf8.ValidString(raw):
		return errors.New("UTF-8 text")
	case strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
		return errors.New("one line without control characters")
	}
	return nil
}

// secrets are the texts that must not be printed, longest first so that one
// that contains another is masked whole.
func (c *Config) secrets() []string {
	var list []string
	for _, s := range Table {
		if p, ok := s.field(c).(*Secret); ok && p.IsSet() {
			list = append(list, p.Reveal())
		}
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return list
}
