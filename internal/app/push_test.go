package app_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What is pushed by the interval and what a policy asks for have names of one form:
// the prefix, once, and what the figure is.
func TestPushedNamesBeginWithThePrefixOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policies.json")
	if err := os.WriteFile(file, []byte(`{"metrics":[{"name":"book","report":"physics.book.*","us_schedule":10000000}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"STATUS_METRICS_URL": "http://figures.lab/in", "STATUS_METRICS_PREFIX": "physics", "STATUS_METRICS_POLICY_FILE": file,
		"STATUS_QUERY_BOOK_EVERY": "5s",
	}
	inLab(t, experiments("pend00"), env, func(b *bench) {
		var mu sync.Mutex
		names := map[string]bool{}
		l, err := b.network.Listen("figures.lab:80")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var pushed []struct{ Metric string }
			if err := json.NewDecoder(r.Body).Decode(&pushed); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, p := range pushed {
				names[p.Metric] = true
			}
		})}
		done := make(chan error, 1)
		go func() { done <- server.Serve(l) }()
		b.wait(2 * time.Minute)
		b.must(server.Close())
		<-done
		mu.Lock()
		defer mu.Unlock()
		for name := range names {
			if rest, is := strings.CutPrefix(name, "physics."); !is || strings.HasPrefix(rest, "physics") || strings.HasPrefix(rest, "status") {
				t.Errorf("pushed: %s", name)
			}
		}
		for what, want := range map[string]string{"by the interval": "physics.experiments.healthy", "by the policy": "physics.book.http.go.count"} {
			if !names[want] {
				t.Errorf("%s: no %s among %q", what, want, slices.Sorted(maps.Keys(names)))
			}
		}
	})
}
