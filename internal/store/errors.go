package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// What can be the matter with a store. Each error returned for one of these also
// says what to do.
var (
	ErrFull     = errors.New("no space left")
	ErrReadOnly = errors.New("not writable")
	ErrLocked   = errors.New("in use by another process")
	ErrServed   = fmt.Errorf("%w", ErrLocked) // by another server, not by somebody's shell
	ErrCorrupt  = errors.New("damaged, or no database")
	ErrGone     = errors.New("gone")
	ErrDisk     = errors.New("the disk reports errors")

	ErrNewer   = errors.New("made by a newer version of this server")
	ErrForeign = errors.New("another program's database")

	// ErrReplaced refuses a commit to a database that is another than before, or an older
	// one, as long as it has not been given a whole one.
	ErrReplaced = errors.New("another database is in its place, and everything has to be written to it anew")

	ErrClosed      = errors.New("store is closed")
	ErrBadCursor   = errors.New("not a valid cursor")
	ErrUnknownMail = errors.New("no such mail")
)

// explain words an error met while doing something ("commit to") the database at
// path: its cause as one of the errors above where it is known, and the cure.
func explain(doing, path string, err error) error {
	if err == nil {
		return nil
	}
	kind := classify(path, err)
	if kind == nil || errors.Is(err, kind) {
		return fmt.Errorf("%s %s: %w", doing, path, err)
	}
	return fmt.Errorf("%s %s: %w: %s (%w)", doing, path, kind, cure(kind, path), err)
}

// cure says what a maintainer can do about what classify found.
func cure(kind error, path string) string {
	dir := filepath.Dir(path)
	switch kind {
	case ErrFull:
		return "free some space on the disk that holds " + dir + "; the server goes on by itself"
	case ErrReadOnly:
		return "give this user (uid " + fmt.Sprint(os.Getuid()) + ") write access to the file and to " + dir +
			", with StateDirectory= in the systemd unit for instance, and check that the disk isn't mounted read-only"
	case ErrLocked:
		return "stop the other process, or set STATUS_STORE to another file"
	case ErrCorrupt:
		return "restore a backup, or move the file away while the server is stopped: it then starts a new one"
	case ErrGone:
		return "bring " + dir + " back, writable; the server then writes the file anew"
	}
	return "check the disk (dmesg, smartctl) and the mount that holds " + dir
}

// classify gives the sentinel for an error, nil where none fits.
func classify(path string, err error) error {
	for _, known := range []error{ErrFull, ErrReadOnly, ErrLocked, ErrCorrupt, ErrGone, ErrDisk, ErrNewer, ErrForeign, ErrClosed, ErrUnknownMail} {
		if errors.Is(err, known) {
			return known
		}
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return ErrFull
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return ErrReadOnly
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return ErrGone
	case errors.Is(err, syscall.EIO):
		return ErrDisk
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return classifyCode(path, e.Code())
	}
	return nil
}

// unknownToIt says that the database lacks what a statement names: an older version's
// was put in its place, and has to be brought up to date by opening it again.
func unknownToIt(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == lib.SQLITE_ERROR || e.Code()&0xff == lib.SQLITE_SCHEMA)
}

// classifyCode goes by SQLite's result codes (https://www.sqlite.org/rescode.html):
// the low byte is the kind, the rest its variety.
func classifyCode(path string, code int) error {
	if code == lib.SQLITE_READONLY_DBMOVED {
		return ErrGone
	}
	switch code & 0xff {
	case lib.SQLITE_FULL:
		return ErrFull
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_AUTH:
		return ErrReadOnly
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_PROTOCOL:
		return ErrLocked
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_FORMAT:
		return ErrCorrupt
	case lib.SQLITE_IOERR:
		return ErrDisk
	case lib.SQLITE_CANTOPEN:
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return ErrGone
		}
		return ErrReadOnly
	}
	return nil
}
