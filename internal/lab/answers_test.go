package lab

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// capture is one answer of a real service.
type capture struct {
	name, request string
	status        int
	body          string
}

func captures(t *testing.T, file string) []capture {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all []capture
	for block := range strings.SplitSeq(string(raw), "### ") {
		if strings.TrimSpace(block) == "" {
			continue
		}
		var c capture
		for i, line := range strings.Split(strings.TrimRight(block, "\n"), "\n") {
			switch {
			case i == 0:
				c.name = line
			case strings.HasPrefix(line, "> "):
				c.request = line[2:]
			case strings.HasPrefix(line, "HTTP/1.1 "):
				if _, err := fmt.Sscanf(line, "HTTP/1.1 %d", &c.status); err != nil {
					t.Fatal(err)
				}
			default:
				c.body += line
			}
		}
		all = append(all, c)
	}
	return all
}

var (
	uuids     = regexp.MustCompile(`code=[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`)
	durations = regexp.MustCompile(`expired by [0-9.ms]+"`)
	instants  = regexp.MustCompile(`Loaded at [-0-9]+T[:0-9]+Z"`)
)

// blur removes what no two answers have in common.
func blur(text string) string {
	text = uuids.ReplaceAllString(text, `code=UUID"`)
	text = durations.ReplaceAllString(text, `expired by D"`)
	text = instants.ReplaceAllString(text, `Loaded at T"`)
	return strings.TrimSpace(text)
}

type change struct {
	over        map[string]any
	alg, secret string
	token       func(string) string
	method, at  string
	kind, body  string
}

func (b *bench) compare(service string, c capture, ch change, url string) {
	b.Helper()
	alg, secret := "HS256", b.Env()["STATUS_SECRET_"+strings.ToUpper(service)]
	if ch.alg != "" {
		alg = ch.alg
	}
	if ch.secret != "" {
		secret = ch.secret
	}
	token := sign(alg, secret, b.usual(service, ch.over))
	if ch.token != nil {
		token = ch.token(token)
	}
	status, body := b.ask(ch.method, url, token, ch.kind, ch.body)
	if c.status == http.StatusBadGateway { // what the proxy in front made of it
		if status != 0 {
			b.Errorf("%s: got %d %s, want the connection dropped", c.name, status, body)
		}
		return
	}
	host := map[string]string{Book: "/lab/book", Relay: "/lab/access", Jump: "/lab/jump"}[service]
	want := strings.ReplaceAll(c.body, "http://127.0.0.1:18880"+host, b.Audience(service))
	want = strings.ReplaceAll(want, "ws://127.0.0.1:18880", "ws://"+b.Addr(service))
	if status != c.status || c.body != "" && blur(body) != blur(want) {
		b.Errorf("%s:\n got %d %s\nwant %d %s", c.name, status, blur(body), c.status, blur(want))
	}
}

