package health

import "time"

// Mail is one message to people: rendered once and kept as its bytes, so that
// every attempt to send it is the same, before and after a restart. internal/notify
// renders and sends it, internal/store keeps it.
type Mail struct {
	ID         string    // Message-ID without its angle brackets; unique
	At         time.Time // of the check it tells about
	From       string    // envelope sender, bare address
	Subject    string    // decoded, for people
	Raw        []byte    // the whole message as sent, CRLF line ends
	Recipients []Recipient
}

// Fate is what became of a mail for one recipient.
type Fate string

// Fates. Queued is the only one that is tried again.
const (
	Queued Fate = "queued"
	Sent   Fate = "sent"   // the server's final 250 was seen
	Failed Fate = "failed" // refused for good, or given up after the retry period
)

// Recipient is one addressee of a mail, sent to and retried on its own.
type Recipient struct {
	Address  string
	Fate     Fate
	Attempts int
	Next     time.Time // not before this moment is it tried again; zero: at once
	Done     time.Time // when Fate became Sent or Failed
	LastErr  string    // the server's words, or why it wasn't reached
}
