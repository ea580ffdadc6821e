package lab

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// What the services were measured to do on a websocket.
const (
	pingEvery   = 54 * time.Second
	pongWithin  = 60 * time.Second
	relayLimit  = 10 << 20 // bytes a client may send in one message
	jumpLimit   = 65535
	queueLength = 64 // messages a slow client may be behind
)

var upgrader = websocket.Upgrader{
	WriteBufferSize: 4096,
	Subprotocols:    []string{"null"},
	CheckOrigin:     func(*http.Request) bool { return true },
}

// feedLink is one stats client's websocket.
type feedLink struct {
	code    string
	agent   string
	remote  string
	since   time.Time
	expires time.Time     // as its token says
	life    time.Duration // until then, by the service's clock when it was admitted
	scopes  []string
	reads   bool
	writes  bool
	ws      *websocket.Conn
	out     chan outgoing
	gone    chan struct{}
	once    sync.Once
	drips   atomic.Bool // a message is under way, byte after byte

	// Guarded by Lab.mu: what the client has been sent.
	count int64
	bytes int64
	last  time.Time
}

type outgoing struct {
	text   []byte
	pieces int
	drip   time.Duration
}

// say sends a message other than a frame.
func (c *feedLink) say(text string) { c.put(outgoing{text: []byte(text)}) }

// put never waits: a client too slow to read loses messages. It is called with mu
// held.
func (c *feedLink) put(m outgoing) {
	select {
	case c.out <- m:
	default:
	}
}

func (c *feedLink) got(now time.Time, size int) {
	c.last, c.count, c.bytes = now, c.count+1, c.bytes+int64(size)
}

func (c *feedLink) heard(by *clock, now time.Time) traffic {
	if c.count == 0 {
		return traffic{}
	}
	t := traffic{n: c.count, last: by.between(c.last, now), size: float64(c.bytes / c.count)}
	if life := c.last.Sub(c.since).Seconds(); life > 0 {
		t.fps = float64(c.count) / life
	}
	return t
}

// drop closes the connection as the services do: no close frame.
func (c *feedLink) drop() error {
	var err error
	c.once.Do(func() {
		close(c.gone)
		err = c.ws.NetConn().Close()
	})
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// serveWebsocket upgrades any request and then decides, in silence, whether
// its code is worth anything.
func (f *feed) serveWebsocket(w http.ResponseWriter, r *http.Request, topic string) {
	f.svc.held.Add(1)
	defer f.svc.held.Done()
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		f.lab.log.WithError(err).Debug("websocket refused")
		return
	}
	c := &feedLink{ws: ws, gone: make(chan struct{}), out: make(chan outgoing, queueLength), since: time.Now()}
	ws.SetReadLimit(relayLimit)
	if f.svc.name == Jump {
		ws.SetReadLimit(jumpLimit)
	}
	if !f.admit(c, r, topic) {
		// Nothing is ever said on such a connection, not even a ping.
		_, err := io.Copy(io.Discard, ws.NetConn())
		f.end(c, err)
		return
	}
	var writer sync.WaitGroup
	writer.Go(func() { f.end(c, c.write()) })
	f.end(c, f.read(c))
	writer.Wait()
	f.lab.mu.Lock()
	delete(f.links, c)
	if f.svc.name == Jump {
		for other := range f.links {
			other.say(`{"action":"disconnect","uri":"","uuid":"` + f.lab.uuid() + `"}`)
		}
	}
	f.lab.mu.Unlock()
}

func (f *feed) end(c *feedLink, err error) {
	f.lab.log.WithField("service", f.svc.name).WithField("cause", err).Debug("websocket ends")
	if err := c.drop(); err != nil {
		f.lab.log.WithError(err).Debug("closing a websocket")
	}
}

