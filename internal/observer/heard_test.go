package observer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"

	"labstatus/internal/observer"
)

// TestHeard sends a receiver what GOSTs send, and shows what it hands on. Each file in
// testdata/heard begins with the sentence that it proves. `go test -rewrite` writes the
// answers anew: commit them only if you can say why they changed.
//
//	map                       STATUS_OBSERVER_MAP, before anything else
//	increments                the token says that bytes are increments
//	report [from=leeds] [key=…]
//	                          one report, an event a line:
//	                          web ready | web failed why | web/alice 1/3 508>339 !2
//	                          (1 of 3 connections open, 508 bytes in, 339 out, 2 errors)
//	wait 5s
//	restart                   of ours, with what was kept
//	known                     all that is known
func TestHeard(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/heard", func(t *testing.T, path string) {
		synctest.Test(t, func(t *testing.T) {
			l := &listener{t: t}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				out, err := l.command(d)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				if out == "" {
					return "(nothing)\n"
				}
				return out
			})
			if l.running != nil {
				l.running.end()
			}
		})
	})
}

// listener is a receiver and the one who listens to it.
type listener struct {
	t          *testing.T
	ties       *observer.Map
	increments bool
	in         *observer.Receiver
	running    *running

	kept box

	mu  sync.Mutex
	out strings.Builder
}

func (l *listener) command(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "map":
		ties, err := observer.ParseMap(d.Input)
		l.ties = ties
		return "", err
	case "increments":
		l.increments = true
		return "", nil
	}
	if l.in == nil {
		l.start()
	}
	switch d.Cmd {
	case "report":
		return l.report(d)
	case "wait":
		wait, err := time.ParseDuration(d.CmdArgs[0].String())
		time.Sleep(max(wait, time.Nanosecond))
		return "", err
	case "restart":
		l.running.end()
		l.start()
		synctest.Wait()
		return l.said(), nil
	case "known":
		return l.known(), nil
	}
	return "", fmt.Errorf("unknown command %q", d.Cmd)
}

func (l *listener) start() {
	l.in = mustReceiver(l.t, observer.ReceiverOptions{
		Credentials: []observer.Credential{{Token: observer.NewSecret(token), Increments: l.increments}}, Map: l.ties,
		Kept: l.kept.read(l.t), Keep: l.kept.keep,
	})
	l.running = run(l.t, func(ctx context.Context) error { return l.in.Run(ctx, l.hear) })
}

func (l *listener) hear(h observer.Heard) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range h.Statuses {
		fmt.Fprintf(&l.out, "%s is %s", shownOrigin(s.Origin), s.State)
		if s.Message != "" {
			fmt.Fprintf(&l.out, ": %s", s.Message)
		}
		if s.Restored {
			fmt.Fprintf(&l.out, " (since %s ago)", time.Since(s.At).Round(time.Second))
		}
		l.out.WriteString("\n")
	}
	for _, c := range h.Counters {
		fmt.Fprintf(&l.out, "%s has %s", shownOrigin(c.Origin), shownStats(c.Stats))
		if c.Restarted {
			l.out.WriteString(", after a restart")
		}
		if !c.NewConns {
			l.out.WriteString(", no new connection")
		}
		l.out.WriteString("\n")
	}
}

func (l *listener) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.out.Reset()
	return l.out.String()
}

func shownOrigin(o observer.Origin) string {
	text := o.Source + ": " + o.Service
	if o.Kind == observer.KindHandler {
		text += "/" + o.Client
	}
	switch {
	case o.Experiment == "":
	case o.Required:
		text += " (required by " + o.Experiment + ")"
	default:
		text += " (a link of " + o.Experiment + ")"
	}
	return text
}

func shownStats(s observer.Stats) string {
	return fmt.Sprintf("%d/%d %d>%d !%d", s.CurrentConns, s.TotalConns, s.InputBytes, s.OutputBytes, s.TotalErrs)
}

func (l *listener) report(d *datadriven.TestData) (string, error) {
	path, key := "/observer", ""
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "from":
			path += "/" + a.Vals[0]
		case "key":
			key = a.Vals[0]
		default:
			return "", fmt.Errorf("unknown argument %q", a.Key)
		}
	}
	var events []observer.Event
	for line := range strings.Lines(d.Input) {
		e, err := parseEvent(strings.TrimSpace(line))
		if err != nil {
			return "", err
		}
		events = append(events, e)
	}
	body, err := json.Marshal(map[string]any{"events": events})
	if err != nil {
		return "", err
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body)))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Idempotency-Key", key)
	w := httptest.NewRecorder()
	l.in.Handler().ServeHTTP(w, r)
	synctest.Wait()
	out := l.said()
	if w.Code != http.StatusOK {
		out += fmt.Sprintf("answered %d %s", w.Code, w.Body)
	}
	return out, nil
}

var (
	figures = regexp.MustCompile(`^(\S+) (\d+)/(\d+) (\d+)>(\d+)(?: !(\d+))?$`)
	change  = regexp.MustCompile(`^(\S+) (\w+) ?(.*)$`)
)

func parseEvent(line string) (e observer.Event, err error) {
	subject := func(text string) observer.Subject {
		if service, client, found := strings.Cut(text, "/"); found {
			return observer.Client(service, client)
		}
		return observer.Service(text)
	}
	if m := figures.FindStringSubmatch(line); m != nil {
		var n [5]uint64
		for i, text := range m[2:] {
			if text == "" {
				continue
			}
			if n[i], err = strconv.ParseUint(text, 10, 64); err != nil {
				return e, err
			}
		}
		return observer.Event{Subject: subject(m[1]), Type: observer.TypeStats,
			Stats: &observer.Stats{CurrentConns: n[0], TotalConns: n[1], InputBytes: n[2], OutputBytes: n[3], TotalErrs: n[4]}}, nil
	}
	if m := change.FindStringSubmatch(line); m != nil {
		return observer.Event{Subject: subject(m[1]), Type: observer.TypeStatus, Status: &observer.ServiceStatus{State: observer.State(m[2]), Msg: m[3]}}, nil
	}
	return e, fmt.Errorf("%q is no event", line)
}

func (l *listener) known() string {
	var out strings.Builder
	for _, o := range l.in.Snapshot() {
		out.WriteString(shownOrigin(o.Origin))
		if o.State != "" {
			fmt.Fprintf(&out, " %s for %s", o.State, time.Since(o.Since).Round(time.Second))
		}
		if !o.Counted.IsZero() {
			fmt.Fprintf(&out, ", %s as of %s ago", shownStats(o.Stats), time.Since(o.Counted).Round(time.Second))
		}
		if o.Restarts+o.Repeats > 0 {
			fmt.Fprintf(&out, ", %d restarts, %d repeats", o.Restarts, o.Repeats)
		}
		if o.Incremental {
			out.WriteString(", looks incremental")
		}
		out.WriteString("\n")
	}
	return out.String()
}
