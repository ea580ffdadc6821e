package observer

import (
	"errors"
	"fmt"
	"strings"
)

// DefaultSource is who reports where neither token nor path says.
const DefaultSource = "gost"

// Credential is a token that lets somebody report.
type Credential struct {
	Token Secret
	// Source is whose token it is; empty: the path of the report says who reports.
	Source string
	// Increments says that the bytes in its reports are since the report before: its
	// GOST runs with resetTraffic.
	Increments bool
}

// Bounds of tokens that let somebody report. The least keeps guessing hopeless.
const (
	minCredential  = 16
	maxCredential  = 512
	maxCredentials = 1000
)

// ParseCredentials reads the text of a file of tokens: one a line, or several with
// " ; " between them, with # as in [ParseMap]. A token is followed by source=, where it
// is one source's own, and by increments, where that one's GOST runs with
// resetTraffic. A text without a token is none. No error holds a token.
//
//	3nP…            # anybody's who names themselves in the path
//	9Qx…  source=edinburgh
//	kL2…  source=leeds  increments
func ParseCredentials(text string) ([]Credential, error) {
	var all []Credential
	seen := map[string]bool{}
	err := eachRule(text, func(words []string) error {
		c := Credential{Token: NewSecret(words[0])}
		for _, word := range words[1:] {
			key, value, _ := strings.Cut(word, "=")
			switch {
			case word == "increments":
				c.Increments = true
			case key == "source" && value != "":
				c.Source = value
			default:
				return errors.New("after the token only source=… and increments may follow")
			}
		}
		if seen[words[0]] {
			return errors.New("the token is there twice")
		}
		seen[words[0]] = true
		all = append(all, c)
		return c.check()
	})
	if err == nil {
		_, err = newDoor(all) // how many there may be
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (c Credential) check() error {
	token := c.Token.Reveal()
	switch {
	case len(token) < minCredential || len(token) > maxCredential:
		return fmt.Errorf("a token has %d to %d characters", minCredential, maxCredential)
	case !tokenForm.MatchString(token) || strings.ContainsAny(token, "/?#%"):
		return errors.New("a token has visible ASCII characters only, and none of / ? # %, which can't stand in a path")
	case c.Source != "" && !nameForm.MatchString(c.Source):
		return fmt.Errorf("source %q: 1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit", oneLine(c.Source, 100))
	}
	return nil
}

// door lets in who has a token.
type door struct{ credentials []Credential }

func newDoor(all []Credential) (*door, error) {
	if len(all) == 0 {
		return nil, errors.New("there is no token, so nobody could report: set one")
	}
	if len(all) > maxCredentials {
		return nil, fmt.Errorf("there are %d tokens, at most %d are taken", len(all), maxCredentials)
	}
	for i, c := range all {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("token %d: %w", i+1, err)
		}
		for _, other := range all[:i] {
			if other.Token.Reveal() == c.Token.Reveal() {
				return nil, fmt.Errorf("token %d is there twice", i+1)
			}
		}
	}
	return &door{all}, nil
}

// find gives the credential of a token. It looks at all of them, so that the time it
// takes says nothing.
func (d *door) find(token string) (found *Credential) {
	if len(token) > maxCredential {
		token = ""
	}
	for i := range d.credentials {
		if d.credentials[i].Token.matches(token) {
			found = &d.credentials[i]
		}
	}
	return found
}

// guest is who was let in.
type guest struct {
	source     string
	increments bool
}

// open lets in who brings a token, in a header or as a part of the path; of the path
// one more part names the source.
func (d *door) open(token string, path []string) (guest, *refusal) {
	c := d.find(token)
	rest := path
	for i, part := range path {
		if found := d.find(part); found != nil && c == nil {
			c = found
			rest = append(append([]string{}, path[:i]...), path[i+1:]...)
		}
	}
	switch {
	case c == nil && token == "":
		return guest{}, refuse(refusedToken, "a token is needed: Authorization: Bearer <token>, metadata token, or /observer/<source>/<token>")
	case c == nil:
		return guest{}, refuse(refusedToken, "the token is not one of ours")
	case len(rest) > 1:
		return guest{}, refuse(refusedPath, "there is nothing here: reports go to /observer or /observer/<source>")
	}
	g := guest{c.Source, c.Increments}
	if len(rest) == 1 {
		switch {
		case !nameForm.MatchString(rest[0]):
			return guest{}, refuse(refusedPath, "the source is none: 1 to 63 letters, digits, dots, dashes and underscores")
		case g.source != "" && g.source != rest[0]:
			return guest{}, refuse(refusedSource, "the token is another source's")
		}
		g.source = rest[0]
	}
	if g.source == "" {
		g.source = DefaultSource
	}
	return g, nil
}
