package stats

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

// watcher runs a subscriber and keeps what it gives, in words with the time since
// the beginning.
type watcher struct {
	t    *testing.T
	f    *fake
	sub  *Subscriber
	logs *logtest.Hook

	mu     sync.Mutex
	story  []string
	doubts []string // links that are open and silent, in words
	stop   func()   // returns when Run has
}

type change func(*Config)

func life(d time.Duration) change {
	return func(c *Config) {
		ask := c.Access
		c.Access = func(ctx context.Context) (string, time.Time, error) {
			uri, _, err := ask(ctx)
			return uri, time.Now().Add(d), err
		}
	}
}

func (f *fake) watch(changes ...change) *watcher {
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	client := &http.Client{Transport: &http.Transport{DialContext: f.net.DialContext, DisableKeepAlives: true}}
	cfg := Config{
		Source: health.Relay, Dial: f.dial, Patience: 30 * time.Second, Log: log,
		Access: func(ctx context.Context) (string, time.Time, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+fakeAddr+"/ask", nil)
			if err != nil {
				return "", time.Time{}, err
			}
			resp, err := client.Do(req)
			if err != nil {
				return "", time.Time{}, err
			}
			defer resp.Body.Close()
			var a struct{ URI string }
			if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
				return "", time.Time{}, fmt.Errorf("status %d", resp.StatusCode)
			}
			return a.URI, time.Time{}, nil
		},
	}
	for _, c := range changes {
		c(&cfg)
	}
	w := &watcher{t: f.t, f: f, sub: NewSubscriber(cfg), logs: hook}
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.sub.Run(ctx, w.take); err != nil {
			f.t.Errorf("Run: %v", err)
		}
	}()
	w.stop = func() { cancel(); <-done }
	f.t.Cleanup(w.stop)
	return w
}

func (w *watcher) take(in health.Input) {
	if w.f.block != nil {
		w.f.block(in)
	}
	since := time.Since(w.f.began)
	var text string
	switch in := in.(type) {
	case health.Frame:
		var topics []string
		for _, c := range in.Conns {
			topics = append(topics, c.Topic)
		}
		text = "frame " + strings.Join(topics, " ")
	case health.Link:
		text = "down: " + in.Err
		if in.Up {
			text = "up"
		}
		if in.Planned {
			text += ", planned"
		}
		if in.Up && in.Err != "" { // what a silence may mean is no part of the story
			w.mu.Lock()
			defer w.mu.Unlock()
			w.doubts = append(w.doubts, in.Err)
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.story = append(w.story, since.Round(10*time.Millisecond).String()+" "+text)
}

// told gives what was told by now.
func (w *watcher) told() []string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.story)
}

// want compares the whole story; a line of it may end in "…".
func (w *watcher) want(lines ...string) {
	w.t.Helper()
	got := w.told()
	same := len(got) == len(lines)
	for i := 0; same && i < len(lines); i++ {
		if begin, ok := strings.CutSuffix(lines[i], "…"); ok {
			same = strings.HasPrefix(got[i], begin)
		} else {
			same = got[i] == lines[i]
		}
	}
	if !same {
		w.t.Errorf("told\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// count counts the lines that hold a text.
func (w *watcher) count(text string) (n int) {
	for _, line := range w.told() {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// logged counts the log entries that hold a text, and looks for secrets.
func (w *watcher) logged(text string) (n int) {
	w.t.Helper()
	for _, e := range w.logs.AllEntries() {
		line, err := e.String()
		if err != nil {
			w.t.Error(err)
		}
		if strings.Contains(line, "very-secret") {
			w.t.Errorf("a feed's code is logged: %s", line)
		}
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
