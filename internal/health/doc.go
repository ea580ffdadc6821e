// Package health decides what is well in a remote laboratory.
//
// It is a pure state machine: facts with a time go in ([Input]), a [Decision]
// comes out, and the whole truth can be read at any moment as an immutable
// [Snapshot]. It opens no connection, reads no clock, starts no goroutine, takes
// no lock and logs nothing; the same inputs give the same decisions, whatever
// the order of records within a frame. The one caller of [Engine.Step] is the
// loop in internal/app; everybody else in the program only speaks its words.
//
// # Words
//
// An experiment is one piece of lab equipment, named by its topic stub, for
// instance pend00. The booking system offers it as one or more resources, for
// instance r-pend00. A stream is one relay topic of an experiment,
// pend00-st-video. A source is relay, jump or book; relay and jump push frames,
// each the complete list of their present connections.
//
// # The caller's duties
//
//  1. Give inputs in the order in which they became known, each with its time:
//     time.Now() as it is, with its monotonic reading, so that a clock that is set
//     changes nothing.
//  2. Give a [Tick] at least four times in the shortest configured window, so
//     that the engine notices time passing when every source is silent.
//  3. Carry out a Decision in the order of its fields: what is to be kept is
//     kept before anything is told or booked.
//  4. Bring back what book answered as [Availability] or [BookFailed]: a report
//     states what book said, never what was asked of it.
//
// # What people say
//
// An [Act] is an input as well: a silence, an acknowledgement, a hold, a [Window] of
// maintenance. Silence and maintenance keep mails about an experiment from people,
// never its events, and never the truth: what was last told is remembered, and what
// differs from it when they are over is told then. An acknowledgement ends reminders
// until what is wrong changes. Every act, and every end that comes by itself, is told
// once, in the next mail; it makes one if nothing else does.
//
// The behaviour is written down, rule by rule, in testdata.
package health
