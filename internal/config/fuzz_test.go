package config

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mustJSON(t *rapid.T, v any) string {
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(j)
}

// FuzzLoad: no environment makes Load panic; it gives a Config or faults, never
// both and never neither; every fault is one line; what was accepted, shown and
// loaded again is the same setting.
func FuzzLoad(f *testing.F) {
	upstream, err := os.ReadFile("testdata/upstream.env")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(upstream))
	f.Add("STATUS_EMAIL_TO=Lab <a@b>, \"x, y\" <c@d> e@f\nSTATUS_LISTEN=unix:/x\nSTATUS_STORE=:memory:\nSTATUS_HOST_BOOK=[::1]:80")
	f.Add("STATUS_EMAIL_FROM==?utf-8?q?a=0Ab?= <a@b>\nSTATUS_BASEPATH_RELAY=//../x/\nSTATUS_SECRET_BOOK_FILE=/dev/null\nSTATE_DIRECTORY=/a:/b")
	f.Add("STATUS_HOST_BOOK=a://b://c/d\nSTATUS_PORT_SERVE=''\nSTATUS_\xff=1\nSTATUS_HELATH_STARTUP=99999999999y")
	f.Fuzz(func(t *testing.T, lines string) {
		env := least()
		for line := range strings.SplitSeq(lines, "\n") {
			name, value, _ := strings.Cut(line, "=")
			if !strings.HasSuffix(name, "_FILE") { // let no input name this machine's files
				env[name] = value
			}
		}
		delete(env, "CREDENTIALS_DIRECTORY")
		c, warnings, err := LoadMap(env)
		for _, w := range warnings {
			if w.Variable == "" || strings.Contains(w.String(), "\n") {
				t.Errorf("bad warning %q", w)
			}
		}
		if (c == nil) != (err != nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err != nil {
			if list := faults(err); len(list) != strings.Count(err.Error(), "\n")+1 {
				t.Errorf("%d faults in:\n%v", len(list), err)
			}
			return
		}
		for _, s := range Table {
			again, text := Default(), s.show(c)
			if s.Secret || text == "" || s.Name == "EMAIL_FROM" || strings.HasPrefix(s.Name, "EMAIL_TO") || s.Name == "EMAIL_CC" {
				continue // shown for reading, with names unquoted
			}
			if err := s.set(again, text); err != nil || s.show(again) != text {
				t.Errorf("%s was accepted, is shown as %q, and reads %q, %v", s.Name, text, s.show(again), err)
			}
		}
		for _, a := range append(c.Email.To, c.Email.From) {
			if strings.ContainsAny(a.Name+a.Address, "\r\n") {
				t.Errorf("line break in address %q", a)
			}
		}
		for _, s := range []Service{c.Book, c.Jump, c.Relay} {
			if strings.HasSuffix(s.Audience(), "/") || strings.HasSuffix(s.API(), "/") {
				t.Errorf("%s ends in a slash", s.API())
			}
		}
	})
}
