package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Bounds of a document, in bytes.
const (
	maxDocumentKind  = 64
	maxDocumentName  = 256
	maxDocumentValue = 32 << 20
)

// document is what a document is found by.
type document struct{ kind, name string }

// checkDocument refuses what is too long, and what would be taken for none.
func checkDocument(d document, value []byte) error {
	for _, part := range []struct {
		what    string
		is, max int
	}{
		{"kind", len(d.kind), maxDocumentKind},
		{"name", len(d.name), maxDocumentName},
		{"value", len(value), maxDocumentValue},
	} {
		switch {
		case part.is == 0 && part.what == "value":
			return fmt.Errorf("keep document %s: its value is empty: drop the document instead", d)
		case part.is == 0:
			return fmt.Errorf("keep document %s: its %s is empty", d, part.what)
		case part.is > part.max:
			return fmt.Errorf("keep document %s: its %s has %d bytes: at most %d are kept", d, part.what, part.is, part.max)
		}
	}
	return nil
}

// String is for people, and short whatever it is about.
func (d document) String() string { return fmt.Sprintf("%.80q of kind %.80q", d.name, d.kind) }

// PutDocument implements Store.
func (s *SQLite) PutDocument(ctx context.Context, kind, name string, value []byte) error {
	d := document{kind, name}
	if err := checkDocument(d, value); err != nil {
		return err
	}
	return s.write(ctx, "keep a document in", func(ctx context.Context, f *file) error {
		return f.transact(ctx, func(tx *sql.Tx) error { return putDocument(ctx, tx, d, value) })
	})
}

// DropDocument implements Store.
func (s *SQLite) DropDocument(ctx context.Context, kind, name string) error {
	return s.write(ctx, "drop a document in", func(ctx context.Context, f *file) error {
		return f.transact(ctx, func(tx *sql.Tx) error { return dropDocument(ctx, tx, document{kind, name}) })
	})
}

// Documents implements Store.
func (s *SQLite) Documents(ctx context.Context, kind string) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := s.read(ctx, func(r *reader) error {
		return each(ctx, r, func(rows *sql.Rows) error {
			var name string
			var value []byte
			err := rows.Scan(&name, &value)
			all[name] = value
			return err
		}, `SELECT name, value FROM documents WHERE kind = ?`, kind)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func putDocument(ctx context.Context, tx *sql.Tx, d document, value []byte) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO documents (kind, name, value) VALUES (?1, ?2, ?3)
		ON CONFLICT (kind, name) DO UPDATE SET value = ?3`, d.kind, d.name, value)
	if err != nil {
		return fmt.Errorf("put document %s: %w", d, err)
	}
	return nil
}

func dropDocument(ctx context.Context, tx *sql.Tx, d document) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM documents WHERE kind = ? AND name = ?`, d.kind, d.name); err != nil {
		return fmt.Errorf("drop document %s: %w", d, err)
	}
	return nil
}

// putDocuments does to a database what was done to documents elsewhere: a nil value
// drops. What isn't named stands.
func putDocuments(ctx context.Context, tx *sql.Tx, all map[document][]byte) error {
	for d, value := range all {
		var err error
		if value == nil {
			err = dropDocument(ctx, tx, d)
		} else {
			err = putDocument(ctx, tx, d, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readableDocuments gives what can be read of a damaged database's documents, one by
// one, and what is the matter with the rest.
func (f *file) readableDocuments(ctx context.Context) (map[document][]byte, error) {
	var names []document
	err := each(ctx, f.w, func(rows *sql.Rows) error {
		var d document
		err := rows.Scan(&d.kind, &d.name)
		if err == nil {
			names = append(names, d)
		}
		return err
	}, `SELECT kind, name FROM documents ORDER BY kind, name`) // the index alone
	errs := []error{err}
	found := map[document][]byte{}
	for _, d := range names {
		var value []byte
		err := f.w.QueryRowContext(ctx, `SELECT value FROM documents WHERE kind = ? AND name = ?`, d.kind, d.name).Scan(&value)
		if err != nil {
			errs = append(errs, fmt.Errorf("read document %s: %w", d, err))
			continue
		}
		found[d] = value
	}
	return found, errors.Join(errs...)
}
