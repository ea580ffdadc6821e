package serve

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-openapi/loads"
	"github.com/go-openapi/spec"
	"github.com/go-openapi/strfmt"
	"github.com/go-openapi/validate"

	"labstatus/internal/health"
	"labstatus/serve/restapi"
)

// contract is swagger.yaml, with every reference followed.
func contract(t *testing.T) *spec.Swagger {
	t.Helper()
	doc, err := loads.Spec("../swagger.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err = doc.Expanded()
	if err != nil {
		t.Fatal(err)
	}
	return doc.Spec()
}

// strict refuses whatever the contract doesn't speak of.
func strict(s *spec.Schema) {
	if s == nil {
		return
	}
	if s.Items != nil {
		strict(s.Items.Schema)
	}
	if s.AdditionalProperties != nil {
		strict(s.AdditionalProperties.Schema)
		return
	}
	if len(s.Properties) > 0 {
		s.AdditionalProperties = &spec.SchemaOrBool{Allows: false}
	}
	for name, property := range s.Properties {
		strict(&property)
		s.Properties[name] = property
	}
}

// Every answer is what swagger.yaml promises, and nothing besides.
func TestAnswersKeepTheContract(t *testing.T) {
	nothing := func(o *Options) {
		o.Snapshot = func() *health.Snapshot { return nil }
		o.System = func() SystemInfo { return SystemInfo{Started: t0} }
		o.Ready = func() []string { return nil }
	}
	quiet := func(o *Options) { o.Events = noEvents; o.AllEvents = noMoreEvents }
	evil := url.PathEscape(hostile)
	usual := newHandler(t)
	called := make(map[string]bool)
	swagger := contract(t)
	for _, c := range []struct {
		path, target string
		status       int
		change       func(*Options)
	}{
		{"/experiments", "/experiments", 200, nil},
		{"/experiments", "/experiments", 200, nothing},
		{"/experiments", "/experiments?state=unhealthy&q=PEND", 200, nil},
		{"/experiments", "/experiments?q=no-such-thing", 200, nil},
		{"/experiments", "/experiments?state=ill", 422, nil},
		{"/experiments/{name}", "/experiments/pend00", 200, nil},
		{"/experiments/{name}", "/experiments/pend01", 200, nil},
		{"/experiments/{name}", "/experiments/" + evil, 200, nil},
		{"/experiments/{name}", "/experiments/nobody", 404, nil},
		{"/experiments/events/{name}", "/experiments/events/pend00", 200, nil},
		{"/experiments/events/{name}", "/experiments/events/pend00", 200, quiet},
		{"/experiments/events/{name}", "/experiments/events/nobody", 404, nil},
		{"/events", "/events?limit=5&since=2025-01-01T00:00:00Z", 200, nil},
		{"/events", "/events", 200, quiet},
		{"/events", "/events?cursor=made-up", 422, nil},
		{"/system", "/system", 200, nil},
		{"/system", "/system", 200, nothing},
	} {
		t.Run(fmt.Sprint(c.target, " ", c.status), func(t *testing.T) {
			h := usual
			if c.change != nil {
				h = newHandler(t, c.change)
			}
			w := get(t, h, basePath+c.target)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type %q", got)
			}
			item, ok := swagger.Paths.Paths[c.path]
			if !ok {
				t.Fatalf("the contract has no path %s", c.path)
			}
			called[c.path] = true
			response, ok := item.Get.Responses.StatusCodeResponses[c.status]
			if !ok {
				response = *item.Get.Responses.Default
			}
			schema := response.Schema
			strict(schema)
			var got any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if err := validate.AgainstSchema(schema, got, strfmt.Default); err != nil {
				t.Errorf("%v\n%s", err, w.Body)
			}
			for _, text := range absentTimes {
				if strings.Contains(w.Body.String(), text) {
					t.Errorf("the answer has %q for a time that is not known", text)
				}
			}
		})
	}
	for path := range swagger.Paths.Paths {
		if !called[path] {
			t.Errorf("%s was not tried", path)
		}
	}
}

