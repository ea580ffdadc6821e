// Package stats reads the stats feeds of relay and jump: the format of their
// messages ([Decoder]), the access call that hands out a feed's address
// ([Service]), and the subscriber that never gives up ([Subscriber]).
//
// It never writes on a feed, since whatever is written there reaches everybody
// who reads it; it never decides what is well; and it never shows a token or a
// feed's code. internal/relay and internal/jump set it up, each for its own
// service; internal/app runs the subscribers and takes their inputs.
package stats
