package stats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
	"labstatus/internal/lab"
)

const fakeAddr = "feed.lab:80"

// fake is a service whose every connection does what the test says.
type fake struct {
	t     *testing.T
	net   *lab.Network
	began time.Time

	access func(n int, w http.ResponseWriter) bool // false: it has answered otherwise
	block  func(health.Input)                      // called by the consumer, before anything is noted
	feed   func(n int, p *peer)                    // n counts from 0; the connection ends when it returns

	mu         sync.Mutex
	asked      int
	opened     []time.Duration
	open, most int
}

// peer is the service's end of a connection.
type peer struct {
	ws     *websocket.Conn
	gone   chan struct{} // closed when the client's end is
	goodby int           // close code that the client sent
	once   sync.Once
	t      *testing.T
}

func newFake(t *testing.T, feed func(n int, p *peer)) *fake {
	f := &fake{t: t, net: lab.NewNetwork(), began: time.Now(), feed: feed}
	ln, err := f.net.Listen(fakeAddr)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: f}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		f.net.Heal(fakeAddr)
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		f.net.Cut(fakeAddr)
		serving.Wait()
		time.Sleep(5 * time.Minute) // whatever a feed is waiting for; in a bubble, no time at all
	})
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ask" {
		f.mu.Lock()
		n := f.asked
		f.asked++
		f.mu.Unlock()
		if f.access == nil || f.access(n, w) {
			fmt.Fprintf(w, `{"uri":"ws://%s/feed?code=very-secret-%d"}`+"\n", fakeAddr, n)
		}
		return
	}
	up := websocket.Upgrader{WriteBufferSize: 64 << 10}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		f.t.Errorf("upgrade: %v", err)
		return
	}
	f.mu.Lock()
	n := len(f.opened)
	f.opened = append(f.opened, time.Since(f.began))
	f.open++
	f.most = max(f.most, f.open)
	f.mu.Unlock()
	p := &peer{ws: ws, gone: make(chan struct{}), t: f.t}
	f.feed(n, p)
	_ = ws.Close() // as abruptly as the services do
	f.mu.Lock()
	f.open--
	f.mu.Unlock()
}

// listen reads the client's end, so that pings are answered and its end is seen.
func (p *peer) listen() {
	p.once.Do(func() { go p.read() })
}

func (p *peer) read() {
	defer close(p.gone)
	for {
		kind, msg, err := p.ws.ReadMessage()
		if e, ok := errors.AsType[*websocket.CloseError](err); ok {
			p.goodby = e.Code
		}
		if err != nil {
			return
		}
		p.t.Errorf("the client wrote on the feed: %d %q", kind, msg)
	}
}

// sleep keeps the connection open and silent for some time; pings are answered.
func (p *peer) sleep(d time.Duration) {
	p.listen()
	time.Sleep(d)
}

// stay keeps the connection open and silent until the client leaves.
func (p *peer) stay() {
	p.listen()
	<-p.gone
}

func (p *peer) send(text string) bool {
	return p.ws.WriteMessage(websocket.TextMessage, []byte(text)) == nil
}

// frames sends n frames, the first after one period; 0: until the client leaves.
func (p *peer) frames(topic string, every time.Duration, n int) {
	p.listen()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; n == 0 || i < n; i++ {
		select {
		case <-p.gone:
			return
		case <-tick.C:
		}
		if !p.send(`[{"topic":"` + topic + `"}]`) {
			<-p.gone
			return
		}
	}
}

// watcher runs a subscriber and keeps what it gives, in words with the time since
// the beginning.
type watcher struct {
	t    *testing.T
	f    *fake
	sub  *Subscriber
	logs *logtest.Hook

	mu    sync.Mutex
	story []string
	stop  func() // returns when Run has
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
		Source: health.Relay, Dial: f.net.DialContext, Patience: 30 * time.Second, Log: log,
		Access: func(ctx context.Context) (string, time.Time, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+fakeAddr+"/ask", nil)
			if err != nil {
				return "", time.Time{}, err
			}
			resp, err := client.Do(req)
			if err != nil {
				return "", time.Time{}, err
			}
			defer resp.Body.Close() //nolint:errcheck // a test
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

// openings gives when connections were opened, in seconds, and the most at once.
func (f *fake) openings() (at []string, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.opened {
		at = append(at, strconv.Itoa(int(d.Round(time.Second)/time.Second)))
	}
	return at, f.most
}
