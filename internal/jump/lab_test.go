package jump

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
	"labstatus/internal/lab"
	"labstatus/internal/stats"
)

// An afternoon with a simulated jump: its frames, its noise, a login, a restart.
func TestLab(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := lab.NewNetwork()
		l, err := lab.New(lab.Options{Network: network, Experiments: []lab.Experiment{{Stub: "pend00"}, {Stub: "spin30"}}})
		if err != nil {
			t.Fatal(err)
		}
		log, _ := logtest.NewNullLogger()
		sub := New(stats.Options{
			Audience: l.Audience(lab.Jump), Secret: l.Env()["STATUS_SECRET_JUMP"], Life: 20 * time.Minute,
			Dial: network.DialContext, Log: log,
		})
		ctx, cancel := context.WithCancel(t.Context())
		watching, stop := context.WithCancel(ctx)
		var running, watch sync.WaitGroup
		running.Go(func() {
			if err := l.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		<-l.Ready()
		var mu sync.Mutex
		frames, downs := 0, 0
		hosts, others := map[string]bool{}, 0
		watch.Go(func() {
			if err := sub.Run(watching, func(in health.Input) {
				mu.Lock()
				defer mu.Unlock()
				switch in := in.(type) {
				case health.Frame:
					frames++
					hosts, others = map[string]bool{}, 0
					for _, c := range in.Conns {
						if c.HasScope("host") {
							hosts[c.Topic] = true
						} else {
							others++
						}
					}
				case health.Link:
					if !in.Up {
						downs++
					}
				}
			}); err != nil {
				t.Error(err)
			}
		})
		// A frame comes twice where a token is renewed just then.
		check := func(when string, wantFrames, wantDowns, wantOthers int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if frames < wantFrames || frames > wantFrames+15 || downs != wantDowns || others != wantOthers || !hosts["pend00"] || !hosts["spin30"] {
				t.Errorf("%s: %d frames, %d downs, hosts %v and %d others", when, frames, downs, hosts, others)
			}
			frames = 0
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute + time.Second)
		check("a minute", 12, 0, 2) // jump itself, and us
		must(l.Feed(lab.Jump).Noise())
		must(l.Jump("pend00").Login())
		time.Sleep(time.Minute)
		check("with a login", 12, 0, 4)
		must(sub.Check(t.Context()))
		time.Sleep(4 * time.Hour)
		check("four hours and twelve tokens", 2880, 0, 4)
		must(l.Service(lab.Jump).Restart())
		time.Sleep(time.Minute)
		synctest.Wait()
		mu.Lock()
		if frames < 8 || downs == 0 || !hosts["pend00"] {
			t.Errorf("after a restart: %d frames, %d downs, hosts %v", frames, downs, hosts)
		}
		mu.Unlock()
		if s := sub.Stats(); s.Renewals < 12 || s.Objects == 0 || s.Rubbish != 0 {
			t.Errorf("%+v", s)
		}
		stop()
		watch.Wait()
		cancel()
		running.Wait()
	})
}
