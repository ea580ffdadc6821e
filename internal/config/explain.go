package config

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
)

// Effective is one setting as it is in force.
type Effective struct {
	Variable string `json:"variable"`
	Value    string `json:"value,omitempty"` // *** for a secret, empty when there is none
	Source   string `json:"source"`          // default, environment, file …, credential …, alias …, from …
}

// Effective lists every setting in Table's order, without secrets.
func (c *Config) Effective() []Effective {
	hide := hider(c.secrets())
	list := make([]Effective, 0, len(Table))
	for _, s := range Table {
		value := s.show(c)
		if !s.Secret {
			value = withoutPassword(hide(value))
		}
		list = append(list, Effective{s.Variable(), value, cmp.Or(c.sources[s.Name], sourceDefault)})
	}
	return list
}

// Explain is Effective as `status config` prints it: a line for each setting
// with its value and where that came from.
func (c *Config) Explain() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, e := range c.Effective() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", e.Variable, cmp.Or(e.Value, "(not set)"), e.Source)
	}
	// A strings.Builder takes everything.
	_ = w.Flush()
	return b.String()
}
