package observer

import "regexp"

// Map ties what is reported to experiments, see [ParseMap]. A nil Map ties nothing.
type Map struct{ rules []rule }

// rule is one line of a map.
type rule struct {
	kind    Kind           // what it is about
	name    *regexp.Regexp // of the service, or of the client
	service *regexp.Regexp // of a client's service; nil: any
	source  string         // empty: any
	stub    string         // the experiment; empty: what the group stub of name matches
	role    role
}

type role string

const (
	roleLink     role = "link"     // an access of the experiment, as jump is
	roleRequired role = "required" // the experiment can't be used without it
	roleIgnore   role = "ignore"   // nobody's, whatever a later rule says
)

// Tie says which experiment a subject belongs to, and whether that can't do without.
// The first rule that fits decides.
func (m *Map) Tie(source string, s Subject) (experiment string, required, tied bool) {
	if m == nil {
		return "", false, false
	}
	for i := range m.rules {
		if stub, fits := m.rules[i].match(source, s); fits {
			if m.rules[i].role == roleIgnore {
				return "", false, false
			}
			return stub, m.rules[i].role == roleRequired, true
		}
	}
	return "", false, false
}

func (r *rule) match(source string, s Subject) (stub string, fits bool) {
	name := s.Service
	if s.Kind == KindHandler {
		name = s.Client
	}
	if r.kind != s.Kind || r.source != "" && r.source != source || r.service != nil && !r.service.MatchString(s.Service) {
		return "", false
	}
	found := r.name.FindStringSubmatch(name)
	if found == nil {
		return "", false
	}
	if r.role == roleIgnore || r.stub != "" {
		return r.stub, true
	}
	stub = found[r.name.SubexpIndex(stubGroup)]
	return stub, stub != "" // a group that matched nothing names nobody
}

func (m *Map) origin(source string, s Subject) Origin {
	experiment, required, _ := m.Tie(source, s)
	return Origin{Source: source, Subject: s, Experiment: experiment, Required: required}
}
