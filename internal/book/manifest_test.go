package book

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"labstatus/internal/health"
)

func TestDecodeManifest(t *testing.T) {
	t.Parallel()
	pend := health.Resource{Name: "r-pend00", Stub: "pend00", Required: []string{"pend00-st-data", "pend00-st-video"}}
	leftOut := func(name, why string) string {
		return fmt.Sprintf("resource %q in book's manifest is left out: %s", name, why)
	}
	for _, c := range []struct {
		about     string
		body      string
		resources []health.Resource
		warnings  []string
	}{
		{"empty", `{}`, nil, nil},
		{"null", `null`, nil, nil},
		{"streams sorted, without repeats and blanks", `{"r-pend00":{"topic_stub":"pend00","streams":["st-video","st-data","st-video",""]}}`, []health.Resource{pend}, nil},
		{"streams null", `{"r":{"topic_stub":"x","streams":null}}`, []health.Resource{{Name: "r", Stub: "x"}}, nil},
		{"streams missing", `{"r":{"topic_stub":"x"}}`, []health.Resource{{Name: "r", Stub: "x"}}, nil},
		{"unknown fields", `{"r-pend00":{"topic_stub":"pend00","streams":["st-video","st-data"],"config_url":"http://x","tests":[{"a":[1]}],"new":null}}`, []health.Resource{pend}, nil},
		{"sorted by name", `{"b":{"topic_stub":"x"},"a":{"topic_stub":"x"}}`, []health.Resource{{Name: "a", Stub: "x"}, {Name: "b", Stub: "x"}}, nil},
		{"listed twice: the latter", `{"a":{"topic_stub":"x"},"a":{"topic_stub":"y"}}`, []health.Resource{{Name: "a", Stub: "y"}}, nil},
		{"no stub", `{"a":{"streams":["st-data"]},"b":null,"c":{"topic_stub":" "},"r":{"topic_stub":"x"}}`,
			[]health.Resource{{Name: "r", Stub: "x"}},
			[]string{leftOut("a", "it has no topic_stub"), leftOut("b", "it has no topic_stub"), leftOut("c", "it has no topic_stub")}},
		{"wrong types", `{"a":{"topic_stub":7},"b":"text","c":{"topic_stub":"x","streams":"st-data"},"r":{"topic_stub":"x"}}`,
			[]health.Resource{{Name: "r", Stub: "x"}},
			[]string{leftOut("a", "topic_stub should be text and streams a list of text"), leftOut("b", "topic_stub should be text and streams a list of text"), leftOut("c", "topic_stub should be text and streams a list of text")}},
		{"names that can't be asked for", `{"":{"topic_stub":"x"},"..":{"topic_stub":"x"},".":{"topic_stub":"x"}}`, nil,
			[]string{leftOut("", "its name can't be part of an address"), leftOut(".", "its name can't be part of an address"), leftOut("..", "its name can't be part of an address")}},
	} {
		t.Run(c.about, func(t *testing.T) {
			resources, warnings, err := decodeManifest(strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "resources", resources, c.resources)
			wantEqual(t, "warnings", strings.Join(warnings, "\n"), strings.Join(c.warnings, "\n"))
		})
	}
}

func TestDecodeManifestRefuses(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "[]", `"x"`, "7", "{", `{"a"`, `{"a":`, `{"a":{}`, `{"a":{},`, `{} {}`, `{}x`, `{"a" {}}`, "nul", `{"a":{"topic_stub":"x"}]`} {
		if resources, _, err := decodeManifest(strings.NewReader(body)); err == nil {
			t.Errorf("%s was taken for a manifest of %v", body, resources)
		}
	}
}

func TestManyWarningsAreCutShort(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, `,"r%02d":{}`, i)
	}
	_, warnings, err := decodeManifest(strings.NewReader("{" + b.String()[1:] + "}"))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "how many", len(warnings), maxWarnings+1)
	wantEqual(t, "the last", warnings[maxWarnings], "and so are 30 more resources")
}

func FuzzDecodeManifest(f *testing.F) {
	f.Add([]byte(`{"r-pend00":{"description":"d","streams":["st-data","st-data"],"tests":null,"topic_stub":"pend00"}}`))
	f.Add([]byte(`{"a":null,"b":7,"a":{"topic_stub":"x","streams":[""]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		resources, warnings, err := decodeManifest(bytes.NewReader(body))
		if err != nil && (resources != nil || warnings != nil) {
			t.Error("an error came with half a manifest")
		}
		for i, r := range resources {
			if i > 0 && resources[i-1].Name >= r.Name {
				t.Errorf("%q stands before %q", resources[i-1].Name, r.Name)
			}
			if !slices.IsSorted(r.Required) || len(slices.Compact(slices.Clone(r.Required))) != len(r.Required) {
				t.Errorf("required %q is not sorted without repeats", r.Required)
			}
			if strings.TrimSpace(r.Name) == "" || strings.TrimSpace(r.Stub) == "" {
				t.Errorf("%+v is nameless", r)
			}
			for _, topic := range r.Required {
				if !strings.HasPrefix(topic, r.Stub+"-") {
					t.Errorf("topic %q is not of %q", topic, r.Stub)
				}
			}
		}
	})
}

func FuzzReadMessage(f *testing.F) {
	for _, s := range []string{`{"code":500,"message":"x"}`, `{"code":"404","message":"x"}`, `"x"`, "<title>a</title>", "<", "eyJx.eyJ", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		message, _ := readMessage(body)
		if len(message) > maxMessage || strings.ContainsAny(message, "\r\n") {
			t.Errorf("%q is too long or of more than one line", message)
		}
		if tokenLike.MatchString(message) {
			t.Errorf("%q shows a token", message)
		}
	})
}
