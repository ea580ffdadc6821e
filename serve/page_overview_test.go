package serve

import (
	"encoding/json"
	"testing"

	"labstatus/internal/health"
)

// The overview's list says of every experiment what its report says, only less.
func TestOverviewList(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	var list struct {
		Version     uint64
		AsOf        string `json:"as_of"`
		Experiments []map[string]any
	}
	w := get(t, h, "/overview.json")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != 200 {
		t.Fatalf("%d %v", w.Code, err)
	}
	if list.Version != 7 || list.AsOf != "2025-03-04T05:06:07.123Z" || len(list.Experiments) != 7 {
		t.Errorf("version %d as of %s, %d experiments", list.Version, list.AsOf, len(list.Experiments))
	}
	var reports []map[string]any
	if err := json.Unmarshal(get(t, h, "/api/v1/experiments").Body.Bytes(), &reports); err != nil {
		t.Fatal(err)
	}
	for i, brief := range list.Experiments {
		for key, value := range brief {
			if key == "streams" {
				continue // only those that aren't ok
			}
			if got, want := asJSON(t, value), asJSON(t, reports[i][key]); got != want {
				t.Errorf("%v: %s is %s, in its report %s", brief["topic_name"], key, got, want)
			}
		}
		for _, always := range []string{"topic_name", "state", "since", "healthy", "available", "availability_known"} {
			if _, there := brief[always]; !there {
				t.Errorf("%v has no %s", brief["topic_name"], always)
			}
		}
	}
	if again := get(t, h, "/overview.json", "If-None-Match", w.Header().Get("ETag")); again.Code != 304 {
		t.Errorf("asked again: %d", again.Code)
	}
}

func TestOverviewListIsSmallAndFollows(t *testing.T) {
	t.Parallel()
	snap := bigSnapshot(10_000, 1)
	h := newHandler(t, func(o *Options) { o.Snapshot = func() *health.Snapshot { return snap } })
	first := get(t, h, "/overview.json").Body.Bytes()
	if len(first) > 2<<20 {
		t.Errorf("ten thousand experiments take %d bytes", len(first))
	}
	zipped := get(t, h, "/overview.json", "Accept-Encoding", "zstd").Body.Len()
	if zipped > 300<<10 {
		t.Errorf("compressed they take %d bytes", zipped)
	}
	snap = bigSnapshot(3, 2)
	if second := get(t, h, "/overview.json").Body.Len(); second > 2000 {
		t.Errorf("another snapshot is answered with %d bytes of the one before", second)
	}
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
