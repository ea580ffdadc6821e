// Package serve answers readers: the REST API that swagger.yaml promises, the
// probes, and the status page for people.
//
// Everything it says comes from the immutable [health.Snapshot] that is current
// when a request arrives, and from what [Options] lets it ask. It never waits for
// the engine's loop, never changes anything, never calls relay, jump, book or the
// mail server, and starts no goroutine. internal/app makes the one handler with
// [New] and its server with [NewServer]; cmd/status makes tokens with [MintToken].
//
// Routing and the checking of parameters are generated (restapi, models), remade
// by scripts/generate.sh. A request passes, in this order: recovery, headers and
// limits (protect.go), routes (routes.go), the reader's token where one is asked
// for (auth.go), and then the API (api.go), the probes or the page (page.go).
package serve
