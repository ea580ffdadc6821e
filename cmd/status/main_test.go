package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"labstatus/internal/config"
	"labstatus/internal/lab"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"status": main})
}

// TestStories runs the program as its users do, on a simulated laboratory. Besides
// testscript's own commands there are
//
//	lab                    starts a laboratory with pend00 and spin30 on a fast clock and
//	                       sets STATUS_* for it; its state and the server's are in $WORK
//	order WORDS            gives the laboratory an order, as in the demo's scripts
//	await open|closed NAME waits until book says so of a resource
//	await mail N WORDS     waits until N mails with these words in their subject have come,
//	                       and fails where there are more
//	await api PATH WORDS   waits until the server's answer holds the words
//	await ready            waits until the server is ready
func TestStories(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("STATUS_LOG_FILE", "stderr")
			env.Setenv("STATUS_STORE", "memory")
			// A program with the race detector in it sleeps for a second before it ends.
			env.Setenv("GORACE", "atexit_sleep_ms=50")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"lab": startLab, "order": order, "await": await},
	})
}

var labs = newRegistry()

func startLab(ts *testscript.TestScript, neg bool, args []string) {
	var experiments []lab.Experiment
	for _, stub := range []string{"pend00", "spin30"} {
		experiments = append(experiments, lab.Experiment{Stub: stub, Streams: []lab.StreamSpec{
			{Name: "st-data", Period: 50 * time.Millisecond}, {Name: "st-video", Period: 50 * time.Millisecond},
		}})
	}
	l, err := lab.New(lab.Options{
		Experiments: experiments, RelayStats: true, Seed: 1,
		RelayEvery: 100 * time.Millisecond, JumpEvery: 100 * time.Millisecond, Reconnect: 100 * time.Millisecond,
	})
	ts.Check(err)
	stop := labs.run(ts, l)
	ts.Defer(stop)
	env := l.Env()
	maps.Copy(env, map[string]string{
		"STATUS_LISTEN":              "unix:" + socket(ts),
		"STATUS_STORE":               ts.MkAbs("status.db"),
		"STATUS_HEALTH_LAST_ACTIVE":  "500ms",
		"STATUS_HEALTH_LAST_CHECKED": "5s",
		"STATUS_HEALTH_STARTUP":      "1s",
		"STATUS_QUERY_BOOK_EVERY":    "1s",
	})
	for name, value := range env {
		ts.Setenv(name, value)
	}
}

func socket(ts *testscript.TestScript) string { return ts.MkAbs("s") }

func order(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(labs.of(ts).Order(strings.Join(args, " ")))
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	l := labs.of(ts)
	var last string
	var met func() bool
	switch what := args[0]; {
	case (what == "open" || what == "closed") && len(args) == 2:
		met = func() bool {
			available, reason, known := l.Availability(args[1])
			last = fmt.Sprintf("available %v (%s)", available, reason)
			return known && available == (what == "open")
		}
	case what == "mail" && len(args) >= 3:
		want, err := strconv.Atoi(args[1])
		ts.Check(err)
		met = func() bool {
			n := 0
			var subjects []string
			for _, m := range l.Mails() {
				if m.Accepted() {
					subjects = append(subjects, m.Subject)
					if strings.Contains(m.Subject, strings.Join(args[2:], " ")) {
						n++
					}
				}
			}
			if last = fmt.Sprintf("%q", subjects); n > want {
				ts.Fatalf("%d such mails: %s", n, last)
			}
			return n == want
		}
	case what == "api" && len(args) >= 3:
		met = func() bool {
			_, last = get(socket(ts), args[1])
			return strings.Contains(last, strings.Join(args[2:], " "))
		}
	case what == "ready" && len(args) == 1:
		met = func() (ok bool) {
			var code int
			code, last = get(socket(ts), "/readyz")
			return code == http.StatusOK
		}
	default:
		ts.Fatalf("await what? %q", args)
	}
	// Real processes and sockets: there is no event to wait for, so look often.
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(45 * time.Second); !met(); <-look.C {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %q; the last was %s", args, last)
		}
	}
}

// Every setting is in the README as the table in code has it.
func TestReadmeSettings(t *testing.T) {
	const begin, end = "<!-- settings -->\n", "<!-- end of settings -->"
	path := filepath.Join("..", "..", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README.md has no place for the settings between %q and %q", begin, end)
	}
	want := "\n" + strings.TrimSpace(config.Markdown()) + "\n\n"
	if table == want {
		return
	}
	if os.Getenv("UPDATE_README") == "" {
		t.Fatal("README.md's settings differ from internal/config: run UPDATE_README=1 go test ./cmd/status")
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Help names every setting.
func TestHelpNamesEverySetting(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--help"}, &out, &errs); code != 0 {
		t.Fatalf("exit status %d: %s", code, errs.String())
	}
	for _, s := range config.Table {
		if !strings.Contains(out.String(), s.Variable()) {
			t.Errorf("serve --help doesn't name %s", s.Variable())
		}
	}
}

func get(socket, path string) (int, string) {
	client := &http.Client{Transport: unixTransport(socket), Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://status" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}
