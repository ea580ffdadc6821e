package serve

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestObservedIsFiltered(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for query, want := range map[string]string{
		"":                               "6: \"",
		"?experiment=pend00":             "1: leeds/tunnel-pend00/",
		"?experiment=nobody":             "0:",
		"?source=york":                   "2: york/spare/ york/young/",
		"?state=unsaid":                  "1: leeds/tunnel-pend01/anna",
		"?state=failed&source=leeds":     "1: leeds/tunnel-pend01/",
		"?q=ANNA":                        "1: leeds/tunnel-pend01/anna",
		"?q=pend00":                      "1: leeds/tunnel-pend00/",
		"?source=leeds&limit=2":          "3: leeds/tunnel-pend00/ leeds/tunnel-pend01/",
		"?limit=0":                       "6:",
		"?experiment=pend01&source=york": "0:",
	} {
		var got struct {
			Total    int
			Sources  []struct{ Source string }
			Subjects []struct{ Source, Service, Client string }
		}
		w := get(t, h, basePath+"/observed"+query)
		if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != 200 || err != nil {
			t.Fatalf("%s: %d %s: %v", query, w.Code, w.Body, err)
		}
		found := []string{fmt.Sprint(got.Total, ":")}
		for _, s := range got.Subjects {
			found = append(found, s.Source+"/"+s.Service+"/"+s.Client)
		}
		says := strings.Join(found, " ")
		if !strings.HasPrefix(says, want) || query != "" && says != want {
			t.Errorf("%s: %s, want %s", query, says, want)
		}
		if len(got.Sources) != 3 {
			t.Errorf("%s: of %d sources, want all 3", query, len(got.Sources))
		}
	}
	for query, names := range map[string]string{
		"?state=ill": "state in query", "?limit=-1": "limit in query", "?limit=20001": "limit in query", "?limit=x": "limit in query",
		"?experiment=" + strings.Repeat("x", 257): "experiment in query", "?source=" + strings.Repeat("x", 257): "source in query",
		"?q=" + strings.Repeat("x", 201): "q in query",
	} {
		if w := get(t, h, basePath+"/observed"+query); w.Code != 422 || !strings.Contains(w.Body.String(), names) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	if w := do(t, h, "POST", basePath+"/observed"); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

// Who doesn't say how many they want is given a thousand, with the number of all.
func TestObservedIsNotAllAtOnce(t *testing.T) {
	t.Parallel()
	all := manyObserved(1001)
	h := newHandler(t, func(o *Options) { o.Observed = func() []ObservedInfo { return all } })
	for query, want := range map[string]int{"": 1000, "?limit=20000": 1001} {
		body := get(t, h, basePath+"/observed"+query).Body.String()
		if n := strings.Count(body, `"service":`); n != want || !strings.Contains(body, `"total":1001`) {
			t.Errorf("%q: %d of them, want %d", query, n, want)
		}
	}
}

// Each source is counted by state, with what came last.
func TestObservedIsCounted(t *testing.T) {
	t.Parallel()
	body := get(t, newHandler(t), basePath+"/observed?limit=0").Body.String()
	for _, want := range []string{
		`{"closed":0,"failed":1,"last_at":"2025-03-04T05:06:08.123Z","ready":1,"running":0,"source":"leeds","subjects":3,"unsaid":1}`,
		`{"closed":1,"failed":0,"last_at":"2025-03-04T05:06:07.123Z","ready":0,"running":1,"source":"york","subjects":2,"unsaid":0}`,
		`"refused":{"body":2,"token":3}`, `"addresses":["127.0.0.1:3008","127.0.0.1:3009"]`,
	} {
		if !strings.Contains(sorted(t, body), want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
}

// sorted writes JSON with its keys in order.
func sorted(t *testing.T, text string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Counts are whole, however large.
func TestLargestCounts(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(o *Options) {
		o.Observed = func() []ObservedInfo {
			return []ObservedInfo{{Source: "s", InputBytes: math.MaxUint64, TotalConns: math.MaxUint64}}
		}
	})
	body := get(t, h, basePath+"/observed").Body.String()
	for _, want := range []string{`"input_bytes":18446744073709551615`, `"total_conns":18446744073709551615`, `"state":""`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
}

// What is reported is asked for once a second at most, whoever wants to know.
func TestObservedIsKeptForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := newHandler(t, func(o *Options) {
			o.Observed = func() []ObservedInfo { asked++; return labObserved()[:asked] }
		})
		for _, c := range []struct {
			after  time.Duration
			target string
			want   int
		}{
			{0, basePath + "/observed", 1},
			{0, basePath + "/observed?limit=0", 1},
			{999 * time.Millisecond, "/", 1},
			{time.Millisecond, "/system", 2},
			{0, basePath + "/observed?q=x", 2},
			{time.Hour, basePath + "/observed", 3},
		} {
			time.Sleep(c.after)
			if get(t, h, c.target); asked != c.want {
				t.Errorf("%s: asked for the %d. time, want %d", c.target, asked, c.want)
			}
		}
		w := get(t, h, basePath+"/observed")
		if again := get(t, h, basePath+"/observed", "If-None-Match", w.Header().Get("ETag")); again.Code != 304 {
			t.Errorf("again: %d", again.Code)
		}
	})
}

// manyObserved are n subjects of a hundred sources.
func manyObserved(n int) []ObservedInfo {
	all := make([]ObservedInfo, n)
	for i := range all {
		all[i] = ObservedInfo{
			Source: fmt.Sprintf("source%03d", i*100/n), Kind: "service", Service: fmt.Sprintf("tunnel-%05d", i), Experiment: fmt.Sprintf("expt%05d", i),
			State: "ready", Since: t0, TotalConns: uint64(i), InputBytes: 1 << 40, Counted: t0, LastAt: t0,
		}
	}
	return all
}

func BenchmarkObserved(b *testing.B) {
	all := manyObserved(20_000)
	for name, query := range map[string]string{"all": "?limit=20000", "counts": "?limit=0", "found": "?q=tunnel-1999&limit=200"} {
		b.Run(name, func(b *testing.B) {
			h := newHandler(b, func(o *Options) { o.Observed = func() []ObservedInfo { return all } })
			for b.Loop() {
				get(b, h, basePath+"/observed"+query)
			}
		})
	}
}
