package stats

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"labstatus/internal/health"
)

// errFar says that the reference has no opinion, since a limit of ours decides.
var errFar = errors.New("beyond our limits")

// reference decodes a message as Decoder does, slowly and by way of
// encoding/json, so that the two can be held against each other.
func reference(msg []byte) (frames [][]health.Conn, rubbish int, err error) {
	dec := json.NewDecoder(bytes.NewReader(msg))
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return frames, rubbish, nil
		} else if err != nil {
			return frames, rubbish + 1, nil
		}
		const deep = 90
		if brackets(raw) > deep && depth(raw) > deep {
			return nil, 0, errFar
		}
		if raw[0] != '[' {
			continue
		}
		var records []json.RawMessage
		if err := json.Unmarshal(raw, &records); err != nil {
			return nil, 0, fmt.Errorf("a checked list: %w", err)
		}
		conns, ok := []health.Conn{}, true
		for _, r := range records {
			c, good := refRecord(r)
			conns, ok = append(conns, c), ok && good
		}
		if !ok {
			rubbish++
			continue
		}
		frames = append(frames, conns)
	}
}

// brackets is never less than depth, and much sooner counted.
func brackets(raw []byte) int { return bytes.Count(raw, []byte("[")) + bytes.Count(raw, []byte("{")) }

func depth(raw []byte) (most int) {
	now := 0
	dec := json.NewDecoder(bytes.NewReader(raw))
	for {
		t, err := dec.Token()
		if err != nil {
			return most
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			now++
			most = max(most, now)
		case json.Delim(']'), json.Delim('}'):
			now--
		}
	}
}

// refFields calls field for each member of an object, in their order.
func refFields(raw []byte, field func(key string, value json.RawMessage)) bool {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return false
		}
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			return false
		}
		field(key.(string), v)
	}
	return true
}

func refString(raw json.RawMessage, to *string) bool {
	*to = ""
	return len(raw) <= maxText && json.Unmarshal(raw, to) == nil
}

func refTime(raw json.RawMessage) time.Time {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Equal(time.Unix(0, 0)) {
		return time.Time{}
	}
	return t.UTC()
}

func refRecord(raw json.RawMessage) (c health.Conn, ok bool) {
	named, good := false, true
	unknown := health.Traffic{Never: true}
	c.Tx, c.Rx = unknown, unknown
	ok = refFields(raw, func(key string, v json.RawMessage) {
		is := true
		null := string(v) == "null"
		switch key {
		case "topic":
			is = refString(v, &c.Topic)
			named = is && !null
		case "scopes":
			var list []*string
			c.Scopes = nil
			if is = json.Unmarshal(v, &list) == nil && len(v) <= maxText; is && !null {
				c.Scopes = []string{}
				for _, s := range list {
					if is = is && s != nil; s != nil {
						c.Scopes = append(c.Scopes, *s)
					}
				}
			}
		case "userAgent", "user_agent":
			is = refString(v, &c.UserAgent)
		case "remoteAddr", "remote_addr", "remote_address":
			is = refString(v, &c.RemoteAddr)
		case "connected", "connected_at":
			c.ConnectedAt = refTime(v)
		case "expiresAt", "expires_at":
			c.ExpiresAt = refTime(v)
		case "canRead", "can_read":
			c.CanRead = false
			is = json.Unmarshal(v, &c.CanRead) == nil
		case "canWrite", "can_write":
			c.CanWrite = false
			is = json.Unmarshal(v, &c.CanWrite) == nil
		case "stats":
			c.StatsKnown, c.Tx, c.Rx = false, unknown, unknown
			is = null || refFields(v, func(key string, v json.RawMessage) {
				switch key {
				case "tx":
					c.Tx, c.StatsKnown = refTraffic(v, &good)
				case "rx":
					c.Rx, _ = refTraffic(v, &good)
				}
			})
		case "statistcs", "statistics":
			c.Rx = unknown
			c.Tx, c.StatsKnown = refTraffic(v, &good)
		}
		good = good && is
	})
	return c, ok && good && named
}

func refTraffic(raw json.RawMessage, good *bool) (t health.Traffic, known bool) {
	t.Never = true
	if string(raw) == "null" {
		return t, false
	}
	last := func(d time.Duration) {
		switch {
		case d >= absurd || d <= -absurd:
		case d < -ahead:
			t.Last = d
		default:
			t.Last, t.Never = max(d, 0), false
		}
	}
	ok := refFields(raw, func(key string, v json.RawMessage) {
		switch key {
		case "last":
			t.Last, t.Never, known = 0, true, false
			var s string
			var f float64
			var n int64
			switch {
			case string(v) == "null":
			case json.Unmarshal(v, &s) == nil:
				*good = *good && len(v) <= maxText
				known = true
				if d, err := time.ParseDuration(s); err == nil {
					last(d)
				}
			case json.Unmarshal(v, &n) == nil:
				known = true
				last(time.Duration(n))
			case v[0] == '-' || digit(v[0]):
				known = true
				if err := json.Unmarshal(v, &f); err != nil { // out of range
					f = math.Inf(1)
					if v[0] == '-' {
						f = math.Inf(-1)
					}
				}
				last(time.Duration(max(-float64(absurd), min(f, float64(absurd))))) // cut to whole nanoseconds
			default:
				*good = false
			}
		case "size":
			t.Size = 0
			*good = json.Unmarshal(v, &t.Size) == nil && *good
		case "fps":
			t.FPS = 0
			*good = json.Unmarshal(v, &t.FPS) == nil && *good
		}
	})
	*good = *good && ok
	return t, known
}
