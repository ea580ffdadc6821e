package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// file is one opened database: a connection that writes and a few that read.
type file struct {
	path string
	info os.FileInfo // of the file as it was opened
	w    *sql.DB
	r    *reader // nil until the file is open
	st   statements
	// With the turn only.
	head  head
	found int64 // the number of its head when it was opened
	seen  look  // as we left it: whatever it looks like else is somebody else's doing

	// gate is held for reading by reads, so that close waits for them: once it has
	// returned, nothing of ours has the file open.
	gate   sync.RWMutex
	closed bool
}

const (
	// busyTimeout is for a person's sqlite3 shell: no other server can be there. It is
	// shorter than the patience of who commits, so that its error says who is in the way.
	busyTimeout = 700 * time.Millisecond
	readers     = 4
	logLimit    = 16 << 20 // bytes; a longer write-ahead log is cut to this when it starts over
)

// dsn spells out how a database is opened. mode=rw never makes a file: a
// connection renewed after the file was deleted must fail, not begin afresh.
func dsn(path string, settings ...string) string {
	q := url.Values{"mode": {"rw"}, "_error_rc": {"1"}, "_dqs": {"0"}, "_busy_timeout": {fmt.Sprint(busyTimeout.Milliseconds())}}
	for i := 0; i+1 < len(settings); i += 2 {
		q.Add(settings[i], settings[i+1])
	}
	path = "/" + strings.TrimPrefix(filepath.ToSlash(path), "/") // for Windows: /C:/…
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// openFile opens the database at path, makes it where there is none, brings it to the
// newest schema and makes sure that it can be written.
func openFile(ctx context.Context, path string) (_ *file, err error) {
	if err := makeFile(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := mayWriteAll(path); err != nil {
		return nil, err
	}
	steps, err := readMigrations(migrationFiles, "migrations/sqlite")
	if err != nil {
		return nil, err
	}
	f := &file{path: path, info: info}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	f.w, err = f.pool(1, dsn(path, // SQLite has one writer at a time; waiting in Go heeds ctx
		"_txlock", "immediate",
		"_defensive", "1",
		"_synchronous", "full", // see the package's comment
		"_foreign_keys", "1",
		"_pragma", fmt.Sprintf("journal_size_limit(%d)", logLimit),
	))
	if err != nil {
		return nil, err
	}
	// The first look changes nothing. The two settings after it would, so they aren't
	// among those above: the file keeps them for connections that are opened later.
	if _, err := schemaVersion(ctx, f.w, len(steps)); err != nil {
		return nil, err
	}
	if _, err := f.w.ExecContext(ctx, `PRAGMA auto_vacuum = incremental`); err != nil { // heeded by a new file only
		return nil, err
	}
	var mode string
	if err := f.w.QueryRowContext(ctx, `PRAGMA journal_mode = wal`).Scan(&mode); err != nil {
		return nil, err
	}
	if mode != "wal" {
		return nil, fmt.Errorf("the file system can't hold a write-ahead log (journal mode %s): put the file on a local disk", mode)
	}
	if err := migrate(ctx, f.w, steps); err != nil {
		return nil, err
	}
	if err := f.st.prepare(ctx, f.w); err != nil {
		return nil, err
	}
	if err := f.readHead(ctx); err != nil {
		return nil, err
	}
	f.found = f.head.last
	if err := f.pulse(ctx); err != nil {
		return nil, err
	}
	db, err := f.pool(readers, dsn(path, "_query_only", "1"))
	if err != nil {
		return nil, err
	}
	f.r = &reader{db: db}
	return f, f.fill(ctx)
}

// pool makes a pool of connections that are kept once they are open.
func (f *file) pool(size int, dsn string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(guard{c, f})
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// fill opens every connection that will read, so that reading goes on when the
// file is deleted. Only with its first read has a connection all files open. This one
// is of the file's head alone: the schema is read by those that are asked for more.
func (f *file) fill(ctx context.Context) error {
	for range readers {
		c, err := f.r.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }() // back into the pool, when all are open: nothing to fail
		var id int
		if err := c.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
			return err
		}
	}
	return nil
}

// guard opens no connection to another file than the first ones. Such a one would
// even take the old file's log for the new one's.
type guard struct {
	driver.Connector
	f *file
}

// Connect implements driver.Connector.
func (g guard) Connect(ctx context.Context) (driver.Conn, error) {
	if err := g.f.here(); err != nil {
		return nil, err
	}
	return g.Connector.Connect(ctx)
}

// lookFirst refuses a database that isn't for us, without changing it.
func lookFirst(ctx context.Context, path string, latest int) error {
	db, err := sql.Open("sqlite", dsn(path, "_query_only", "1"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	_, err = schemaVersion(ctx, db, latest)
	return errors.Join(err, db.Close())
}

// errReplaced says that another file stands at the database's path.
var errReplaced = fmt.Errorf("%w: another file is in its place", ErrGone)

// here returns nil while the file at the path is the one that is open, an error
// that is fs.ErrNotExist when there is none, errReplaced when it is another.
func (f *file) here() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if !os.SameFile(info, f.info) {
		return errReplaced
	}
	return nil
}

// empty writes all of the log into the database.
func (f *file) empty() error {
	_, err := f.w.ExecContext(context.Background(), `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}

// close waits for reads under way. It may be called again.
func (f *file) close() error {
	f.gate.Lock()
	defer f.gate.Unlock()
	f.closed = true
	var errs []error
	if f.r != nil {
		errs = append(errs, f.r.db.Close())
	}
	if f.w != nil { // last: it tidies up
		errs = append(errs, f.w.Close())
	}
	return errors.Join(errs...)
}
