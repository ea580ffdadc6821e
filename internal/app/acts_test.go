package app_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/lab"
	"labstatus/serve"
)

const actsSecret = "a secret of the status server's own"

// inLabWithAnna is inLab with a maintainer who may change things, and a file as store.
func inLabWithAnna(t *testing.T, experiments []lab.Experiment, story func(b *bench, do func(method, path, body string) (int, string))) {
	t.Helper()
	inLab(t, experiments, inFile(t, map[string]string{"STATUS_SECRET_STATUS": actsSecret}), func(b *bench) {
		story(b, b.anna())
	})
}

// anna makes requests with an admin's token.
func (b *bench) anna() func(method, path, body string) (int, string) {
	b.t.Helper()
	c, _, err := config.LoadMap(b.env)
	if err != nil {
		b.t.Fatal(err)
	}
	token, err := serve.MintToken(actsSecret, app.Audience(c), "anna", []string{serve.ScopeAdmin}, 30*24*time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	return func(method, path, body string) (int, string) {
		b.t.Helper()
		r, err := http.NewRequestWithContext(b.t.Context(), method, "http://status.lab/api/v1"+path, strings.NewReader(body))
		if err != nil {
			b.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		resp, err := b.client.Do(r)
		if err != nil {
			b.t.Fatalf("%s %s: %v", method, path, err)
		}
		text, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			b.t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
}

// A person takes an experiment off booking through the page: book has it with that
// person's reason, the server leaves it so however well the streams are, and gives
// it back when it is told to.
func TestHoldThroughThePage(t *testing.T) {
	inLabWithAnna(t, experiments("pend00", "spin30"), func(b *bench, do func(string, string, string) (int, string)) {
		if code, text := do(http.MethodPut, "/experiments/pend00/hold", `{"reason":"new bearings"}`); code != http.StatusOK || !strings.Contains(text, "new bearings") {
			t.Fatalf("hold: %d %s", code, text)
		}
		if _, reason, _ := b.lab.Availability("r-pend00"); b.available("r-pend00") || !strings.Contains(reason, "new bearings (anna)") {
			t.Errorf("book says %q", reason)
		}
		b.wait(20 * time.Minute) // in which book's list is read again
		if b.available("r-pend00") {
			t.Error("what a person holds was opened")
		}
		if code, text := do(http.MethodDelete, "/experiments/pend00/hold", ""); code != http.StatusOK {
			t.Fatalf("give back: %d %s", code, text)
		}
		b.becomes("r-pend00", true, 10*time.Second)
		if code, text := do(http.MethodGet, "/audit", ""); code != http.StatusOK || strings.Count(text, `"by":"anna"`) != 2 {
			t.Errorf("audit: %d %s", code, text)
		}
		if got := strings.Join(b.mails(time.Time{}), " | "); !strings.Contains(got, "anna") {
			t.Errorf("nobody was told who did it: %q", got)
		}
		b.must(b.lab.Service(lab.Book).Stop())
		if code, text := do(http.MethodPut, "/experiments/pend00/hold", `{"reason":"again"}`); code != http.StatusBadGateway || !strings.Contains(text, "nothing was changed") {
			t.Errorf("hold while book is down: %d %s", code, text)
		}
		b.must(b.lab.Service(lab.Book).Start())
	})
}

// A silence keeps mail away and nothing else, over a restart too; when it ends, what
// then differs from what was told is told.
func TestSilenceThroughThePage(t *testing.T) {
	inLabWithAnna(t, experiments("pend00", "spin30"), func(b *bench, do func(string, string, string) (int, string)) {
		until := time.Now().Add(20 * time.Minute).UTC().Format(time.RFC3339)
		if code, text := do(http.MethodPut, "/experiments/pend00/silence", `{"until":"`+until+`","reason":"rewiring"}`); code != http.StatusOK {
			t.Fatalf("silence: %d %s", code, text)
		}
		b.wait(time.Minute)
		b.told(time.Time{}, "pend00 silenced by anna")
		began := time.Now()
		b.must(b.lab.Stream("pend00-st-video").Silence())
		b.becomes("r-pend00", false, noticed+time.Second)
		b.wait(7 * time.Minute)
		b.stop()
		b.start()
		b.wait(7 * time.Minute)
		b.told(began)
		b.wait(9 * time.Minute)
		b.told(began, "1 new problem")
		if b.state("pend00") != "unhealthy" {
			t.Error("a silence hides the truth")
		}
	})
}

// A test mail is queued like any other, and sent.
func TestMailThroughThePage(t *testing.T) {
	inLabWithAnna(t, experiments("pend00"), func(b *bench, do func(string, string, string) (int, string)) {
		code, text := do(http.MethodPost, "/mail/test", "")
		if code != http.StatusAccepted {
			t.Fatalf("%d %s", code, text)
		}
		b.wait(10 * time.Second)
		if got := b.mails(time.Time{}); len(got) != 1 {
			t.Errorf("mails: %q", got)
		}
		if code, text := do(http.MethodGet, "/mails", ""); code != http.StatusOK || !strings.Contains(text, `"sent":1`) {
			t.Errorf("mails: %d %s", code, text)
		}
	})
}

// The history tells how an experiment was, also that nobody watched it while the
// server was away; what isn't known takes no part in the uptime.
func TestHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00"), inFile(t, map[string]string{"STATUS_SECRET_STATUS": actsSecret}))
		b.start()
		b.wait(20 * time.Minute)
		b.must(b.lab.Stream("pend00-st-video").Silence())
		b.wait(10 * time.Minute)
		b.must(b.lab.Stream("pend00-st-video").Resume())
		b.wait(10 * time.Minute)
		b.uptimeWithin(0.70, 0.80) // a quarter of these forty minutes was bad
		b.kill()
		b.wait(time.Hour)
		b.start()
		b.wait(20 * time.Minute)

		b.uptimeWithin(0.75, 0.90) // some five sixths: ten minutes of an hour
		var past struct {
			Uptime           float64
			UnwatchedSeconds float64 `json:"unwatched_seconds"`
			UnhealthySeconds float64 `json:"unhealthy_seconds"`
			Intervals        []struct{ State string }
		}
		from := time.Now().Add(-2 * time.Hour).UTC().Format(time.RFC3339)
		if code := b.get("/api/v1/experiments/pend00/history?from="+from, &past); code != http.StatusOK {
			t.Fatalf("history: %d", code)
		}
		near := func(what string, seconds float64, want time.Duration) {
			t.Helper()
			if off := time.Duration(seconds*float64(time.Second)) - want; off.Abs() > 2*time.Minute {
				t.Errorf("%s: %v, want about %s", what, time.Duration(seconds*float64(time.Second)), want)
			}
		}
		near("unhealthy", past.UnhealthySeconds, 10*time.Minute)
		near("unwatched", past.UnwatchedSeconds, time.Hour)
		if text, err := json.Marshal(past.Intervals); err != nil || !strings.Contains(string(text), "unwatched") {
			t.Errorf("intervals: %s %v", text, err)
		}
		b.stop()
		b.close()
	})
}

// uptimeWithin fails the test unless pend00's report has an uptime of the day between
// these.
func (b *bench) uptimeWithin(least, most float64) {
	b.t.Helper()
	var report struct {
		Uptime24h *float64 `json:"uptime_24h"`
	}
	b.get("/api/v1/experiments/pend00", &report)
	switch up := report.Uptime24h; {
	case up == nil:
		b.t.Error("the uptime of the day isn't known")
	case *up < least || *up > most:
		b.t.Errorf("the uptime of the day is %v, want %v to %v", *up, least, most)
	}
}