var absentTimes = []string{"0001-01-01", ":null"}

// The check above must be able to fail.
func TestStrictRefusesWhatIsNotPromised(t *testing.T) {
	schema := contract(t).Definitions["Error"]
	strict(&schema)
	for _, bad := range []map[string]any{
		{"code": 404.0},
		{"code": "404", "message": "m"},
		{"code": 404.0, "message": "m", "more": true},
	} {
		if validate.AgainstSchema(&schema, bad, strfmt.Default) == nil {
			t.Errorf("%v passed", bad)
		}
	}
}

// What was generated belongs to this swagger.yaml.
func TestGeneratedFromThisContract(t *testing.T) {
	doc, err := loads.Spec("../swagger.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var written, embedded any
	for raw, into := range map[*any][]byte{&written: doc.Raw(), &embedded: restapi.SwaggerJSON} {
		if err := json.Unmarshal(into, raw); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(written, embedded) {
		t.Error("swagger.yaml has changed since the code was generated; run scripts/generate.sh")
	}
}

// A page written for the upstream server finds every key that it knows, with a
// value of the same type.
func TestUpstreamPagesStillWork(t *testing.T) {
	raw, err := os.ReadFile("testdata/upstream-report.json")
	if err != nil {
		t.Fatal(err)
	}
	var upstream, ours map[string]any
	if err := json.Unmarshal(raw, &upstream); err != nil {
		t.Fatal(err)
	}
	// The capture's experiment, as the engine would report it.
	r := healthyReport("pend00")
	r.Jump.StatsKnown = true
	r.Streams[0].Topic, r.Streams[0].Conn.Topic = "pend00-st-data", "pend00-st-data"
	r.Resources[0].Required = []string{"pend00-st-data"}
	snap := &health.Snapshot{At: t0, Version: 1, Experiments: []*health.Report{r}}
	w := get(t, newHandler(t, func(o *Options) { o.Snapshot = func() *health.Snapshot { return snap } }), basePath+"/experiments/pend00")
	if err := json.Unmarshal(w.Body.Bytes(), &ours); err != nil {
		t.Fatal(err)
	}
	missing := lacking("", upstream, ours)
	if len(missing) > 0 {
		t.Errorf("not as upstream's:\n%s", strings.Join(missing, "\n"))
	}
	if got := lacking("", upstream, map[string]any{}); len(got) == 0 {
		t.Error("the comparison finds nothing missing in an empty report")
	}
	for _, same := range []string{"topic_name", "resource_name", "available", "healthy", "jump_ok", "health_events", "stream_ok", "stream_required"} {
		if !reflect.DeepEqual(upstream[same], ours[same]) {
			t.Errorf("%s is %v, upstream's %v", same, ours[same], upstream[same])
		}
	}
	tx := ours["stream_reports"].(map[string]any)["pend00-st-data"].(map[string]any)["stats"].(map[string]any)
	want := map[string]any{
		"tx": map[string]any{"last": "648.857445ms", "size": 42.0, "fps": 1.0, "never": false},
		"rx": map[string]any{"last": "999h0m0s", "size": 0.0, "fps": 0.0, "never": true},
	}
	if !reflect.DeepEqual(tx, want) {
		t.Errorf("stats are %v, want %v", tx, want)
	}
	for _, key := range []string{"first_checked", "last_checked_jump", "last_checked_streams", "last_found_in_manifest"} {
		if _, err := time.Parse(time.RFC3339, ours[key].(string)); err != nil {
			t.Error(err)
		}
	}
}

// lacking lists the keys of want that got has not, or has with another type.
func lacking(at string, want, got any) []string {
	if reflect.TypeOf(want) != reflect.TypeOf(got) {
		return []string{fmt.Sprintf("%s: %T, want %T", at, got, want)}
	}
	var out []string
	if object, ok := want.(map[string]any); ok {
		for key, value := range object {
			out = append(out, lacking(at+"/"+key, value, got.(map[string]any)[key])...)
		}
	}
	slices.Sort(out)
	return out
}
