package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

// Store is what both stores do. Every method may be called from any goroutine. A
// write heeds its context until it begins, and is then finished.
type Store interface {
	// Commit keeps everything in c, or nothing. An error means that nothing may be
	// taken as kept; the same commit, or one that begins with what it held, can be
	// tried again, and nothing is kept twice even where the first was done in spite
	// of its error: see Commit for what counts as the same. ErrReplaced asks for a
	// whole commit.
	Commit(ctx context.Context, c Commit) error

	// Kept reads back the state, records sorted by name. A row that can't be
	// read is left out and described in warnings: its experiment starts afresh.
	Kept(ctx context.Context) (kept health.Kept, warnings []error, err error)

	// Events gives an experiment's history in the order in which it was
	// committed, oldest first; none for a name that isn't known.
	Events(ctx context.Context, experiment string) ([]health.Event, error)

	// FindEvents gives a page of the events that are asked for, newest first.
	// Start with an empty cursor and go on with next, and the same query, until that
	// is empty. A limit below 1 means 100, one above 1000 means 1000.
	FindEvents(ctx context.Context, q EventQuery, limit int, cursor string) (page []StoredEvent, next string, err error)

	// History gives an experiment's changes of state within [from, to), oldest
	// first, after the one that was in force at from; a zero to means all that
	// follow. None for a name that isn't known.
	History(ctx context.Context, experiment string, from, to time.Time) ([]health.StateChange, error)

	// AllHistory is History for every experiment that has any, sorted by name, in
	// one look at the store. Each slice is the caller's own. An error comes alone,
	// and is the end.
	AllHistory(ctx context.Context, from, to time.Time) iter.Seq2[[]health.StateChange, error]

	// Audit gives a page of what people did and what ended by itself, the latest
	// first, in the order in which it was committed. Limit and cursor are as for
	// FindEvents.
	Audit(ctx context.Context, limit int, cursor string) (page []health.Act, next string, err error)

	// Alive notes that the server is running at that moment. Call it at start, every
	// minute, and at the end. Calls that are far apart say that it stood still
	// between them.
	Alive(ctx context.Context, at time.Time) error

	// Watched gives the spans within [from, to) in which a server was running,
	// oldest first, not cut to the range. They may overlap. The one that is running
	// lasts until to, where that is no later than Alive is expected again.
	Watched(ctx context.Context, from, to time.Time) ([]Span, error)

	// PutDocument keeps a small named value of another part of the server, in place of
	// the one of the same kind and name. It is durable when nil is returned. A kind has
	// 1 to 64 bytes, a name 1 to 256, a value 1 to 32 MiB.
	PutDocument(ctx context.Context, kind, name string, value []byte) error

	// DropDocument drops a document, where there is one.
	DropDocument(ctx context.Context, kind, name string) error

	// Documents gives all documents of a kind by their names.
	Documents(ctx context.Context, kind string) (map[string][]byte, error)

	// Mails gives a page of the outbox, newest first and without the messages'
	// bytes. Limit and cursor are as for FindEvents.
	Mails(ctx context.Context, limit int, cursor string) (page []health.Mail, next string, err error)

	// Mail gives one mail whole; ErrUnknownMail where there is none.
	Mail(ctx context.Context, id string) (health.Mail, error)

	// DueMail gives mails with at least one recipient who is queued and may be
	// tried at now: whole, with all their recipients, oldest first.
	DueMail(ctx context.Context, now time.Time, limit int) ([]health.Mail, error)

	// NextMail gives the earliest moment at which a queued recipient may be
	// tried: the zero time for "at once", false when nobody is queued.
	NextMail(ctx context.Context) (time.Time, bool, error)

	// MarkMail records what became of a mail, for the recipients given and no
	// other. ErrUnknownMail where the mail or a recipient isn't kept; then nothing
	// is changed.
	MarkMail(ctx context.Context, id string, recipients []health.Recipient) error

	// MailCounts counts deliveries, one for each recipient of each mail kept.
	// The time is that of the oldest mail somebody is still queued for; zero
	// when nobody is.
	MailCounts(ctx context.Context) (queued, sent, failed int, oldestQueued time.Time, err error)

	// LastFailedMail gives the delivery that was given up last, of the mails kept: a
	// mail without its bytes and with that one recipient. False where there is none.
	LastFailedMail(ctx context.Context) (m health.Mail, found bool, err error)

	// Close gives everything back. A write under way is finished first. Later
	// calls of other methods return ErrClosed.
	Close() error
}

var (
	_ Store = (*SQLite)(nil)
	_ Store = (*Memory)(nil)
	_ Store = (*Late)(nil)
)

// Options says how much is kept. The zero value is ready to use.
type Options struct {
	EventsPerExperiment int                // default 100
	KeepMail            time.Duration      // default 90 days
	KeepForgotten       time.Duration      // events of forgotten experiments; default 365 days
	KeepHistory         time.Duration      // changes of state, and when a server was running; default 90 days
	Log                 logrus.FieldLogger // for what isn't anybody's call to fail; default: nowhere
}

const (
	day       = 24 * time.Hour
	keepAudit = 400 * day // a year, and time to look back at it
)

func (o Options) withDefaults() (Options, error) {
	if o.EventsPerExperiment < 0 || o.KeepMail < 0 || o.KeepForgotten < 0 || o.KeepHistory < 0 {
		return o, fmt.Errorf("open store: negative retention (%d events, mail for %v, forgotten for %v, history for %v): use 0 for the defaults",
			o.EventsPerExperiment, o.KeepMail, o.KeepForgotten, o.KeepHistory)
	}
	o.EventsPerExperiment = cmp.Or(o.EventsPerExperiment, 100)
	o.KeepMail = cmp.Or(o.KeepMail, 90*day)
	o.KeepForgotten = cmp.Or(o.KeepForgotten, 365*day)
	o.KeepHistory = cmp.Or(o.KeepHistory, 90*day)
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		o.Log = quiet
	}
	return o, nil
}

// pageSize is the number of rows to give where limit were asked for.
func pageSize(limit int) int {
	if limit < 1 {
		return 100
	}
	return min(limit, 1000)
}

// checkMail refuses what could be neither kept nor found again.
func checkMails(mails []*health.Mail) error {
	for _, m := range mails {
		if m.ID == "" {
			return errors.New("keep mail: it has no ID")
		}
		if err := checkRecipients(m.Recipients); err != nil {
			return err
		}
	}
	return nil
}

func checkRecipients(rs []health.Recipient) error {
	for _, r := range rs {
		switch r.Fate {
		case health.Queued, health.Sent, health.Failed:
		default:
			return fmt.Errorf("keep mail to %s: unknown fate %q", r.Address, r.Fate)
		}
	}
	return nil
}

// onceEach drops repeated addresses: nobody gets the same mail twice. The first
// one stands.
func onceEach(rs []health.Recipient) []health.Recipient {
	var out []health.Recipient
	seen := map[string]bool{}
	for _, r := range rs {
		if !seen[r.Address] {
			seen[r.Address] = true
			out = append(out, r)
		}
	}
	return out
}

// sweepEvery is how often commits drop what is too old.
const sweepEvery = time.Hour

// sweepDue says whether a commit at now should, when the last one that did was
// at last. A clock that was set back counts from where it is.
func sweepDue(last, now time.Time) bool {
	return last.IsZero() || now.Before(last) || now.Sub(last) >= sweepEvery
}
