// Package observer speaks the observer protocol of GOST, both ways.
//
// Out, we are observed: a [Reporter] tells any number of observers, over HTTP or
// gRPC, how our services are and what they have carried, again and again until
// each has answered ok. internal/app tells it of changes with [Reporter.Tell], and
// hands in a function that reads the totals.
//
// In, we observe: a [Receiver] takes the same reports from GOSTs whose tunnels
// carry a laboratory's experiments, at [Receiver.Handler] and [Receiver.Server],
// and gives them to internal/app as plain values ([Heard]). A [Map] ties what is
// reported to experiments.
//
// The package never decides what is well: states come out as they came in, each
// with its time, and whether a tunnel that flaps is a fault is the engine's
// call. It opens no listener, never asks a GOST anything, and never takes silence
// for an outage, since a GOST that carries nothing says nothing.
//
// # What the protocol can't tell
//
// Reports carry no time, no number and no sender. A report whose answer was lost
// comes again, just as it was; one that was stuck on its way comes after newer
// ones. The two halves therefore put a key beside each report (see reportKey) by which they
// recognise such a one; from a GOST, which has none, a [Receiver] recognises it by
// its figures as far as these show it. Totals heal by themselves, increments don't:
// whoever can choose, chooses totals.
package observer
