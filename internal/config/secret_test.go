package config

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

func TestSecretNeverPrints(t *testing.T) {
	const word = "hunter2hunter2"
	s := NewSecret(word)
	type inner struct{ key Secret } // unexported: fmt can't call methods on it
	type outer struct {
		Key Secret
		in  inner
		Ptr *Secret
	}
	things := []any{s, &s, outer{s, inner{s}, &s}, &outer{s, inner{s}, &s}, []Secret{s}, map[string]Secret{"k": s}, any(s)}

	var out strings.Builder
	for _, thing := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%p", "%20s", "%.3s", "%U", "% x"} {
			fmt.Fprintf(&out, verb+"\n", thing)
		}
		j, err := json.Marshal(thing)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(j)
	}
	x, err := xml.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(x)
	for _, f := range []logrus.Formatter{&logrus.JSONFormatter{}, &logrus.TextFormatter{}} {
		l := logrus.New()
		l.SetOutput(&out)
		l.SetFormatter(f)
		l.WithField("secret", s).WithField("all", outer{s, inner{s}, &s}).WithError(fmt.Errorf("with %v", s)).Error(s)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", s, "all", outer{Key: s})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", s, "all", outer{Key: s})

	for _, leak := range []string{word, "hunt", "ter2", fmt.Sprintf("%x", word), fmt.Sprintf("%X", word)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q found in:\n%s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), mask) {
		t.Error("nothing was masked")
	}
}

func TestSecretEmptyAndEqual(t *testing.T) {
	var none Secret
	if none.IsSet() || none.Reveal() != "" || none.String() != "" || fmt.Sprintf("%v|%q", none, none) != "|" {
		t.Error("the zero Secret is not empty")
	}
	if NewSecret("") != none {
		t.Error("an empty text makes a secret")
	}
	a := NewSecret("one two\n")
	if a.Reveal() != "one two\n" || a.String() != mask || a.GoString() != mask {
		t.Errorf("got %q, %s", a.Reveal(), a)
	}
	if !a.Equal(NewSecret("one two\n")) || a.Equal(NewSecret("one")) || a.Equal(none) || !none.Equal(none) {
		t.Error("Equal is wrong")
	}
}
