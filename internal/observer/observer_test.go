package observer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"labstatus/internal/observer"
)

func TestObserversAreChecked(t *testing.T) {
	t.Parallel()
	ca := pemOf(t, newAuthority(t))
	good := observer.Observer{Name: "collector", Address: "https://collector.example.org/observer"}
	with := func(change func(*observer.Observer)) observer.Observer {
		o := good
		change(&o)
		return o
	}
	for name, tc := range map[string]struct {
		o      observer.Observer
		fields []string // at fault
	}{
		"a URL is enough":               {good, nil},
		"host and port are enough":      {observer.Observer{Name: "a", Address: "collector:8000"}, nil},
		"an IPv6 address":               {observer.Observer{Name: "a", Address: "[::1]:8000"}, nil},
		"a query may hold a secret":     {with(func(o *observer.Observer) { o.Address += "?key=1" }), nil},
		"a private authority":           {with(func(o *observer.Observer) { o.TLS = &observer.TLS{CA: ca} }), nil},
		"no name":                       {with(func(o *observer.Observer) { o.Name = "" }), []string{"name"}},
		"a name with a slash":           {with(func(o *observer.Observer) { o.Name = "a/b" }), []string{"name"}},
		"a name that is too long":       {with(func(o *observer.Observer) { o.Name = strings.Repeat("a", 64) }), []string{"name"}},
		"no address":                    {with(func(o *observer.Observer) { o.Address = "" }), []string{"address"}},
		"a type that there is none":     {with(func(o *observer.Observer) { o.Type = "udp" }), []string{"type"}},
		"gRPC with a URL":               {with(func(o *observer.Observer) { o.Type = observer.GRPC }), []string{"address"}},
		"gRPC without a port":           {observer.Observer{Name: "a", Address: "collector"}, []string{"address"}},
		"gRPC with a port out of range": {observer.Observer{Name: "a", Address: "collector:65536"}, []string{"address"}},
		"gRPC with an address's zone":   {observer.Observer{Name: "a", Address: "[fe80::1%eth0]:8000"}, nil},
		"gRPC with a line's end":        {observer.Observer{Name: "a", Address: "collector\n:8000"}, []string{"address"}},
		"gRPC with a path":              {observer.Observer{Name: "a", Address: "collector/observer:80"}, []string{"address"}},
		"HTTP without a host":           {with(func(o *observer.Observer) { o.Address = "http:///observer" }), []string{"address"}},
		"HTTP with a port out of range": {with(func(o *observer.Observer) { o.Address = "http://a:99999/" }), []string{"address"}},
		"HTTP with a password":          {with(func(o *observer.Observer) { o.Address = "http://me:secret@a/" }), []string{"address"}},
		"HTTP with a fragment":          {with(func(o *observer.Observer) { o.Address += "#a" }), []string{"address"}},
		"HTTP that can't be parsed":     {with(func(o *observer.Observer) { o.Address = "http://a\x7f/" }), []string{"address"}},
		"a token with a blank":          {with(func(o *observer.Observer) { o.Token = observer.NewSecret("a b") }), []string{"token"}},
		"a token with a line's end":     {with(func(o *observer.Observer) { o.Token = observer.NewSecret("a\r\nX: y") }), []string{"token"}},
		"a period that is too short":    {with(func(o *observer.Observer) { o.Period = 999 * time.Millisecond }), []string{"period"}},
		"a period that is too long":     {with(func(o *observer.Observer) { o.Period = 2 * time.Hour }), []string{"period"}},
		"a negative period":             {with(func(o *observer.Observer) { o.Period = -1 }), []string{"period"}},
		"a timeout that is too short":   {with(func(o *observer.Observer) { o.Timeout = time.Millisecond }), []string{"timeout"}},
		"TLS without https":             {with(func(o *observer.Observer) { o.Address, o.TLS = "http://a/", &observer.TLS{} }), []string{"tls"}},
		"a server name with a port":     {with(func(o *observer.Observer) { o.TLS = &observer.TLS{ServerName: "a:443"} }), []string{"tls.server_name"}},
		"an authority that is none":     {with(func(o *observer.Observer) { o.TLS = &observer.TLS{CA: "ca.pem"} }), []string{"tls.ca"}},
		"an authority nobody looks at":  {with(func(o *observer.Observer) { o.TLS = &observer.TLS{CA: ca, Insecure: true} }), []string{"tls.ca"}},
		"several faults at once": {observer.Observer{Name: "?", Address: "x", Period: -1, Token: observer.NewSecret(" ")},
			[]string{"name", "address", "token", "period"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fieldsOf(tc.o.Check()); !slices.Equal(got, tc.fields) {
				t.Errorf("at fault are %q, want %q: %v", got, tc.fields, tc.o.Check())
			}
		})
	}
}

