package observer_test

import (
	"fmt"
	"strings"
	"testing"

	"labstatus/internal/observer"
)

func TestTheFirstRuleThatFitsTies(t *testing.T) {
	t.Parallel()
	m, err := observer.ParseMap(`
		# what GOST at Leeds calls its tunnels
		service  internal-.*              ignore
		service  tunnel-(?P<stub>.+)-cam  required   # the camera
		service  tunnel-(?P<stub>.+)      link  source=leeds
		client   (?P<stub>[a-z]+\d\d)     link  service=rtcp-.*   ; client 8a1f-77 required stub=spin30
		service  .*-(?P<stub>x?)          link`)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		source  string
		subject observer.Subject
		want    string // experiment, and how it is tied
	}{
		"a service by its pattern":                     {"leeds", observer.Service("tunnel-pend00"), "pend00 link"},
		"the more exact rule stands first":             {"leeds", observer.Service("tunnel-pend00-cam"), "pend00 required"},
		"a rule of another source":                     {"york", observer.Service("tunnel-pend00"), ""},
		"what is ignored":                              {"leeds", observer.Service("internal-x"), ""},
		"a pattern is for the whole name":              {"leeds", observer.Service("my-tunnel-pend00"), ""},
		"a client by its pattern":                      {"york", observer.Client("rtcp-1", "pend00"), "pend00 link"},
		"a client of another service":                  {"york", observer.Client("socks", "pend00"), ""},
		"a client by its identity":                     {"york", observer.Client("socks", "8a1f-77"), "spin30 required"},
		"a service is no client":                       {"york", observer.Service("8a1f-77"), ""},
		"a client of a service that is tied is not":    {"leeds", observer.Client("tunnel-pend00", "anna"), ""},
		"a client without a name":                      {"york", observer.Client("rtcp-1", ""), ""},
		"a group that matches nothing is nobody's":     {"york", observer.Service("gate-"), ""},
		"a group that matches something is somebody's": {"york", observer.Service("gate-x"), "x link"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tie(m, tc.source, tc.subject); got != tc.want {
				t.Errorf("tied to %q, want %q", got, tc.want)
			}
		})
	}
	if got := tie(nil, "leeds", observer.Service("tunnel-pend00")); got != "" {
		t.Errorf("without a map it is tied to %q", got)
	}
}

func tie(m *observer.Map, source string, s observer.Subject) string {
	experiment, required, tied := m.Tie(source, s)
	switch {
	case !tied:
		return experiment
	case required:
		return experiment + " required"
	}
	return experiment + " link"
}

func TestRulesThatAreNone(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, says string }{
		"too few words":              {"service x", "line 1: a rule is"},
		"neither service nor client": {"tunnel (?P<stub>.+) link", `begins with "tunnel"`},
		"a role that there is none":  {"service (?P<stub>.+) optional", `"optional"`},
		"a pattern that is none":     {"service (?P<stub>.+ link", "missing closing"},
		"a look ahead":               {"service (?=x)(?P<stub>.+) link", "the pattern can't be read"},
		"a pattern without end":      {"service " + strings.Repeat("x", 501) + " ignore", "at most 500 bytes"},
		"nobody named":               {"service tunnel-(.+) link", "isn't named"},
		"named twice":                {"service (?P<stub>.+) link stub=pend00", "named twice"},
		"ignored for somebody":       {"service x ignore stub=pend00", "has no stub="},
		"a service of a service":     {"service (?P<stub>.+) link service=x", "rules about clients"},
		"an option that is none":     {"service (?P<stub>.+) link zone=x", `"zone=x"`},
		"an option without a value":  {"service (?P<stub>.+) link source=", `"source="`},
		"an option without a key":    {"service (?P<stub>.+) link required", `"required"`},
		"a source that is none":      {"service (?P<stub>.+) link source=a/b", "source=a/b"},
		"a stub without end":         {"service x link stub=" + strings.Repeat("x", 257), "at most 256"},
		"the line of a fault":        {"\n# two\nservice x ignore ; service y", "line 3"},
		"all faults at once":         {"service x\nservice y", "line 2"},
		"too many":                   {strings.Repeat("service x ignore\n", 501), "line 501: there are more than 500 rules"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := observer.ParseMap(tc.text)
			if err == nil || m != nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, which lacks %q", err, tc.says)
			}
		})
	}
}

func TestTokensFromAFile(t *testing.T) {
	t.Parallel()
	got, err := observer.ParseCredentials("# who may report\nanybody-with-this-token # may\nleeds-token-0123456789 source=leeds ; york-token-0123456789 source=york increments\n")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range got {
		all = append(all, fmt.Sprint(c.Token.Reveal(), " ", c.Source, " ", c.Increments))
	}
	if text := strings.Join(all, ", "); text != "anybody-with-this-token  false, leeds-token-0123456789 leeds false, york-token-0123456789 york true" {
		t.Error(text)
	}
	for name, tc := range map[string]struct{ text, says string }{
		"a token that can be guessed": {"a-token-of-15-x", "line 1: a token has 16 to 512"},
		"a token that fits no path":   {"sixteen/-token-/0", "can't stand in a path"},
		"a source that is none":       {"leeds-token-0123456789 source=a/b", `source "a/b"`},
		"a word that means nothing":   {"leeds-token-0123456789 resetTraffic", "only source=… and increments"},
		"a source without a name":     {"leeds-token-0123456789 source=", "only source=… and increments"},
		"a token that is there twice": {"leeds-token-0123456789\nleeds-token-0123456789 source=leeds", "line 2: the token is there twice"},
		"no token":                    {"# leeds-token-0123456789\n", "there is no token"},
		"too many tokens":             {manyTokens(1001), "at most 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := observer.ParseCredentials(tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "-token-") {
				t.Errorf("%v, which lacks %q or tells the token", err, tc.says)
			}
		})
	}
}

func manyTokens(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "leeds-token-%d-%010d\n", i, i)
	}
	return text.String()
}

// Whatever is written there, it is understood or refused, and never panics later.
func FuzzMap(f *testing.F) {
	f.Add("service tunnel-(?P<stub>.+) link", "tunnel-pend00")
	f.Add("client x required stub=y service=z # ; ;", "x")
	f.Add("service (?P<stub>a)|b link", "b")
	f.Fuzz(func(t *testing.T, text, name string) {
		m, err := observer.ParseMap(text)
		if err != nil {
			return
		}
		for _, s := range []observer.Subject{observer.Service(name), observer.Client("gate", name)} {
			if experiment, _, tied := m.Tie("leeds", s); tied == (experiment == "") {
				t.Errorf("%q ties %v to %q: %v", text, s, experiment, tied)
			}
		}
	})
}
