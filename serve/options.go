package serve

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

// ErrBadCursor is what Options.FindEvents, Audit and Mails return, wrapped or not,
// for a cursor that they didn't give out. The reader is told so, with status 422.
var ErrBadCursor = errors.New("this cursor is not one that was given out")

// Options are what the API and the page are made of. All functions are called
// from many goroutines at once.
type Options struct {
	// Snapshot gives the current truth; nil while there is none. Required.
	Snapshot func() *health.Snapshot
	// Events gives the events kept of one experiment, in any order. An error is
	// logged and answered 503. Required.
	Events func(ctx context.Context, name string) ([]health.Event, error)
	// FindEvents gives events of all experiments, newest first, as the query asks
	// for, and the cursor of what follows, empty where nothing does. ErrBadCursor is
	// answered 422, any other error is logged and answered 503. Required.
	FindEvents func(ctx context.Context, q EventQuery) (events []health.Event, next string, err error)
	// History tells how an experiment was between two moments, of which the first
	// lies before the second and the second not in the future. One that was never
	// known was unwatched all along. An error is answered 503. Required.
	History func(ctx context.Context, name string, from, to time.Time) (History, error)
	// Uptime is the part of the last 24 hours in which an experiment was well, as
	// History has it, and whether anything is known of it. It is asked for every
	// report that is given out, so it must be cheap. Required.
	Uptime func(name string) (fraction float64, known bool)
	// Audit gives at most limit acts, newest first, beginning at cursor, and the
	// cursor of what follows. Errors are as those of FindEvents. Required.
	Audit func(ctx context.Context, limit int, cursor string) (acts []health.Act, next string, err error)
	// Mails gives at most limit mails, newest first, beginning at cursor, and the
	// cursor of what follows; their Raw is not needed. Errors are as those of
	// FindEvents. Required.
	Mails func(ctx context.Context, limit int, cursor string) (mails []health.Mail, next string, err error)
	// Mail gives one mail whole. ErrUnknownMail is answered 404, any other error
	// 503. Required.
	Mail func(ctx context.Context, id string) (health.Mail, error)

	// Act has the engine take in what a person did, and returns when it is part of
	// the snapshot. The act has been checked as its type promises. An *ActError is
	// answered as it says, any other error is logged and answered 503. Required.
	Act func(ctx context.Context, a health.Act) error
	// Hold has book take resources of an experiment off booking, or with an empty
	// reason put them back, and returns when that, and the act that says so, are
	// part of the snapshot. The resources are the experiment's; there is at least
	// one. Errors are as those of Act; what book said is an *ActError with status
	// 502. Required.
	Hold func(ctx context.Context, name string, resources []string, by, reason string) error
	// TestMail queues a mail that says only that mail works, has the act that says
	// so taken in, and gives the mail's id and number of recipients. Errors are as
	// those of Act; mail that is off is an *ActError with status 409 that names the
	// settings that are missing. Required.
	TestMail func(ctx context.Context, by string) (id string, recipients int, err error)
	// Observers gives who is told how we are, sorted by name. AddObserver, ChangeObserver
	// and RemoveObserver return when that is kept, and part of what Observers gives.
	// The observer has not been checked but for characters that can't be seen; errors
	// are as those of Act: 404 unknown, 409 exists, set in the file or too many, 422
	// with the field. Either all four are set, or none: nobody is told.
	Observers      func() []ObserverInfo
	AddObserver    func(ctx context.Context, by string, o ObserverSpec) error
	ChangeObserver func(ctx context.Context, by, name string, o ObserverSpec) error
	RemoveObserver func(ctx context.Context, by, name string) error
	// Observed gives what is reported to us, sorted by source, service and client; at
	// most once a second. What it gives is not changed afterwards. Nil: nothing is
	// reported.
	Observed func() []ObservedInfo
	// ObserverIn tells what was done with the reports that came; nil, or giving nil:
	// they are not listened to.
	ObserverIn func() *ObserverInInfo
	// Live tells readers what changes. Required.
	Live *Live

	// System tells how the server itself is doing. Required.
	System func() SystemInfo
	// Ready gives the reasons why the server can't do its work, in words for a
	// maintainer; none where it can. Required.
	Ready func() []string

	// Listed hears how many bytes the list of all experiments has, each time it is
	// made for readers. Nil: nobody wants to know.
	Listed func(bytes int)

	// ReadAuth checks the tokens of readers. Nil: reading is open to everybody.
	ReadAuth *Auth
	// AdminAuth checks the tokens of those who change something. Nil: nothing can
	// be changed.
	AdminAuth *Auth
	// Title heads the page; empty: "Laboratory status".
	Title string
	// Link is the page's address as people know it, shown at its foot; may be empty.
	Link string
	// Log gets faults of ours and refused tokens. Required.
	Log logrus.FieldLogger

	observed *observed // as Observed gave it last
}

// SystemInfo is how the server itself is doing. Its texts are shown to readers:
// they hold no secrets.
type SystemInfo struct {
	Version  string
	Started  time.Time
	Mail     MailInfo
	Store    StoreInfo
	Warnings []string // what the check of the settings had to say

	Settings []SettingInfo // in force, secrets masked; shown only to who may change something

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
	LastFailure        *MailFailure
}

// MailFailure is the latest delivery that was given up.
type MailFailure struct {
	At      time.Time
	Subject string // of the mail; may be empty
	Address string // of the recipient, whole: readers get it masked
	Err     string // the server's words, or why it wasn't reached
}

// SettingInfo is one setting in force.
type SettingInfo struct {
	Name, Value, Source string // STATUS_HEALTH_STARTUP, 1m, default
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
	missing("FindEvents", o.FindEvents == nil)
	missing("History", o.History == nil)
	missing("Uptime", o.Uptime == nil)
	missing("Audit", o.Audit == nil)
	missing("Mails", o.Mails == nil)
	missing("Mail", o.Mail == nil)
	missing("Act", o.Act == nil)
	missing("Hold", o.Hold == nil)
	missing("TestMail", o.TestMail == nil)
	tells := o.Observers != nil || o.AddObserver != nil || o.ChangeObserver != nil || o.RemoveObserver != nil
	missing("Observers", tells && o.Observers == nil)
	missing("AddObserver", tells && o.AddObserver == nil)
	missing("ChangeObserver", tells && o.ChangeObserver == nil)
	missing("RemoveObserver", tells && o.RemoveObserver == nil)
	missing("Live", o.Live == nil)
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
