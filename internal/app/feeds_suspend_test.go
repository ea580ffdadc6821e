package app_test

import (
	"testing"
	"time"

	"labstatus/internal/lab"
)

// asleep lets the laboratory go on for so long while our host sleeps: the loop stands
// still, and nothing comes in or goes out. When it wakes all connections are reset.
func (b *bench) asleep(d time.Duration) {
	b.t.Helper()
	hosts := []string{"book.lab:80", "relay.lab:80", "jump.lab:80", "mail.lab:25"}
	release := make(chan struct{})
	b.hold(release)
	for _, host := range hosts {
		b.network.Partition(host)
	}
	b.wait(d)
	for _, host := range hosts {
		b.network.Cut(host)
		b.network.Heal(host)
	}
	close(release)
	b.hold(nil)
}

// Ten minutes in which our host slept are nobody's fault: nothing is told or booked.
// What happened meanwhile is told once.
func TestSuspend(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]struct {
		meanwhile, before func(*lab.Lab) error
		told              []string
		open              bool
	}{
		"nothing happens": {open: true},
		"a fault that is over by then": {
			meanwhile: func(l *lab.Lab) error { return l.Stream("pend00-st-video").Vanish() },
			before:    func(l *lab.Lab) error { return l.Stream("pend00-st-video").Return() },
			open:      true,
		},
		"relay and jump restart": {
			meanwhile: func(l *lab.Lab) error { return l.Service(lab.Relay).Restart() },
			before:    func(l *lab.Lab) error { return l.Service(lab.Jump).Restart() },
			open:      true,
		},
		"a stream vanishes": {
			meanwhile: func(l *lab.Lab) error { return l.Stream("pend00-st-video").Vanish() },
			told:      []string{"1 new problem: pend00"},
		},
		"jump goes": {
			meanwhile: func(l *lab.Lab) error { return l.Jump("pend00").Drop() },
			told:      []string{"1 new problem: pend00"},
			open:      true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), nil, func(b *bench) {
				began := time.Now()
				if story.meanwhile != nil {
					time.AfterFunc(3*time.Minute, func() { b.must(story.meanwhile(b.lab)) })
				}
				if story.before != nil {
					time.AfterFunc(6*time.Minute, func() { b.must(story.before(b.lab)) })
				}
				b.asleep(10 * time.Minute)
				b.wait(5 * time.Minute)
				b.told(began, story.told...)
				writes := 0
				if !story.open {
					writes = 1
				}
				if n := b.writes(began); n != writes || b.available("r-pend00") != story.open {
					t.Errorf("book was written %d times, pend00 is open: %v", n, b.available("r-pend00"))
				}
				for _, stub := range []string{"pend00", "spin30"} {
					want := "healthy"
					if stub == "pend00" && story.told != nil {
						want = "unhealthy"
					}
					if got := b.state(stub); got != want {
						t.Errorf("%s is %s, want %s", stub, got, want)
					}
				}
			})
		})
	}
}
