package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations/sqlite/*.sql
var migrationFiles embed.FS

// applicationID is what our first migration marks the file with.
const applicationID = 0x4C414253

// migration is one step of the schema. Steps are never changed once released.
type migration struct {
	version int
	name    string
	text    string
}

// readMigrations gives the steps in dir in order. Files are named
// 0001_what_it_does.sql and count from 1 without gaps.
func readMigrations(files fs.FS, dir string) ([]migration, error) {
	entries, err := fs.ReadDir(files, dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	var all []migration
	for i, entry := range entries {
		number, _, _ := strings.Cut(entry.Name(), "_")
		if v, err := strconv.Atoi(number); err != nil || v != i+1 {
			return nil, fmt.Errorf("read migrations: %s should be number %04d", entry.Name(), i+1)
		}
		text, err := fs.ReadFile(files, dir+"/"+entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		all = append(all, migration{version: i + 1, name: strings.TrimSuffix(entry.Name(), ".sql"), text: string(text)})
	}
	return all, nil
}

// schemaVersion reads how far a database has come: 0 for an empty one. It
// refuses, without having written anything, what isn't ours or is ahead of latest.
func schemaVersion(ctx context.Context, db *sql.DB, latest int) (int, error) {
	var tables, ours, id int
	err := db.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(name = 'schema_migrations'), 0) FROM sqlite_schema WHERE type = 'table'`).
		Scan(&tables, &ours)
	if err != nil {
		return 0, fmt.Errorf("read its schema: %w", err)
	}
	if err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return 0, fmt.Errorf("read its mark: %w", err)
	}
	if tables == 0 {
		return 0, nil
	}
	if ours == 0 || id != applicationID {
		return 0, fmt.Errorf("%w: set STATUS_STORE to a file of this server's own", ErrForeign)
	}
	var version int
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_migrations`).Scan(&version); err != nil {
		return 0, fmt.Errorf("read its version: %w", err)
	}
	if version > latest {
		return 0, fmt.Errorf("%w (schema %d, this one knows %d): install that version again, or set STATUS_STORE to another file; this one was left as it is",
			ErrNewer, version, latest)
	}
	return version, nil
}

// migrate brings a database to the newest schema, each step in a transaction with
// the note that it was taken.
func migrate(ctx context.Context, db *sql.DB, steps []migration) error {
	version, err := schemaVersion(ctx, db, len(steps))
	if err != nil {
		return err
	}
	for _, step := range steps[version:] {
		if err := migrateOne(ctx, db, step); err != nil {
			return fmt.Errorf("migrate to %s: %w", step.name, err)
		}
	}
	return nil
}

func migrateOne(ctx context.Context, db *sql.DB, step migration) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	const noted = `CREATE TABLE IF NOT EXISTS schema_migrations (
		version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT`
	if _, err := tx.ExecContext(ctx, noted); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, step.text); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)`,
		step.version, step.name, nanos(time.Now()))
	if err != nil {
		return err
	}
	return tx.Commit()
}
