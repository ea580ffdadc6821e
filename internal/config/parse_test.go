package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestServiceURLs(t *testing.T) {
	for _, tt := range []struct{ given, bookAud, bookAPI, relay string }{
		{"/tenant/x", "https://h:8/tenant/x", "https://h:8/tenant/x/api/v1", "https://h:8/tenant/x"},
		{"/tenant/x/", "https://h:8/tenant/x", "https://h:8/tenant/x/api/v1", "https://h:8/tenant/x"},
		{"tenant/x", "https://h:8/tenant/x", "https://h:8/tenant/x/api/v1", "https://h:8/tenant/x"},
		{"/", "https://h:8", "https://h:8/api/v1", "https://h:8"},
		{"//", "https://h:8", "https://h:8/api/v1", "https://h:8"},
		{"/x/api/v1", "https://h:8/x/api/v1", "https://h:8/x/api/v1", "https://h:8/x/api/v1"},
		{"/api/v1/", "https://h:8/api/v1", "https://h:8/api/v1", "https://h:8/api/v1"},
		{"/x/api/v11", "https://h:8/x/api/v11", "https://h:8/x/api/v11/api/v1", "https://h:8/x/api/v11"},
		{"/x//y", "https://h:8/x//y", "https://h:8/x//y/api/v1", "https://h:8/x/y"}, // relay's audience is path.Join's
	} {
		c, _ := mustLoad(t, least("STATUS_HOST_BOOK", "h:8", "STATUS_HOST_JUMP", "h:8", "STATUS_HOST_RELAY", "h:8",
			"STATUS_BASEPATH_BOOK", tt.given, "STATUS_BASEPATH_JUMP", tt.given, "STATUS_BASEPATH_RELAY", tt.given))
		got := []string{c.Book.Audience(), c.Book.API(), c.Relay.Audience(), c.Relay.API(), c.Jump.Audience()}
		want := []string{tt.bookAud, tt.bookAPI, tt.relay, tt.relay, tt.relay}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v\nwant %v", tt.given, got, want)
		}
		if api := c.Jump.API(); api != tt.relay+apiPath && api != tt.relay {
			t.Errorf("%s: jump's calls go to %s", tt.given, api)
		}
	}
}

