package health_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"labstatus/internal/health"
)

// TestStories runs the engine through the files in testdata, one for each rule of
// what healthy means. Each begins with the sentence it proves. `go test -rewrite`
// writes the answers anew: commit them only if you can say why they changed.
//
// Commands, each on a world whose relay reports every 6 s, jump every 5 s and
// whose clock ticks every second:
//
//	config last-active=10s last-checked=30s startup=1m …    before lab; tick-every=10s
//	                          where hours pass, since frames look at the clock as well
//	lab                       resources, a line each: name stub stream…; all connected, book asked
//	run 2m                    lets time pass; prints what the engine does, and when
//	stream TOPIC silent|sends|vanishes|returns|reconnects|never|student|half-dead …
//	jump STUB drops|returns
//	relay|jump-source mute|speaks|breaks|up|renews; hears (a frame is on its way),
//	                          delivers (that frame comes, with its own time)
//	                          floods 1001: lists as many unknown experiments besides
//	crowd STUB 51             relay lists as many more streams of it, which nobody requires
//	tunnel SOURCE/SERVICE[/CLIENT] STUB [required] running|ready|failed|closed|figures|new-conns …
//	                          [restored]: what is said of it at this moment, in that order
//	book down|up|query|forgets|stubborn|slow (wishes wait)|works (does them); or one
//	                          resource: hold, release, drop, add, reads, gone
//	silence STUB for=1h, unsilence STUB, ack STUB, unack STUB, hold STUB|RESOURCE,
//	release STUB|RESOURCE, test-mail     [by=anna]; the words below are the reason
//	maintenance ID names=(STUB,pend*) [from=10m] for=1h [bookings=close]; or
//	            weekly=(mon,tue) start=08:00 end=12:30 zone=Europe/London
//	end-maintenance ID
//	clock set -1h             the time of day is set, and time goes on, as the server's own
//	                          moments know, though none that were kept
//	clock back|forward 1h     as a clock without monotonic reading jumps
//	held-up 2m                as our loop is by a log that takes no line: book's answers wait
//	restart [after=1m] [without=SOURCE/SERVICE]
//	                          a new engine from what was kept, less that tunnel
//	state                     the snapshot, in short
//	history                   what was added to the histories of state since the last one
func TestStories(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		t.Parallel()
		if strings.HasPrefix(path, filepath.Join("testdata", "fuzz")) {
			return // which is FuzzKept's
		}
		w := newWorld()
		w.startClocks()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := command(w, d)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			if out == "" && d.Cmd == "run" {
				return "(nothing)\n"
			}
			return out
		})
	})
}

