package relay

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
	"labstatus/internal/lab"
	"labstatus/internal/stats"
)

// story runs a relay subscriber against a simulated laboratory, within a bubble.
type story struct {
	t     *testing.T
	lab   *lab.Lab
	net   *lab.Network
	sub   *stats.Subscriber
	began time.Time
	links []string

	mu     sync.Mutex
	frames []time.Duration // since the beginning
	latest map[string]health.Conn
}

func tell(t *testing.T, lo lab.Options, change func(*stats.Options), play func(*story)) {
	synctest.Test(t, func(t *testing.T) {
		network := lab.NewNetwork()
		lo.Network = network
		lo.Experiments = []lab.Experiment{{Stub: "pend00"}, {Stub: "spin30"}}
		l, err := lab.New(lo)
		if err != nil {
			t.Fatal(err)
		}
		log, hook := logtest.NewNullLogger()
		o := stats.Options{
			Audience: l.Audience(lab.Relay), Secret: l.Env()["STATUS_SECRET_RELAY"], Life: 10 * time.Minute,
			Dial: network.DialContext, Patience: 30 * time.Second, Log: log,
		}
		if change != nil {
			change(&o)
		}
		s := &story{t: t, lab: l, net: network, sub: New(o), began: time.Now()}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := l.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		<-l.Ready()
		watching, stop := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() {
			if err := s.sub.Run(watching, s.take); err != nil {
				t.Error(err)
			}
		})
		play(s)
		stop()
		watch.Wait()
		cancel()
		wg.Wait()
		for _, e := range hook.AllEntries() {
			line, err := e.String()
			if err != nil || strings.Contains(line, "code=") || strings.Contains(line, "eyJ") || strings.Contains(line, o.Secret) {
				t.Errorf("a secret is logged: %s %v", line, err)
			}
		}
	})
}

func (s *story) take(in health.Input) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch in := in.(type) {
	case health.Frame:
		s.frames = append(s.frames, in.At.Sub(s.began))
		s.latest = map[string]health.Conn{}
		for _, c := range in.Conns {
			s.latest[c.Topic] = c
		}
	case health.Link:
		s.links = append(s.links, fmt.Sprintf("%v up=%v planned=%v %s", in.At.Sub(s.began).Round(time.Second), in.Up, in.Planned, in.Err))
	}
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// count gives the frames of the latest while, and what was said of the link.
func (s *story) count(d time.Duration) (frames int, links []string) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	from := time.Since(s.began) - d
	for _, at := range s.frames {
		if at > from {
			frames++
		}
	}
	return frames, append([]string{}, s.links...)
}

func (s *story) downs() (n int) {
	_, links := s.count(0)
	for _, l := range links {
		if strings.Contains(l, "up=false") {
			n++
		}
	}
	return n
}