func accessChanges(b *bench, service string) map[string]change {
	now := time.Now().Unix()
	aud := b.Audience(service)
	own := []string{"read"}
	if service == Jump {
		own = []string{"stats"}
	}
	without := func(claim string) change { return change{over: map[string]any{claim: nil}} }
	scopes := func(all ...string) change { return change{over: map[string]any{"scopes": all}} }
	all := map[string]change{
		"success":                                 {},
		"success with 'Bearer ' prefix":           {token: func(s string) string { return "Bearer " + s }},
		"success, aud as plain string":            {over: map[string]any{"aud": aud}},
		"success HS512":                           {alg: "HS512"},
		"Accept: application/json + content-type": {kind: "application/json"},
		"content-type text/plain, body x":         {kind: "text/plain", body: "x"},
		"no Authorization":                        {token: func(string) string { return "" }},
		"garbage token":                           {token: func(string) string { return "abc.def.ghi" }},
		"wrong secret":                            {secret: "another"},
		"alg none":                                {alg: "none"},
		"expired":                                 {over: map[string]any{"exp": now - 5}},
		"not yet valid (nbf +60s)":                {over: map[string]any{"nbf": now + 60}},
		"iat in future +60s":                      {over: map[string]any{"iat": now + 60}},
		"nbf=now+2s":                              {over: map[string]any{"nbf": now + 2}},
		"wrong audience":                          {over: map[string]any{"aud": []string{"http://other/lab"}}},
		"audience trailing slash":                 {over: map[string]any{"aud": []string{aud + "/"}}},
		"audience missing":                        without("aud"),
		"wrong topic in token (token topic=other, path stats)": {over: map[string]any{"topic": "other"}},
		"path other, token topic stats":                        {at: "/other"},
		"topic claim missing":                                  without("topic"),
		"prefix claim missing":                                 without("prefix"),
		"scopes claim missing":                                 without("scopes"),
		"wrong scope (foo)":                                    scopes("foo"),
		"scope read only":                                      scopes("read"),
		"scope host":                                           scopes("host"),
		"scopes stats":                                         scopes("stats"),
		"scope host on stats":                                  scopes("host"),
		"scope stats on topic other":                           {over: map[string]any{"topic": "other", "scopes": own}, at: "/other"},
		"scopes stats,host":                                    scopes("stats", "host"),
		"scopes client,host":                                   scopes("client", "host"),
		"scopes host on other (ok)":                            {over: map[string]any{"topic": "other", "scopes": []string{"host"}}, at: "/other"},
		"booking_id missing":                                   without("booking_id"),
		"prefix=shell":                                         {over: map[string]any{"prefix": "shell"}},
		"no exp claim":                                         without("exp"),
		"no iat claim":                                         without("iat"),
		"no nbf claim":                                         without("nbf"),
		"GET instead of POST":                                  {method: "GET"},
		"trailing slash":                                       {at: "/stats/"},
	}
	if service == Relay {
		all["wrong path"] = change{at: "/../nosuch/stats"}
		all["path variant"] = change{at: "/../api/v1/session/stats"}
	} else {
		all["wrong path"] = change{at: "/../nosuch/stats"}
		all["path variant"] = change{at: "/../../../connect/stats"}
	}
	return all
}

// The access APIs answer every captured request as the real ones did.
func TestAccessAnswers(t *testing.T) {
	t.Parallel()
	for service, file := range map[string]string{Relay: "access-relay.txt", Jump: "access-jump.txt"} {
		inBubble(t, Options{Experiments: captured()}, func(b *bench) {
			changes := accessChanges(b, service)
			for _, c := range captures(t, file) {
				ch, ok := changes[c.name]
				if !ok {
					t.Errorf("%s: the captured case %q is not tried", file, c.name)
					continue
				}
				if ch.method == "" {
					ch.method = "POST"
				}
				url := b.accessURL(service)
				if ch.at != "" {
					url = strings.TrimSuffix(url, "/stats") + ch.at
				}
				if parts := strings.SplitN(url, "/../", 2); len(parts) == 2 { // resolved here: clients send it so
					base := parts[0]
					rest := parts[1]
					base = base[:strings.LastIndex(base, "/")]
					for strings.HasPrefix(rest, "../") {
						rest, base = rest[3:], base[:strings.LastIndex(base, "/")]
					}
					url = base + "/" + rest
				}
				b.compare(service, c, ch, url)
			}
		})
	}
}

// Relay refuses what its handler looks at with a bare string.
func TestRelayClaimRefusals(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(b *bench) {
		for want, over := range map[string]map[string]any{
			`"Token Wrong Topic"`:             {"topic": "other"},
			`"Token Missing Required Claims"`: {"prefix": nil},
		} {
			if status, body := b.ask("POST", b.accessURL(Relay), b.token(Relay, over), "", ""); status != 401 || body != want+"\n" {
				t.Errorf("%v: %d %q, want 401 %s", over, status, body, want)
			}
		}
	})
}

