package stats

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// absurd is a time since the latest message that no connection can have had.
const absurd = 100 * 365 * 24 * time.Hour

// ahead is how far a latest message may lie ahead of the frame that tells of it: the
// two are timed one after the other.
const ahead = time.Second

// What the services write where there was no message yet: relay a word, jump the
// largest duration there is.
var (
	neverWord = []byte("Never")
	neverTime = []byte("2562047h47m16.854775807s")
)

// since reads the time since a connection's latest message. What makes no sense
// is taken as never: it must not pass for a sign of life.
func since(b []byte) (last time.Duration, never bool) {
	if bytes.EqualFold(b, neverWord) || bytes.Equal(b, neverTime) {
		return 0, true
	}
	v, ok := duration(b)
	if !ok {
		var err error
		if v, err = time.ParseDuration(string(b)); err != nil {
			return 0, true
		}
	}
	return bounded(v)
}

// nanoseconds reads the same, written as a number.
func nanoseconds(b []byte) (last time.Duration, never bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(string(b), 64)
		if err != nil || math.Abs(f) > float64(absurd) {
			return 0, true // far too large, either way
		}
		n = int64(f)
	}
	return bounded(time.Duration(n))
}

// bounded says that one without a meaning is none. The service's clock was set back where
// it lies in the future: when it was, nobody knows until the next message. By how much it
// does is said, so that it isn't taken for news when that clock comes to it.
func bounded(v time.Duration) (last time.Duration, never bool) {
	switch {
	case v >= absurd || v <= -absurd:
		return 0, true
	case v < -ahead:
		return v, true
	}
	return max(v, 0), false
}

// duration reads what time.Duration.String writes, up to the absurd. It gives
// false for all else, which is not to say that it is wrong.
func duration(b []byte) (time.Duration, bool) {
	var sum time.Duration
	for i := 0; ; {
		begin, whole := i, time.Duration(0)
		for ; i < len(b) && digit(b[i]); i++ {
			whole = whole*10 + time.Duration(b[i]-'0')
		}
		if n := i - begin; n == 0 || n > 9 {
			return 0, false
		}
		part, scale := 0, 1.0
		if i < len(b) && b[i] == '.' {
			i++
			begin := i
			for ; i < len(b) && digit(b[i]); i++ {
				part = part*10 + int(b[i]-'0')
				scale *= 10
			}
			if n := i - begin; n == 0 || n > 15 {
				return 0, false
			}
		}
		unit, n := unit(b[i:])
		if n == 0 || whole > absurd/unit {
			return 0, false
		}
		i += n
		// The same rounding as in time.ParseDuration.
		sum += whole*unit + time.Duration(float64(part)*(float64(unit)/scale))
		if sum > absurd {
			return 0, false
		}
		if i == len(b) {
			return sum, true
		}
	}
}

// unit reads a unit of time and gives its length in bytes, 0 where there is none.
func unit(b []byte) (time.Duration, int) {
	var second byte
	if len(b) > 1 {
		second = b[1]
	}
	switch {
	case len(b) == 0:
	case second == 's' && b[0] == 'm':
		return time.Millisecond, 2
	case second == 's' && b[0] == 'u':
		return time.Microsecond, 2
	case second == 's' && b[0] == 'n':
		return time.Nanosecond, 2
	case b[0] == 's':
		return time.Second, 1
	case b[0] == 'm':
		return time.Minute, 1
	case b[0] == 'h':
		return time.Hour, 1
	case len(b) > 2 && (b[0] == 0xC2 && second == 0xB5 || b[0] == 0xCE && second == 0xBC) && b[2] == 's':
		return time.Microsecond, 3 // µ, the micro sign or the Greek letter
	}
	return 0, 0
}

// time reads a moment. The services write 0001-01-01 or 1970-01-01 where there
// is none; that, and what can't be read, is the zero time: nobody is unwell
// because of it.
func (d *Decoder) time(i int) (time.Time, int) {
	if d.peek(i) != '"' {
		return time.Time{}, d.skip(i, 2)
	}
	b, end := d.quoted(i)
	if end < 0 {
		return time.Time{}, end
	}
	t, ok := moment(b)
	if !ok {
		var err error
		if t, err = time.Parse(time.RFC3339Nano, string(b)); err != nil {
			return time.Time{}, end
		}
		t = t.UTC()
	}
	if t.Unix() == 0 && t.Nanosecond() == 0 {
		return time.Time{}, end
	}
	return t, end
}

// moment reads 2026-11-20T23:10:02.198293272Z, with any number of decimals up to
// nine. It gives false for all else, which is not to say that it is wrong.
func moment(b []byte) (time.Time, bool) {
	if len(b) < 20 || len(b) > 30 || b[len(b)-1] != 'Z' ||
		b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return time.Time{}, false
	}
	year := figure(b[0:2])*100 + figure(b[2:4])
	month, day := figure(b[5:7]), figure(b[8:10])
	hour, minute, second := figure(b[11:13]), figure(b[14:16]), figure(b[17:19])
	// Days past the 28th, which not every month has, only in the months that do.
	if min(figure(b[0:2]), figure(b[2:4]), hour, minute, second) < 0 || month < 1 || month > 12 ||
		day < 1 || day > 28 && month == 2 || day > 30 && !(month == 1 || month == 3 || month == 5 || month == 7 ||
		month == 8 || month == 10 || month == 12) || day > 31 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	nano := 0
	if len(b) > 20 {
		if b[19] != '.' || len(b) == 21 {
			return time.Time{}, false
		}
		for _, c := range b[20 : len(b)-1] {
			if !digit(c) {
				return time.Time{}, false
			}
			nano = nano*10 + int(c-'0')
		}
		for range 30 - len(b) {
			nano *= 10
		}
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nano, time.UTC), true
}

// figure reads two digits, negative where they aren't.
func figure(b []byte) int {
	if !digit(b[0]) || !digit(b[1]) {
		return -1 << 20
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}
