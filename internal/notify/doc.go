// Package notify tells people what health decided: it renders an alert into one
// mail, keeps trying to deliver what the outbox holds, and speaks SMTP.
//
// Three parts, each usable without the others:
//
//   - [Renderer] turns a [health.Alert] into the bytes of a message, once. The
//     same arguments give the same bytes.
//   - [SMTP] offers a message to a mail server for each recipient on its own and
//     says what became of it. However the server hangs, one attempt is bounded.
//   - [Outbox] takes what is due from a store, oldest first, and marks what
//     became of it, until each recipient is served, refused or given up.
//
// It never decides whether something is worth a mail: grouping, flapping and
// silences are the engine's. It never changes a message that was rendered, and
// no password leaves it other than to the mail server.
//
// internal/app renders with it inside the store's transaction and runs the
// outbox; `status mail-test` uses [SMTP.Talk].
package notify
