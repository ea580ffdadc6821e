package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// look is what a file looked like from outside.
type look struct {
	size    int64
	changed time.Time
}

// lookAt gives how the database file looks; the zero look where it can't be told.
func lookAt(path string) look {
	info, err := os.Stat(path)
	if err != nil {
		return look{}
	}
	return look{info.Size(), info.ModTime()}
}

// examine looks after a file that somebody else has written to. Where it is sound
// all the same, a person has used it as one should, through SQLite. Where it isn't,
// somebody has copied a backup over it: then what they copied is put in its place as
// a file of its own, as if they had moved it there. It returns where the file that is
// open is then, as file.here does.
func (s *SQLite) examine(ctx context.Context, f *file) (where error, err error) {
	now := lookAt(s.path)
	unsound := integrity(ctx, s.path)
	if unsound == nil {
		f.seen = now
		return nil, nil
	}
	if !errors.Is(classify(s.path, unsound), ErrCorrupt) {
		return nil, unsound
	}
	aside := s.path + ".rescue"
	if err := s.copyAside(ctx, aside); err != nil {
		return nil, errors.Join(
			fmt.Errorf("%w: somebody else has written to it, and it isn't sound any more: %s (%w)", ErrCorrupt, cure(ErrCorrupt, s.path), err),
			removeAll(aside))
	}
	if err := os.Rename(aside, s.path); err != nil {
		return nil, err
	}
	s.news = "The database was overwritten with another one while in use. Going on with that; everything is written anew."
	return f.here(), syncDir(filepath.Dir(s.path))
}

// copyAside copies the file without its log, and makes sure that the copy is a whole
// database of ours.
func (s *SQLite) copyAside(ctx context.Context, aside string) error {
	if err := removeAll(aside); err != nil { // an incomplete one
		return err
	}
	if err := makeFile(aside); err != nil {
		return err
	}
	to, err := os.OpenFile(aside, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, io.NewSectionReader(s.raw, 0, 1<<62))
	if err := errors.Join(err, to.Sync(), to.Close()); err != nil {
		return err
	}
	steps, err := readMigrations(migrationFiles, "migrations/sqlite")
	if err != nil {
		return err
	}
	if err := lookFirst(ctx, aside, len(steps)); err != nil {
		return err
	}
	return integrity(ctx, aside)
}

// integrity returns an error unless all that the database holds is sound. It looks
// with a new connection: those that have been open see what they remember.
func integrity(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(path, "_query_only", "1"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	var found string
	err = db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&found)
	if err == nil && found != "ok" {
		err = fmt.Errorf("%w: %s", ErrCorrupt, found)
	}
	return errors.Join(err, db.Close())
}

// removeAll removes a database and what SQLite has laid beside it.
func removeAll(path string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// holdRaw keeps the file open beside SQLite, for what SQLite doesn't show. The
// system drops SQLite's locks on a file when any handle on it is closed, so this one
// is closed only once nothing else has that file open.
func (s *SQLite) holdRaw() error {
	raw, err := os.Open(s.path)
	if err != nil {
		return err
	}
	old := s.raw
	s.raw = raw
	if old == nil {
		return nil
	}
	return old.Close()
}
