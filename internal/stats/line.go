package stats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"labstatus/internal/health"
)

const (
	pingEvery = 15 * time.Second
	// deafAfter is how long nothing at all may be heard on a connection: two of
	// our pings unanswered, and a little. TCP alone would take a dead peer for a
	// silent one for hours.
	deafAfter = 35 * time.Second
	writeWait = 5 * time.Second // for a ping or a pong
	closeWait = time.Second     // for the farewell, each way
	// maxMessage is far beyond any real frame (106 experiments take 71 kB), so
	// that a broken peer can't fill the memory.
	maxMessage = 64 << 20
	// roomyMessage is how much memory for messages a connection keeps though the
	// next ones are small.
	roomyMessage = 4 << 20
)

// line is one open websocket. It is read by one goroutine, while pump is run by
// another.
type line struct {
	ws    *websocket.Conn
	limit int64 // bytes of one message

	mu      sync.Mutex
	closing bool  // the read deadline is final
	cause   error // why we closed it ourselves
	alive   bool  // the peer has said something, if only a pong
}

func newLine(ws *websocket.Conn, limit int64) *line {
	l := &line{ws: ws, limit: limit}
	ws.SetReadLimit(limit)
	ws.SetPongHandler(func(string) error { return l.heard(true) })
	ws.SetPingHandler(func(data string) error {
		if err := l.heard(true); err != nil {
			return err
		}
		// Unanswered pings make the peer hang up, which is then told: an error
		// here says nothing that reading won't.
		_ = ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeWait))
		return nil
	})
	return l
}

// heard puts off the moment at which the line counts as dead.
func (l *line) heard(something bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alive = l.alive || something
	if l.closing {
		return nil
	}
	return l.ws.SetReadDeadline(time.Now().Add(deafAfter))
}

// read gives each message to take, until the line ends or take gives false. The
// memory of a message is used again when take returns.
func (l *line) read(take func(msg []byte) bool) error {
	var buf []byte
	for {
		// Waiting for take doesn't count as silence.
		if err := l.heard(false); err != nil {
			return err
		}
		_, r, err := l.ws.NextReader()
		if err != nil {
			return err
		}
		msg, err := l.message(r, buf[:0])
		if err != nil {
			return err
		}
		if !take(msg) {
			return nil
		}
		if buf = msg; cap(buf) > roomyMessage && len(buf) < cap(buf)/8 {
			buf = nil
		}
	}
}

// message reads one message, in however many pieces it comes. A large one over a
// thin line may take longer than the line may be silent.
func (l *line) message(r io.Reader, buf []byte) ([]byte, error) {
	if cap(buf) == 0 {
		buf = make([]byte, 0, 16<<10)
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return nil, err
		}
		if err := l.heard(true); err != nil {
			return nil, err
		}
	}
}

// pump pings the peer until ctx ends, and then says farewell.
func (l *line) pump(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.farewell()
			return
		case <-tick.C:
		}
		if err := l.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait)); err != nil {
			l.mu.Lock()
			l.cause = fmt.Errorf("send a ping: %w", err)
			l.mu.Unlock()
			_ = l.ws.Close() // the cause is what is told
			return
		}
	}
}

// farewell sends a websocket close, and gives the peer a moment to answer it.
func (l *line) farewell() {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	now := time.Now()
	// A peer that is gone needs no farewell.
	_ = l.ws.WriteControl(websocket.CloseMessage, bye, now.Add(closeWait))
	l.mu.Lock()
	l.closing = true
	_ = l.ws.SetReadDeadline(time.Now().Add(closeWait))
	l.mu.Unlock()
}

// drain reads until the peer has answered the farewell, or its moment is over.
func (l *line) drain() {
	for {
		if _, _, err := l.ws.NextReader(); err != nil {
			return
		}
	}
}

// describe words the end of a line.
func (l *line) describe(source health.Source, err error) error {
	l.mu.Lock()
	cause, alive := l.cause, l.alive
	l.mu.Unlock()
	if cause != nil {
		err = cause
	}
	if e, ok := errors.AsType[*websocket.CloseError](err); ok && e.Code != websocket.CloseAbnormalClosure {
		text := oneLine(e.Text)
		if text != "" {
			text = " " + text
		}
		return fmt.Errorf("%s closed the connection: %d%s", source, e.Code, text)
	}
	var n net.Error
	late := errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return fmt.Errorf("%s sent a message of more than %d MiB", source, l.limit>>20)
	case late && !alive:
		return fmt.Errorf("%s opened the connection and then said nothing, not even an answer to pings, for %v: that is how it refuses a code or a scope", source, deafAfter)
	case late:
		return fmt.Errorf("%s is not heard any more, not even an answer to pings for %v: the network or its host is down", source, deafAfter)
	case websocket.IsCloseError(err, websocket.CloseAbnormalClosure), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s dropped the connection without a word, as it does when it is restarted", source)
	}
	return fmt.Errorf("the connection to %s broke: %w", source, err)
}
