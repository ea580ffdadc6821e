package serve

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"labstatus/internal/health"
)

func noEvents(context.Context, string) ([]health.Event, error) { return nil, nil }

func noMoreEvents(context.Context, EventQuery) ([]health.Event, string, error) { return nil, "", nil }

// A reader that already has the list is told so, in whatever encoding it has it,
// until a new snapshot comes.
func TestTagsAndCompression(t *testing.T) {
	t.Parallel()
	snap := labSnapshot()
	h := newHandler(t, func(o *Options) { o.Snapshot = func() *health.Snapshot { return snap } })
	plain := get(t, h, basePath+"/experiments").Body.Bytes()
	tags := make(map[string]bool)
	for _, c := range []struct{ accept, encoding string }{
		{"", ""}, {"identity", ""}, {"gzip", "gzip"}, {"zstd", "zstd"}, {"gzip, deflate, br, zstd", "zstd"},
		{"zstd;q=0.1, gzip;q=0.9", "gzip"}, {"*", "zstd"}, {"*;q=0", ""}, {"gzip;q=0", ""}, {"GZIP", "gzip"}, {"gzip;q=lots", ""}, {"br", ""},
	} {
		t.Run(c.accept, func(t *testing.T) {
			w := get(t, h, basePath+"/experiments", "Accept-Encoding", c.accept)
			if got := w.Header().Get("Content-Encoding"); got != c.encoding {
				t.Fatalf("Content-Encoding %q, want %q", got, c.encoding)
			}
			if !strings.Contains(w.Header().Get("Vary"), "Accept-Encoding") {
				t.Error("no Vary")
			}
			if got := w.Header().Get("Content-Length"); got != fmt.Sprint(w.Body.Len()) {
				t.Errorf("Content-Length %s of %d", got, w.Body.Len())
			}
			if got := unpack(t, c.encoding, w.Body.Bytes()); !bytes.Equal(got, plain) {
				t.Error("the content differs")
			}
			tag := w.Header().Get("ETag")
			if !strings.HasPrefix(tag, `"`) {
				t.Fatalf("tag %q is not strong", tag)
			}
			tags[tag] = true
			for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
				w := get(t, h, basePath+"/experiments", "Accept-Encoding", c.accept, "If-None-Match", known)
				if w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("ETag") != tag {
					t.Errorf("with %s known: %d, %d bytes, tag %s", known, w.Code, w.Body.Len(), w.Header().Get("ETag"))
				}
			}
			if w := get(t, h, basePath+"/experiments", "If-None-Match", `"other"`); w.Code != 200 {
				t.Errorf("with another one known: %d", w.Code)
			}
		})
	}
	if len(tags) != 3 {
		t.Errorf("three encodings have the tags %v", tags)
	}
	changed := *snap
	changed.Version++
	changed.Experiments = changed.Experiments[1:]
	snap = &changed
	for tag := range tags {
		if w := get(t, h, basePath+"/experiments", "If-None-Match", tag); w.Code != 200 {
			t.Errorf("after a change: %d", w.Code)
		}
	}
}

