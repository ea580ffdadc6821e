package history_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"labstatus/internal/health"
	"labstatus/internal/history"
)

// second is the model's whole knowledge of one second.
type second struct {
	state       health.State
	maintenance bool
}

// model fills in, second by second, what the changes and spans come to.
func model(changes []health.StateChange, watched []history.Span, from, to time.Time) (all []second) {
	for now := from; now.Before(to); now = now.Add(time.Second) {
		s := second{state: history.Unwatched}
		var since time.Time
		for _, c := range changes {
			if !c.At.After(now) && !c.At.Before(since) {
				since, s = c.At, second{cmp.Or(c.State, history.Unwatched), c.Maintenance}
			}
		}
		inside := func(w history.Span) bool { return !now.Before(w.From) && now.Before(w.To) }
		if s.state == history.Unwatched || !slices.ContainsFunc(watched, inside) {
			s = second{state: history.Unwatched}
		}
		all = append(all, s)
	}
	return all
}

func TestAgainstTheModel(t *testing.T) {
	states := []health.State{"", health.StateStarting, health.StateHealthy, health.StateUnhealthy, health.StateUnknown, health.StateFlapping, history.Unwatched}
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(-20, 60).Draw(t, "s")) * time.Second)
	})
	change := rapid.Custom(func(t *rapid.T) health.StateChange {
		return health.StateChange{Experiment: "pend00", At: moment.Draw(t, "at"), State: rapid.SampledFrom(states).Draw(t, "state"), Maintenance: rapid.Bool().Draw(t, "maintenance")}
	})
	span := rapid.Custom(func(t *rapid.T) history.Span {
		return history.Span{From: moment.Draw(t, "from"), To: moment.Draw(t, "to")}
	})
	rapid.Check(t, func(t *rapid.T) {
		changes, watched := rapid.SliceOfN(change, 0, 12).Draw(t, "changes"), rapid.SliceOfN(span, 0, 5).Draw(t, "watched")
		from, to := moment.Draw(t, "from"), moment.Draw(t, "to")
		want := model(changes, watched, from, to)

		var got []second
		end := from
		all := history.Intervals(changes, watched, from, to)
		for n, i := range all {
			if !i.From.Equal(end) || !i.From.Before(i.To) {
				t.Fatalf("interval %d leaves a gap or is empty: %s", n, say(all))
			}
			if n > 0 && all[n-1].State == i.State && all[n-1].Maintenance == i.Maintenance {
				t.Fatalf("neighbours are alike: %s", say(all))
			}
			for end = i.From; end.Before(i.To); end = end.Add(time.Second) {
				got = append(got, second{i.State, i.Maintenance})
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}

		var sum history.Summary
		for _, s := range want {
			switch {
			case s.state == history.Unwatched:
				sum.Unwatched += time.Second
			case s.maintenance:
				sum.Maintenance += time.Second
			case s.state == health.StateHealthy:
				sum.Healthy += time.Second
			case s.state == health.StateUnhealthy || s.state == health.StateFlapping:
				sum.Unhealthy += time.Second
			default:
				sum.Unknown += time.Second
			}
		}
		if s := history.Summarize(changes, watched, from, to); s != sum {
			t.Fatalf("got  %+v\nwant %+v", s, sum)
		}
	})
}