// fieldsOf are the fields that an error names.
func fieldsOf(err error) (fields []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			fields = append(fields, fieldsOf(one)...)
		}
		return fields
	}
	if e, ok := errors.AsType[*observer.FieldError](err); ok {
		return []string{e.Field}
	}
	return nil
}

func TestObserversFromAFile(t *testing.T) {
	t.Parallel()
	got, err := observer.ParseObservers([]byte(`{"observers": [
		{"name": "collector", "address": "https://collector.example.org/observer", "token": "t0ken", "period": "10s", "reset_traffic": true},
		{"name": "second", "type": "grpc", "address": "10.0.0.7:8000", "timeout": "1s", "tls": {"server_name": "observer.lab", "insecure": true}}
	]}`))
	want := []observer.Observer{
		{Name: "collector", Type: observer.HTTP, Address: "https://collector.example.org/observer", Token: got[0].Token,
			Timeout: 5 * time.Second, Period: 10 * time.Second, ResetTraffic: true},
		{Name: "second", Type: observer.GRPC, Address: "10.0.0.7:8000", Timeout: time.Second, Period: 5 * time.Second, TLS: got[1].TLS},
	}
	if err != nil || !slices.Equal(got, want) || got[0].Token.Reveal() != "t0ken" || *got[1].TLS != (observer.TLS{ServerName: "observer.lab", Insecure: true}) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, tc := range map[string]struct{ text, says string }{
		"no JSON":             {"observers:", "read JSON"},
		"a list alone":        {"[]", "read JSON"},
		"an unknown field":    {`{"observers":[{"name":"a","addr":"a:1"}]}`, `unknown field "addr"`},
		"something behind it": {`{"observers":[]} {}`, "follows"},
		"a number as a name":  {`{"observers":[{"name":1}]}`, "observers.name: can't be number"},
		"a bare number":       {`{"observers":[{"name":"a","address":"a:1","period":"5"}]}`, `observers[0].period: "5" is no duration`},
		"a period of nothing": {`{"observers":[{"name":"a","address":"a:1","period":"0s"}]}`, `observers[0].period: "0s" is no duration`},
		"one name twice":      {`{"observers":[{"name":"a","address":"a:1"},{"name":"a","address":"b:1"}]}`, `observers[1].name: "a" is there twice`},
		"faults of two":       {`{"observers":[{"name":"?","address":"a:1"},{"name":"b","address":"b"}]}`, "observers[1].address"},
		"too many": {`{"observers":[` + strings.Repeat(`{"name":"a","address":"a:1"},`, observer.MaxObservers) + `{"name":"a","address":"a:1"}]}`,
			"at most 32"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := observer.ParseObservers([]byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, which lacks %q", err, tc.says)
			}
		})
	}
}

func TestAnObserverFromTheAPI(t *testing.T) {
	t.Parallel()
	o, err := observer.ParseObserver([]byte(`{"name":"a","address":"a:1"}`))
	if err != nil || o.Type != observer.GRPC || o.Period != 5*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
	_, err = observer.ParseObserver([]byte(`{"name":"a","address":"a","period":"x"}`))
	if got := fieldsOf(err); !slices.Equal(got, []string{"period", "address"}) {
		t.Errorf("at fault are %q: %v", got, err)
	}
}

// However it is printed, a token stays where it is; kept, it is all there.
func TestTokensStaySecret(t *testing.T) {
	t.Parallel()
	const word = "very-secret-token"
	o := observer.Observer{Name: "a", Type: observer.HTTP, Address: "https://a/" + word + "?key=" + word, Token: observer.NewSecret(word), Period: time.Second, Timeout: time.Second}
	text, err := json.Marshal(o.Token)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		fmt.Sprint(o.Token), fmt.Sprintf("%+v %#v %q %x %d", o.Token, o.Token, o.Token, o.Token, o.Token), string(text), o.Place(),
		fmt.Sprintf("%+v", observer.Credential{Token: observer.NewSecret(word)}),
	} {
		if strings.Contains(shown, word) || strings.Contains(shown, fmt.Sprintf("%x", word)) {
			t.Errorf("it shows: %s", shown)
		}
	}
	if o.Place() != "https://a" || observer.NewSecret("").String() != "" {
		t.Errorf("%s", o.Place())
	}
	kept, err := json.Marshal(observer.KeptObserver{Observer: o})
	var back observer.KeptObserver
	if err != nil || json.Unmarshal(kept, &back) != nil || back.Observer.Token.Reveal() != word || back.Observer.Address != o.Address {
		t.Errorf("kept as %s, %v", kept, err)
	}
	if err := json.Unmarshal([]byte(`{"observer":{"name":"a"}}`), &back); err == nil || !strings.Contains(err.Error(), "kept observer a") {
		t.Errorf("one without an address is read: %v", err)
	}
}
