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
// A tunnel is a service elsewhere, or a client of one, through which an experiment is
// reached: its source, say leeds, reports of its service, say tunnel-pend00. Its name
// is leeds/tunnel-pend00, with the client as a third part where there is one. It is
// running, ready, failed or closed, as it says itself, and it says so only once; that
// it is silent means nothing. The engine takes it for ok, for unhealthy where it fails,
// for missing where it is closed and not ready again in time, or for unknown where it
// has not said. A tunnel makes no experiment and keeps none watched: its reports wait
// for their experiment. An experiment that can't be used without a tunnel requires it,
// as it does streams; any other tunnel is one of its accesses, as jump is.
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
//  4. Give reports of tunnels as they come ([Tunnels]), those that an earlier run heard
//     right after the start, and leave out of what was kept the tunnels that are tied to
//     another experiment by now.
//  5. Bring back what book answered as [Availability] or [BookFailed]: a report
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
