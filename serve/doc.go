// Package serve answers readers and maintainers: the REST API that swagger.yaml
// promises, live events, badges and a feed, the probes, and the page for people.
//
// What it says comes from the immutable [health.Snapshot] that is current when a
// request arrives, and from what [Options] lets it ask. It never waits for the
// engine's loop to answer a reader, changes nothing but by [Options.Act] and its
// neighbours, and never calls relay, jump, book or the mail server itself.
// internal/app makes the one handler with [New] and its server with [NewServer],
// runs [Live.Run], which is the only goroutine besides those of requests, and hands
// each snapshot to [Live.Publish]; cmd/status makes tokens with [MintToken].
//
// Routing and the checking of parameters are generated (restapi, models), remade
// by scripts/generate.sh. A request passes, in this order: recovery, headers and
// limits (protect.go), routes (routes.go), the reader's token where one is asked
// for (auth.go), and then the API (api.go) and, where it changes something, the
// maintainer's token (admins.go), the probes or the page (pageroutes.go).
package serve
