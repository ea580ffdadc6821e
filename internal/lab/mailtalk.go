package lab

import (
	"bufio"

	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	mailIdle     = 5 * time.Minute
	mailLine     = 16 << 10 // longest line, commands and text alike
	dripInterval = time.Second
)

var errCut = errors.New("cut as ordered")

// mailTalk is one client's connection as it is seen from outside. It reads
// each command, commits the faults ordered for that stage, passes everything
// else to the server proper and its answers back. TLS ends here, so a fault
// can be had at any stage of an encrypted talk too.
type mailTalk struct {
	lab    *Lab
	opt    MailOptions
	ctx    context.Context // ends with the lab
	conn   net.Conn        // as accepted: what is cut
	inside *pipeListener

	outer     net.Conn // conn, or TLS over it
	in        *bufio.Reader
	server    net.Conn
	replies   *bufio.Reader
	encrypted bool
	opened    time.Time
	to        []string // recipients accepted in this transaction
	message   *ReceivedMail
	answered  int // number of the mail whose answer was the last thing said; 0: it was something else
}

func (t *mailTalk) mayAuth() bool {
	return t.encrypted || t.opt.TLS == TLSNone || t.opt.AuthBeforeTLS
}

// serve talks until one side ends it.
func (t *mailTalk) serve() (err error) {
	t.outer, t.in, t.opened = t.conn, bufio.NewReaderSize(t.conn, mailLine), time.Now()
	defer func() {
		if t.server != nil {
			err = errors.Join(err, t.server.Close())
		}
		c := t.conn
		if errors.Is(err, io.EOF) {
			c = t.outer // the talk ended in order, and so does TLS
		}
		if e := c.Close(); e != nil && !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}()
	if _, _, err := t.fault(StageAccept); err != nil {
		return err
	}
	if t.opt.TLS == TLSImplicit {
		if _, _, err := t.fault(StageTLS); err != nil {
			return err
		}
		if err := t.encrypt(); err != nil {
			return err
		}
	}
	banner, err := t.connect()
	if err != nil {
		return err
	}
	if done, err := t.reply(StageBanner, banner); err != nil || done {
		return err
	}
	for {
		line, err := t.readLine()
		if err != nil {
			return err
		}
		if t.answered > 0 {
			spoke := time.Now()
			t.lab.amend(t.answered, func(m *ReceivedMail) { m.Spoke = spoke })
			t.answered = 0
		}
		if err := t.command(line); err != nil {
			return err
		}
	}
}

// connect opens a session with the server proper and returns its banner.
func (t *mailTalk) connect() (string, error) {
	if t.server != nil {
		if err := t.server.Close(); err != nil {
			return "", err
		}
	}
	server, err := t.inside.dial(t)
	if err != nil {
		return "", err
	}
	t.server, t.replies, t.to = server, bufio.NewReader(server), nil
	return t.answer()
}

func (t *mailTalk) encrypt() error {
	t.lab.mu.Lock()
	cert := t.lab.mail.cert
	t.lab.mu.Unlock()
	c, err := handshake(t.ctx, t.conn, cert)
	if err != nil {
		return err
	}
	t.outer, t.in, t.encrypted = c, bufio.NewReaderSize(c, mailLine), true
	return nil
}

// readLine reads one line of the client, its end included.
func (t *mailTalk) readLine() (string, error) {
	if err := t.outer.SetReadDeadline(time.Now().Add(mailIdle)); err != nil {
		return "", err
	}
	line, err := t.in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return string(line), nil
}

// answer reads one reply of the server proper, all its lines.
func (t *mailTalk) answer() (string, error) {
	var all strings.Builder
	for {
		line, err := t.replies.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			return all.String(), err
		}
		if len(line) < 4 || line[3] != '-' {
			return all.String(), nil
		}
	}
}

// pass hands a line to the server proper and returns its reply.
func (t *mailTalk) pass(line string) (string, error) {
	if _, err := io.WriteString(t.server, line); err != nil {
		return "", err
	}
	return t.answer()
}

// fault commits the fault ordered for a stage and these recipients. A reply
// instead is returned and left to the caller, as is the wish to have the true
// answer dripped.
func (t *mailTalk) fault(stage Stage, recipients ...string) (instead string, drip bool, err error) {
	f, ok := t.lab.takeFault(stage, recipients)
	if !ok {
		return "", false, nil
	}
	return t.commit(f)
}

func (t *mailTalk) commit(f MailFault) (instead string, drip bool, err error) {
	switch f.Action {
	case ActHang:
		return "", false, t.hang()
	case ActCut:
		return "", false, errCut
	case ActReply:
		return f.reply(), false, nil
	}
	return "", true, nil
}

func (f MailFault) reply() string { return fmt.Sprintf("%d %s\r\n", f.Code, f.Text) }

// arrived takes the message from the server proper.
func (t *mailTalk) arrived(m *ReceivedMail) { t.message = m }

// hang waits until the client or the lab closes the connection.
func (t *mailTalk) hang() error {
	t.lab.mu.Lock()
	t.lab.mail.talks[t] = struct{}{}
	t.lab.mu.Unlock()
	defer func() {
		t.lab.mu.Lock()
		defer t.lab.mu.Unlock()
		delete(t.lab.mail.talks, t)
	}()
	if err := t.conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, t.conn)
	return errors.Join(errCut, err)
}

// write sends a reply after the latency ordered, all at once or by drips.
func (t *mailTalk) write(text string, drip bool) error {
	if err := t.delay(); err != nil {
		return err
	}
	return t.say(text, drip)
}

// delay is the latency ordered.
func (t *mailTalk) delay() error {
	t.lab.mu.Lock()
	latency := t.lab.services[Mail].latency
	t.lab.mu.Unlock()
	return t.pause(latency)
}

func (t *mailTalk) say(text string, drip bool) error {
	if !drip {
		_, err := io.WriteString(t.outer, text)
		return err
	}
	for i := range len(text) {
		if _, err := io.WriteString(t.outer, text[i:i+1]); err != nil {
			return err
		}
		if err := t.pause(dripInterval); err != nil {
			return err
		}
	}
	return nil
}

func (t *mailTalk) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	select {
	case <-t.ctx.Done():
		return t.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// reply gives the answer to a stage, or what was ordered in its place; done
// says the talk is over, as it is after a banner that is no welcome.
func (t *mailTalk) reply(stage Stage, text string) (done bool, err error) {
	instead, drip, err := t.fault(stage)
	if err != nil {
		return true, err
	}
	if instead != "" {
		text = instead
	}
	return stage == StageBanner && !strings.HasPrefix(text, "220"), t.write(text, drip)
}
