// Package jump subscribes to a jump service's stats feed, which lists the hosts
// that can be reached by ssh: one for each experiment that is up.
//
// It knows jump's address, token and words of refusal, and leaves everything else
// to internal/stats. It never writes on the feed, and never tells which
// connections matter: that is for internal/health. internal/app calls it.
package jump
