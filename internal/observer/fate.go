package observer

import "time"

// Fate is how the telling of one observer goes.
type Fate struct {
	Observer Observer // with its defaults; its token prints as ***
	Fixed    bool     // from the file of STATUS_OBSERVERS: not to be changed by the API

	LastTry      time.Time // zero: none in this run
	LastOK       time.Time // also of an earlier run; zero: never
	FailingSince time.Time // zero: the latest report was acknowledged, or there was none
	LastError    string    // of the latest failure in this run, in words, without secrets
	LastErrorAt  time.Time

	Pending       int       // events that wait to be acknowledged
	OldestPending time.Time // zero: none

	// Since the start.
	Reports  uint64 // acknowledged
	Failures uint64 // attempts that weren't
	Events   uint64 // in acknowledged reports
	Dropped  uint64 // events that nobody will be told of: too many, too old and overtaken, or spoiled in the store

	KeepError string // why what is pending can't be kept; empty: it can
}
