package stats

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

// Config says what to subscribe to.
type Config struct {
	Source health.Source // relay or jump
	// Access asks the service for a feed's address, good for one connection, and
	// says when the service will drop that connection; zero: never. It is called
	// from several goroutines.
	Access func(ctx context.Context) (uri string, expires time.Time, err error)
	// Dial makes network connections; nil: a net.Dialer. DialTLS makes encrypted
	// ones; nil: Dial does, and TLS is spoken over them as TLS says.
	Dial, DialTLS func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS           *tls.Config                           // for wss; nil: the system's
	Proxy         func(*http.Request) (*url.URL, error) // of a connection; nil: none
	// Trace watches the opening of a websocket: done hears how it ended. Nil:
	// nobody does.
	Trace func(ctx context.Context) (traced context.Context, done func(resp *http.Response, err error))
	// Decoded hears how long a message took to decode, without what became of its
	// frames. Nil: nobody does.
	Decoded func(took time.Duration)
	// Patience is how long a feed may be silent before a second connection is
	// tried, where the cadence of its frames doesn't ask for more; 0: 30 s.
	Patience time.Duration
	Cadence  time.Duration // as learned before a restart; 0: not known
	// Jitter gives a random time below the given one; nil: rand.N.
	Jitter func(time.Duration) time.Duration
	Log    logrus.FieldLogger

	limit int64 // bytes of one message; 0: maxMessage
}

// Subscriber keeps one feed alive. See [Subscriber.Run].
type Subscriber struct {
	cfg   Config
	log   logrus.FieldLogger
	slots chan struct{} // one for each connection that may exist
	count counters
}

// usualPatience is used where none is set.
const usualPatience = 30 * time.Second

// NewSubscriber prepares a subscriber; it starts nothing.
func NewSubscriber(cfg Config) *Subscriber {
	if cfg.Patience <= 0 {
		cfg.Patience = usualPatience
	}
	cfg.limit = cmp.Or(cfg.limit, maxMessage)
	return &Subscriber{
		cfg:   cfg,
		log:   cfg.Log.WithField("source", string(cfg.Source)),
		slots: make(chan struct{}, 2),
	}
}

// Run keeps the feed connected until ctx ends, and then returns nil, with every
// connection closed and every goroutine ended. What it learns it gives to handle,
// as [health.Frame] and [health.Link], one at a time. handle blocks until it has
// no more use for the input: a frame's memory is used again afterwards. It must
// return when ctx ends.
//
// A connection that breaks is made again, after a wait. The link is then down,
// unless nothing was lost with it:
//
//   - a connection whose token runs out has been renewed before: a new one is
//     opened beside it and takes over with its first frame, or when the old one is
//     cut at its expiry, whichever is first. That is a planned replacement;
//   - of two connections that have both never said anything, one may go.
//
// A connection that is open but silent is how these services refuse somebody, but
// also how they are for a whole minute between two frames. After its patience a
// second connection is opened beside it; the one that speaks first stays. There
// are never more than two. A connection that had spoken and breaks while a second
// one is open is a break all the same: frames may have been missed.
func (s *Subscriber) Run(ctx context.Context, handle func(health.Input)) error {
	l := newLoop(s, handle)
	l.run(ctx)
	return nil
}

// Check asks for access and opens the feed once, without waiting for a frame,
// which may be a minute away. Its error says what to do.
func (s *Subscriber) Check(ctx context.Context) error {
	line, _, err := s.dial(ctx)
	if err != nil {
		return err
	}
	line.farewell()
	line.drain()
	return line.ws.Close()
}

// Stats are counts since the start.
type Stats struct {
	Messages uint64 // read completely
	Bytes    uint64 // in them
	Frames   uint64 // handed over
	Null     uint64 // other values, see Skipped
	Objects  uint64
	Others   uint64
	Rubbish  uint64

	Connects   uint64 // websockets opened
	Failed     uint64 // attempts that opened none
	Breaks     uint64 // times the link went down
	Renewals   uint64 // planned replacements
	Unheard    uint64 // connections given up because another spoke, or neither did
	Reconnects uint64 // times the link came back after a break
}

type counters struct {
	messages, bytes, frames, null, objects, others, rubbish atomic.Uint64
	connects, failed, breaks, renewals, unheard, reconnects atomic.Uint64
}

// Stats gives the counts; it may be called at any time.
func (s *Subscriber) Stats() Stats {
	c := &s.count
	return Stats{
		Messages: c.messages.Load(), Bytes: c.bytes.Load(), Frames: c.frames.Load(),
		Null: c.null.Load(), Objects: c.objects.Load(), Others: c.others.Load(), Rubbish: c.rubbish.Load(),
		Connects: c.connects.Load(), Failed: c.failed.Load(), Breaks: c.breaks.Load(),
		Renewals: c.renewals.Load(), Unheard: c.unheard.Load(), Reconnects: c.reconnects.Load(),
	}
}
