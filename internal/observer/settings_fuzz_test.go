package observer

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// FuzzParseObservers: whatever stands in the file of STATUS_OBSERVERS, it is refused in
// short lines without a token, or every observer in it keeps to its bounds, can be told,
// and is the same when it is written and read again.
func FuzzParseObservers(f *testing.F) {
	for _, text := range []string{
		``, `null`, `{"observers":[]}`, `{"observers":[` + whereTo + `]}`, `{"observers":[` + whereTo + `,` + whereTo + `]}`, `{"observers":[null,{}]} {}`,
		`{"observers":[{"name":"b","type":"http","address":"https://collector.example.org:8443/observer?key=1","token":"a-token-that-is-secret","tls":{"server_name":"c","insecure":true},"timeout":"100ms","period":"1h0m0s","reset_traffic":true}]}`,
		`{"observers":[{"name":"b","type":"grpc","address":"[::1]:8000","token":"a-token-that-is-\u0020secret","tls":{},"timeout":"1m","period":"1.0000000001s"}]}`,
		`{"observers":[{"name":"b","address":"http://a:b@c#d","token":"a-token-that-is-secret","tls":{"ca":"-----BEGIN CERTIFICATE-----"},"timeout":"x","period":"-1s"},{"name":"` + strings.Repeat("x", 500) + `","type":"` + strings.Repeat("y", 500) + `","timeout":"` + strings.Repeat("9", 500) + `"}]}`,
		`{"observers":[{"name":3,"token":"a-token-that-is-secret"}]}`, `{"observers":[{"` + strings.Repeat("z", 500) + `":1,"token":"a-token-that-is-secret"}]}`,
		`{"observers":[{"name":"b","address":"a\u0000%zz:1"}]}`, `{"observers":[{"name":"b","address":"http://[::1%25eth0]:1/"}]}`,
		`{"observers":[{"name":"b","address":"[fe80::1%eth0]:8000"}]}`, `{"observers":[{"name":"b","address":"50%:8000"}]}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseObservers([]byte(text))
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if len(line) > 800 {
					t.Errorf("a fault of %d bytes: %s", len(line), line)
				}
			}
			if lines := 1 + strings.Count(err.Error(), "\n"); lines > 10*MaxObservers || betrays(err.Error(), text) {
				t.Errorf("%d lines: %v", lines, err)
			}
			return
		}
		if len(all) > MaxObservers {
			t.Fatalf("%d observers", len(all))
		}
		names := map[string]bool{}
		var forms []observerForm
		for _, o := range all {
			switch {
			case o.Check() != nil || names[o.Name] || o.Type != HTTP && o.Type != GRPC,
				o.Timeout < minTimeout || o.Timeout > maxTimeout || o.Period < minPeriod || o.Period > maxPeriod,
				len(o.Address) > maxAddress || len(o.Token.Reveal()) > maxToken:
				t.Errorf("taken: %+v, %v", o, o.Check())
			}
			if o.Token.Reveal() != "" && betrays(fmt.Sprintf("%v %+v %#v %s", o, o, o, mustMarshal(t, o)), text) {
				t.Errorf("%q is shown", o.Token.Reveal())
			}
			names[o.Name] = true
			forms = append(forms, o.form(o.Token.Reveal()))
		}
		again, err := ParseObservers([]byte(mustMarshal(t, map[string]any{"observers": forms})))
		if err != nil || !reflect.DeepEqual(again, all) {
			t.Errorf("%+v\nis read again as %+v, %v", all, again, err)
		}
		r, err := NewReporter(ReporterOptions{Fixed: all})
		if err != nil {
			t.Fatalf("taken, and can't be told: %v", err)
		}
		for _, w := range r.workers {
			w.sender.close()
		}
	})
}

// FuzzParseCredentials: whatever stands in the file of STATUS_OBSERVER_TOKENS, it is
// refused in short lines without a token, or every token in it keeps to its bounds, lets
// its source in and is the same when it is written and read again.
func FuzzParseCredentials(f *testing.F) {
	for _, text := range []string{
		"", "# nobody", "0123456789abcdef", "0123456789abcdef\n0123456789abcdef", "0123456789abcdef source=leeds increments ; 0123456789abcdeg # x ; y",
		"0123456789abcde", strings.Repeat("x", 513), "0123456789abcdef;; 0123456789abcdeg", "0123456789/bcdef", "0123456789abcd\xff\xff", "0123456789abcdef;\v0123456789abcdeg",
		"0123456789abcdef source=" + strings.Repeat("y", 500), "0123456789abcdef source=", "0123456789abcdef 0123456789abcdeg", "0123456789abcdef #\r; 0123456789abcdeg",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseCredentials(text)
		if err != nil {
			words := strings.Fields(text)
			for line := range strings.Lines(err.Error()) {
				if len(line) > 600 {
					t.Errorf("a fault of %d bytes: %s", len(line), line)
				}
			}
			if n := strings.Count(err.Error(), "\n"); n > len(words) {
				t.Errorf("%d words have %d faults", len(words), n+1)
			}
			for _, word := range words {
				if len(word) >= minCredential && !strings.HasPrefix(word, "source=") && strings.Contains(err.Error(), word) {
					t.Errorf("%q is said: %v", word, err)
				}
			}
			return
		}
		if len(all) == 0 || len(all) > maxCredentials {
			t.Fatalf("%d tokens", len(all))
		}
		d, err := newDoor(all)
		if err != nil {
			t.Fatal(err)
		}
		var again strings.Builder
		for _, c := range all {
			token := c.Token.Reveal()
			if len(token) < minCredential || len(token) > maxCredential || !tokenForm.MatchString(token) || strings.ContainsAny(token, "/?#%") {
				t.Errorf("taken: %q", token)
			}
			if said := fmt.Sprintf("%v %+v %#v %s", c, c, c, mustMarshal(t, c)); strings.Contains(said, token) && !strings.Contains(c.Source, token) {
				t.Errorf("a token is shown: %s", said)
			}
			want := guest{cmp.Or(c.Source, DefaultSource), c.Increments}
			for _, let := range []func() (guest, *refusal){
				func() (guest, *refusal) { return d.open(token, nil) },
				func() (guest, *refusal) { return d.open("", []string{token}) },
				func() (guest, *refusal) { return d.open(token, []string{want.source}) },
			} {
				if g, no := let(); no != nil || g != want {
					t.Errorf("%+v is let in as %+v, %+v", c, g, no)
				}
			}
			again.WriteString(token)
			if c.Source != "" {
				again.WriteString(" source=" + c.Source)
			}
			if c.Increments {
				again.WriteString(" increments")
			}
			again.WriteString("\n")
		}
		read, err := ParseCredentials(again.String())
		if err != nil || !reflect.DeepEqual(read, all) {
			t.Errorf("%q\nis read again as %d tokens, %v", again.String(), len(read), err)
		}
	})
}
