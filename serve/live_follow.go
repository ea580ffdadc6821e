package serve

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-openapi/runtime"
	"github.com/go-openapi/runtime/middleware"

	"labstatus/serve/models"
	"labstatus/serve/restapi/operations"
)

const (
	writeWithin = 10 * time.Second // a reader that takes nothing for longer is gone
	comeBackIn  = 2 * time.Second  // what readers wait before they reconnect
	tryAgainIn  = 10 * time.Second // what those wait who find no room
)

func (a *api) followLive(params operations.FollowLiveParams) middleware.Responder {
	after := valueOf(params.LastEventID)
	if after == "" {
		after = valueOf(params.AskedInQuery)
	}
	return middleware.ResponderFunc(func(w http.ResponseWriter, _ runtime.Producer) {
		a.opts.Live.follow(w, params.HTTPRequest, after)
	})
}

// follow writes to one reader until it leaves, is too slow, or the server stops.
func (l *Live) follow(w http.ResponseWriter, r *http.Request, after string) {
	at, missed, err := l.log.join(after, l.latest.Load)
	if err != nil {
		w.Header().Set("Retry-After", strconv.Itoa(int(tryAgainIn.Seconds())))
		writeError(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer func() { l.log.leave(time.Now()) }()

	out := newLiveWriter(w, r)
	if r.Context().Value(headKey{}) != nil {
		return
	}
	if out.begin(l.greeting(at, missed)) != nil {
		return
	}
	for {
		batch, then, more, gone := l.log.since(at)
		if gone {
			_ = out.end() // a reader that can't be written to has gone, too
			return
		}
		at = then
		if len(batch) > 0 {
			if out.write(batch) != nil {
				return
			}
			continue
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// greeting is what every reader gets first.
func (l *Live) greeting(at place, missed bool) []*message {
	snap, id := l.opts.snapshot(), l.log.id(at.next-1)
	hello := l.draft("hello", &models.LiveHello{Version: new(int64(snap.Version)), AsOf: atIfKnown(snap.At)})
	hello.retry = comeBackIn
	all := []*message{newMessage(id, hello)}
	if missed {
		all = append(all, newMessage(id, draft{event: "reset", data: hello.data}))
	}
	return append(all, newMessage(id, l.draft("system", l.opts.system())))
}

// liveWriter writes messages to one reader, compressed where it asks for that.
type liveWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	zip     *gzipFrame // nil: as they are
}

func newLiveWriter(w http.ResponseWriter, r *http.Request) *liveWriter {
	out := &liveWriter{w: w, control: http.NewResponseController(w)}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep it back
	h.Add("Vary", "Accept-Encoding")
	if accepts(r, "gzip") {
		h.Set("Content-Encoding", "gzip")
		out.zip = &gzipFrame{}
	}
	return out
}

// begin sends the headers and the first messages.
func (o *liveWriter) begin(greeting []*message) error {
	// The server's limit on reading a request ends no stream; neither does the one
	// on writing, as each write has its own.
	if err := o.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	o.w.WriteHeader(http.StatusOK)
	if o.zip != nil {
		if err := o.send(o.zip.head()); err != nil {
			return err
		}
	}
	return o.write(greeting)
}

func (o *liveWriter) write(batch []*message) error {
	for _, m := range batch {
		part := m.raw
		if o.zip != nil {
			o.zip.count(m.raw)
			part = m.packed()
		}
		if err := o.send(part); err != nil {
			return err
		}
	}
	return o.flush()
}

// end closes the stream in due form.
func (o *liveWriter) end() error {
	if o.zip == nil {
		return nil
	}
	if err := o.send(o.zip.tail()); err != nil {
		return err
	}
	return o.flush()
}

// send writes in pieces, so that a slow reader of a long message is given time for
// each of them.
func (o *liveWriter) send(part []byte) error {
	const piece = 64 << 10
	for len(part) > 0 {
		n := min(len(part), piece)
		if err := o.limit(); err != nil {
			return err
		}
		if _, err := o.w.Write(part[:n]); err != nil {
			return err
		}
		part = part[n:]
	}
	return nil
}

func (o *liveWriter) flush() error {
	if err := o.limit(); err != nil {
		return err
	}
	return o.control.Flush()
}

// limit gives the reader some time to take what comes next.
func (o *liveWriter) limit() error {
	err := o.control.SetWriteDeadline(time.Now().Add(writeWithin))
	if errors.Is(err, http.ErrNotSupported) {
		return nil // not a connection, or one without limits
	}
	return err
}