// accepted and refused values of each setting, with what the refusal advises.
func TestValues(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, tt := range []struct {
		name    string
		accept  []string          // stays as it is
		becomes map[string]string // as shown
		refuse  map[string]string // what Want holds
	}{
		{"HOST_BOOK", []string{"h", "app.example.org", "app.example.org:8080", "127.0.0.1:1", "[::1]", "[2001:db8::1]:443", "lab_book", "localhost", "bücher.example", "h."}, nil,
			map[string]string{
				"https://app.example.org": "here remains app.example.org", "app.example.org/tenant": "here remains app.example.org", "https://h:8/x/y": "here remains h:8",
				"::1": "[::1]", "u:p@h": "without user", "h:": "port number", "h:0": "port number", "h:x": "port number", "h:1:2": "host", "-h": "host", "a..b": "host", long: "host",
				"[127.0.0.1]": "brackets", "[::1": "host", "[::1]x": "host", "a b": "host", "a,b": "host", "://": "without scheme", "/": "without scheme", "[fe80::1%eth0]": "brackets", "h\u200b": "host",
			}},
		{"SCHEME_BOOK", []string{"http", "https"}, map[string]string{"HTTPS": "https", "http://": "http"}, map[string]string{"ws": "https or http", "wss": "https or http"}},
		{"BASEPATH_BOOK", []string{"/a/b", "/a.b/~c%20"}, map[string]string{"/a/": "/a", "a": "/a"}, map[string]string{"https://h/a": "path alone", "/a?b": "path alone", "/a b": "path alone", "/a#b": "path alone", `\a`: "path alone"}},
		{"BASEPATH_RELAY", []string{"/a/b"}, map[string]string{"/a/../b/": "/b", "/a/./b": "/a/b"}, map[string]string{"/a?b": "path alone"}},
		{"EMAIL_HOST", []string{"smtp.example.org", "127.0.0.1", "::1"}, map[string]string{"[::1]": "::1"}, map[string]string{"smtp.example.org:465": "STATUS_EMAIL_PORT", "smtp://x": "without scheme", "a b": "host"}},
		{"EMAIL_HELO", []string{"status.example.org", "[192.0.2.1]", "[IPv6:2001:db8::1]"}, nil, map[string]string{"a b": "name", "[x]": "name", "[::1": "name", "a/b": "name"}},
		{"EMAIL_FROM", []string{"a@b.org", "Lab Status <a@b.org>", "root@localhost"}, map[string]string{`"Status, Lab" <a@b.org>`: "Status, Lab <a@b.org>", "=?utf-8?q?L=C3=A4b?= <a@b>": "Läb <a@b>"},
			map[string]string{"a@b.org, c@d.org": "one address only", "root": "an address", "a@b@c": "an address", "=?utf-8?q?a=0ABcc?= <a@b>": "control", "Lab": "an address", "a@b\r\nBcc: c@d": "one line", "<a@b": "an address", long + long + long + long + "@b": "254"}},
		{"EMAIL_TO", []string{"a@b.org", "Lab Status <a@b.org>, c@d.org"},
			map[string]string{
				"a@b,c@d": "a@b, c@d", "a@b c@d": "a@b, c@d", "a@b , c@d,": "a@b, c@d", "a@b\tc@d": "a@b, c@d", "a@b,,c@d": "a@b, c@d", "a@b A@B, a@b": "a@b",
				"Name <a@b>, c@d": "Name <a@b>, c@d", "Name <a@b> c@d": "Name <a@b>, c@d", "c@d Long Name <a@b>": "c@d, Long Name <a@b>", "<a@b><c@d>": "a@b, c@d", "a@b <a@b>": "a@b",
				`"Doe, \"J\" <x@y>; Dr" <a@b>, c@d`: `Doe, "J" <x@y>; Dr <a@b>, c@d`,
			},
			map[string]string{"a@b; c@d": "semicolons", "a@b, root": "number 2 is not an address", "Name, a@b": "not an address", ",": "addresses split", "a@b <c@d": "not an address", "a@b\nc@d": "one line", strings.Repeat("a", 101) + manyAddresses(101): "at most 100"}},
		{"EMAIL_AUTH_TYPE", []string{"none", "plain", "login", "cram-md5", "scram-sha-256", "xoauth2", "auto"}, map[string]string{"CRAM_MD5": "cram-md5", "Plain": "plain"}, map[string]string{"ntlm": "one of none, plain"}},
		{"EMAIL_TLS", []string{"auto", "required", "implicit", "opportunistic", "none"}, nil, map[string]string{"starttls": "one of auto"}},
		{"EMAIL_LINK", []string{"app.practable.io/tenant/status", "https://x/y?a=b"}, nil, map[string]string{"a\nb": "one line", strings.Repeat("x", 501): "500"}},
		{"EMAIL_PORT", []string{"25", "65535"}, nil, map[string]string{"0": "65535", "-1": "65535", "65536": "65535", "smtp": "65535", "99999999999999999999": "65535"}},
		{"HEALTH_STARTUP", []string{"0s", "1ms", "1d"}, map[string]string{"0": "0s"}, map[string]string{"25h": "at most 1d: no fault", "1ns": "0 or at least 1ms", "-1s": "0 or at least", "1": "units"}},
		{"HEALTH_LAST_ACTIVE", []string{"5m", "30d"}, map[string]string{"2w": "14d"}, map[string]string{"0": "at least 1ms", "-1s": "at least 1ms", "31d": "at most 30d"}},
		{"RECONNECT_RELAY_EVERY", []string{"30s", "1d"}, map[string]string{"24h": "1d", "365d": "1y"}, map[string]string{"0": "at least 5s", "11y": "token", "999y": "a duration"}},
		{"HEALTH_FLAP_EVENTS", []string{"0", "2"}, map[string]string{"+5": "5"}, map[string]string{"1": "0 or at least 2", "-5": "0 or at least 2", "5.5": "whole", "1000000": "0 turns it off"}},
		{"HEALTH_EVENTS", []string{"1", "20"}, nil, map[string]string{"0": "at least 1", "-1": "at least 1", "1000000000": "store keeps"}},
		{"HEALTH_CONFIRM_UP", []string{"3"}, nil, map[string]string{"0": "at least 1"}},
		{"LISTEN", []string{":3007", "127.0.0.1:0", "[::1]:3007", "lab.example.org:80", "unix:/run/status.sock"}, map[string]string{"unix:/a/../b": "unix:/b"},
			map[string]string{"systemd:": "FileDescriptorName", "systemd:a:b": "FileDescriptorName", "3007": ":3007", "h": "host:port", "h:http": "port number", "unix:rel": "absolute", "unix:/" + long + long: "107", "unix:/a/": "absolute", "https://h:1": "host:port", "a b:1": "host:port", "unix:@x": "absolute"}},
		{"STORE", []string{"memory", "/x/status.db", "status.db"}, map[string]string{"Memory": "memory", "/x//y": "/x/y"},
			map[string]string{"postgres://h/d": "not have", "postgresql://h": "not have", "host=db dbname=x": "not have", "file:x.db": "path alone", "sqlite:///x": "path alone", "/x?mode=ro": "path alone", "/x/": "not a folder", ".": "not a folder", ":memory:": "without the colons"}},
		{"LOG_LEVEL", []string{"debug", "warn"}, map[string]string{"WARNING": "warn"}, map[string]string{"loud": "one of trace"}},
		{"LOG_FORMAT", []string{"json", "text"}, nil, map[string]string{"xml": "one of json, text"}},
		{"LOG_FILE", []string{"stdout", "stderr", "/x.log"}, map[string]string{"STDOUT": "stdout", "/dev/stderr": "stderr"}, map[string]string{"-": "stdout", "/var/log/": "not of a folder"}},
		{"PROFILE", []string{"true", "false"}, map[string]string{"1": "true", "YES": "true", "on": "true", "0": "false", "No": "false", "off": "false"}, map[string]string{"2": "true or false", "enable": "true or false"}},
		{"API_READ", []string{"open"}, nil, map[string]string{"closed": "one of open, token", "token": "STATUS_SECRET_STATUS"}},
		{"OBSERVERS", []string{"/etc/status/observers.json"}, map[string]string{"/etc//status/../o.json": "/etc/o.json"}, map[string]string{"observers.json": "absolute path", "/etc/status/": "not of a folder", "https://h/o": "absolute path"}},
		{"OBSERVER_TOKENS", []string{"/etc/status/observer_tokens"}, map[string]string{"/etc//tokens": "/etc/tokens"}, map[string]string{"observer_tokens": "absolute path", "3nPqRs5tUvWxYz7A": "not a token", "/etc/": "absolute path"}},
		{"OBSERVER_MAP", []string{"service tunnel-(?P<stub>.+)-cam required ; client (?P<stub>[a-z]+\\d+) link", "@/etc/status/observer_map", strings.Repeat("service a@b ignore ; ", 100) + "service c ignore"}, map[string]string{"@/etc//map": "@/etc/map"},
			map[string]string{"@observer_map": "@ and the absolute path", "@": "@ and the absolute path", "@/etc/": "@ and the absolute path", "service a link\nservice b link": "one line"}},
		{"OBSERVER_PERIOD", []string{"1s", "5s", "1h"}, map[string]string{"60s": "1m"}, map[string]string{"0": "at least 1s", "500ms": "at least 1s", "61m": "at most 1h: what a tunnel", "often": "a duration"}},
		{"BOOK_HOLDS", []string{"respect", "override"}, nil, map[string]string{"ignore": "one of respect"}},
	} {
		i := slices.IndexFunc(Table, func(s Setting) bool { return s.Name == tt.name })
		row := Table[i]
		expect := map[string]string{}
		for _, v := range tt.accept {
			expect[v] = v
		}
		maps.Copy(expect, tt.becomes)
		for v, want := range expect {
			c, _, err := LoadMap(least(row.Variable(), v))
			if err != nil {
				t.Errorf("%v", err)
			} else if got := row.show(c); got != want {
				t.Errorf("%s=%q: got %q, want %q", row.Variable(), v, got, want)
			}
		}
		for v, want := range tt.refuse {
			_, _, err := LoadMap(least(row.Variable(), v))
			if list := faults(err); len(list) != 1 || list[0].Variable != row.Variable() || !strings.Contains(list[0].Want, want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s=%q: got %v, want a fault with %q", row.Variable(), v, err, want)
			}
		}
	}
	// Every kind of value refuses what is no text.
	oneFault(t, least("STATUS_EMAIL_SUBJECT", "\xff"), "STATUS_EMAIL_SUBJECT")
	oneFault(t, least("STATUS_EMAIL_USER", "a\x00b"), "STATUS_EMAIL_USER")
}

