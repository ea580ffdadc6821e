package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// SQLite is a Store in a file.
type SQLite struct {
	opts Options
	path string // absolute, symbolic links resolved

	// turn has room for one: whoever put something in may write. Reads need no turn.
	turn chan struct{}
	cur  atomic.Pointer[file] // replaced by whoever has the turn

	// With the turn only.
	lock     *lock
	raw      *os.File // the database as the bytes that it is
	closed   bool
	suspect  bool   // an error calls for opening the file again
	saved    bool   // a deleted database waits beside its path to be put back
	news     string // for the log, once the file is open again
	replaced bool   // what is in the file isn't what was written last: a whole commit is needed
	sweptAt  time.Time

	documents map[document][]byte // with the turn only: of a deleted database that couldn't be read as a whole

	alive      atomic.Pointer[alive] // the span that is running; nil: none yet
	complained atomic.Bool           // an unreadable row has been logged
}

// Open opens the database at path, or makes it, with its directory where only
// that is missing (modes 0600 and 0700). It refuses a file that another process
// has open (ErrLocked), that isn't ours (ErrForeign, ErrCorrupt) or that a newer
// version has written (ErrNewer), and leaves it as it is.
func Open(ctx context.Context, path string, o Options) (*SQLite, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	path, err = resolve(path)
	if err != nil {
		return nil, explain("open", path, err)
	}
	s := &SQLite{opts: o, path: path, turn: make(chan struct{}, 1)}
	if s.lock, err = takeLock(s.lockPath()); err != nil {
		return nil, explain("open", path, err)
	}
	f, err := openFile(ctx, path)
	if err == nil {
		s.cur.Store(f)
		err = errors.Join(f.trimAll(ctx, o.EventsPerExperiment), s.holdRaw())
		f.seen = lookAt(path)
	}
	if err != nil {
		return nil, errors.Join(explain("open", path, err), s.Close())
	}
	return s, nil
}

// resolve makes path absolute and follows links, as SQLite does: the files beside
// the database lie where the database itself does.
func resolve(path string) (string, error) {
	if path == "" {
		return path, errors.New("no file is named: set STATUS_STORE")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path, err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	if err := makeDir(filepath.Dir(abs)); err != nil {
		return abs, err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return abs, err
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}

func (s *SQLite) lockPath() string { return s.path + ".lock" }

// Path is where the file is.
func (s *SQLite) Path() string { return s.path }

// take waits for the turn to write.
func (s *SQLite) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *SQLite) giveBack() { <-s.turn }

// write runs fn with the file once it is this caller's turn, opening the file
// again first where that is called for. From then on it isn't canceled any more:
// it is short, and this way an error is never one of the caller's own making that
// leaves the connection to be opened again.
func (s *SQLite) write(ctx context.Context, doing string, fn func(context.Context, *file) error) error {
	if err := s.take(ctx); err != nil {
		return explain(doing, s.path, err)
	}
	defer s.giveBack()
	ctx = context.WithoutCancel(ctx)
	f, err := s.ready(ctx)
	if err == nil {
		err = fn(ctx, f)
		if errors.Is(err, errOther) {
			if err = s.adopt(ctx, f); err == nil {
				err = fn(ctx, f)
			}
		}
		s.suspect = opensAgain(classify(s.path, err)) || unknownToIt(err)
		if err == nil {
			f.seen = lookAt(s.path)
		}
	}
	return explain(doing, s.path, err)
}

// opensAgain says after which errors the file is opened again at the next write. A full disk
// and a held lock pass by themselves.
func opensAgain(kind error) bool {
	switch kind {
	case ErrReadOnly, ErrCorrupt, ErrGone, ErrDisk:
		return true
	}
	return false
}

// read runs fn with the file without waiting for a writer.
func (s *SQLite) read(ctx context.Context, fn func(*reader) error) error {
	const doing = "read from"
	if err := ctx.Err(); err != nil {
		return explain(doing, s.path, err)
	}
	for {
		f := s.cur.Load()
		if f == nil {
			return explain(doing, s.path, ErrClosed)
		}
		f.gate.RLock()
		if !f.closed {
			defer f.gate.RUnlock()
			return explain(doing, s.path, fn(f.r))
		}
		f.gate.RUnlock()
		if s.cur.Load() == f {
			return explain(doing, s.path, fmt.Errorf("%w: it is being opened again", ErrGone))
		}
	}
}

// Close implements Store.
func (s *SQLite) Close() error {
	s.turn <- struct{}{}
	defer s.giveBack()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	if f := s.cur.Swap(nil); f != nil {
		errs = append(errs, f.close())
	}
	if s.raw != nil {
		errs = append(errs, s.raw.Close())
	}
	errs = append(errs, s.lock.release()) // last: the next server may come now
	if err := errors.Join(errs...); err != nil {
		return explain("close", s.path, err)
	}
	return nil
}
