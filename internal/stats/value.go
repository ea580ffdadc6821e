package stats

import (
	"strconv"

	"labstatus/internal/health"
)

// bool reads a permission.
func (d *Decoder) bool(i int) (bool, int) {
	switch d.peek(i) {
	case 't':
		return true, d.literal(i, "true")
	case 'f':
		return false, d.literal(i, "false")
	case 'n':
		return false, d.literal(i, "null")
	}
	d.wrong(i, "a permission is neither true nor false")
	return false, d.skip(i, 2)
}

// float reads a figure of the statistics.
func (d *Decoder) float(i int) (float64, int) {
	switch c := d.peek(i); {
	case c == 'n':
		return 0, d.literal(i, "null")
	case c != '-' && !digit(c):
		d.wrong(i, "a figure is no number")
		return 0, d.skip(i, 4)
	}
	end := d.number(i)
	if end < 0 {
		return 0, end
	}
	if end == i+1 && digit(d.b[i]) {
		return float64(d.b[i] - '0'), end
	}
	f, err := strconv.ParseFloat(string(d.b[i:end]), 64)
	if err != nil { // only its size can be wrong; infinity could not be shown to anybody
		d.wrong(i, "a figure is too large")
		return 0, end
	}
	return f, end
}

// enter begins an object of statistics. Where there is none, it gives false, and
// the place behind what is there instead.
func (d *Decoder) enter(i, depth int) (int, bool) {
	switch d.peek(i) {
	case '{':
		i = d.space(i + 1)
		if d.peek(i) == '}' {
			return i + 1, false
		}
		return i, true
	case 'n':
		return d.literal(i, "null"), false
	}
	d.wrong(i, "statistics are no object")
	return d.skip(i, depth), false
}

// next goes on to the next field of an object. At its end it gives false.
func (d *Decoder) next(i int) (int, bool) {
	i = d.space(i)
	switch d.peek(i) {
	case ',':
		return d.space(i + 1), true
	case '}':
		return i + 1, false
	}
	return d.broken(i, "a comma or the end of the statistics is missing"), false
}

// stats reads relay's statistics of one connection. They are known where they
// say when the client last sent something, or that it never did.
func (d *Decoder) stats(i int, c *health.Conn) int {
	c.StatsKnown = false
	c.Tx, c.Rx = health.Traffic{Never: true}, health.Traffic{Never: true}
	i, more := d.enter(i, 2)
	for more {
		var key []byte
		if key, i = d.key(i); i < 0 {
			return i
		}
		switch string(key) {
		case "tx":
			c.StatsKnown, i = d.traffic(i, &c.Tx)
		case "rx":
			_, i = d.traffic(i, &c.Rx)
		default:
			i = d.skip(i, 3)
		}
		if i < 0 {
			return i
		}
		i, more = d.next(i)
	}
	return i
}

// statistics reads jump's statistics of one connection, which don't tell one
// direction from the other.
func (d *Decoder) statistics(i int, c *health.Conn) int {
	c.Rx = health.Traffic{Never: true}
	c.StatsKnown, i = d.traffic(i, &c.Tx)
	return i
}

// traffic reads the figures of one direction, and says whether they tell when
// the latest message was.
func (d *Decoder) traffic(i int, t *health.Traffic) (known bool, end int) {
	*t = health.Traffic{Never: true}
	i, more := d.enter(i, 3)
	for more {
		var key []byte
		if key, i = d.key(i); i < 0 {
			return false, i
		}
		switch string(key) {
		case "last":
			known, i = d.last(i, t)
		case "size":
			t.Size, i = d.float(i)
		case "fps":
			t.FPS, i = d.float(i)
		default:
			i = d.skip(i, 4)
		}
		if i < 0 {
			return false, i
		}
		i, more = d.next(i)
	}
	return known, i
}

// last reads the time since the latest message: a Go duration, "Never", or
// nanoseconds.
func (d *Decoder) last(i int, t *health.Traffic) (known bool, end int) {
	t.Last, t.Never = 0, true
	switch c := d.peek(i); {
	case c == '"':
		b, end := d.quoted(i)
		if end < 0 {
			return false, end
		}
		if b == nil {
			d.wrong(i, "a string of more than 64 KiB")
		}
		t.Last, t.Never = since(b)
		return true, end
	case c == '-' || digit(c):
		end := d.number(i)
		if end < 0 {
			return false, end
		}
		t.Last, t.Never = nanoseconds(d.b[i:end])
		return true, end
	case c == 'n':
		return false, d.literal(i, "null")
	}
	d.wrong(i, "the time since the latest message is neither a duration nor a number")
	return false, d.skip(i, 4)
}
