package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// errHeld is what tryLock returns when another process has the lock.
var errHeld = errors.New("lock is held")

// lock keeps a second server out of a database. It is on a file of its own: SQLite
// locks parts of the database file, and those locks would be lost if we ever
// opened and closed that file ourselves. The system drops the lock with the
// process, however that ends; the file stays, since removing it would let two
// servers lock two files of the same name.
type lock struct {
	file *os.File
	info os.FileInfo
}

// takeLock locks path, which it makes where needed.
func takeLock(path string) (*lock, error) {
	// Between opening and locking the file may be deleted by somebody, and then
	// it keeps nobody out: look again, a few times.
	for range 10 {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open lock file: %w", err)
		}
		if err := tryLock(f); errors.Is(err, errHeld) {
			holder := readHolder(f)
			return nil, errors.Join(fmt.Errorf("%w%s: stop it, or set STATUS_STORE to another file", ErrServed, holder), f.Close())
		} else if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("look at lock file: %w", err), f.Close())
		}
		l := &lock{file: f, info: info}
		if l.stands(path) {
			l.sign()
			return l, nil
		}
		_ = f.Close() // it holds nothing any more
	}
	return nil, fmt.Errorf("lock %s: it is deleted again and again: find out by whom", path)
}

// stands says whether the file at path is the one that is locked.
func (l *lock) stands(path string) bool {
	now, err := os.Stat(path)
	return err == nil && os.SameFile(now, l.info)
}

// sign writes our process number for the error message of whoever comes next. It
// is a courtesy: on a full disk the lock is as good without.
func (l *lock) sign() {
	if err := l.file.Truncate(0); err == nil {
		_, _ = l.file.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
}

// readHolder gives " (process 123)" where the lock's holder has signed it.
func readHolder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 20))
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}

// release gives the lock up.
func (l *lock) release() error { return errors.Join(unlock(l.file), l.file.Close()) }
