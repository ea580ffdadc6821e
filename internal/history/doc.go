// Package history tells how long an experiment was in which state. It turns changes
// of state, and the times in which a server was running to see them, into
// intervals without gaps, their sums, and the uptime: the part of the known time
// in which the experiment was healthy.
//
// It is pure: it reads no clock, opens nothing, keeps nothing and never changes
// what it is given. Internal/app calls it with what internal/store kept, and
// internal/serve shows what comes out.
//
// # What counts
//
// Every moment of a range belongs to one of five: healthy, unhealthy (flapping
// too), unknown (starting too), maintenance (in whatever state), and unwatched,
// when no server was running, or none knew the experiment. Uptime is the healthy
// part of the first two; the other three say nothing of the experiment, and are
// told beside it.
//
// # What it makes of odd input
//
// Changes count by their moments, in whatever order they are given; of two of the
// same moment the later one given counts. Watched spans may overlap, touch and be
// in any order; one that ends before it begins is none. What lies outside of the
// range is cut off, the future is unwatched as long as no span covers it, and a
// range that ends before it begins is empty. A state that isn't known here, of a
// newer version for instance, is unknown.
package history
