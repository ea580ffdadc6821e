package store

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// A cursor names the last row of a page, so that the next page starts after it
// whatever was added or dropped meanwhile.
type cursor struct {
	at int64 // nanoseconds; for events only
	id int64
}

// Kinds of cursors: one is never taken for the other.
const (
	eventCursor = "e"
	mailCursor  = "m"
	actCursor   = "a"
)

func (c cursor) encode(kind string) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s.%d.%d", kind, c.at, c.id))
}

// decodeCursor reads what encode wrote, and nothing else.
func decodeCursor(kind, text string) (cursor, error) {
	bad := func() (cursor, error) {
		return cursor{}, fmt.Errorf("read page: %w: use the one given with the page before, or none", ErrBadCursor)
	}
	if len(text) > 80 {
		return bad()
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return bad()
	}
	k, rest, _ := strings.Cut(string(b), ".")
	at, id, ok := strings.Cut(rest, ".")
	if !ok || k != kind {
		return bad()
	}
	var c cursor
	if c.at, err = strconv.ParseInt(at, 10, 64); err != nil {
		return bad()
	}
	if c.id, err = strconv.ParseInt(id, 10, 64); err != nil || c.id < 1 || c.encode(kind) != text {
		return bad()
	}
	return c, nil
}
