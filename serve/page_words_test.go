package serve

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"labstatus/internal/health"
)

// What the server says on a page is what the page's script says when it takes over:
// both are tried with one table, the script in internal/browsertest.
func TestWords(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../internal/browsertest/testdata/words.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Headlines []struct {
			health.Counts
			Cared      int
			Known      bool
			Says, Tone string
		}
		Bookings []struct {
			Of []struct {
				Name, Reason           string
				Known, Available, Held bool
				HeldReason             string `json:"held_reason"`
				HeldBy                 string `json:"held_by"`
				Wanted                 health.Want
			}
			Says string
		}
		Spans []struct {
			Seconds float64
			Says    string
		}
		Patterns []struct {
			Name     string
			Patterns []string
			Fits     bool
		}
	}
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	for _, c := range table.Headlines {
		if says, tone := (tally{c.Counts, c.Cared}).sentence(c.Known); says != c.Says || tone != c.Tone {
			t.Errorf("%+v: %q (%s), want %q (%s)", c.Counts, says, tone, c.Says, c.Tone)
		}
	}
	for _, c := range table.Bookings {
		var r health.Report
		for _, of := range c.Of {
			r.Resources = append(r.Resources, health.ResourceReport{
				Name: of.Name, Reason: of.Reason, Known: of.Known, Available: of.Available, Held: of.Held, HeldReason: of.HeldReason, HeldBy: of.HeldBy, Wanted: of.Wanted,
			})
		}
		if says := bookingLine(&r); says != c.Says {
			t.Errorf("%+v: %q, want %q", c.Of, says, c.Says)
		}
	}
	for _, c := range table.Spans {
		if says := span(time.Duration(c.Seconds * float64(time.Second))); says != c.Says {
			t.Errorf("%g seconds are %q, want %q", c.Seconds, says, c.Says)
		}
	}
	for _, c := range table.Patterns {
		if fits := (&health.Window{Names: c.Patterns, Reason: "a reason", Bookings: health.BookingsDecide, From: t0, Until: t0.Add(time.Hour)}).Matches(c.Name); fits != c.Fits {
			t.Errorf("%s fits %q: %v", c.Name, c.Patterns, fits)
		}
	}
	if len(table.Headlines) == 0 || len(table.Bookings) == 0 || len(table.Spans) == 0 || len(table.Patterns) == 0 {
		t.Error("a part of the table is empty")
	}
}

func TestBookingPartlyKnown(t *testing.T) {
	t.Parallel()
	r := &health.Report{Resources: []health.ResourceReport{{Name: "r-a"}, {Name: "r-b", Known: true, Available: true}}}
	if b := bookingOf(r); b.known || !b.available {
		t.Errorf("one of two known and available: %+v", b)
	}
}