func unpack(t *testing.T, encoding string, packed []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(packed)
	switch encoding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case "zstd":
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Filters pick by state and by text in name, resources and issues.
func TestFilters(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for query, want := range map[string]string{
		"":                        "", // all, checked below
		"?state=healthy":          "pend00 pend02",
		"?state=starting":         "spin30",
		"?state=unknown":          "trus05",
		"?state=flapping":         "zeta",
		"?q=R-SPIN":               "spin30",
		"?q=missing+jump":         "pend01",
		"?q=pend&state=unhealthy": "pend01",
		"?q=nothing+like+it":      "",
	} {
		var got []struct {
			Topic string `json:"topic_name"`
		}
		body := get(t, h, basePath+"/experiments"+query).Body.Bytes()
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, r := range got {
			names = append(names, r.Topic)
		}
		if query == "" {
			want = strings.Join([]string{hostile, "pend00", "pend01", "pend02", "spin30", "trus05", "zeta"}, " ")
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%s gives %q, want %q", query, names, want)
		}
		if len(names) == 0 && string(body) != "[]" {
			t.Errorf("an empty list is %s", body)
		}
	}
}

// The report says what is known, and admits what isn't.
func TestReportsTellTheTruth(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for name, want := range map[string]string{
		"pend00": `{"available":true,"availability_known":true,"stats_known":true,"jump_known":true,"state":"healthy"}`,
		"pend01": `{"available":false,"availability_known":true,"jump_ok":false,"issues":["missing jump","missing required pend01-st-video"],"stream_reports":{},"stream_ok":{"pend01-st-video":false},
			"jump_report":{"can_read":false,"can_write":false,"remote_addr":"","scopes":[],"stats":{"rx":{},"tx":{}},"stats_known":false,"topic":"pend01","user_agent":""}}`,
		"pend02": `{"available":false,"held":{"reason":"belt being changed"},"healthy":true,"uptime_24h":0.987654,
			"silence":{"at":"2025-03-04T05:06:07.123Z","by":"ben","reason":"rewiring","until":"2025-03-04T06:06:07.123Z"}}`,
		"spin30": `{"available":false,"availability_known":false,"state":"starting","resource_name":"r-spin30","resources":[{"name":"r-spin30","available":false,"availability_known":false,"held":false,"required":[]}]}`,
		"trus05": `{"available":false,"availability_known":false,"stats_known":false,"resource_name":"","resources":[],"jump_known":false,"jump_ok":true}`,
	} {
		var got, wanted map[string]any
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(get(t, h, basePath+"/experiments/"+name).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for key, value := range wanted {
			if fmt.Sprint(got[key]) != fmt.Sprint(value) {
				t.Errorf("%s: %s is %v, want %v", name, key, got[key], value)
			}
		}
	}
}

func TestEventsAreOldestFirst(t *testing.T) {
	t.Parallel()
	var got []struct{ When time.Time }
	if err := json.Unmarshal(get(t, newHandler(t), basePath+"/experiments/events/pend01").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !got[0].When.Before(got[1].When) {
		t.Errorf("events come as %v", got)
	}
}

// The page of events passes on what was asked, and the cursor.
func TestEventPages(t *testing.T) {
	t.Parallel()
	var asked EventQuery
	h := newHandler(t, func(o *Options) {
		o.FindEvents = func(_ context.Context, q EventQuery) ([]health.Event, string, error) {
			asked = q
			return labEvents("pend01"), "next&page", nil
		}
	})
	w := get(t, h, basePath+"/events")
	if asked != (EventQuery{Limit: 100}) {
		t.Errorf("without parameters: %+v", asked)
	}
	if !strings.Contains(w.Body.String(), `"next":"next\u0026page"`) {
		t.Errorf("no cursor in %s", w.Body)
	}
	get(t, h, basePath+"/events?limit=1000&cursor=next%26page&since=2025-03-04T05:06:07%2B01:00&until=2025-03-05T00:00:00Z&experiment=pend%2F00&q=Missing%20jump")
	asked.Since, asked.Until = asked.Since.UTC(), asked.Until.UTC()
	want := EventQuery{
		Since: time.Date(2025, 3, 4, 4, 6, 7, 0, time.UTC), Until: time.Date(2025, 3, 5, 0, 0, 0, 0, time.UTC),
		Experiment: "pend/00", Text: "Missing jump", Limit: 1000, Cursor: "next&page",
	}
	if asked != want {
		t.Errorf("with parameters: %+v, want %+v", asked, want)
	}
}

// A query's filters are the ones that swagger.yaml promises.
func TestEventsThatMatch(t *testing.T) {
	t.Parallel()
	e := health.Event{Experiment: "Pend00", When: t0, Issues: []string{"missing jump", "Unhealthy Pend00-st-DATA"}}
	for what, c := range map[string]struct {
		q    EventQuery
		want bool
	}{
		"no filter":                      {EventQuery{}, true},
		"since its moment":               {EventQuery{Since: t0}, true},
		"since later":                    {EventQuery{Since: t0.Add(1)}, false},
		"until its moment":               {EventQuery{Until: t0}, false},
		"until later":                    {EventQuery{Until: t0.Add(1)}, true},
		"its experiment":                 {EventQuery{Experiment: "Pend00"}, true},
		"an experiment of another case":  {EventQuery{Experiment: "pend00"}, false},
		"text in its name":               {EventQuery{Text: "END0"}, true},
		"text in its second issue":       {EventQuery{Text: "st-data"}, true},
		"text in nothing":                {EventQuery{Text: "video"}, false},
		"all of them":                    {EventQuery{Since: t0, Until: t0.Add(1), Experiment: "Pend00", Text: "jump", Limit: 1, Cursor: "x"}, true},
		"all of them but the experiment": {EventQuery{Since: t0, Until: t0.Add(1), Experiment: "pend01", Text: "jump"}, false},
	} {
		if got := c.q.Matches(&e); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// Names from outside go out as they came in, and never as markup.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	w := get(t, h, basePath+"/experiments/"+url.PathEscape(hostile))
	var got struct {
		Topic string `json:"topic_name"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Topic != hostile {
		t.Errorf("%v: the name came back as %q", err, got.Topic)
	}
	if strings.Contains(w.Body.String(), "<script") {
		t.Error("markup in JSON")
	}
	for _, name := range []string{"..", "a/b", "events", ":name", "*", "%", "a%2Fb", strings.Repeat("é", 128)} {
		w := get(t, h, basePath+"/experiments/"+url.PathEscape(name))
		if w.Code != 404 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	var reasons []string
	h := newHandler(t, func(o *Options) { o.Ready = func() []string { return reasons } })
	if w := get(t, h, "/healthz"); w.Code != 200 {
		t.Errorf("healthz: %d", w.Code)
	}
	if w := get(t, h, "/readyz"); w.Code != 200 || w.Body.String() != `{"code":200,"message":"ready","ready":true,"reasons":[]}` {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
	reasons = []string{"relay is silent", "the store can't be written"}
	w := get(t, h, "/readyz")
	want := `{"code":503,"message":"not ready: relay is silent; the store can't be written","ready":false,"reasons":["relay is silent","the store can't be written"]}`
	if w.Code != 503 || w.Body.String() != want {
		t.Errorf("not ready: %d %s", w.Code, w.Body)
	}
}
