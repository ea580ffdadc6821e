package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-openapi/loads"
	"github.com/go-openapi/spec"
	"github.com/go-openapi/strfmt"
	"github.com/go-openapi/validate"

	"labstatus/internal/health"
	"labstatus/serve/restapi"
)

// contract is swagger.yaml, with every reference followed. It is read once for all
// tests, none of which runs beside another: all that they do to it is to make its
// schemas strict.
func contract(t *testing.T) *spec.Swagger {
	t.Helper()
	swagger, err := expandedContract()
	if err != nil {
		t.Fatal(err)
	}
	return swagger
}

var expandedContract = sync.OnceValues(func() (*spec.Swagger, error) {
	doc, err := loads.Spec("../swagger.yaml")
	if err != nil {
		return nil, err
	}
	if doc, err = doc.Expanded(); err != nil {
		return nil, err
	}
	return doc.Spec(), nil
})

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
	t.Parallel()
	// Making a handler takes a while, so each kind is made once.
	with := func(change ...func(*Options)) func() http.Handler {
		return sync.OnceValue(func() http.Handler { return newAdminHandler(t, change...) })
	}
	usual := with()
	nothing := with(func(o *Options) {
		o.Snapshot = func() *health.Snapshot { return nil }
		o.System = func() SystemInfo { return SystemInfo{Started: t0} }
		o.Ready = func() []string { return nil }
		o.Uptime = func(string) (float64, bool) { return 0, false }
		o.History = func(_ context.Context, _ string, from, to time.Time) (History, error) {
			return History{From: from, To: to, Unknown: to.Sub(from)}, nil
		}
		o.Audit = func(context.Context, int, string) ([]health.Act, string, error) { return nil, "", nil }
		o.Mails = func(context.Context, int, string) ([]health.Mail, string, error) { return nil, "", nil }
	})
	quiet := with(func(o *Options) { o.Events = noEvents; o.FindEvents = noMoreEvents })
	unobserved := with(notObserving)
	crowded := with(func(o *Options) {
		snap := labSnapshot()
		snap.Windows = make([]health.Window, health.MaxWindows)
		o.Snapshot = func() *health.Snapshot { return snap }
	})
	off := with(func(o *Options) {
		refused := &ActError{Status: 409, Message: "mail is off: STATUS_EMAIL_TO is missing"}
		o.TestMail = func(context.Context, string) (string, int, error) { return "", 0, refused }
	})
	failing := with(func(o *Options) {
		refused := &ActError{Status: 502, Message: "book said: 500 oops"}
		o.Hold = func(context.Context, string, []string, string, string) error { return refused }
	})
	evil := url.PathEscape(hostile)
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	oneWindow := `{"names":["pend*"],"reason":"new motor","from":"` + yesterday() + `","until":"` + later + `"}`
	weeklyWindow := `{"names":["pend*"],"reason":"lecture","bookings":"leave","from":"2025-01-01T00:00:00Z",
		"weekly":{"days":["mon","fri"],"start":"08:00","end":"12:30","zone":"Europe/London"}}`
	called := make(map[string]bool)
	swagger := contract(t)
	for _, c := range []struct {
		path, method, target, body string
		status                     int
		on                         func() http.Handler
	}{
		{"/experiments", "GET", "/experiments", "", 200, usual},
		{"/experiments", "GET", "/experiments", "", 200, nothing},
		{"/experiments", "GET", "/experiments?state=unhealthy&q=PEND", "", 200, usual},
		{"/experiments", "GET", "/experiments?q=no-such-thing", "", 200, usual},
		{"/experiments", "GET", "/experiments?state=ill", "", 422, usual},
		{"/experiments/{name}", "GET", "/experiments/pend00", "", 200, usual},
		{"/experiments/{name}", "GET", "/experiments/pend01", "", 200, usual},
		{"/experiments/{name}", "GET", "/experiments/" + evil, "", 200, usual},
		{"/experiments/{name}", "GET", "/experiments/nobody", "", 404, usual},
		{"/experiments/{name}/history", "GET", "/experiments/pend00/history", "", 200, usual},
		{"/experiments/{name}/history", "GET", "/experiments/gone/history?from=2025-01-01T00:00:00Z&to=2025-02-01T00:00:00Z", "", 200, nothing},
		{"/experiments/{name}/history", "GET", "/experiments/nobody/history", "", 404, usual},
		{"/experiments/{name}/silence", "PUT", "/experiments/pend00/silence", `{"until":"` + later + `","reason":"rewiring"}`, 200, usual},
		{"/experiments/{name}/silence", "PUT", "/experiments/nobody/silence", `{"until":"` + later + `","reason":"rewiring"}`, 404, usual},
		{"/experiments/{name}/silence", "PUT", "/experiments/pend00/silence", `{}`, 422, usual},
		{"/experiments/{name}/silence", "DELETE", "/experiments/pend02/silence", "", 200, usual},
		{"/experiments/{name}/silence", "DELETE", "/experiments/pend00/silence", "", 404, usual},
		{"/experiments/{name}/ack", "PUT", "/experiments/pend01/ack", `{"note":"on my way"}`, 200, usual},
		{"/experiments/{name}/ack", "PUT", "/experiments/pend00/ack", `{}`, 409, usual},
		{"/experiments/{name}/ack", "DELETE", "/experiments/pend01/ack", "", 200, usual},
		{"/experiments/{name}/ack", "DELETE", "/experiments/pend00/ack", "", 404, usual},
		{"/experiments/{name}/hold", "PUT", "/experiments/pend00/hold", `{"reason":"belt"}`, 200, usual},
		{"/experiments/{name}/hold", "PUT", "/experiments/trus05/hold", `{"reason":"belt"}`, 409, usual},
		{"/experiments/{name}/hold", "PUT", "/experiments/pend00/hold", `{"reason":"belt"}`, 502, failing},
		{"/experiments/{name}/hold", "DELETE", "/experiments/pend02/hold", "", 200, usual},
		{"/experiments/{name}/hold", "DELETE", "/experiments/pend00/hold", "", 409, usual},
		{"/experiments/{name}/hold", "DELETE", "/experiments/pend02/hold", "", 502, failing},
		{"/experiments/events/{name}", "GET", "/experiments/events/pend00", "", 200, usual},
		{"/experiments/events/{name}", "GET", "/experiments/events/pend00", "", 200, quiet},
		{"/experiments/events/{name}", "GET", "/experiments/events/nobody", "", 404, usual},
		{"/events", "GET", "/events?limit=5&since=2025-01-01T00:00:00Z&until=2025-01-02T00:00:00Z&experiment=pend00&q=jump", "", 200, usual},
		{"/events", "GET", "/events", "", 200, quiet},
		{"/events", "GET", "/events?cursor=made-up", "", 422, usual},
		{"/maintenance", "GET", "/maintenance", "", 200, usual},
		{"/maintenance", "GET", "/maintenance", "", 200, nothing},
		{"/maintenance", "POST", "/maintenance", oneWindow, 201, usual},
		{"/maintenance", "POST", "/maintenance", weeklyWindow, 201, usual},
		{"/maintenance", "POST", "/maintenance", oneWindow, 409, crowded},
		{"/maintenance/{id}", "PUT", "/maintenance/aaaa", oneWindow, 200, usual},
		{"/maintenance/{id}", "PUT", "/maintenance/zzzz", oneWindow, 404, usual},
		{"/maintenance/{id}", "DELETE", "/maintenance/bbbb", "", 204, usual},
		{"/maintenance/{id}", "DELETE", "/maintenance/zzzz", "", 404, usual},
		{"/audit", "GET", "/audit", "", 200, usual},
		{"/audit", "GET", "/audit?limit=3", "", 200, nothing},
		{"/mails", "GET", "/mails", "", 200, usual},
		{"/mails", "GET", "/mails", "", 200, nothing},
		{"/mails/{id}", "GET", "/mails/abc123@lab.example", "", 200, usual},
		{"/mails/{id}", "GET", "/mails/nothing", "", 404, usual},
		{"/mail/test", "POST", "/mail/test", "", 202, usual},
		{"/mail/test", "POST", "/mail/test", "", 409, off},
		{"/observers", "GET", "/observers", "", 200, usual},
		{"/observers", "GET", "/observers", "", 200, unobserved},
		{"/observers", "POST", "/observers", `{"name":"new","address":"https://new.example"}`, 201, usual},
		{"/observers", "POST", "/observers", `{"name":"grafana","address":"https://new.example"}`, 409, usual},
		{"/observers", "POST", "/observers", `{"name":"new","address":"https://new.example"}`, 409, unobserved},
		{"/observers", "POST", "/observers", `{}`, 422, usual},
		{"/observers/{name}", "GET", "/observers/collector", "", 200, usual},
		{"/observers/{name}", "GET", "/observers/nobody", "", 404, usual},
		{"/observers/{name}", "PUT", "/observers/collector", `{"address":"10.0.0.7:8000","tls":{},"reset_traffic":true}`, 200, usual},
		{"/observers/{name}", "PUT", "/observers/nobody", `{"address":"10.0.0.7:8000"}`, 404, usual},
		{"/observers/{name}", "PUT", "/observers/grafana", `{"address":"10.0.0.7:8000"}`, 409, usual},
		{"/observers/{name}", "DELETE", "/observers/collector", "", 204, usual},
		{"/observers/{name}", "DELETE", "/observers/nobody", "", 404, usual},
		{"/observers/{name}", "DELETE", "/observers/grafana", "", 409, usual},
		{"/observed", "GET", "/observed", "", 200, usual},
		{"/observed", "GET", "/observed?experiment=pend00&source=leeds&state=ready&q=TUN&limit=1", "", 200, usual},
		{"/observed", "GET", "/observed?limit=0", "", 200, usual},
		{"/observed", "GET", "/observed", "", 200, unobserved},
		{"/system", "GET", "/system", "", 200, usual},
		{"/system", "GET", "/system", "", 200, nothing},
	} {
		t.Run(fmt.Sprint(c.method, " ", c.target, " ", c.status), func(t *testing.T) {
			item, ok := swagger.Paths.Paths[c.path]
			if !ok {
				t.Fatalf("the contract has no path %s", c.path)
			}
			operation := map[string]*spec.Operation{"GET": item.Get, "PUT": item.Put, "POST": item.Post, "DELETE": item.Delete}[c.method]
			called[operation.ID] = true
			header := []string{"Authorization", "Bearer " + mint(t, ScopeAdmin)}
			if c.method == "GET" {
				header = nil
			}
			w := send(t, c.on(), c.method, basePath+c.target, c.body, header...)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if c.method != "GET" && w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("a change may be kept: Cache-Control %q", w.Header().Get("Cache-Control"))
			}
			if c.status == 204 {
				if w.Body.Len() > 0 || w.Header().Get("Content-Type") != "" {
					t.Errorf("no content has some: %s", w.Body)
				}
				return
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type %q", got)
			}
			response, ok := operation.Responses.StatusCodeResponses[c.status]
			if !ok {
				response = *operation.Responses.Default
			}
			keepsTo(t, response.Schema, w.Body.Bytes())
		})
	}
	called["followLive"] = true // see TestLiveKeepsTheContract
	for path, item := range swagger.Paths.Paths {
		for _, operation := range []*spec.Operation{item.Get, item.Put, item.Post, item.Delete} {
			if operation != nil && !called[operation.ID] {
				t.Errorf("%s of %s was not tried", operation.ID, path)
			}
		}
	}
}

// keepsTo complains of all in an answer that its schema doesn't speak of, and of all
// that is missing.
func keepsTo(t *testing.T, schema *spec.Schema, answer []byte) {
	t.Helper()
	strict(schema)
	var got any
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatal(err)
	}
	if err := validate.AgainstSchema(schema, got, strfmt.Default); err != nil {
		t.Errorf("%v\n%s", err, answer)
	}
	for _, text := range absentTimes {
		if strings.Contains(string(answer), text) {
			t.Errorf("the answer has %q for a time that is not known", text)
		}
	}
}

var absentTimes = []string{"0001-01-01", ":null"}

// The check above must be able to fail.
func TestStrictRefusesWhatIsNotPromised(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
