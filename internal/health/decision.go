package health

import "time"

// Decision is what one check came to. Its fields are to be carried out in their
// order.
type Decision struct {
	At time.Time

	// Kept together, in one transaction, BEFORE anything below happens. Alert is
	// part of it: the mail it becomes is queued in that transaction and sent only
	// afterwards.
	Events    []Event       // to append to the experiments' histories
	Records   []Record      // experiments whose kept state changed, whole
	Forgotten []string      // experiments to drop, with their record
	System    *SystemRecord // the system's kept state, where it changed
	Alert     *Alert        // at most one mail per check
	Acts      []Act         // for the audit list: what people did, and what ended by itself
	History   []StateChange // to append to the histories of state

	// Refused is why the [Act] that this check began with could not be; empty: it
	// could, or there was none.
	Refused string

	// Changed is true where the Snapshot differs from the one before in more than
	// its time.
	Changed bool

	// Wishes are for book, to be passed on without waiting. A later wish for the
	// same resource overtakes an earlier one.
	Wishes []Wish

	// Notes are for the log: what a maintainer may want to know at three in the
	// morning and nobody is mailed about.
	Notes []Note
}

// NothingToKeep says that no transaction is needed.
func (d *Decision) NothingToKeep() bool {
	return len(d.Events) == 0 && len(d.Records) == 0 && len(d.Forgotten) == 0 && d.System == nil && d.Alert == nil &&
		len(d.Acts) == 0 && len(d.History) == 0
}

// Event is one change of an experiment's stream, tunnel or jump health. Events
// are values: nothing that happens later alters them.
type Event struct {
	Experiment string          `json:"experiment"`
	When       time.Time       `json:"when"`
	Healthy    bool            `json:"healthy"`
	JumpOK     bool            `json:"jump_ok"`
	StreamOK   map[string]bool `json:"stream_ok"`           // by topic; those known at that moment
	TunnelOK   map[string]bool `json:"tunnel_ok,omitempty"` // by name; those known at that moment
	Issues     []string        `json:"issues"`              // as Issue.String words them, sorted
}

// Want is what a wish asks of book.
type Want string

// What may be wished for a resource.
const (
	Open  Want = "open"  // can be booked
	Close Want = "close" // can't be booked
	Leave Want = "leave" // drop any earlier wish: not ours to change any more
)

// Wish is the availability the engine wants a resource to have.
type Wish struct {
	Resource string
	Want     Want
	// Reason is for students, e.g.
	// "status server: missing required pend00-st-video since 2026-11-20T22:10:05Z".
	Reason string
}

// OwnReason begins every reason that we give book, so that ours can be told from
// a person's.
const OwnReason = "status server:"

// Level is how loud a note is.
type Level string

// Levels of notes.
const (
	Info Level = "info"
	Warn Level = "warning"
)

// Note is one line for the log.
type Note struct {
	Level      Level
	Text       string
	Experiment string // where it is about one
	Source     Source // where it is about one
}
