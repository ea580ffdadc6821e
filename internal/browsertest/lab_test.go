package browsertest

import (
	"context"
	"io"
	"maps"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/lab"
	"labstatus/serve"
)

// laboratory is a simulated one with the real server on it.
type laboratory struct {
	*lab.Lab
	t     *testing.T
	env   map[string]string
	url   string
	token string
}

// newLaboratory has two experiments whose time passes twenty times as fast as in a
// real laboratory.
func newLaboratory(t *testing.T) *laboratory {
	t.Helper()
	quiet := logrus.New()
	quiet.Out = io.Discard
	var experiments []lab.Experiment
	for _, stub := range []string{"pend00", "spin00"} {
		experiments = append(experiments, lab.Experiment{Stub: stub, Streams: []lab.StreamSpec{
			{Name: "st-data", Size: 41, Period: 50 * time.Millisecond}, {Name: "st-video", Size: 2000, Period: 50 * time.Millisecond},
		}})
	}
	made, err := lab.New(lab.Options{Experiments: experiments, RelayStats: true, RelayEvery: 300 * time.Millisecond, JumpEvery: 250 * time.Millisecond, Reconnect: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	l := &laboratory{Lab: made, t: t, env: made.Env()}
	maps.Copy(l.env, map[string]string{
		"STATUS_SECRET_STATUS": secret, "STATUS_STORE": filepath.Join(t.TempDir(), "status.db"), "STATUS_EMAIL_SUBJECT": "Real lab",
		"STATUS_HEALTH_LAST_ACTIVE": "800ms", "STATUS_HEALTH_LAST_CHECKED": "5s", "STATUS_HEALTH_STARTUP": "500ms", "STATUS_QUERY_BOOK_EVERY": "2s",
	})
	background(t, made.Run)
	<-made.Ready()
	return l
}

// background runs something until the test ends.
func background(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// serve starts the server on a loopback address; stop ends it, and another may follow
// on the same store.
func (l *laboratory) serve(address string) (stop func()) {
	l.t.Helper()
	quiet := logrus.New()
	quiet.Out = io.Discard
	listener, err := new(net.ListenConfig).Listen(l.t.Context(), "tcp", address)
	if err != nil {
		l.t.Fatal(err)
	}
	env := maps.Clone(l.env)
	env["STATUS_LISTEN"] = listener.Addr().String()
	env["STATUS_EMAIL_LINK"] = "http://" + listener.Addr().String() + "/"
	c, _, err := config.LoadMap(env)
	if err != nil {
		l.t.Fatal(err)
	}
	made, err := app.New(l.t.Context(), app.Options{
		Config: c, Version: "v9", Log: quiet,
		Listen: func(context.Context, string, string) (net.Listener, error) { return listener, nil },
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.url = env["STATUS_EMAIL_LINK"]
	if l.token, err = serve.MintToken(secret, app.Audience(c), "anna", []string{serve.ScopeAdmin}, time.Hour); err != nil {
		l.t.Fatal(err)
	}
	return background(l.t, made.Run)
}

// The main job, with everything real but the laboratory: a camera fails, the page
// says so, a maintainer takes care of it, and it is well again.
func TestMaintainersNight(t *testing.T) {
	t.Parallel()
	l := newLaboratory(t)
	stop := l.serve("127.0.0.1:0")
	tb := open(t, l.url, desk)
	tb.forgive("net::ERR_", "network error", "mail.html")
	tb.visit("")
	tb.shows("h1", "All 2 experiments are well")
	if err := l.Stream("pend00-st-video").Vanish(); err != nil {
		t.Fatal(err)
	}
	tb.shows("#need .card", "missing required pend00-st-video not connected to relay")
	tb.shows("#need .card", "closed for booking")
	tb.shows("h1", "1 of 2 experiments needs you")

	signIn(tb, l.token)
	tb.click("button[data-act=ack]")
	tb.write("#act-text", "on my way")
	tb.click("dialog button.main")
	tb.shows("#cared .card", "Acknowledged by anna")
	tb.shows("h1", "Nothing needs you: 1 of 2 experiments is cared for")
	tb.click("#cared h3 a")
	tb.shows("#events tr", "unhealthy")
	tb.shows("#bars figcaption", "Last 24 hours")
	tb.shows("#streams tr", "pend00-st-video required missing")

	tb.click("button[data-act=hold]")
	tb.write("#act-text", "camera is out")
	tb.click("dialog button.main")
	tb.shows(".marks", "Held off booking: r-pend00, camera is out")
	if err := l.Stream("pend00-st-video").Return(); err != nil {
		t.Fatal(err)
	}
	tb.shows("h1", "pend00 healthy")
	tb.shows("#booking tr", "held off booking by")
	tb.click("button[data-act=release]")
	tb.click("dialog button.main")
	tb.until("it is answered", `!document.querySelector("dialog")`)
	tb.shows("#booking tr", "can be booked")

	tb.visit("maintenance")
	tb.shows("#audit tr", "anna put back on booking pend00")
	tb.shows("#audit tr", "anna acknowledged pend00 on my way")
	tb.click("#new")
	tb.write("#names", "spin*")
	tb.write("#reason", "new floor")
	tb.click("dialog button.main")
	tb.shows("#windows tr", "in force")
	tb.visit("?mark=maintenance")
	tb.shows("#healthy .grid", "spin00")

	tb.visit("mails")
	tb.shows("#list tr", "pend00")
	tb.click("#test")
	tb.shows("#result", "Queued for 1 recipient.")
	tb.shows("#list tr", "sent to its recipient")
	tb.visit("system")
	tb.shows("#settings tr", "STATUS_HEALTH_STARTUP 500ms")
	tb.hides("#settings", secret)

	// The page comes back by itself after a restart, where nothing looks broken.
	tb.visit("")
	stop()
	tb.shows("#lost", "No word from the server since")
	l.serve(strings.TrimSuffix(strings.TrimPrefix(l.url, "http://"), "/"))
	tb.clickUnless(`document.querySelector("#lost").hidden`, "#lost button") // it looks for its server by itself, too
	tb.shows("#live", "live")
	tb.shows("h1", "All 2 experiments are well")
	tb.until("nothing is red", `!document.querySelector(".card")`)
}
