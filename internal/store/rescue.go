package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"
)

// ready gives the file to write to, and sees first that it is the one people
// find at the path: what is written to a deleted file is lost without an error.
// The caller has the turn.
func (s *SQLite) ready(ctx context.Context) (*file, error) {
	if s.closed {
		return nil, ErrClosed
	}
	f := s.cur.Load()
	where := f.here()
	if where == nil && !f.closed && f.seen != lookAt(s.path) {
		var err error
		if where, err = s.examine(ctx, f); err != nil {
			return nil, err
		}
	}
	if where == nil && !f.closed && !s.suspect && s.lock.stands(s.lockPath()) {
		return f, nil
	}
	if err := s.lockAgain(); err != nil {
		return nil, err
	}
	log := s.opts.Log.WithField("file", s.path)
	switch {
	case where == nil: // opening it again is all there is to do
	case errors.Is(where, errReplaced):
		s.news = cmp.Or(s.news, "The database was replaced by another file while in use. Going on with the new one; everything is written anew.")
		// First of all, so that the old one's log is never taken for the new one's.
		s.drop(f, log)
	case errors.Is(where, fs.ErrNotExist):
		if err := s.rescue(ctx, f, log); err != nil {
			return nil, fmt.Errorf("write the deleted file anew: %w", err)
		}
	default:
		return nil, where
	}
	fresh, err := openFile(ctx, s.path)
	if err != nil {
		return nil, fmt.Errorf("open it again: %w", err)
	}
	if err := s.putBack(ctx, fresh); err != nil {
		return nil, errors.Join(err, fresh.close()) // as if it had been deleted once more
	}
	s.cur.Store(fresh)
	s.suspect = false
	s.drop(f, log)
	if !os.SameFile(f.info, fresh.info) {
		if err := s.holdRaw(); err != nil {
			return nil, err
		}
	}
	if !f.head.knows(fresh.found) {
		s.isReplaced()
		s.news = cmp.Or(s.news, "The database holds something else than was written last. Going on with it; everything is written anew.")
	}
	if s.news != "" {
		log.Warn(s.news) // once, though it may have taken many attempts
		s.news = ""
	}
	err = fresh.trimAll(ctx, s.opts.EventsPerExperiment)
	fresh.seen = lookAt(s.path)
	return fresh, err
}

// adopt goes on with contents that were put in place of ours in the same file.
func (s *SQLite) adopt(ctx context.Context, f *file) error {
	if err := f.readHead(ctx); err != nil {
		return err
	}
	s.isReplaced()
	s.opts.Log.WithField("file", s.path).
		Warn("The database's contents were replaced while in use, by an older copy for instance. Going on with them; everything is written anew.")
	return nil
}

// isReplaced notes that the database isn't the one that was written to so far.
func (s *SQLite) isReplaced() {
	s.replaced = true
	if a := s.alive.Load(); a != nil {
		s.alive.Store(&alive{since: a.since, called: a.called}) // its row is another's now
	}
}

// lockAgain renews the lock when its file was deleted, as with its directory.
func (s *SQLite) lockAgain() error {
	if s.lock.stands(s.lockPath()) {
		return nil
	}
	if err := makeDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	l, err := takeLock(s.lockPath())
	if err != nil {
		return err
	}
	old := s.lock
	s.lock = l
	return old.release()
}

// rescue puts what a deleted database holds back at its path. The file is there
// for as long as we have it open, only its name is gone.
func (s *SQLite) rescue(ctx context.Context, f *file, log logrus.FieldLogger) error {
	aside := s.path + ".rescue"
	if !f.closed {
		if err := s.saveAside(ctx, f, aside, log); err != nil {
			return err
		}
	}
	if !s.saved {
		s.news = cmp.Or(s.news, "The database was deleted and could not be kept. A new one is begun; everything is written anew.")
		return nil
	}
	if err := os.Rename(aside, s.path); err != nil {
		return err // tried again at the next write: the copy is all there is by now
	}
	s.saved = false
	s.news = "The database was deleted while in use. It has been written anew; nothing is lost."
	return syncDir(filepath.Dir(s.path))
}

// putBack gives a new database the documents that could be read of the old one: nobody
// hands them in anew.
func (s *SQLite) putBack(ctx context.Context, fresh *file) error {
	if len(s.documents) == 0 {
		return nil
	}
	err := fresh.transact(ctx, func(tx *sql.Tx) error { return putDocuments(ctx, tx, s.documents) })
	if err != nil {
		return fmt.Errorf("write the deleted file's documents anew: %w", err)
	}
	s.documents = nil
	return nil
}

// saveAside copies a deleted database and closes it. One that can't be read as a whole
// is closed only, once its documents were read: s.saved tells which.
func (s *SQLite) saveAside(ctx context.Context, f *file, aside string, log logrus.FieldLogger) error {
	if err := os.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // an incomplete one
	}
	if err := makeFile(aside); err != nil {
		return err
	}
	_, err := f.w.ExecContext(ctx, `VACUUM INTO ?`, aside)
	if err == nil {
		err = syncFile(aside)
	}
	hopeless := errors.Is(classify(s.path, err), ErrCorrupt) || errors.Is(err, fs.ErrNotExist) // the latter: no connection is left
	if err != nil && !hopeless {
		return errors.Join(err, os.Remove(aside))
	}
	if s.saved = err == nil; !s.saved {
		documents, unread := f.readableDocuments(ctx)
		s.documents = documents
		log.WithError(errors.Join(err, unread, removeAll(aside))).WithField("documents", len(s.documents)).Warn("The deleted database can't be read any more.")
	}
	s.drop(f, log)
	return nil
}

// drop closes a database that is no longer used. Where it no longer is at its
// path, its log is first written into it, wherever it is now (SQLite leaves that
// out on closing a file that was moved), and then removed: beside another
// database it would be taken for that one's and ruin it.
func (s *SQLite) drop(f *file, log logrus.FieldLogger) {
	if f.closed {
		return
	}
	gone := f.here() != nil && s.cur.Load() == f
	var errs []error
	if gone {
		errs = append(errs, f.empty())
	}
	errs = append(errs, f.close())
	if gone {
		for _, suffix := range []string{"-wal", "-shm"} {
			if err := os.Remove(s.path + suffix); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		log.WithError(err).Warn("Closing the old database failed. Going on with the new one.")
	}
}
