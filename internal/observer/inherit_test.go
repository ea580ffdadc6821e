package observer

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever a service goes through, and whenever it is looked at: a tied client has its
// service's latest word as soon as that is handed on. A failed or closed from before
// anything was heard of the client counts as an earlier run's, and so does all that came
// before a restart of ours.
func TestClientsAreAsTheirServices(t *testing.T) {
	t.Parallel()
	ties, err := ParseMap(`client (?P<stub>[a-z]\d) link`)
	if err != nil {
		t.Fatal(err)
	}
	old := 0
	rapid.Check(t, func(t *rapid.T) {
		tab, now := newTable(ties, 100), t0
		words := map[string]State{}     // by service: its latest
		born := map[Subject]time.Time{} // clients: first heard of
		began := now                    // this run
		last := map[Subject]Status{}    // what each client was handed last
		live := map[Subject]bool{}      // clients that were handed news
		hand := func(all []Status) {
			for _, s := range all {
				if s.Origin.Kind != KindHandler {
					continue
				}
				if before, again := last[s.Origin.Subject]; again && s.At.Before(before.At) {
					t.Fatalf("%s is handed %s of %s after %s of %s", s.Origin.Subject.Client, s.State, s.At, before.State, before.At)
				}
				last[s.Origin.Subject] = s
				news := !s.At.Before(born[s.Origin.Subject]) && !s.At.Before(began)
				if (s.State == Failed || s.State == Closed) && !s.Restored && !news {
					t.Fatalf("%s is told %s of %s as news", s.Origin.Subject.Client, s.State, s.At)
				}
				if !s.Restored && s.At.Before(began) {
					t.Fatalf("%s is told %s of %s as this run's", s.Origin.Subject.Client, s.State, s.At)
				}
				live[s.Origin.Subject] = live[s.Origin.Subject] || !s.Restored
				if s.Restored && news {
					t.Fatalf("%s is told %s of %s as old", s.Origin.Subject.Client, s.State, s.At)
				}
				if s.Restored {
					old++
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
			service := rapid.SampledFrom([]string{"web", "rtcp"}).Draw(t, "service")
			s := tab.source("leeds")
			switch rapid.SampledFrom([]string{"says", "says", "says", "carries", "looks", "looks", "restarts"}).Draw(t, "act") {
			case "says":
				for range rapid.IntRange(1, 12).Draw(t, "words") {
					word := rapid.SampledFrom([]State{Running, Ready, Failed, Closed}).Draw(t, "word")
					tab.take(s, &Event{Subject: Service(service), Type: TypeStatus, Status: &ServiceStatus{State: word}}, now, false)
					words[service] = word
				}
			case "carries":
				client := Client(service, fmt.Sprint("p", rapid.IntRange(0, 4).Draw(t, "client")))
				if _, known := born[client]; !known {
					born[client] = now
				}
				tab.take(s, &Event{Subject: client, Type: TypeStats, Stats: &Stats{TotalConns: 1}}, now, false)
			case "looks":
				hand(tab.inherit())
				for client := range born {
					if word, spoke := words[client.Service]; spoke && last[client].State != word {
						t.Fatalf("%v has %s, and its service has said %s", client, last[client].State, word)
					}
					if last[client].Restored && live[client] {
						t.Fatalf("%v doesn't see the old %s for what is older still", client, last[client].State)
					}
				}
			case "restarts":
				kept := tab.keep()
				tab, began = newTable(ties, 100), now
				clear(last)
				clear(live)
				hand(tab.restore(kept))
			}
		}
	})
	if old == 0 {
		t.Error("no client was told anything old")
	}
}
