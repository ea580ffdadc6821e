package telemetry

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
)

// told keeps what a notifier says.
type told struct {
	mu  sync.Mutex
	all []string
	err error
}

func (t *told) send(state string) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, state)
	return t.err == nil, t.err
}

func (t *told) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.all
	t.all = nil
	return all
}

func notifier() (*Notifier, *told, *test.Hook) {
	log, hook := test.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	said := new(told)
	return &Notifier{log: log, send: said.send}, said, hook
}

// The datagrams of a whole life, as they arrive at the service manager's socket.
func TestNotifierOverTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skip("no Unix datagram sockets here: ", err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	log, hook := test.NewNullLogger()
	n := NewNotifier(log)
	n.Ready()
	n.Status("96 experiments, 2 unhealthy; relay 3s, jump 2s, book 4m")
	n.Status("96 experiments, 2 unhealthy; relay 3s, jump 2s, book 4m")
	n.Status("two lines\nREADY=1")
	n.Reloading()
	n.Ready()
	n.Stopping()
	n.Stopping()
	n.Ready()
	n.Reloading()
	n.Status("stopping")
	for _, want := range []string{
		"READY=1", "STATUS=96 experiments, 2 unhealthy; relay 3s, jump 2s, book 4m", "STATUS=two lines",
		`RELOADING=1(\nMONOTONIC_USEC=[0-9]+)?`, "READY=1", "STOPPING=1", "STATUS=stopping",
	} {
		if err := manager.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1000)
		size, err := manager.Read(b)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		if got := string(b[:size]); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if len(hook.AllEntries()) != 0 {
		t.Errorf("logged: %v", hook.LastEntry().Message)
	}
}

func TestWithoutSystemdNobodyIsTold(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	log, hook := test.NewNullLogger()
	n := NewNotifier(log)
	n.Ready()
	n.Status("well")
	if err := n.Watchdog(t.Context(), time.Now); err != nil {
		t.Error(err)
	}
	n.Stopping()
	if len(hook.AllEntries()) != 0 {
		t.Errorf("logged: %v", hook.LastEntry().Message)
	}
	t.Setenv("WATCHDOG_USEC", "soon")
	if err := n.Watchdog(t.Context(), time.Now); err == nil || !strings.Contains(err.Error(), "WATCHDOG_USEC") {
		t.Errorf("got %v", err)
	}
}

func TestTroubleWithSystemdIsLoggedOnce(t *testing.T) {
	n, said, hook := notifier()
	said.err = errors.New("connection refused")
	n.Ready()
	n.Status("a")
	n.Status("b")
	said.err = nil
	n.Status("c")
	said.err = errors.New("gone")
	n.Status("d")
	if got := len(hook.AllEntries()); got != 2 {
		t.Errorf("logged %d times, want once for each time it began", got)
	}
}

// The watchdog is fed while the loop turns, no longer, and again when it is back.
func TestWatchdogCeasesWithTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, said, hook := notifier()
		var mu sync.Mutex
		last := time.Now()
		turned := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return last
		}
		turn := func() {
			mu.Lock()
			defer mu.Unlock()
			last = time.Now()
		}
		var running sync.WaitGroup
		defer running.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		running.Go(func() { n.watch(ctx, 20*time.Second, turned) })
		beats := func(d time.Duration, turning bool) int {
			for range int(d / time.Second) {
				if turning {
					turn()
				}
				time.Sleep(time.Second)
			}
			synctest.Wait()
			all := said.take()
			if slices.ContainsFunc(all, func(s string) bool { return s != "WATCHDOG=1" }) {
				t.Errorf("said %q", all)
			}
			return len(all)
		}
		if got := beats(time.Minute, true); got < 11 || got > 12 {
			t.Errorf("%d beats in a minute of 20 s, want four in 20 s", got)
		}
		if got := beats(10*time.Second, false); got > 2 {
			t.Errorf("%d beats in the first ten seconds of a stuck loop", got)
		}
		if got := beats(time.Hour, false); got != 0 {
			t.Errorf("%d beats while the loop is stuck", got)
		}
		if e := hook.AllEntries(); len(e) != 1 || !strings.Contains(e[0].Message, "does not turn") {
			t.Errorf("logged %d times", len(e))
		}
		if got := beats(time.Minute, true); got < 11 {
			t.Errorf("%d beats in a minute after it is back", got)
		}
	})
}