// Book answers every captured request as the real one did, in their order:
// some change what later ones see.
func TestBookAnswers(t *testing.T) {
	t.Parallel()
	experiments := captured()
	inBubble(t, Options{Experiments: experiments}, func(b *bench) {
		now := time.Now().Unix()
		changes := map[string]change{
			"GET resources, HS512, aud string": {alg: "HS512", over: map[string]any{"aud": b.Audience(Book)}},
			"Bearer prefix":                    {token: func(s string) string { return "Bearer " + s }},
			"garbage":                          {token: func(string) string { return "a.b.c" }},
			"wrong secret":                     {secret: "another"},
			"expired":                          {over: map[string]any{"exp": now - 5}},
			"nbf future":                       {over: map[string]any{"nbf": now + 60}},
			"iat future":                       {over: map[string]any{"iat": now + 60}},
			"wrong aud":                        {over: map[string]any{"aud": []string{"http://other"}}},
			"PUT wrong aud":                    {over: map[string]any{"aud": []string{"http://other"}}},
			"aud trailing slash":               {over: map[string]any{"aud": []string{b.Audience(Book) + "/"}}},
			"scope booking:user":               {over: map[string]any{"scopes": []string{"booking:user"}}},
			"PUT scope user":                   {over: map[string]any{"scopes": []string{"booking:user"}}},
			"no scopes":                        {over: map[string]any{"scopes": nil}},
			"no exp":                           {over: map[string]any{"exp": nil}},
			"no iat no nbf":                    {over: map[string]any{"iat": nil, "nbf": nil}},
			"PUT JSON body instead of query":   {kind: "application/json", body: `{"available":false,"reason":"x"}`},
		}
		for _, c := range captures(t, "book.txt") {
			words := strings.Fields(c.request)
			ch := changes[c.name]
			ch.method = words[0]
			if !strings.Contains(c.request, "Authorization:") {
				ch.token = func(string) string { return "" }
			}
			b.compare(Book, c, ch, strings.Replace(words[1], "http://127.0.0.1:18880", "http://"+b.Addr(Book), 1))
		}
		calls := b.Calls()
		if n := len(captures(t, "book.txt")); len(calls) != n {
			t.Errorf("%d calls recorded of %d", len(calls), n)
		}
		var puts []Call
		for _, c := range calls {
			if c.Method == "PUT" && c.Status == 204 {
				puts = append(puts, c)
			}
		}
		if len(puts) != 4 || puts[0].Resource != "r-pend00" || puts[0].Available != "false" || puts[0].Reason != "status server: test" || puts[0].At.IsZero() {
			t.Errorf("writes recorded: %+v", puts)
		}
	})
}

// A null is sent for a resource without streams, and config_url only when it
// is set.
func TestManifestForms(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(b *bench) {
		url := b.Audience(Book) + "/api/v1/admin/resources"
		if _, body := b.ask("GET", url, b.token(Book, nil), "", ""); body != "{}\n" {
			t.Errorf("empty manifest: %q", body)
		}
		b.SetResource("r-a", "a", nil)
		b.SetResourceEntry("r-b", Resource{Stub: "a", Streams: []string{"st-data"}, Description: "<b>", ConfigURL: "http://c"})
		_, body := b.ask("GET", url, b.token(Book, nil), "", "")
		want := `{"r-a":{"description":"d-r-a","streams":null,"tests":null,"topic_stub":"a"},` +
			`"r-b":{"config_url":"http://c","description":"\u003cb\u003e","streams":["st-data"],"tests":null,"topic_stub":"a"}}` + "\n"
		if body != want {
			t.Errorf("manifest:\n got %s\nwant %s", body, want)
		}
		b.ForgetManifest()
		if status, _ := b.ask("GET", url+"/r-a", b.token(Book, nil), "", ""); status != 404 {
			t.Errorf("a forgotten resource answers %d", status)
		}
		b.must(b.Service(Book).Restart())
		b.LoadManifest()
		b.must(b.SetAvailable("r-a", false, "new rig"))
		if _, reason, _ := b.Availability("r-a"); reason != "unavailable because new rig" {
			t.Errorf("reason %q", reason)
		}
		b.must(b.Service(Book).Restart())
		if ok, reason, _ := b.Availability("r-a"); !ok || !strings.HasPrefix(reason, "Loaded at ") {
			t.Errorf("after a restart: %v %q", ok, reason)
		}
		b.DropResource("r-a")
		if _, _, known := b.Availability("r-a"); known {
			t.Error("a dropped resource is known")
		}
		if b.SetAvailable("r-a", true, "x") == nil || b.SetAvailable("r-b", true, "") == nil {
			t.Error("an availability nobody can set was set")
		}
	})
}
