package stats

import (
	"context"
	"sync"
	"time"
)

// conn is one connection of a feed, from its access call to its end. It is the
// loop's; its goroutine only touches done.
type conn struct {
	cancel context.CancelFunc
	done   chan struct{} // the loop has consumed a message
	ended  chan struct{} // closed once nothing of it is left

	planned bool          // opened to renew the token of the one beside it
	open    bool          // its websocket is
	spoke   bool          // it has delivered a frame
	since   time.Time     // opened, or its latest frame
	expires time.Time     // the service drops it then; zero: never
	life    time.Duration // of its token, when it was opened
}

// event is what a connection's goroutine tells the loop.
type event struct {
	conn    *conn
	kind    eventKind
	at      time.Time // when it happened, however long it waited to be told
	msg     []byte    // of a message
	expires time.Time // of an opened connection
	err     error     // of an end
}

type eventKind int

const (
	opened eventKind = iota
	received
	ended
)

// serve is a connection's life. It ends with ctx, or with the connection.
func (s *Subscriber) serve(ctx context.Context, c *conn, events chan<- event) {
	tell := func(e event) bool {
		e.conn, e.at = c, time.Now()
		select {
		case events <- e:
			return true
		case <-ctx.Done():
			return false
		}
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-s.slots }()

	line, expires, err := s.dial(ctx)
	if err != nil {
		tell(event{kind: ended, err: err})
		return
	}
	pumping, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { line.pump(pumping) })
	if tell(event{kind: opened, expires: expires}) {
		err = line.read(func(msg []byte) bool {
			if !tell(event{kind: received, msg: msg}) {
				return false
			}
			<-c.done // the loop always consumes what it has taken
			return true
		})
	}
	if ctx.Err() != nil {
		line.drain()
	}
	stop()
	wg.Wait()
	_ = line.ws.Close() // whatever is to be told of its end is told already
	tell(event{kind: ended, err: line.describe(s.cfg.Source, err)})
}
