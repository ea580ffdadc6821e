package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/lab"
)

// A whole laboratory stands in a network namespace of its own, at the end of a cable
// that is pulled out: packets go to nobody, and neither side is told. Every connection
// that there is stays half open. A pull that is over soon nobody notices; a long one is
// told as the sources' trouble and as nobody else's, what happened behind it is told
// once, and all is well again without a restart. Needs root, the ip command and two
// minutes: scripts/netns-test.sh runs it.
func TestHalfOpenTCP(t *testing.T) {
	if os.Getenv("NETNS_PEER") != "" {
		beThePeer(t)
		return
	}
	if os.Getenv("NETNS") == "" {
		t.Skip("it takes minutes and network namespaces: scripts/netns-test.sh makes them and runs it, as CI does")
	}
	c := layCable(t)
	p := startPeer(t)
	env := p.does("").Env
	maps.Copy(env, map[string]string{
		"STATUS_STORE": filepath.Join(t.TempDir(), "status.db"), "STATUS_LISTEN": "127.0.0.1:0", "STATUS_LOG_FILE": "stderr",
		"STATUS_HEALTH_LAST_ACTIVE": "4s", "STATUS_HEALTH_LAST_CHECKED": "8s", "STATUS_HEALTH_STARTUP": "4s",
	})
	cfg, _, err := config.LoadMap(env)
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(t.Output())
	ctx, cancel := context.WithCancel(t.Context())
	a, err := app.New(ctx, app.Options{Config: cfg, Version: "test", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	until := func(what string, within time.Duration, is func(*health.Snapshot) bool) {
		t.Helper()
		for began := time.Now(); !is(a.Snapshot()); <-time.After(50 * time.Millisecond) {
			if took := time.Since(began); took > within {
				t.Fatalf("not so after %s: %s: %+v", took, what, a.Snapshot().Sources)
			}
		}
		t.Logf("at %s: %s", time.Now().Format(time.TimeOnly), what)
	}
	states := func(s *health.Snapshot) (all []string) {
		for _, src := range s.Sources {
			all = append(all, string(src.State))
		}
		for _, r := range s.Experiments {
			all = append(all, r.Name+" "+string(r.State))
		}
		return all
	}
	are := func(want ...string) func(*health.Snapshot) bool {
		return func(s *health.Snapshot) bool { return slices.Equal(states(s), want) }
	}

	until("everything is well", time.Minute, are("fresh", "fresh", "pend00 healthy", "spin30 healthy"))
	for range 3 { // shorter than anybody may be silent
		c.pull()
		<-time.After(1500 * time.Millisecond)
		c.plug()
		plugged := time.Now()
		until("frames come again", 8*time.Second, func(s *health.Snapshot) bool {
			return s.Sources[0].LastFrame.After(plugged) && s.Sources[1].LastFrame.After(plugged)
		})
	}
	if got := p.does(""); len(got.Mails) != 0 || got.Writes != 0 {
		t.Errorf("pulls that were over soon: %d writes, mails %q", got.Writes, got.Mails)
	}

	c.pull()
	pulled := time.Now()
	until("both sources are silent", 12*time.Second, are("silent", "silent", "pend00 unknown", "spin30 unknown"))
	if early := time.Since(pulled); early < 7*time.Second {
		t.Errorf("said to be silent after %s", early)
	}
	p.does("pend00 st-video vanishes")
	<-time.After(15 * time.Second)
	if got := states(a.Snapshot()); !slices.Equal(got, []string{"silent", "silent", "pend00 unknown", "spin30 unknown"}) {
		t.Errorf("while the cable is out: %s", got)
	}
	c.plug()
	until("all is known again", time.Minute, are("fresh", "fresh", "pend00 unhealthy", "spin30 healthy"))
	until("nothing is left to be written", time.Minute, func(s *health.Snapshot) bool { return s.Book.Pending == 0 })
	<-time.After(45 * time.Second) // longer than a mail waits for its next attempt
	got := p.does("")
	t.Logf("mails %q", got.Mails)
	for words, times := range map[string]int{
		"relay has no fresh reports": 1, "relay is reporting again": 1, "jump has no fresh reports": 1, "jump is reporting again": 1,
		"missing required pend00-st-video": 1, "spin30": 0,
	} {
		if n := strings.Count(got.Told, words); n != times {
			t.Errorf("told %d times, want %d: %s\n%s", n, times, words, got.Told)
		}
	}
	if got.Writes != 1 {
		t.Errorf("book was written %d times, want 1", got.Writes)
	}
}

// The network that the laboratory stands in, with addresses kept for documentation.
const (
	netns, vethHere, vethThere = "labstatus-test", "labst0", "labst1"
	addrHere, addrThere        = "198.51.100.1", "198.51.100.2"
)

type cable struct{ t *testing.T }

func layCable(t *testing.T) cable {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces can only be made by root")
	}
	c := cable{t}
	c.ip("netns add " + netns)
	t.Cleanup(func() { c.ip("netns del " + netns) })
	c.ip("link add " + vethHere + " type veth peer name " + vethThere + " netns " + netns)
	c.ip("addr add " + addrHere + "/30 dev " + vethHere)
	c.ip("link set " + vethHere + " up")
	c.ip("-n " + netns + " addr add " + addrThere + "/30 dev " + vethThere)
	c.ip("-n " + netns + " link set " + vethThere + " up")
	return c
}

func (c cable) ip(args string) {
	c.t.Helper()
	// Not the test's context, which is over when it cleans up.
	if out, err := exec.CommandContext(context.Background(), "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		c.t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// pull has packets go to nobody; nothing is refused or reset.
func (c cable) pull() {
	c.t.Helper()
	c.ip("neigh replace " + addrThere + " lladdr 02:00:00:00:00:01 dev " + vethHere + " nud permanent")
	c.ip("-n " + netns + " neigh replace " + addrHere + " lladdr 02:00:00:00:00:02 dev " + vethThere + " nud permanent")
}

func (c cable) plug() {
	c.t.Helper()
	c.ip("neigh del " + addrThere + " dev " + vethHere)
	c.ip("-n " + netns + " neigh del " + addrHere + " dev " + vethThere)
}

// peer is the process with the laboratory. It takes orders, one a line, and says after
// each how things are there.
type peer struct {
	t   *testing.T
	in  io.Writer
	out *json.Decoder
}

type peerReport struct {
	Err    string
	Env    map[string]string
	Mails  []string // their subjects
	Told   string   // their texts' sections of what is new and what is over
	Writes int      // changes that book was asked for
}

func startPeer(t *testing.T) *peer {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "ip", "netns", "exec", netns, os.Args[0], "-test.run", "^TestHalfOpenTCP$")
	cmd.Env = append(os.Environ(), "NETNS_PEER=1")
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Error("the peer:", err)
		}
	})
	return &peer{t: t, in: in, out: json.NewDecoder(out)}
}

