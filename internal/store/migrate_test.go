package store

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func openBare(t *testing.T, path string) *sql.DB {
	t.Helper()
	if err := makeFile(path); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestMigrationsAreOneByOneAndWhole(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"m/0001_first.sql":  {Data: []byte(`PRAGMA application_id = 0x4C414253; CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1)`)},
		"m/0002_second.sql": {Data: []byte(`CREATE TABLE b (x INTEGER); INSERT INTO nowhere VALUES (1)`)},
	}
	db := openBare(t, filepath.Join(t.TempDir(), "status.db"))
	steps, err := readMigrations(files, "m")
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), db, steps); err == nil || !strings.Contains(err.Error(), "0002_second") {
		t.Fatalf("a step that fails: %v", err)
	}
	if v, err := schemaVersion(t.Context(), db, 2); v != 1 || err != nil {
		t.Fatalf("version %d after it, %v", v, err)
	}
	if _, err := db.Exec(`SELECT * FROM b`); err == nil {
		t.Error("half of the failed step was taken")
	}

	files["m/0002_second.sql"] = &fstest.MapFile{Data: []byte(`ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 7`)}
	if steps, err = readMigrations(files, "m"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := migrate(t.Context(), db, steps); err != nil {
			t.Fatal(err)
		}
	}
	var x, y int
	if err := db.QueryRow(`SELECT x, y FROM a`).Scan(&x, &y); err != nil || x != 1 || y != 7 {
		t.Errorf("row is %d, %d, %v", x, y, err)
	}
	if err := migrate(t.Context(), db, steps[:1]); !errors.Is(err, ErrNewer) {
		t.Errorf("going back: %v", err)
	}
}

func TestMigrationNames(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fstest.MapFS{
		"gap":       {"m/0001_a.sql": {}, "m/0003_b.sql": {}},
		"twice":     {"m/0001_a.sql": {}, "m/0001_b.sql": {}},
		"no number": {"m/a.sql": {}},
	} {
		if _, err := readMigrations(files, "m"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	ours, err := readMigrations(migrationFiles, "migrations/sqlite")
	if err != nil || len(ours) == 0 {
		t.Errorf("ours: %d, %v", len(ours), err)
	}
}

// MakeFirstVersion makes a database as the first version of this server made it.
func MakeFirstVersion(t *testing.T, path string) {
	t.Helper()
	steps, err := readMigrations(migrationFiles, "migrations/sqlite")
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), openBare(t, path), steps[:1]); err != nil {
		t.Fatal(err)
	}
}
