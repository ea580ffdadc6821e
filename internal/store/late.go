package store

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

// lateEvery is how often a file that can't be opened is tried again.
const lateEvery = 15 * time.Second

// Late is a Store for a file that could not be opened when the server started. It
// keeps everything in memory, tries to open the file now and then, along with
// writes and beside them, and once it can, moves everything there and goes on with
// the file. While another server has the file it stays in memory.
//
// What the file held from before is joined with what this run has: of an experiment
// that both know this run's record stands, and so does this run's record of the
// system, with its windows of maintenance; of the documents stands what this run put
// or dropped; the events, mails, acts and histories of both are kept. What the file knew
// can't be given to a server that is running: it hears of it by LateOptions.Moved.
//
// Of what people were told in earlier runs, this run knows nothing as it starts.
// So each problem that stands then is told once more, and no recovery from one that
// ended meanwhile is. After the move nothing is told again, by this run or the next.
// Mails that the file still had in its outbox are sent then, late.
//
// A page that was begun before the move may repeat or miss some of what follows it.
type Late struct {
	o   LateOptions
	log logrus.FieldLogger

	now    atomic.Pointer[inUse]
	moving sync.RWMutex // held for reading while something is written

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tries  sync.WaitGroup

	mu     sync.Mutex
	why    error // nil: the file is open
	tried  time.Time
	trying bool
	closed bool
}

// LateOptions say what could not be opened.
type LateOptions struct {
	Path    string
	Options Options
	Why     error // as Open gave it
	// Moved is called once the file is in use, with what it held from before: what
	// people had set for a time to come, for instance, which this run doesn't know
	// of. It may be nil.
	Moved func(found health.Kept)
}

// inUse is the store that is used: a *Memory, then a *SQLite.
type inUse struct{ Store }

// NewLate begins in memory.
func NewLate(o LateOptions) (*Late, error) {
	options, err := o.Options.withDefaults()
	if err != nil {
		return nil, err
	}
	o.Options = options
	if o.Why == nil {
		o.Why = errors.New("it has not been tried yet")
	}
	memory, err := OpenMemory(options)
	if err != nil {
		return nil, err
	}
	l := &Late{o: o, log: options.Log.WithField("file", o.Path), why: o.Why, tried: time.Now()}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.now.Store(&inUse{memory})
	return l, nil
}

// Why says why everything is in memory; nil once it is in the file.
func (l *Late) Why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// look tries the file in the background where it is time for that.
func (l *Late) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil || l.trying || l.closed || time.Since(l.tried) < lateEvery {
		return
	}
	l.trying = true
	l.tries.Go(func() {
		err := l.open()
		l.mu.Lock()
		defer l.mu.Unlock()
		served := errors.Is(l.why, ErrServed)
		l.why, l.tried, l.trying = err, time.Now(), false
		if errors.Is(err, ErrServed) && !served {
			l.log.WithError(err).Error("Another server has taken the database. This one stays with what it has in memory: stop one of them.")
		}
	})
}

