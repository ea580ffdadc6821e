package app_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// errNeighbour is a fault that every call of a failing store gives.
var errNeighbour = errors.New("database disk image is malformed, as ordered")

// failingStore is a store with faults to order. It outlives restarts of the server
// it is given to.
type failingStore struct {
	store.Store
	mu    sync.Mutex
	fault storeFault
}

// storeFault is what a store does in place of its work.
type storeFault struct {
	err    error // of each write, and of each read where reads is set
	reads  bool
	hangs  bool          // until its caller's patience ends
	slow   time.Duration // each write takes so long, and is done at its end
	lies   bool          // the work is done, and the error returned all the same
	commit bool          // only commits fail
	marks  bool          // only what is no commit fails
}

func (s *failingStore) order(f storeFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *failingStore) write(ctx context.Context, commit bool, do func(context.Context) error) error {
	s.mu.Lock()
	f := s.fault
	s.mu.Unlock()
	if f.commit && !commit || f.marks && commit {
		return do(ctx)
	}
	switch {
	case f.hangs:
		<-ctx.Done()
		return ctx.Err()
	case f.slow > 0:
		time.Sleep(f.slow)
		return do(context.WithoutCancel(ctx)) // it had begun in time
	case f.lies:
		return errors.Join(do(ctx), f.err)
	case f.err != nil:
		return f.err
	}
	return do(ctx)
}

func (s *failingStore) read() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault.reads {
		return s.fault.err
	}
	return nil
}

func (s *failingStore) Commit(ctx context.Context, c store.Commit) error {
	return s.write(ctx, true, func(ctx context.Context) error { return s.Store.Commit(ctx, c) })
}

func (s *failingStore) MarkMail(ctx context.Context, id string, to []health.Recipient) error {
	return s.write(ctx, false, func(ctx context.Context) error { return s.Store.MarkMail(ctx, id, to) })
}

func (s *failingStore) PutDocument(ctx context.Context, kind, name string, value []byte) error {
	return s.write(ctx, false, func(ctx context.Context) error { return s.Store.PutDocument(ctx, kind, name, value) })
}

func (s *failingStore) DropDocument(ctx context.Context, kind, name string) error {
	return s.write(ctx, false, func(ctx context.Context) error { return s.Store.DropDocument(ctx, kind, name) })
}

func (s *failingStore) Documents(ctx context.Context, kind string) (map[string][]byte, error) {
	if err := s.read(); err != nil {
		return nil, err
	}
	return s.Store.Documents(ctx, kind)
}

func (s *failingStore) DueMail(ctx context.Context, now time.Time, limit int) ([]health.Mail, error) {
	if err := s.read(); err != nil {
		return nil, err
	}
	return s.Store.DueMail(ctx, now, limit)
}

func (s *failingStore) NextMail(ctx context.Context) (time.Time, bool, error) {
	if err := s.read(); err != nil {
		return time.Time{}, false, err
	}
	return s.Store.NextMail(ctx)
}

func (s *failingStore) MailCounts(ctx context.Context) (queued, sent, failed int, oldest time.Time, err error) {
	if err := s.read(); err != nil {
		return 0, 0, 0, time.Time{}, err
	}
	return s.Store.MailCounts(ctx)
}

func (s *failingStore) LastFailedMail(ctx context.Context) (health.Mail, bool, error) {
	if err := s.read(); err != nil {
		return health.Mail{}, false, err
	}
	return s.Store.LastFailedMail(ctx)
}

func (s *failingStore) Events(ctx context.Context, name string) ([]health.Event, error) {
	if err := s.read(); err != nil {
		return nil, err
	}
	return s.Store.Events(ctx, name)
}

func (s *failingStore) FindEvents(ctx context.Context, q store.EventQuery, limit int, cursor string) ([]store.StoredEvent, string, error) {
	if err := s.read(); err != nil {
		return nil, "", err
	}
	return s.Store.FindEvents(ctx, q, limit, cursor)
}
