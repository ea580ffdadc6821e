package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// reader is the connections that read. What is asked of them is prepared when it is
// first asked, on each of them, and then kept until they are closed: half of what a
// small question costs is to understand it. So there may only be so many questions,
// whatever the values in them.
type reader struct {
	db *sql.DB

	mu       sync.Mutex
	prepared map[string]*sql.Stmt // by their text
}

// QueryContext implements querier. Don't call it while holding one of the connections:
// there may be none left.
func (r *reader) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := r.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// prepare gives the statement for a question. Nobody waits for another's question: two
// who ask a new one at once prepare it twice.
func (r *reader) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := r.known(query); st != nil {
		return st, nil
	}
	st, err := r.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if first := r.prepared[query]; first != nil {
		return first, st.Close()
	}
	if r.prepared == nil {
		r.prepared = map[string]*sql.Stmt{}
	}
	r.prepared[query] = st
	return st, nil
}

func (r *reader) known(query string) *sql.Stmt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.prepared[query]
}

// one asks for the only row of an answer.
func (r *reader) one(ctx context.Context, query string, args []any, to ...any) error {
	found := false
	err := each(ctx, r, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(to...)
	}, query, args...)
	if err == nil && !found {
		return errors.New("no answer: " + query)
	}
	return err
}
