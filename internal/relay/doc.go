// Package relay subscribes to a relay's stats feed, which lists who is connected
// to the experiments' video and data streams.
//
// It knows relay's address, token and words of refusal, and leaves everything
// else to internal/stats. It never writes on the feed, and never tells which
// connections matter: that is for internal/health. internal/app calls it.
package relay
