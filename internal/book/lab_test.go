package book

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/lab"
)

// newLabBench runs a keeper against the simulated laboratory's book.
func newLabBench(t *testing.T, o KeeperOptions) (*lab.Lab, *lab.Network, *bench) {
	t.Helper()
	network := lab.NewNetwork()
	l, err := lab.New(lab.Options{
		Network: network,
		Secrets: lab.Secrets{Book: testSecret, Relay: "r", Jump: "j"},
		Experiments: []lab.Experiment{
			{Stub: "pend00", Streams: []lab.StreamSpec{{Name: "st-data"}}},
			{Stub: "pend01", Streams: []lab.StreamSpec{{Name: "st-data"}, {Name: "st-video"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- l.Run(ctx) }()
	c, err := NewClient(Options{API: l.Audience(lab.Book) + "/api/v1", Audience: l.Audience(lab.Book), Secret: testSecret, Dial: network.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	s := &bench{Keeper: NewKeeper(c, o), start: time.Now()}
	go func() {
		s.Run(ctx, s.post)
		ended <- nil
	}()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("the lab ended with %v", err)
			}
		}
	})
	return l, network, s
}

// TestLab is a day at the booking office.
func TestLab(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, network, s := newLabBench(t, KeeperOptions{QueryEvery: 15 * time.Minute})
		book := l.Service(lab.Book)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		lastSaid := func(name, want string) {
			t.Helper()
			said := s.said(name)
			if len(said) == 0 || !strings.HasPrefix(said[len(said)-1], want) {
				t.Errorf("of %s was posted %q, want %q last", name, said, want)
			}
		}

		settle(time.Second)
		wantEqual(t, "manifest", of[health.Manifest](s)[0].Resources, []health.Resource{
			{Name: "r-pend00", Stub: "pend00", Required: []string{"pend00-st-data"}},
			{Name: "r-pend01", Stub: "pend01", Required: []string{"pend01-st-data", "pend01-st-video"}},
		})
		lastSaid("r-pend00", "open")

		s.Want(wish("r-pend00", health.Close))
		settle(time.Second)
		lastSaid("r-pend00", "closed: status server: test")
		if available, reason, _ := l.Availability("r-pend00"); available || !strings.HasSuffix(reason, "status server: test") {
			t.Errorf("the lab has available=%v, %q", available, reason)
		}

		// Book restarts and forgets: found at the next query, and written again.
		must(book.Restart())
		settle(15 * time.Minute)
		lastSaid("r-pend00", "open")
		s.Want(wish("r-pend00", health.Close))
		settle(time.Second)
		lastSaid("r-pend00", "closed: status server: test")

		// It stops, it hangs, it is cut off: the wish waits.
		for _, trouble := range []struct {
			about      string
			begin, end func()
		}{
			{"stopped", func() { must(book.Stop()) }, func() { must(book.Start()) }},
			{"hanging", func() { must(book.Hang()) }, func() { must(book.Start()) }},
			{"failing", func() { must(book.Fail(503)) }, func() { must(book.Start()) }},
			{"partitioned", func() { network.Partition("book.lab:80") }, func() { network.Heal("book.lab:80") }},
		} {
			want, other := health.Open, "open"
			if available, _, _ := l.Availability("r-pend01"); available {
				want, other = health.Close, "closed: status server:"
			}
			failures := len(of[health.BookFailed](s))
			trouble.begin()
			s.Want(wish("r-pend01", want))
			settle(2 * time.Minute)
			if told := len(of[health.BookFailed](s)) - failures; told < 3 {
				t.Errorf("%s: %d failures were told in two minutes, want 3 at least", trouble.about, told)
			}
			wantEqual(t, trouble.about+": pending", s.Status().Pending, 1)
			trouble.end()
			settle(time.Minute)
			wantEqual(t, trouble.about+": pending after", s.Status().Pending, 0)
			lastSaid("r-pend01", other)
		}

		// A person's hold is respected.
		must(l.SetAvailable("r-pend00", false, "lens is being cleaned"))
		s.Want(wish("r-pend00", health.Open))
		settle(time.Second)
		lastSaid("r-pend00", "closed: lens is being cleaned")

		// A resource is taken out: found when it is asked for.
		l.DropResource("r-pend01")
		s.Want(wish("r-pend01", health.Close))
		settle(10 * time.Second)
		lastSaid("r-pend01", "gone")
		manifests := of[health.Manifest](s)
		wantEqual(t, "resources in the latest manifest", len(manifests[len(manifests)-1].Resources), 1)
	})
}

func TestLabCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, network, _ := newLabBench(t, KeeperOptions{})
		check := func(secret, audience string) (Finding, error) {
			c, err := NewClient(Options{API: l.Audience(lab.Book) + "/api/v1", Audience: audience, Secret: secret, Dial: network.DialContext})
			if err != nil {
				t.Fatal(err)
			}
			return Check(t.Context(), c)
		}
		found, err := check(testSecret, l.Audience(lab.Book))
		if err != nil || found.Resources != 2 || found.Experiments != 2 {
			t.Errorf("got %+v, %v", found, err)
		}
		if _, err = check("another", l.Audience(lab.Book)); err == nil || !strings.HasSuffix(err.Error(), "STATUS_SECRET_BOOK is not the secret that book was started with") {
			t.Errorf("a wrong secret: %v", err)
		}
		if _, err = check(testSecret, "http://book.lab/other"); err == nil || !strings.HasSuffix(err.Error(), "STATUS_HOST_BOOK=book.lab:80 STATUS_BASEPATH_BOOK=/lab/book") {
			t.Errorf("a wrong audience: %v", err)
		}
	})
}
