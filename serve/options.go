package serve

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

// ErrBadCursor is what Options.AllEvents returns, wrapped or not, for a cursor
// that it didn't give out. The reader is told so, with status 422.
var ErrBadCursor = errors.New("this cursor is not one that was given out")

// Options are what the API and the page are made of. All functions are called
// from many goroutines at once.
type Options struct {
	// Snapshot gives the current truth; nil while there is none. Required.
	Snapshot func() *health.Snapshot
	// Events gives the events kept of one experiment, in any order. An error is
	// logged and answered 503. Required.
	Events func(ctx context.Context, name string) ([]health.Event, error)
	// AllEvents gives at most limit events of all experiments that happened at
	// since or later, newest first, beginning at cursor, and the cursor of what
	// follows, empty where nothing does. ErrBadCursor is answered 422, any other
	// error 503. Required.
	AllEvents func(ctx context.Context, since time.Time, limit int, cursor string) (events []health.Event, next string, err error)
	// System tells how the server itself is doing. Required.
	System func() SystemInfo
	// Ready gives the reasons why the server can't do its work, in words for a
	// maintainer; none where it can. Required.
	Ready func() []string

	// ReadAuth checks the tokens of readers. Nil: reading is open to everybody.
	ReadAuth *Auth
	// Title heads the page; empty: "Laboratory status".
	Title string
	// Link is the page's address as people know it, shown at its foot; may be empty.
	Link string
	// Log gets faults of ours and refused tokens. Required.
	Log logrus.FieldLogger
}

// SystemInfo is how the server itself is doing. Its texts are shown to readers:
// they hold no secrets.
type SystemInfo struct {
	Version  string
	Started  time.Time
	Mail     MailInfo
	Store    StoreInfo
	Warnings []string // what the check of the settings had to say

	Connections []ConnectionInfo // of each place, sorted by name
	Timings     []TimingInfo     // sorted by name
}

// MailInfo is how the sending of mail is doing. It counts deliveries, one for each
// recipient of a mail, as far back as mails are kept.
type MailInfo struct {
	Enabled            bool
	Queued             int       // still to be made
	Sent               int       // made
	Failed             int       // given up
	LastErr            string    // the server's words, or why it wasn't reached; empty: the latest attempt went well
	UndeliverableSince time.Time // zero: mail goes out
}

// StoreInfo is how the store is doing.
type StoreInfo struct {
	Kind    string // "sqlite", "postgres" or "memory"
	OK      bool   // the latest write succeeded
	LastErr string
	Pending int // writes that wait for it
}

func (o *Options) validate() error {
	var faults []error
	missing := func(what string, isMissing bool) {
		if isMissing {
			faults = append(faults, errors.New("serve: Options."+what+" is required"))
		}
	}
	missing("Snapshot", o.Snapshot == nil)
	missing("Events", o.Events == nil)
	missing("AllEvents", o.AllEvents == nil)
	missing("System", o.System == nil)
	missing("Ready", o.Ready == nil)
	missing("Log", o.Log == nil)
	return errors.Join(faults...)
}

// noSnapshot stands in until there is a first one.
var noSnapshot = &health.Snapshot{}

func (o *Options) snapshot() *health.Snapshot {
	if s := o.Snapshot(); s != nil {
		return s
	}
	return noSnapshot
}
