package serve

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// The strip says on the server's pages what their script says: both are tried with
// one table, the script in internal/browsertest.
func TestObservingWords(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../internal/browsertest/testdata/observing.json")
	if err != nil {
		t.Fatal(err)
	}
	type says struct {
		Says, Tone, Note string
		Newest           int
	}
	var table struct {
		Tunnels []struct {
			says
			Sources []struct {
				Source                                 string
				Ready, Running, Failed, Closed, Unsaid int64
				LastAt                                 int `json:"last_at"`
			}
			Refused map[string]uint64
			KeepErr string `json:"keep_error"`
		}
		Observers []struct {
			says
			Of []struct {
				Name    string
				LastOK  int    `json:"last_ok"`
				Failing int    `json:"failing_since"`
				LastErr string `json:"last_error"`
				KeepErr string `json:"keep_error"`
				Pending int
			}
		}
	}
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	ago := func(seconds int) time.Time {
		if seconds == 0 {
			return time.Time{}
		}
		return t0.Add(-time.Duration(seconds) * time.Second)
	}
	check := func(of any, got tile, any bool, want says) {
		t.Helper()
		newest := 0
		if got.Age != nil {
			newest = int(t0.Sub(got.Age.At).Seconds())
		}
		if any != (want.Says != "") || (says{got.Word, got.Tone, got.Note, newest}) != want {
			t.Errorf("%+v:\n%+v, newest %d, want %+v", of, got, newest, want)
		}
	}
	for _, c := range table.Tunnels {
		var sources []observedSource
		for _, s := range c.Sources {
			sources = append(sources, observedSource{
				name: s.Source, subjects: s.Ready + s.Running + s.Failed + s.Closed + s.Unsaid,
				ready: s.Ready, running: s.Running, failed: s.Failed, closed: s.Closed, unsaid: s.Unsaid, lastAt: ago(s.LastAt),
			})
		}
		got, any := tunnelsTile(sources, &ObserverInInfo{Refused: c.Refused, KeepErr: c.KeepErr}, t0)
		check(c.Sources, got, any, c.says)
	}
	for _, c := range table.Observers {
		var all []ObserverInfo
		for _, o := range c.Of {
			all = append(all, ObserverInfo{
				Spec: ObserverSpec{Name: o.Name}, LastOK: ago(o.LastOK), FailingSince: ago(o.Failing), LastErr: o.LastErr, KeepErr: o.KeepErr, Pending: o.Pending,
			})
		}
		got, any := observersTile(all, t0)
		check(c.Of, got, any, c.says)
	}
	if len(table.Tunnels) == 0 || len(table.Observers) == 0 {
		t.Error("a part of the table is empty")
	}
}
