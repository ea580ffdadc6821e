package lab

import (
	"encoding/json"
	"strings"
)

// ObserverTokens is the text of the file STATUS_OBSERVER_TOKENS for a status
// server that the GOSTs report to: a line each, with the token and whose it is.
func (l *Lab) ObserverTokens() string {
	var b strings.Builder
	for _, g := range l.gosts {
		b.WriteString(g.spec.Token + "  source=" + g.spec.Name)
		if g.spec.ResetTraffic {
			b.WriteString("  increments")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// observerMap is STATUS_OBSERVER_MAP for it: which experiment each tunnel and
// client belongs to.
func (l *Lab) observerMap() string {
	var rules []string
	for _, g := range l.gosts {
		role, where := "link", " source="+g.spec.Name
		if g.spec.Required {
			role = "required"
		}
		if len(g.spec.Tunnels) > 0 {
			rules = append(rules, "service tunnel-(?P<stub>.+) "+role+where)
		}
		if len(g.spec.Clients) > 0 {
			rules = append(rules, "client (?P<stub>.+) link service="+relayService+where)
		}
	}
	return strings.Join(rules, " ; ")
}

// Observers is the text of the file STATUS_OBSERVERS for a status server that
// is to tell the collector, over HTTP and over gRPC; without observers where
// the lab has no collector.
func (l *Lab) Observers() string {
	type entry struct {
		Name    string `json:"name"`
		Type    string `json:"type"`
		Address string `json:"address"`
		Token   string `json:"token"`
	}
	list := []entry{}
	if l.services[Collector] != nil {
		token := l.collected.opt.Token
		list = append(list,
			entry{Collector, "http", "http://" + l.Addr(Collector) + "/", token},
			entry{CollectorGRPC, "grpc", l.Addr(CollectorGRPC), token})
	}
	text, err := json.MarshalIndent(map[string][]entry{"observers": list}, "", "  ")
	if err != nil {
		return "" // strings never fail to encode
	}
	return string(text) + "\n"
}
