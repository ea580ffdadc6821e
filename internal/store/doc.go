// Package store keeps what must outlive the server: each experiment's state, the
// events, the histories of state, what people did, the mails to send, and small
// documents of other parts, in an SQLite file or, for trials, in memory.
//
// One [Commit] is one transaction: all that a check came to is kept together or not at
// all, and once it has returned it survives a crash of the server and the loss of
// power. Internal/app commits before anything is told or booked; internal/notify reads
// the outbox and marks what became of each mail; internal/serve reads events,
// histories and mails for people.
//
// The package never decides what is worth keeping, renders nothing and sends nothing.
// It starts no goroutine, but for a [Late] store while it tries its file. All stores
// hand out values of their own: changing what was given or received changes nothing
// that is kept.
//
// # The file
//
// One server writes one file: a lock on a file beside it (status.db.lock), which
// the system drops even when the server is killed, keeps a second one out. SQLite runs with
// a write-ahead log, so that readers never wait for the writer, and with
// synchronous=FULL: with the weaker setting that is usual beside such a log, a
// loss of power may take back the latest transactions, and a mail that was sent
// would be sent again. Only complete transactions are ever seen after a crash.
//
// # What happens to the file while the server runs
//
// Before each write the store looks whether the file at its path is still the
// one it has open. A deleted file is written anew from what is still open, so that
// nothing is lost; a replaced one, for instance by a restored backup, is
// opened in place of the old one. After an error of the disk the file is
// opened again at the next write. While that isn't possible, every write returns
// an error that says what to do ([ErrGone], [ErrFull], [ErrReadOnly],
// [ErrLocked], [ErrCorrupt], [ErrDisk]) and reads give what they can.
//
// Each transaction leaves a number in the file, drawn anew, and finds the one of the
// transaction before it: an older copy that was restored into the same file, as
// sqlite3 does, is told by it. A backup that was copied over the file is told by the
// file's having changed, and by its being damaged then together with a log that
// isn't its own: it is taken without that log. As long as the log still has all that
// came since the backup, such a copy changes nothing, and restores nothing.
//
// Whichever way other contents came, the store goes on with them, says so in the log,
// and returns [ErrReplaced] from each commit until it is given a whole one. What only
// the old contents had is lost then, events since the backup for instance; mails
// that the backup has in its outbox are sent again, and its documents stand until they
// are put or dropped again. A restart before the whole commit begins from the backup.
//
// # What is kept how long
//
// Of each experiment the newest events, as many as [Options] says. A forgotten
// experiment leaves its events readable for [Options.KeepForgotten]. A mail that
// nobody waits for any more is dropped [Options.KeepMail] after its check, and a change
// of state [Options.KeepHistory] after the next one: what still holds is kept, however
// old it is. What people did is kept for 400 days, and a document until somebody drops
// it. The space of what was dropped is
// given back to the file system bit by bit. All this is done along with commits: what
// is never written needs no tidying.
package store
