package health

import "time"

// ActKind is what a person did.
type ActKind string

// The acts. Each is stored and shown; each but a test mail is told once.
const (
	ActAck               ActKind = "ack"       // somebody cares for it: no reminders until what is wrong with it changes
	ActUnack             ActKind = "unack"     // nobody does any more; by a person, or by itself when that has changed
	ActSilence           ActKind = "silence"   // events are kept and nothing is mailed, until a moment
	ActUnsilence         ActKind = "unsilence" // by a person, or by itself at that moment
	ActHold              ActKind = "hold"      // off booking, for a person's reason; book has done so already
	ActRelease           ActKind = "release"   // back on booking, as far as its streams allow
	ActSetMaintenance    ActKind = "set_maintenance"
	ActRemoveMaintenance ActKind = "remove_maintenance" // by a person, or by itself once no time of it is left to come
	ActTestMail          ActKind = "test_mail"
)

// Act is one thing that a person did, or that ended by itself. As an Input it has
// been checked: the experiment exists, texts are short, times lie ahead. What became
// of it stands in the [Decision]: it is in Acts where it has changed anything, and
// Refused says why where it could not. It is in neither where all was so already:
// what is done twice is done once.
type Act struct {
	At   time.Time `json:"at"`
	Kind ActKind   `json:"kind"`
	By   string    `json:"by"` // subject of the person's token; empty: it ended by itself
	// Experiment is empty for maintenance and test mails.
	Experiment string    `json:"experiment,omitempty"`
	Until      time.Time `json:"until,omitzero"`   // of a silence, also where that has ended
	Text       string    `json:"text,omitempty"`   // reason or note, as the person wrote it; of an end, that of what has ended
	Window     *Window   `json:"window,omitempty"` // of maintenance, whole; to remove one its ID is enough
}

// Silence is a time without mail about one experiment.
type Silence struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

// Ack says that somebody cares for what is wrong with one experiment.
type Ack struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Note string    `json:"note,omitempty"`
}

// Care is what people have said of one experiment, as far as it bears on what is
// told of it. Each is nil where there is none.
type Care struct {
	Silence     *Silence     `json:"silence,omitempty"`
	Ack         *Ack         `json:"ack,omitempty"`
	Maintenance *Maintenance `json:"maintenance,omitempty"`
}

// StateChange is one line of an experiment's history: it has been so since At, until
// its next one.
type StateChange struct {
	Experiment  string    `json:"experiment"`
	At          time.Time `json:"at"`
	State       State     `json:"state"` // empty: it is watched no more
	Maintenance bool      `json:"maintenance,omitempty"`
}

func (a Act) at() time.Time { return a.At }
