package stats

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

// Names and addresses of the network namespace, of those kept for documentation.
const (
	netns, vethHere, vethThere = "labstatus-test", "labst0", "labst1"
	addrHere, addrThere        = "198.51.100.1/30", "198.51.100.2"
)

// A peer whose packets are dropped, as by a cable that is pulled out, is found to be
// gone, and connected to again when it is back. Needs root, the ip command and a
// minute: scripts/netns-test.sh runs it.
func TestHalfOpenTCP(t *testing.T) {
	if os.Getenv("NETNS_PEER") != "" {
		servePeer(t)
		return
	}
	if os.Getenv("NETNS") == "" {
		t.Skip("it takes a minute and changes the host's network for that time: NETNS=1 runs it, as scripts/netns-test.sh does")
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces can only be made by root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("there is no ip command, which makes network namespaces: install iproute2")
	}
	ip := func(args string) {
		t.Helper()
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	ip("netns add " + netns)
	t.Cleanup(func() { ip("netns del " + netns) })
	ip("link add " + vethHere + " type veth peer name " + vethThere + " netns " + netns)
	ip("addr add " + addrHere + " dev " + vethHere)
	ip("link set " + vethHere + " up")
	ip("-n " + netns + " addr add " + addrThere + "/30 dev " + vethThere)
	ip("-n " + netns + " link set " + vethThere + " up")

	peer := exec.Command("ip", "netns", "exec", netns, os.Args[0], "-test.run", "^TestHalfOpenTCP$")
	peer.Env = append(os.Environ(), "NETNS_PEER=1")
	said := new(strings.Builder)
	peer.Stdout, peer.Stderr = said, said
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = peer.Process.Kill()
		_ = peer.Wait() // it was killed
		if t.Failed() {
			t.Logf("the peer: %s", said)
		}
	})

	var mu sync.Mutex
	var frames int
	var down string
	quiet, _ := logtest.NewNullLogger()
	sub := New(Options{Audience: "http://" + addrThere + ":8080", Secret: "s", Life: time.Hour, Log: quiet},
		ServiceConfig{Name: health.Relay, URL: "http://" + addrThere + ":8080/session/stats"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- sub.Run(ctx, func(in health.Input) {
			mu.Lock()
			defer mu.Unlock()
			switch in := in.(type) {
			case health.Frame:
				frames++
			case health.Link:
				down = in.Err
			}
		})
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	until := func(what string, within time.Duration, is func() bool) {
		t.Helper()
		began := time.Now()
		for {
			mu.Lock()
			now := is()
			mu.Unlock()
			if now {
				t.Logf("%s after %s", what, time.Since(began).Round(100*time.Millisecond))
				return
			}
			if time.Since(began) > within {
				t.Fatalf("not %s within %s; %d frames, link %q", what, within, frames, down)
			}
			<-time.After(100 * time.Millisecond)
		}
	}
	until("reporting", 20*s, func() bool { return frames > 2 })
	// Its packets go to nobody from now on; nothing is refused or reset.
	ip("neigh replace " + addrThere + " lladdr 02:00:00:00:00:01 dev " + vethHere + " nud permanent")
	ip("-n " + netns + " neigh replace 198.51.100.1 lladdr 02:00:00:00:00:02 dev " + vethThere + " nud permanent")
	until("found to be gone", 40*s, func() bool { return strings.Contains(down, "is not heard any more") })
	ip("neigh del " + addrThere + " dev " + vethHere)
	ip("-n " + netns + " neigh del 198.51.100.1 dev " + vethThere)
	mu.Lock()
	frames = 0
	mu.Unlock()
	until("reporting again", 30*s, func() bool { return frames > 2 && down == "" })
}

// servePeer is the other side: a feed of a frame a second.
func servePeer(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addrThere+":8080")
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			fmt.Fprintf(w, `{"uri":"ws://%s/feed?code=very-secret"}`, r.Host)
			return
		}
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		go func() {
			for err == nil {
				_, _, err = ws.ReadMessage() // answers pings
			}
		}()
		for ws.WriteMessage(websocket.TextMessage, []byte(`[{"topic":"a"}]`)) == nil {
			<-time.After(s)
		}
		_ = ws.Close()
	})))
}