// admit spends the code and reports whether the client is given frames.
func (f *feed) admit(c *feedLink, r *http.Request, topic string) bool {
	f.lab.mu.Lock()
	defer f.lab.mu.Unlock()
	now := time.Now()
	code := r.URL.Query().Get("code")
	g, ok := f.codes[code]
	delete(f.codes, code)
	if ok && f.refuse > 0 {
		f.refuse--
		return false
	}
	if !ok || now.After(g.until) || g.claims.Topic != topic || topic != "stats" {
		return false
	}
	if c.life = g.claims.Expires.time().Sub(f.svc.clock.show(now)); c.life <= 0 {
		return false
	}
	c.code, c.agent, c.remote = code, r.UserAgent(), r.Header.Get("X-Forwarded-For")
	c.expires = g.claims.Expires.time()
	c.scopes = append(c.scopes, g.claims.Scopes...)
	c.reads, c.writes = g.claims.has("read"), g.claims.has("write")
	if f.svc.name == Jump { // which grants both to whoever may have statistics
		c.scopes = append(c.scopes, "read", "write")
		c.reads, c.writes = true, true
	}
	if !c.reads {
		return false
	}
	f.links[c] = struct{}{}
	return true
}

// read takes what the client sends until the connection ends.
func (f *feed) read(c *feedLink) error {
	extend := func(string) error { return c.ws.SetReadDeadline(time.Now().Add(pongWithin)) }
	if err := extend(""); err != nil {
		return err
	}
	c.ws.SetPongHandler(extend)
	answer := c.ws.PingHandler()
	c.ws.SetPingHandler(func(data string) error {
		if c.drips.Load() {
			return nil // the answer waits behind the message that drips
		}
		return answer(data)
	})
	for {
		_, text, err := c.ws.ReadMessage()
		if err != nil {
			return err
		}
		if c.reads && c.writes && strings.TrimSpace(string(text)) == updateMessage {
			f.update(c)
		}
	}
}

// write sends what is queued, pings, and drops the connection when its token
// expires.
func (c *feedLink) write() error {
	expiry := time.NewTimer(max(c.life, atOnce))
	defer expiry.Stop()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-c.gone:
			return nil
		case <-expiry.C:
			return nil
		case <-ping.C:
			err = c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
		case m := <-c.out:
			err = c.send(m)
		}
		if err != nil {
			return err
		}
	}
}

// send writes one message. Left to itself, the library writes a long one as
// relay was seen to: everything in a first frame that is not final, and an
// empty final one.
func (c *feedLink) send(m outgoing) error {
	if m.drip > 0 {
		return c.dribble(m.text, m.drip)
	}
	if m.pieces > 0 {
		// The library leaves the deadline of its last ping behind.
		if err := c.ws.NetConn().SetWriteDeadline(time.Time{}); err != nil {
			return err
		}
		return writePieces(c.ws.NetConn(), m.text, m.pieces)
	}
	w, err := c.ws.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	if _, err := w.Write(m.text); err != nil {
		return err
	}
	return w.Close()
}

// dribble writes a text message byte by byte, after what announces it. It may stay
// under way until the client gives up.
func (c *feedLink) dribble(text []byte, every time.Duration) error {
	c.drips.Store(true)
	defer c.drips.Store(false)
	if err := c.ws.NetConn().SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	w := &dripWriter{c: c, every: every}
	err := writePieces(w, text, len(text))
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// dripWriter writes the head of a websocket frame at once, and the rest byte by byte.
type dripWriter struct {
	c     *feedLink
	every time.Duration
}

var errGone = errors.New("the client has gone")

func (w *dripWriter) Write(p []byte) (int, error) {
	const head = 10 // bytes at most
	n, err := w.c.ws.NetConn().Write(p[:min(head, len(p))])
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for err == nil && n < len(p) {
		select {
		case <-w.c.gone:
			return n, errGone
		case <-tick.C:
		}
		_, err = w.c.ws.NetConn().Write(p[n : n+1])
		n++
	}
	return n, err
}

// writePieces writes a text message as fragments of at most size bytes, each
// in one call so that answers to pings may stand between them. Frames of a
// server are not masked.
func writePieces(w io.Writer, text []byte, size int) error {
	const final, textFrame, continuation = 0x80, 1, 0
	for op := byte(textFrame); ; op = continuation {
		piece := text[:min(size, len(text))]
		text = text[len(piece):]
		head := op
		if len(text) == 0 {
			head |= final
		}
		frame := []byte{head}
		switch n := len(piece); {
		case n < 126:
			frame = append(frame, byte(n))
		case n < 1<<16:
			frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
		default:
			frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
		}
		if _, err := w.Write(append(frame, piece...)); err != nil {
			return err
		}
		if len(text) == 0 {
			return nil
		}
	}
}
