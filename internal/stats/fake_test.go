package stats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"labstatus/internal/health"
	"labstatus/internal/lab"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // with -race a quarter of the work is to collect garbage
	os.Exit(m.Run())
}

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
	open, most int // the subscriber's connections: now, and the most at once
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

// writeBuffers are shared, so that a connection that says little costs little.
var writeBuffers sync.Pool

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
	up := websocket.Upgrader{WriteBufferSize: 64 << 10, WriteBufferPool: &writeBuffers}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		f.t.Errorf("upgrade: %v", err)
		return
	}
	f.mu.Lock()
	n := len(f.opened)
	f.opened = append(f.opened, time.Since(f.began))
	f.mu.Unlock()
	p := &peer{ws: ws, gone: make(chan struct{}), t: f.t}
	f.feed(n, p)
	_ = ws.Close() // as abruptly as the services do
}

// dial connects the subscriber, and counts its connections at its own end: the
// service learns of a close a moment after the next one may have been opened.
func (f *fake) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := f.net.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open++
	f.most = max(f.most, f.open)
	return &dialled{Conn: conn, closed: sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.open--
	})}, nil
}

// dialled is the subscriber's end of a connection.
type dialled struct {
	net.Conn
	closed func()
}

func (c *dialled) Close() error {
	defer c.closed()
	return c.Conn.Close()
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

// openings gives when connections were opened, in seconds, and the most at once.
func (f *fake) openings() (at []string, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.opened {
		at = append(at, strconv.Itoa(int(d.Round(time.Second)/time.Second)))
	}
	return at, f.most
}