func TestLabFrames(t *testing.T) {
	for _, known := range []bool{true, false} {
		tell(t, lab.Options{RelayStats: known}, nil, func(s *story) {
			s.must(s.lab.Feed(lab.Relay).Fragment(100))
			time.Sleep(time.Minute + time.Second)
			if n, links := s.count(time.Minute); n != 10 || len(links) != 1 {
				t.Errorf("%d frames, links %q", n, links)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			c, ok := s.latest["pend00-st-video"]
			if !ok || !c.HasScope("expt") || c.StatsKnown != known || known && (c.Tx.Never || c.Tx.Last > time.Second || c.Tx.FPS == 0) {
				t.Errorf("%v %+v", ok, c)
			}
			if me, ok := s.latest["stats"]; !ok || len(s.latest) != 5 {
				t.Errorf("%d topics, %+v", len(s.latest), me)
			}
		})
	}
}

func TestLabHoursOfRenewals(t *testing.T) {
	tell(t, lab.Options{}, nil, func(s *story) {
		time.Sleep(3 * time.Hour)
		n, links := s.count(3 * time.Hour)
		if n < 1799 || s.downs() != 0 || len(links) < 18 {
			t.Errorf("%d frames, links %q", n, links)
		}
		for i := 1; i < len(s.frames); i++ {
			if gap := s.frames[i] - s.frames[i-1]; gap > 6100*time.Millisecond {
				t.Errorf("a gap of %v at %v", gap, s.frames[i])
			}
		}
	})
}

func TestLabRestart(t *testing.T) {
	tell(t, lab.Options{}, nil, func(s *story) {
		time.Sleep(20 * time.Second)
		s.must(s.lab.Service(lab.Relay).Stop())
		time.Sleep(time.Minute)
		_, links := s.count(0)
		if len(links) < 6 || !strings.Contains(links[1], "20s up=false planned=false relay dropped the connection without a word") ||
			!strings.Contains(links[2], "refused; is relay running, and are STATUS_HOST_RELAY and STATUS_SCHEME_RELAY right?") {
			t.Errorf("links %q", links)
		}
		s.must(s.lab.Service(lab.Relay).Start())
		time.Sleep(30 * time.Second)
		if n, links := s.count(20 * time.Second); n < 2 || !strings.Contains(links[len(links)-1], "up=true planned=false") {
			t.Errorf("%d frames, links %q", n, links)
		}
		s.must(s.lab.Service(lab.Relay).Fail(502))
		s.must(s.lab.Feed(lab.Relay).CutLinks())
		time.Sleep(5 * time.Second)
		if _, links := s.count(0); !strings.Contains(links[len(links)-1], "is relay running?") {
			t.Errorf("links %q", links)
		}
		s.must(s.lab.Service(lab.Relay).Start())
		time.Sleep(30 * time.Second)
		if n, _ := s.count(15 * time.Second); n < 2 {
			t.Errorf("%d frames", n)
		}
	})
}

func TestLabCodeRefused(t *testing.T) {
	tell(t, lab.Options{}, nil, func(s *story) {
		time.Sleep(20 * time.Second)
		s.must(s.lab.Feed(lab.Relay).RefuseCodes(1))
		s.must(s.lab.Feed(lab.Relay).CutLinks())
		time.Sleep(29 * time.Second)
		if n, _ := s.count(29 * time.Second); n != 0 {
			t.Errorf("%d frames though refused", n)
		}
		time.Sleep(9 * time.Second) // after 30 s a second connection is opened
		if n, links := s.count(9 * time.Second); n == 0 || s.downs() != 1 {
			t.Errorf("%d frames, links %q", n, links)
		}
	})
}

func TestLabMuteAndNoise(t *testing.T) {
	tell(t, lab.Options{}, nil, func(s *story) {
		feed := s.lab.Feed(lab.Relay)
		time.Sleep(20 * time.Second)
		s.must(feed.Noise())
		s.must(feed.Rubbish(`[{"topic":`))
		s.must(feed.Glue(3))
		time.Sleep(6 * time.Second)
		if n, _ := s.count(6 * time.Second); n != 3 || s.sub.Stats().Rubbish != 1 || s.sub.Stats().Objects == 0 {
			t.Errorf("%d frames, %+v", n, s.sub.Stats())
		}
		s.must(feed.Mute())
		time.Sleep(20 * time.Minute)
		if _, clients, err := feed.Frames(); err != nil || clients > 2 {
			t.Errorf("%d connections, %v", clients, err)
		}
		s.must(feed.Unmute())
		time.Sleep(7 * time.Second)
		if n, links := s.count(7 * time.Second); n == 0 {
			t.Errorf("no frame after the silence; links %q", links)
		}
		time.Sleep(time.Minute)
		if _, clients, err := feed.Frames(); err != nil || clients != 1 {
			t.Errorf("%d connections, %v", clients, err)
		}
	})
}

func TestLabPartition(t *testing.T) {
	tell(t, lab.Options{}, nil, func(s *story) {
		time.Sleep(20 * time.Second)
		addr := s.lab.Addr(lab.Relay)
		s.net.Partition(addr)
		time.Sleep(2 * time.Minute)
		if s.downs() == 0 {
			t.Error("a half-open connection was not found")
		}
		s.net.Heal(addr)
		time.Sleep(30 * time.Second)
		if n, links := s.count(15 * time.Second); n < 2 {
			t.Errorf("%d frames, links %q", n, links)
		}
	})
}

// A lab at one frame a minute is never reconnected for nothing, once it is known.
func TestLabSlow(t *testing.T) {
	tell(t, lab.Options{RelayEvery: 61 * time.Second}, func(o *stats.Options) { o.Life = 24 * time.Hour }, func(s *story) {
		time.Sleep(6 * time.Hour)
		if n, links := s.count(6 * time.Hour); n < 350 || s.sub.Stats().Connects > 2 || s.downs() != 0 {
			t.Errorf("%d frames, %+v, links %q", n, s.sub.Stats(), links)
		}
	})
}

func TestLabRefusals(t *testing.T) {
	for want, change := range map[string]func(*stats.Options){
		"STATUS_SECRET_RELAY is not the secret": func(o *stats.Options) { o.Secret = "wrong" },
		`set STATUS_BASEPATH_RELAY="/lab/access"`: func(o *stats.Options) {
			o.Audience += "/"
		},
		"check STATUS_BASEPATH_RELAY":                   func(o *stats.Options) { o.Audience = strings.TrimSuffix(o.Audience, "s") },
		"are STATUS_HOST_RELAY and STATUS_SCHEME_RELAY": func(o *stats.Options) { o.Audience = "http://nowhere.lab:80/lab/access" },
	} {
		tell(t, lab.Options{}, change, func(s *story) {
			time.Sleep(5 * time.Second)
			err := s.sub.Check(s.t.Context())
			_, links := s.count(0)
			if err == nil || !strings.Contains(err.Error(), want) || len(links) == 0 || !strings.Contains(links[0], want) {
				t.Errorf("%v; links %q; want %s", err, links, want)
			}
		})
	}
	tell(t, lab.Options{}, nil, func(s *story) { s.must(s.sub.Check(s.t.Context())) })
}