func manyAddresses(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("@b, a" + strings.Repeat("x", i))
	}
	return b.String() + "@b"
}

func TestSettingsThatGoTogether(t *testing.T) {
	warned := func(name string, more ...string) bool {
		_, warnings := mustLoad(t, least(more...))
		return slices.ContainsFunc(warnings, func(w Warning) bool { return w.Variable == Prefix+name })
	}
	if !warned("SECRET_BOOK", "STATUS_SECRET_BOOK", "fifteen-letters") || warned("SECRET_BOOK", "STATUS_SECRET_BOOK", "sixteen--letters") {
		t.Error("short keys")
	}
	if !warned("EMAIL_PASSWORD", "STATUS_EMAIL_PASSWORD", "x") || warned("EMAIL_PASSWORD", "STATUS_EMAIL_PASSWORD", "x", "STATUS_EMAIL_AUTH_TYPE", "plain") {
		t.Error("a password nobody uses")
	}
	clear := []string{"STATUS_EMAIL_PASSWORD", "x", "STATUS_EMAIL_AUTH_TYPE", "plain", "STATUS_EMAIL_TLS", "none", "STATUS_EMAIL_HOST"}
	oneFault(t, least(append(clear, "smtp.example.org")...), "STATUS_EMAIL_TLS")
	mustLoad(t, least(append(clear, "127.0.0.1")...))
	oneFault(t, least("STATUS_EMAIL_HOST", "m\u00e4il.example.org"), "STATUS_EMAIL_HOST")
	oneFault(t, least("STATUS_EMAIL_HELO", "m\u00fcller"), "STATUS_EMAIL_HELO")
	oneFault(t, least("STATUS_EMAIL_TO", "m\u00fcller@ex\u00e4mple.de"), "STATUS_EMAIL_TO")
	if !warned("PORT_SERVE", "STATUS_PORT_SERVE", "1", "STATUS_LISTEN", ":2") || warned("PORT_SERVE", "STATUS_LISTEN", ":2") {
		t.Error("two ports")
	}
	oneFault(t, least("STATUS_PROFILE", "1", "STATUS_PORT_PROFILE", "3007"), "STATUS_PORT_PROFILE")
	mustLoad(t, least("STATUS_PORT_PROFILE", "3007"))
	oneFault(t, least("STATUS_PROFILE", "1", "STATUS_PORT_PROFILE", "x", "STATUS_LISTEN", ":0"), "STATUS_PORT_PROFILE")
	oneFault(t, least("STATUS_API_READ", "token", "STATUS_SECRET_STATUS_FILE", "/nowhere/key"), "STATUS_SECRET_STATUS_FILE")
	mustLoad(t, least("STATUS_PROFILE", "1", "STATUS_PORT_PROFILE", "3007", "STATUS_LISTEN", "unix:/x"))
	mustLoad(t, least("STATUS_API_READ", "token", "STATUS_SECRET_STATUS", "0123456789abcdef"))

	c, _ := mustLoad(t, least("STATUS_EMAIL_TO", "a@b c@d", "STATUS_EMAIL_CC", "C@D, e@f"))
	if showAddresses(c.Email.CC) != "e@f" {
		t.Errorf("copies to %v", c.Email.CC)
	}
	for _, off := range []string{"STATUS_HEALTH_FLAP_EVENTS", "STATUS_HEALTH_FLAP_WINDOW"} {
		if c, _ := mustLoad(t, least(off, "0")); c.Health.Flapping() {
			t.Errorf("%s=0 leaves it on", off)
		}
	}
	mail := []string{"STATUS_EMAIL_FROM", "a@b", "STATUS_EMAIL_TO", "c@d", "STATUS_EMAIL_HOST", "h", "STATUS_EMAIL_AUTH_TYPE"}
	for auth, want := range map[string]bool{"none": true, "auto": true, "plain": false, "xoauth2": false} {
		c, _ := mustLoad(t, least(append(mail, auth)...))
		if ok, missing := c.Email.Enabled(); ok != want || ok != (len(missing) == 0) || (!ok && missing[0] != "STATUS_EMAIL_PASSWORD") {
			t.Errorf("%s: %v, missing %v", auth, ok, missing)
		}
	}
}
