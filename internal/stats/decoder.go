package stats

import (
	"cmp"
	"fmt"

	"labstatus/internal/health"
)

// Limits on what is taken from the network.
const (
	maxRecords = 200_000  // in one frame
	maxText    = 64 << 10 // bytes of one string, as it is written in the message
	maxDepth   = 100      // of arrays and objects within each other
	roomy      = 1 << 16  // records; more room than that is given back when it isn't used
)

// Decoder reads the messages of a stats feed. It works in memory that it uses
// again, so that a feed in its steady state costs no allocation. The zero value
// is ready. It isn't safe for concurrent use.
type Decoder struct {
	b     []byte // the message being read
	conns []health.Conn
	words words
	limit int // of records in a frame; 0: maxRecords

	scratch []byte // the latest string that had to be unescaped
	why     string // what is wrong with the present value, empty: nothing
	whyAt   int    // where in b
}

// Skipped counts what a message held besides frames.
type Skipped struct {
	Null    int // null: relay and jump send it before they have anything to tell
	Objects int // other people's requests, {"cmd":"update"}, and jump's farewells, {"action":"disconnect",…}
	Others  int // numbers, strings, true, false
	Rubbish int // broken JSON, or an array that isn't all records
	// Err says what was wrong with the first rubbish, and is nil where there was
	// none.
	Err error
}

// Decode reads one websocket message, which holds any number of JSON values one
// after the other. Every array of records is a frame and is handed over in turn;
// its memory is used again when frame returns, its strings and scopes are not.
//
// An array that holds anything but records is no frame, not even in part: a
// frame is the whole truth, and half of it would call experiments gone. For the
// same reason a record without a topic is none. Where the syntax breaks, the rest
// of the message is given up; frames before that place stand.
func (d *Decoder) Decode(msg []byte, frame func(conns []health.Conn)) Skipped {
	var out Skipped
	d.b = msg
	d.limit = cmp.Or(d.limit, maxRecords)
	for i := d.space(0); i >= 0 && i < len(msg); i = d.space(i) {
		d.why = ""
		start := i
		switch msg[i] {
		case '[':
			i = d.frame(i)
			if d.why == "" {
				frame(d.conns)
			}
		case '{':
			i = d.skip(i, 0)
			out.Objects++
		case 'n':
			i = d.skip(i, 0)
			out.Null++
		default:
			i = d.skip(i, 0)
			out.Others++
		}
		if d.why == "" {
			continue
		}
		switch msg[start] { // it was none of these after all
		case '[':
		case '{':
			out.Objects--
		case 'n':
			out.Null--
		default:
			out.Others--
		}
		out.Rubbish++
		if out.Err == nil {
			out.Err = fmt.Errorf("%s, at byte %d of %d", d.why, d.whyAt, len(msg))
		}
		if i < 0 {
			break
		}
	}
	d.b = nil
	if cap(d.conns) > roomy && len(d.conns) < cap(d.conns)/8 {
		d.conns = nil
	}
	return out
}

// frame reads the array that begins at i into d.conns.
func (d *Decoder) frame(i int) int {
	d.conns = d.conns[:0]
	i = d.space(i + 1)
	if d.peek(i) == ']' {
		return i + 1
	}
	for {
		switch {
		case d.peek(i) != '{':
			d.wrong(i, "an element of the list is no record")
			i = d.skip(i, 1)
		case len(d.conns) == d.limit:
			d.wrong(i, "too many records")
			i = d.skip(i, 1)
		default:
			if n := len(d.conns); n < cap(d.conns) {
				d.conns = d.conns[:n+1]
			} else {
				d.conns = append(d.conns, health.Conn{})
			}
			i = d.record(i, &d.conns[len(d.conns)-1])
		}
		if i < 0 {
			return i
		}
		i = d.space(i)
		switch d.peek(i) {
		case ',':
			i = d.space(i + 1)
		case ']':
			return i + 1
		default:
			return d.broken(i, "a comma or the end of the list is missing")
		}
	}
}

// record reads the object that begins at i. Its keys are those of relay 0.7 (and
// 0.9, which has the same without stats), jump 0.4 (snake_case, and one of them
// misspelt) and relay's pull interface; where one is repeated, the last counts.
// null is the same as absent.
func (d *Decoder) record(i int, c *health.Conn) int {
	*c = health.Conn{Tx: health.Traffic{Never: true}, Rx: health.Traffic{Never: true}}
	begin, named := i, false
	i = d.space(i + 1)
	if d.peek(i) == '}' {
		d.wrong(begin, "a record has no topic")
		return i + 1
	}
	for {
		var key []byte
		if key, i = d.key(i); i < 0 {
			return i
		}
		switch string(key) {
		case "topic":
			named = d.peek(i) == '"'
			c.Topic, i = d.text(i, "topic", c.Topic)
		case "scopes":
			c.Scopes, i = d.scopes(i)
		case "userAgent", "user_agent":
			c.UserAgent, i = d.text(i, "user agent", d.words.agent)
			d.words.agent = c.UserAgent
		case "remoteAddr", "remote_addr", "remote_address":
			c.RemoteAddr, i = d.text(i, "remote address", d.words.addr)
			d.words.addr = c.RemoteAddr
		case "connected", "connected_at":
			c.ConnectedAt, i = d.time(i)
		case "expiresAt", "expires_at":
			c.ExpiresAt, i = d.time(i)
		case "canRead", "can_read":
			c.CanRead, i = d.bool(i)
		case "canWrite", "can_write":
			c.CanWrite, i = d.bool(i)
		case "stats":
			i = d.stats(i, c)
		case "statistcs", "statistics": // jump's own spelling, and in case it is put right
			i = d.statistics(i, c)
		default:
			i = d.skip(i, 2)
		}
		if i < 0 {
			return i
		}
		switch i = d.space(i); d.peek(i) {
		case ',':
			i = d.space(i + 1)
		case '}':
			if !named {
				d.wrong(begin, "a record has no topic")
			}
			return i + 1
		default:
			return d.broken(i, "a comma or the end of the record is missing")
		}
	}
}
