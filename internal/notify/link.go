package notify

import (
	"io"
	"net"
	"time"
)

// maxFromServer is how many bytes a server may send in one talk. Answers are a
// few hundred bytes; only a broken or hostile server comes near.
const maxFromServer = 1 << 20

// link is the connection as the SMTP client sees it: bounded in time and size,
// heard by the transcript, and able to become encrypted underneath.
type link struct {
	net.Conn          // what bytes go through at the moment: raw, or TLS over it
	raw      net.Conn // for deadlines and for cutting
	stage    Stage
	patience time.Duration // of the present stage
	budget   time.Time     // end of the present attempt
	pretend  []byte        // to be read before anything from the server
	read     int
	last     byte  // read
	failed   error // of the latest read
	talk     *talk
}

// torn is why the latest line from the server is incomplete; nil when it is
// complete. The client takes what it has of a line for the whole of it, and
// half an answer must not count as one.
func (l *link) torn() error {
	if l.last == '\n' {
		return nil
	}
	return l.failed
}

// enter begins a stage: it may take d, and not longer than the attempt.
func (l *link) enter(stage Stage, d time.Duration) error {
	now := time.Now()
	l.stage, l.patience = stage, max(min(d, l.budget.Sub(now)), 0)
	return l.raw.SetDeadline(now.Add(l.patience))
}

// cut ends whatever the link is doing.
func (l *link) cut() {
	// What closing says is of no interest: everything that uses the link fails.
	_ = l.raw.Close()
}

// Close implements net.Conn. No TLS goodbye is sent: QUIT was said before, and a
// server that hangs must not hold us.
func (l *link) Close() error { return l.raw.Close() }

func (l *link) Read(p []byte) (int, error) {
	if len(l.pretend) > 0 {
		n := copy(p, l.pretend)
		l.pretend = l.pretend[n:]
		return n, nil
	}
	if l.read >= maxFromServer {
		return 0, errTooMuch
	}
	n, err := l.Conn.Read(p)
	l.read += n
	if l.failed = err; n > 0 {
		l.last = p[n-1]
	}
	l.talk.heard(p[:n])
	return n, err
}

func (l *link) Write(p []byte) (int, error) {
	l.talk.say(l.stage, p)
	return l.Conn.Write(p)
}

var _ io.ReadWriteCloser = (*link)(nil)