// open opens the file and goes on with it.
func (l *Late) open() error {
	file, err := Open(l.ctx, l.o.Path, l.o.Options)
	if err != nil {
		return err
	}
	found, warnings, err := file.Kept(l.ctx)
	if err == nil {
		err = l.move(file, found)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	for _, w := range warnings {
		l.log.WithError(w).Error("a kept record can't be read, its experiment starts afresh")
	}
	l.log.WithField("records", len(found.Records)).Warn("The database can be used by now. What was in memory has been moved there.")
	if l.o.Moved != nil {
		l.o.Moved(found)
	}
	return nil
}

// move writes what is in memory into the file while nothing else is written.
func (l *Late) move(file *SQLite, found health.Kept) error {
	l.moving.Lock()
	defer l.moving.Unlock()
	if err := file.takeIn(l.ctx, l.now.Load().Store.(*Memory), found); err != nil {
		return err
	}
	l.now.Store(&inUse{file})
	return nil
}

// write runs a write, which no move overtakes.
func (l *Late) write(do func(Store) error) error {
	l.look()
	l.moving.RLock()
	defer l.moving.RUnlock()
	return do(l.now.Load())
}

// Commit implements Store.
func (l *Late) Commit(ctx context.Context, c Commit) error {
	return l.write(func(s Store) error { return s.Commit(ctx, c) })
}

// MarkMail implements Store.
func (l *Late) MarkMail(ctx context.Context, id string, recipients []health.Recipient) error {
	return l.write(func(s Store) error { return s.MarkMail(ctx, id, recipients) })
}

// PutDocument implements Store.
func (l *Late) PutDocument(ctx context.Context, kind, name string, value []byte) error {
	return l.write(func(s Store) error { return s.PutDocument(ctx, kind, name, value) })
}

// DropDocument implements Store.
func (l *Late) DropDocument(ctx context.Context, kind, name string) error {
	return l.write(func(s Store) error { return s.DropDocument(ctx, kind, name) })
}

// Alive implements Store.
func (l *Late) Alive(ctx context.Context, at time.Time) error {
	return l.write(func(s Store) error { return s.Alive(ctx, at) })
}

// Kept implements Store.
func (l *Late) Kept(ctx context.Context) (health.Kept, []error, error) { return l.now.Load().Kept(ctx) }

// Events implements Store.
func (l *Late) Events(ctx context.Context, experiment string) ([]health.Event, error) {
	return l.now.Load().Events(ctx, experiment)
}

// FindEvents implements Store.
func (l *Late) FindEvents(ctx context.Context, q EventQuery, limit int, cursor string) ([]StoredEvent, string, error) {
	return l.now.Load().FindEvents(ctx, q, limit, cursor)
}

// History implements Store.
func (l *Late) History(ctx context.Context, experiment string, from, to time.Time) ([]health.StateChange, error) {
	return l.now.Load().History(ctx, experiment, from, to)
}

// AllHistory implements Store.
func (l *Late) AllHistory(ctx context.Context, from, to time.Time) iter.Seq2[[]health.StateChange, error] {
	return l.now.Load().AllHistory(ctx, from, to)
}

// Audit implements Store.
func (l *Late) Audit(ctx context.Context, limit int, cursor string) ([]health.Act, string, error) {
	return l.now.Load().Audit(ctx, limit, cursor)
}

// Watched implements Store.
func (l *Late) Watched(ctx context.Context, from, to time.Time) ([]Span, error) {
	return l.now.Load().Watched(ctx, from, to)
}

// Documents implements Store.
func (l *Late) Documents(ctx context.Context, kind string) (map[string][]byte, error) {
	return l.now.Load().Documents(ctx, kind)
}

// Mails implements Store.
func (l *Late) Mails(ctx context.Context, limit int, cursor string) ([]health.Mail, string, error) {
	return l.now.Load().Mails(ctx, limit, cursor)
}

// Mail implements Store.
func (l *Late) Mail(ctx context.Context, id string) (health.Mail, error) {
	return l.now.Load().Mail(ctx, id)
}

// DueMail implements Store.
func (l *Late) DueMail(ctx context.Context, now time.Time, limit int) ([]health.Mail, error) {
	return l.now.Load().DueMail(ctx, now, limit)
}

// NextMail implements Store.
func (l *Late) NextMail(ctx context.Context) (time.Time, bool, error) {
	return l.now.Load().NextMail(ctx)
}

// MailCounts implements Store.
func (l *Late) MailCounts(ctx context.Context) (queued, sent, failed int, oldestQueued time.Time, err error) {
	return l.now.Load().MailCounts(ctx)
}

// LastFailedMail implements Store.
func (l *Late) LastFailedMail(ctx context.Context) (health.Mail, bool, error) {
	return l.now.Load().LastFailedMail(ctx)
}

// Close implements Store. It waits for an attempt to open the file that is under
// way.
func (l *Late) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.tries.Wait()
	return l.now.Load().Close()
}
