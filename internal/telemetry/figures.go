package telemetry

import (
	"time"

	"labstatus/internal/health"
)

// Sources are where [Metrics] reads what the parts know. Each is called at every
// scrape, from any goroutine, and has to answer at once. What is nil is left out.
type Sources struct {
	Snapshot func() *health.Snapshot
	// SnapshotBytes is how large the snapshot is as readers get it; 0: nobody has
	// asked for it yet.
	SnapshotBytes func() int
	Turned        func() time.Time // the loop last did; zero: not yet
	Feeds         func() []FeedFigures
	Book          func() BookFigures
	Mail          func() MailFigures
	Store         func() StoreFigures
	Observers     func() []ObserverFigures
	Observed      func() ObservedFigures
}

// FeedFigures are the counts of one source's subscription since the start, as
// internal/stats keeps them.
type FeedFigures struct {
	Source                        health.Source
	Messages, Bytes, Frames       uint64
	Null, Objects, Others         uint64 // values that are no frames
	Rubbish                       uint64 // what is no JSON
	Connects, Failed, Breaks      uint64
	Renewals, Unheard, Reconnects uint64
}

// BookFigures are the counts of book's client.
type BookFigures struct {
	Calls, Failures            uint64
	Pending, Waiting, InFlight int // wishes; of these, waiting for another attempt; calls under way
}

// MailFigures are how the outbox is.
type MailFigures struct {
	Enabled              bool
	Queued, Sent, Failed int // as the store still knows them
	OldestQueued         time.Time
	LastSent             time.Time
	UndeliverableSince   time.Time
}

// StoreFigures are how the keeping of decisions goes.
type StoreFigures struct {
	FailingSince time.Time // zero: it works
	Pending      int       // events and mails that wait to be kept
	Dropped      uint64    // that could not wait any longer
}
