package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

// Store is what both stores do. Every method may be called from any goroutine. A
// write heeds its context until it begins, and is then finished.
type Store interface {
	// Commit keeps everything in c, or nothing. An error means that nothing may be
	// taken as kept; the same commit can be tried again. A mail whose ID is kept
	// already is left as it is.
	Commit(ctx context.Context, c Commit) error

	// Kept reads back the state, records sorted by name. A row that can't be
	// read is left out and described in warnings: its experiment starts afresh.
	Kept(ctx context.Context) (kept health.Kept, warnings []error, err error)

	// Events gives an experiment's history in the order in which it was
	// committed, oldest first; none for a name that isn't known.
	Events(ctx context.Context, experiment string) ([]health.Event, error)

	// AllEvents gives a page of all histories, newest first, none before since.
	// Start with an empty cursor and go on with next until that is empty.
	// A limit below 1 means 100, one above 1000 means 1000.
	AllEvents(ctx context.Context, since time.Time, limit int, cursor string) (page []StoredEvent, next string, err error)

	// Mails gives a page of the outbox, newest first and without the messages'
	// bytes. Limit and cursor are as for AllEvents.
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

	// Ping finds out whether the store can be written, by writing. With a file
	// that costs one sync of the disk: ask now and then, not for each reader.
	Ping(ctx context.Context) error

	// Size is what the store takes up, in bytes.
	Size() (int64, error)

	// Close gives everything back. A write under way is finished first. Later
	// calls of other methods return ErrClosed.
	Close() error
}

var (
	_ Store = (*SQLite)(nil)
	_ Store = (*Memory)(nil)
)

// Commit is what is kept together. Its fields are carried out in their order: a
// name in both Records and Forgotten is forgotten.
type Commit struct {
	At        time.Time // of the check; also what retention goes by
	Events    []health.Event
	Records   []health.Record // each replaces what was kept under its name
	Forgotten []string        // experiments whose record is dropped
	System    *health.SystemRecord
	Mails     []*health.Mail // to be sent, oldest first
}

func (c *Commit) empty() bool {
	return len(c.Events) == 0 && len(c.Records) == 0 && len(c.Forgotten) == 0 && c.System == nil && len(c.Mails) == 0
}

// StoredEvent is an event with its number in the store, which grows with each
// event committed and is never used again.
type StoredEvent struct {
	ID int64
	health.Event
}

// Options says how much is kept. The zero value is ready to use.
type Options struct {
	EventsPerExperiment int                // default 100
	KeepMail            time.Duration      // default 90 days
	KeepForgotten       time.Duration      // events of forgotten experiments; default 365 days
	Log                 logrus.FieldLogger // for what isn't anybody's call to fail; default: nowhere
}

const day = 24 * time.Hour

func (o Options) withDefaults() (Options, error) {
	if o.EventsPerExperiment < 0 || o.KeepMail < 0 || o.KeepForgotten < 0 {
		return o, fmt.Errorf("open store: negative retention (%d events, mail for %v, forgotten for %v): use 0 for the defaults",
			o.EventsPerExperiment, o.KeepMail, o.KeepForgotten)
	}
	o.EventsPerExperiment = cmp.Or(o.EventsPerExperiment, 100)
	o.KeepMail = cmp.Or(o.KeepMail, 90*day)
	o.KeepForgotten = cmp.Or(o.KeepForgotten, 365*day)
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