// does has the laboratory carry out an order; an empty one only asks.
func (p *peer) does(order string) (r peerReport) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, order+"\n"); err != nil {
		p.t.Fatal(err)
	}
	if err := p.out.Decode(&r); err != nil {
		p.t.Fatal("the peer said nothing: ", err)
	}
	if r.Err != "" {
		p.t.Fatal("the peer: ", r.Err)
	}
	return r
}

// beThePeer runs the laboratory until nobody gives orders any more.
func beThePeer(t *testing.T) {
	at := func(port int) string { return fmt.Sprintf("%s:%d", addrThere, port) }
	l, err := lab.New(lab.Options{
		Experiments: experiments("pend00", "spin30"), RelayStats: true, RelayEvery: 500 * time.Millisecond, JumpEvery: 500 * time.Millisecond,
		Addr: map[string]string{lab.Book: at(8080), lab.Relay: at(8081), lab.Jump: at(8082), lab.Mail: at(8025), lab.Control: at(8083)},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	<-l.Ready()
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		r := peerReport{Env: l.Env()}
		if order := orders.Text(); order != "" {
			if err := l.Order(order); err != nil {
				r.Err = err.Error()
			}
		}
		for _, m := range l.Mails() {
			if m.Accepted() {
				r.Mails = append(r.Mails, m.Subject)
				r.Told += news(m.Text)
			}
		}
		for _, c := range l.Calls() {
			if c.Method == http.MethodPut {
				r.Writes++
			}
		}
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := errors.Join(orders.Err(), <-done); err != nil {
		t.Fatal(err)
	}
}

// news gives the lines of a mail that tell of something new, or of its end.
func news(text string) string {
	var told strings.Builder
	section := ""
	for line := range strings.Lines(text) {
		switch words := strings.TrimSpace(line); {
		case strings.HasPrefix(words, "- "):
			if section == "New problems" || section == "Over" {
				told.WriteString(words + "\n")
			}
		case words != "":
			section = words
		}
	}
	return told.String()
}
