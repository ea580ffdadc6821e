package config

import (
	"slices"
	"strings"
	"testing"
)

// observed is least with the settings given, by the last part of their names.
func observed(more ...string) map[string]string {
	env := least()
	for i := 0; i < len(more); i += 2 {
		env["STATUS_"+more[i]] = more[i+1]
	}
	return env
}

func TestObserver(t *testing.T) {
	c, warnings := mustLoad(t, observed("OBSERVERS", "/etc/status/observers.json", "OBSERVER_LISTEN", "127.0.0.1:3008", "OBSERVER_GRPC_LISTEN", "systemd:grpc",
		"OBSERVER_TOKENS", "/etc/status/tokens", "OBSERVER_MAP", "@/etc/status/map", "OBSERVER_PERIOD", "10s"))
	want := Observer{File: "/etc/status/observers.json", Listen: Listen{Network: "tcp", Address: "127.0.0.1:3008"}, GRPCListen: Listen{Network: "systemd", Address: "grpc"},
		Tokens: "/etc/status/tokens", Map: "@/etc/status/map", Period: 10e9}
	if c.Observer != want || !c.Observer.Listens() || len(warnings) != 0 {
		t.Errorf("got %+v, warned of %v", c.Observer, warnings)
	}
	// Observers are told without anybody being listened to.
	if c, warnings := mustLoad(t, observed("OBSERVERS", "/o")); c.Observer.Listens() || len(warnings) != 0 {
		t.Errorf("got %+v, warned of %v", c.Observer, warnings)
	}
}

// Whoever listens needs tokens; tokens and rules need somebody who listens.
func TestObserverTokens(t *testing.T) {
	for _, listener := range []string{"OBSERVER_LISTEN", "OBSERVER_GRPC_LISTEN"} {
		f := oneFault(t, observed(listener, ":3008"), "STATUS_OBSERVER_TOKENS")
		if text := f.Error(); !strings.HasPrefix(text, "STATUS_OBSERVER_TOKENS is not set: want the absolute path of a file of tokens, one a line, or STATUS_"+listener+" unset: ") {
			t.Error(text)
		}
		if _, warnings := mustLoad(t, observed(listener, ":3008", "OBSERVER_TOKENS", "/tokens", "OBSERVER_MAP", "service a ignore")); len(warnings) != 0 {
			t.Errorf("%s: %v", listener, warnings)
		}
	}
	if f := oneFault(t, observed("OBSERVER_LISTEN", ":3008", "OBSERVER_GRPC_LISTEN", ":3009"), "STATUS_OBSERVER_TOKENS"); !strings.Contains(f.Want, "STATUS_OBSERVER_LISTEN and STATUS_OBSERVER_GRPC_LISTEN unset") {
		t.Error(f)
	}
	for _, name := range []string{"OBSERVER_TOKENS", "OBSERVER_MAP"} {
		_, warnings := mustLoad(t, observed(name, map[string]string{"OBSERVER_TOKENS": "/tokens", "OBSERVER_MAP": "service a ignore"}[name]))
		if len(warnings) != 1 || warnings[0].Variable != "STATUS_"+name || !strings.Contains(warnings[0].Text, "nobody can report") {
			t.Errorf("%s alone: %v", name, warnings)
		}
	}
	// A listener at fault leaves nothing more to say, and a token in the wrong place is
	// not repeated.
	oneFault(t, observed("OBSERVER_LISTEN", "3008"), "STATUS_OBSERVER_LISTEN")
	f := oneFault(t, observed("OBSERVER_LISTEN", ":3008", "OBSERVER_TOKENS", "3nPqRs5tUvWxYz7A"), "STATUS_OBSERVER_TOKENS")
	if text := f.Error(); !strings.HasPrefix(text, "STATUS_OBSERVER_TOKENS=***: want the absolute path") {
		t.Error(text)
	}
	f = oneFault(t, observed("OBSERVER_LISTEN", ":3008", "OBSERVER_TOKENS", strings.Repeat("3nPqRs5tUvWxYz7A", valueLimit)), "STATUS_OBSERVER_TOKENS")
	if text := f.Error(); !strings.HasPrefix(text, "STATUS_OBSERVER_TOKENS=***: want at most") {
		t.Error(text)
	}
}

