package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
)

// errOther says that the database holds what this server has not written last: an
// older copy was put in its place, by SQLite's own means, in the same file.
var errOther = errors.New("it holds something else than was written last")

// head is the number that the latest transaction has left in the database. Each
// transaction draws a new one, so that a copy of any age has another.
type head struct {
	last  int64 // of the latest transaction that was done
	tried int64 // of the latest one that was attempted: it may have been done in spite of its error
}

// knows says whether a database with that number holds what was written last.
func (h *head) knows(number int64) bool { return number == h.last || number == h.tried }

// readHead takes a database's contents as they are.
func (f *file) readHead(ctx context.Context) error {
	var number int64
	if err := f.w.QueryRowContext(ctx, `SELECT head FROM pulse`).Scan(&number); err != nil {
		return fmt.Errorf("read the number of its latest transaction: %w", err)
	}
	f.head = head{last: number, tried: number}
	return nil
}

// advance replaces the number, or returns errOther where it isn't the one that was
// left there.
func (f *file) advance(ctx context.Context, tx *sql.Tx, next int64) error {
	for _, number := range []int64{f.head.last, f.head.tried} {
		res, err := tx.StmtContext(ctx, f.st.advance).ExecContext(ctx, number, next)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			f.head.last = number
			return err
		}
	}
	return errOther
}

// transact runs fn in a transaction. Either everything is durable when it returns
// nil, or nothing was done; only where the disk fails at the last moment may all of
// it be done in spite of an error.
func (f *file) transact(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := f.w.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	next := rand.Int64()
	if err := f.advance(ctx, tx, next); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	f.head.tried = next
	if err := tx.Commit(); err != nil {
		return err
	}
	f.head.last = next
	return nil
}

// lightly is transact for what may be lost with the machine's power, which the disk
// need not be waited for: it is there after a crash of ours, and with the next
// transaction for good. The one connection that writes is ours meanwhile.
func (f *file) lightly(ctx context.Context, fn func(*sql.Tx) error) error {
	if _, err := f.w.ExecContext(ctx, `PRAGMA synchronous = NORMAL`); err != nil {
		return err
	}
	err := f.transact(ctx, fn)
	_, back := f.w.ExecContext(context.WithoutCancel(ctx), `PRAGMA synchronous = FULL`)
	return errors.Join(err, back)
}

// pulse writes one row, to find out whether it can be done.
func (f *file) pulse(ctx context.Context) error {
	return f.transact(ctx, func(*sql.Tx) error { return nil })
}
