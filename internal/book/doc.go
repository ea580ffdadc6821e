// Package book speaks to the booking system: it reads which resources there are
// and whether they can be booked, and it opens and closes them as the engine
// wishes.
//
// [Client] makes single calls, each within its timeout. [Keeper] is what the
// program runs: it asks for the manifest now and then, reads every listed
// resource, carries out wishes with a few workers, and tries again what failed.
// [Check] is for "status config --check". internal/app owns the one Keeper and
// passes what it posts on to the engine; cmd/status calls Check.
//
// The package never decides what should be open: it brings health's wishes to
// book and book's answers to health. What it posts is what book said last, never
// what book was asked for. It never opens what a person holds closed, unless it
// was told to ([KeeperOptions].Override). It keeps nothing on disk, and no secret
// or token is in any error, log line or status it gives.
package book