// Each listener of ours has a place of its own.
func TestObserverListenersApart(t *testing.T) {
	both := []string{"OBSERVER_LISTEN", "OBSERVER_GRPC_LISTEN"}
	for _, tt := range []struct {
		name   string
		env    []string
		faulty []string // which of the two can't be at the place that is asked for
		with   string
	}{
		{"beside the API", []string{"OBSERVER_LISTEN", ":3007"}, both[:1], "the API and the page"},
		{"beside the API, over gRPC", []string{"OBSERVER_GRPC_LISTEN", ":3007"}, both[1:], "the API and the page"},
		{"all addresses and one of them", []string{"OBSERVER_LISTEN", "127.0.0.1:3007"}, both[:1], "the API and the page"},
		{"one and all", []string{"LISTEN", "[::1]:3007", "OBSERVER_LISTEN", "[::]:3007"}, both[:1], "the API and the page"},
		{"all of the fourth version", []string{"LISTEN", "127.0.0.1:3007", "OBSERVER_LISTEN", "0.0.0.0:3007"}, both[:1], "the API and the page"},
		{"all of the fourth version and one of the sixth", []string{"LISTEN", "[::1]:3007", "OBSERVER_LISTEN", "0.0.0.0:3007"}, nil, ""},
		{"two addresses", []string{"LISTEN", "127.0.0.1:3007", "OBSERVER_LISTEN", "127.0.0.2:3007"}, nil, ""},
		{"a name", []string{"LISTEN", "Lab.example.org:3007", "OBSERVER_LISTEN", "lab.example.org:03007"}, both[:1], "the API and the page"},
		{"the operators'", []string{"ADMIN_LISTEN", "http://:9301", "OBSERVER_LISTEN", ":9301"}, both[:1], "STATUS_ADMIN_LISTEN"},
		{"each other's", []string{"OBSERVER_LISTEN", ":3008", "OBSERVER_GRPC_LISTEN", ":3008"}, both[1:], "STATUS_OBSERVER_LISTEN"},
		{"each other's and the API's", []string{"OBSERVER_LISTEN", ":3007", "OBSERVER_GRPC_LISTEN", ":3007"}, both, "the API and the page"},
		{"free ports", []string{"LISTEN", "127.0.0.1:0", "OBSERVER_LISTEN", "127.0.0.1:0", "OBSERVER_GRPC_LISTEN", "127.0.0.1:0"}, nil, ""},
		{"one file", []string{"OBSERVER_LISTEN", "unix:/run/o.sock", "OBSERVER_GRPC_LISTEN", "unix:/run/./o.sock"}, both[1:], "STATUS_OBSERVER_LISTEN"},
		{"two files", []string{"OBSERVER_LISTEN", "unix:/run/o.sock", "OBSERVER_GRPC_LISTEN", "unix:/run/g.sock"}, nil, ""},
		{"one socket", []string{"LISTEN", "systemd", "OBSERVER_LISTEN", "systemd"}, both[:1], "the API and the page"},
		{"two sockets", []string{"LISTEN", "systemd:api", "OBSERVER_LISTEN", "systemd:observer"}, nil, ""},
		{"the profile's", []string{"PROFILE", "1", "OBSERVER_GRPC_LISTEN", ":6061"}, both[1:], "STATUS_PORT_PROFILE"},
		{"the profile's at another address", []string{"PROFILE", "1", "OBSERVER_LISTEN", "[::1]:6061"}, nil, ""},
		{"the profile's, which is off", []string{"OBSERVER_LISTEN", ":6061"}, nil, ""},
	} {
		_, _, err := LoadMap(observed(append(tt.env, "OBSERVER_TOKENS", "/tokens")...))
		var got []string
		for _, f := range faults(err) {
			got = append(got, strings.TrimPrefix(f.Variable, Prefix))
			if !strings.HasPrefix(f.Want, "another place than "+tt.with) || f.Value == "" {
				t.Errorf("%s: %v", tt.name, f)
			}
		}
		if !slices.Equal(got, tt.faulty) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// What is at fault itself is no listener's place.
	oneFault(t, observed("PORT_SERVE", "x", "OBSERVER_LISTEN", ":3008", "OBSERVER_TOKENS", "/tokens"), "STATUS_PORT_SERVE")
	oneFault(t, observed("PROFILE", "1", "PORT_PROFILE", "x", "OBSERVER_LISTEN", ":6061", "OBSERVER_TOKENS", "/tokens"), "STATUS_PORT_PROFILE")
}
