package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// makeFile makes an empty file, readable by us alone: it will hold addresses and
// SQLite gives the files it adds the same mode.
func makeFile(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is a %s, not a file: set STATUS_STORE to a file", ErrCorrupt, kindOf(info))
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// mayWriteAll looks whether we may write the database and what lies beside it:
// the log of a server that was run as another user, say, and killed. SQLite would
// open a file that can only be read all the same, and leave a log behind that
// can't be written either.
func mayWriteAll(path string) error {
	for _, p := range []string{filepath.Dir(path), path, path + "-wal", path + "-shm"} {
		if err := mayWrite(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func kindOf(info os.FileInfo) string {
	if info.IsDir() {
		return "directory"
	}
	return "device or pipe"
}

// makeDir makes the database's directory, but not the ones above it: a mistyped
// path, or a disk that isn't mounted, should be noticed.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil:
		return syncDir(filepath.Dir(dir))
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no %s to make %s in: make it, or correct STATUS_STORE", ErrGone, filepath.Dir(dir), filepath.Base(dir))
	}
	return err
}

// syncFile makes a file's contents durable. It is not for a database that is open:
// SQLite's locks would go with our closing it.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
