package serve

import (
	"labstatus/serve/models"
)

// ConnectionInfo counts what one place opened or accepted since the start. For a
// dialer Attempted is Established + Dialing + the sum of Failed.
type ConnectionInfo struct {
	Name     string // book, relay, jump, smtp, push; of listeners http, admin
	Listener bool

	Attempted, Established, Dialing, Open uint64
	Failed                                map[string]uint64 // a dialer's, by reason; those that are not 0
	AcceptErrors                          uint64            // a listener's
	ReadBytes, WrittenBytes               uint64
}

func connections(infos []ConnectionInfo) []*models.ConnectionPlace {
	places := make([]*models.ConnectionPlace, 0, len(infos))
	for _, c := range infos {
		failed := make(map[string]int64, len(c.Failed))
		for reason, n := range c.Failed {
			failed[reason] = int64(n)
		}
		kind := "dialer"
		if c.Listener {
			kind = "listener"
		}
		places = append(places, &models.ConnectionPlace{
			Name: new(c.Name), Kind: new(kind), Attempted: new(int64(c.Attempted)), Established: new(int64(c.Established)),
			Dialing: new(int64(c.Dialing)), Open: new(int64(c.Open)), Failed: failed, AcceptErrors: new(int64(c.AcceptErrors)),
			ReadBytes: new(int64(c.ReadBytes)), WrittenBytes: new(int64(c.WrittenBytes)),
		})
	}
	return places
}

// TimingInfo says how long something takes.
type TimingInfo struct {
	Name  string // dotted, e.g. dialer.relay.open
	Count uint64 // since the start

	Mean, Max, P50, P95 float64 // seconds; the percentiles of the latest 256
}

func timings(infos []TimingInfo) []*models.Timing {
	all := make([]*models.Timing, 0, len(infos))
	for _, t := range infos {
		all = append(all, &models.Timing{
			Name: new(t.Name), Count: new(int64(t.Count)), MeanSeconds: &t.Mean, MaxSeconds: &t.Max, P50Seconds: &t.P50, P95Seconds: &t.P95,
		})
	}
	return all
}
