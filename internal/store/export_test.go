package store

import (
	"context"
	"time"

	"labstatus/internal/health"
)

// ExecWriter runs SQL on the one connection that writes, whose settings tests
// change to make it fail.
func (s *SQLite) ExecWriter(ctx context.Context, query string, args ...any) error {
	_, err := s.cur.Load().w.ExecContext(ctx, query, args...)
	return err
}

// Explain is explain.
func Explain(doing, path string, err error) error { return explain(doing, path, err) }

// ClassifyCode is classifyCode.
func ClassifyCode(path string, code int) error { return classifyCode(path, code) }

// EventText is eventText.
func EventText(e *health.Event) (streamOK, issues string, err error) {
	text, err := eventText(e)
	return text.streamOK, text.issues, err
}

// Nanos and FromNanos are the encoding of times.
func Nanos(t time.Time) int64     { return nanos(t) }
func FromNanos(n int64) time.Time { return fromNanos(n) }
