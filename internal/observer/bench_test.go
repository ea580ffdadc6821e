package observer

import (
	"fmt"
	"testing"
	"time"
)

// A laboratory of 10,000 experiments, each of which has sent something.
func busyLab(round uint64) (totals []Total) {
	for n := range 10_000 {
		totals = append(totals, Total{Client("lab", fmt.Sprint("pend", n)), Stats{TotalConns: 3, CurrentConns: 3, InputBytes: round * 1000, OutputBytes: 7}})
	}
	return totals
}

// What a period costs the one who reports, without the network.
func BenchmarkReport(b *testing.B) {
	back := newBacklog(false)
	totals := busyLab(0)
	for round := uint64(1); b.Loop(); round++ {
		for i := range totals {
			totals[i].InputBytes = round * 1000
		}
		back.seal(totals, time.Now())
		for len(back.reports) > 0 {
			if _, err := encodeJSON(back.reports[0].Events); err != nil {
				b.Fatal(err)
			}
			back.acknowledged(back.reports[0].Key)
		}
	}
}

// What a period costs the one who observes, from the body to the table.
func BenchmarkObserve(b *testing.B) {
	in, err := NewReceiver(ReceiverOptions{Credentials: []Credential{{Token: NewSecret("a-token-of-at-least-sixteen")}}})
	if err != nil {
		b.Fatal(err)
	}
	for round := uint64(1); b.Loop(); round++ {
		b.StopTimer()
		back := newBacklog(false)
		back.seal(busyLab(round), time.Now())
		var bodies [][]byte
		for _, r := range back.reports {
			body, err := encodeJSON(r.Events)
			if err != nil {
				b.Fatal(err)
			}
			bodies = append(bodies, body)
		}
		b.StartTimer()
		for _, body := range bodies {
			events, err := decodeJSON(body)
			if err != nil {
				b.Fatal(err)
			}
			if no := in.take(b.Context(), guest{source: "gost"}, "", events); no != nil {
				b.Fatal(no.message)
			}
		}
	}
}

// What the page and the metrics cost.
func BenchmarkSnapshot(b *testing.B) {
	in, err := NewReceiver(ReceiverOptions{Credentials: []Credential{{Token: NewSecret("a-token-of-at-least-sixteen")}}})
	if err != nil {
		b.Fatal(err)
	}
	var events []Event
	for _, t := range busyLab(1) {
		events = append(events, Event{Subject: t.Subject, Type: TypeStats, Stats: &t.Stats})
	}
	if no := in.take(b.Context(), guest{source: "gost"}, "", events); no != nil {
		b.Fatal(no.message)
	}
	for b.Loop() {
		if len(in.Snapshot()) != 10_000 {
			b.Fatal("something is missing")
		}
	}
}