func command(w *world, d *datadriven.TestData) (string, error) {
	var out strings.Builder
	tell := func(decisions ...health.Decision) {
		for _, decision := range decisions {
			out.WriteString(told(decision))
		}
	}
	words := make([]string, len(d.CmdArgs))
	for i, a := range d.CmdArgs {
		words[i] = a.String()
	}
	if actKinds[d.Cmd] != "" {
		decisions, err := w.act(d)
		if err != nil {
			return "", err
		}
		tell(decisions...)
		return out.String(), nil
	}
	switch d.Cmd {
	case "config":
		return "", configure(w, d.CmdArgs)
	case "lab":
		for line := range strings.Lines(d.Input) {
			f := strings.Fields(line)
			if len(f) < 2 {
				return "", fmt.Errorf("a resource needs a name and a stub: %q", line)
			}
			w.addResource(f[0], f[1], f[2:]...)
			w.hosts[f[1]] = true
			for _, s := range f[2:] {
				if topic := f[1] + "-" + s; len(w.conns[topic]) == 0 {
					w.connect(topic)
				}
			}
		}
		w.start()
		tell(w.step(health.Link{At: w.now, Source: health.Relay, Up: true})...)
		tell(w.step(health.Link{At: w.now, Source: health.Jump, Up: true})...)
		tell(w.query()...)
	case "run":
		length, err := time.ParseDuration(words[0])
		if err != nil {
			return "", err
		}
		w.run(length, func(decision health.Decision) { tell(decision) })
	case "stream":
		return "", w.streamDoes(words[0], words[1:])
	case "jump":
		w.hosts[words[0]] = words[1] == "returns"
	case "crowd":
		n, err := strconv.Atoi(words[1])
		w.crowd[words[0]] = n
		return "", err
	case "relay", "jump-source":
		if words[0] == "floods" {
			n, err := strconv.Atoi(words[1])
			w.floods[map[string]health.Source{"relay": health.Relay, "jump-source": health.Jump}[d.Cmd]] = n
			return "", err
		}
		decisions, err := w.sourceDoes(d.Cmd, words[0])
		if err != nil {
			return "", err
		}
		tell(decisions...)
	case "tunnel":
		decisions, err := w.tunnel(words)
		if err != nil {
			return "", err
		}
		tell(decisions...)
	case "book":
		decisions, err := w.bookDoes(words)
		if err != nil {
			return "", err
		}
		tell(decisions...)
	case "clock":
		by, err := time.ParseDuration(words[1])
		if err != nil {
			return "", err
		}
		switch words[0] {
		case "set":
			return "", w.setClock(by)
		case "back":
			by = -by
		}
		w.now = w.now.Add(by)
		w.schedule()
	case "held-up":
		// What waits for the loop has the time at which it came: a report of each source,
		// and all that book answered. Later reports wait where they are read, and come when
		// it goes on. No tick is owed.
		length, err := time.ParseDuration(words[0])
		if err != nil {
			return "", err
		}
		tell(w.step(w.relayFrame())...)
		tell(w.step(w.jumpFrame())...)
		for end := w.now.Add(length); w.now.Before(end); {
			w.now = w.now.Add(5 * time.Second)
			tell(w.query()...)
		}
		tell(w.step(w.relayFrame())...)
		tell(w.step(w.jumpFrame())...)
		w.schedule()
	case "restart":
		for _, a := range d.CmdArgs {
			if a.Key == "without" {
				w.forgetTunnels(a.Vals)
				continue
			}
			away, err := time.ParseDuration(a.Vals[0])
			if err != nil {
				return "", err
			}
			w.now, w.away = w.now.Add(away), away
		}
		w.schedule()
		kept, err := throughStore(w.kept)
		if err != nil {
			return "", err
		}
		w.kept = kept
		w.start()
		tell(w.query()...)
	case "state":
		return describeSnapshot(w.engine.Snapshot()) + describeTunnels(w.engine.Snapshot()), nil
	case "history":
		return w.takeHistory(), nil
	default:
		return "", fmt.Errorf("unknown command %q", d.Cmd)
	}
	return out.String(), nil
}

func configure(w *world, args []datadriven.CmdArg) error {
	durations := map[string]*time.Duration{
		"last-active": &w.cfg.LastActive, "last-checked": &w.cfg.LastChecked, "startup": &w.cfg.Startup,
		"group-wait": &w.cfg.GroupWait, "flap-window": &w.cfg.FlapWindow, "remind-every": &w.cfg.RemindEvery, "tunnel-period": &w.cfg.TunnelPeriod,
		"relay-every": &w.relayEvery, "jump-every": &w.jumpEvery, "tick-every": &w.tickEvery,
	}
	counts := map[string]*int{
		"flap-events": &w.cfg.FlapEvents, "confirm-down": &w.cfg.ConfirmDown, "confirm-up": &w.cfg.ConfirmUp,
	}
	flags := map[string]*bool{
		"override-holds": &w.cfg.OverrideHolds, "no-stats": &w.noStats, "backwards": &w.backwards, "book-down": &w.bookDown,
		"relay-mute": &w.relayMute, "jump-mute": &w.jumpMute,
	}
	for _, a := range args {
		var err error
		switch {
		case durations[a.Key] != nil:
			*durations[a.Key], err = time.ParseDuration(a.Vals[0])
		case counts[a.Key] != nil:
			*counts[a.Key], err = strconv.Atoi(a.Vals[0])
		case flags[a.Key] != nil:
			*flags[a.Key] = true
		default:
			err = fmt.Errorf("unknown setting %q", a.Key)
		}
		if err != nil {
			return err
		}
	}
	w.schedule()
	return nil
}

func (w *world) streamDoes(topic string, what []string) error {
	for _, act := range what {
		cs := w.conns[topic]
		switch act {
		case "silent":
			for _, c := range cs {
				if c.sending {
					c.sending, c.last = false, w.now
				}
			}
		case "sends":
			for _, c := range cs {
				c.sending, c.never = c.scope == "expt", false
			}
		case "vanishes":
			w.conns[topic] = nil
		case "returns":
			w.connect(topic)
		case "reconnects": // a new connection that has not sent anything yet
			w.conns[topic] = []*wire{{scope: "expt", never: true, opened: w.now}}
		case "never":
			w.conns[topic] = append(cs, &wire{scope: "expt", never: true, opened: w.now})
		case "half-dead": // a dead connection listed beside what is there
			w.conns[topic] = append(cs, &wire{scope: "expt", last: w.now, opened: epoch})
		case "student":
			w.conns[topic] = append(cs, &wire{scope: "user", sending: true, opened: w.now})
		default:
			return fmt.Errorf("a stream can't %q", act)
		}
	}
	return nil
}

func (w *world) sourceDoes(name, act string) ([]health.Decision, error) {
	source, mute := health.Relay, &w.relayMute
	if name == "jump-source" {
		source, mute = health.Jump, &w.jumpMute
	}
	switch act {
	case "mute":
		*mute = true
	case "speaks":
		*mute = false
	case "breaks":
		return w.step(health.Link{At: w.now, Source: source, Err: "connection broke"}), nil
	case "up":
		return w.step(health.Link{At: w.now, Source: source, Up: true}), nil
	case "renews":
		return w.step(health.Link{At: w.now, Source: source, Up: true, Planned: true}), nil
	case "hears":
		f := w.relayFrame()
		if source == health.Jump {
			f = w.jumpFrame()
		}
		w.replay = &f
	case "delivers":
		if w.replay == nil {
			return nil, fmt.Errorf("no frame is on its way")
		}
		return w.step(*w.replay), nil
	default:
		return nil, fmt.Errorf("a source can't %q", act)
	}
	return nil, nil
}

func (w *world) bookDoes(words []string) ([]health.Decision, error) {
	switch words[0] {
	case "down":
		w.bookDown = true
	case "up":
		w.bookDown = false
	case "slow":
		w.bookSlow = true
	case "works":
		return w.work(), nil
	case "stubborn":
		w.bookStubborn = true
	case "reads":
		return w.answer(words[1]), nil
	case "gone":
		return w.step(health.Availability{At: w.now, Resource: words[1], Gone: true}), nil
	case "query":
		return w.query(), nil
	case "forgets":
		for name := range w.availability {
			w.availability[name] = bookEntry{available: true, reason: "Loaded at 2026-11-20T23:00:00Z"}
		}
	case "hold":
		w.availability[words[1]] = bookEntry{reason: "unavailable because " + strings.Join(words[2:], " ")}
	case "release":
		w.availability[words[1]] = bookEntry{available: true, reason: "back from the workshop"}
	case "drop":
		delete(w.resources, words[1])
	case "add":
		w.addResource(words[1], words[2], words[3:]...)
	case "fails":
		return w.step(health.BookFailed{At: w.now, Err: "book did not answer"}), nil
	default:
		return nil, fmt.Errorf("book can't %q", words[0])
	}
	return nil, nil
}
