package lab

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Stage is a point in the talk with the mail server.
type Stage string

// The stages in their order. StageTLS is the STARTTLS command, or the
// handshake where TLS is implicit.
const (
	StageAccept Stage = "accept"
	StageBanner Stage = "banner"
	StageEHLO   Stage = "ehlo"
	StageTLS    Stage = "starttls"
	StageAuth   Stage = "auth"
	StageMail   Stage = "mail"
	StageRcpt   Stage = "rcpt"
	StageData   Stage = "data"
	StageDot    Stage = "dot"
	StageQuit   Stage = "quit"
)

var stages = []Stage{StageAccept, StageBanner, StageEHLO, StageTLS, StageAuth, StageMail, StageRcpt, StageData, StageDot, StageQuit}

// Action is what the mail server does at a stage.
type Action string

const (
	// ActHang says nothing more, for ever; the connection stays open.
	ActHang Action = "hang"
	// ActCut closes the connection without a word.
	ActCut Action = "cut"
	// ActReply gives another answer, without doing what was asked. At the
	// final dot the message has been taken all the same.
	ActReply Action = "reply"
	// ActDrip gives the right answer, one byte a second.
	ActDrip Action = "drip"
)

var actions = []Action{ActHang, ActCut, ActReply, ActDrip}

// MailFault is one order to the mail server.
type MailFault struct {
	Stage  Stage
	Action Action
	// Code and Text are the answer of ActReply, such as 451 and
	// "4.7.1 Greylisted, try again later".
	Code int
	Text string
	// Recipient restricts the fault: at the rcpt stage to this recipient, at
	// later stages to transactions that have it. It may be a pattern such as
	// "*@lab.example"; empty for all.
	Recipient string
	// Times it happens before the server is well again; 0 until MailWell.
	Times int
}

func (f MailFault) check() error {
	switch {
	case !slices.Contains(stages, f.Stage):
		return fmt.Errorf("order a mail fault: stage %q: use one of %s", f.Stage, list(stages))
	case !slices.Contains(actions, f.Action):
		return fmt.Errorf("order a mail fault: action %q: use one of %s", f.Action, list(actions))
	case f.Action == ActReply && (f.Code < 200 || f.Code > 599):
		return fmt.Errorf("order a mail fault: code %d: use 200 to 599", f.Code)
	case (f.Action == ActReply || f.Action == ActDrip) && f.Stage == StageAccept:
		return fmt.Errorf("order a mail fault: %s at accept: nothing is said there, use banner", f.Action)
	case f.Times < 0:
		return fmt.Errorf("order a mail fault: %d times: use 0 for ever, or a count", f.Times)
	case strings.ContainsAny(f.Text, "\r\n"):
		return fmt.Errorf("order a mail fault: the text must be one line")
	}
	if _, err := path.Match(f.Recipient, ""); err != nil {
		return fmt.Errorf("order a mail fault: recipient pattern %q: %w", f.Recipient, err)
	}
	return nil
}

func list[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, w := range all {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}

// FaultMail adds a fault. Faults of one stage happen in the order in which
// they were given: the first that fits is taken, and used up.
func (l *Lab) FaultMail(f MailFault) error {
	if err := f.check(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mail.opt.TLS == TLSImplicit && f.Stage == StageTLS && f.Action != ActHang && f.Action != ActCut {
		return fmt.Errorf("order a mail fault: %s at starttls: TLS is implicit here, use hang or cut", f.Action)
	}
	l.mail.faults = append(l.mail.faults, f)
	return nil
}

// MailWell ends every mail fault, and shows the good certificate again; connections
// that hang are cut.
func (l *Lab) MailWell() error {
	l.mu.Lock()
	l.mail.faults, l.mail.cert = nil, l.cert
	l.mu.Unlock()
	l.releaseMail()
	return l.Service(Mail).Start()
}

// releaseMail cuts the talks that hang: their clients have no use for them.
func (l *Lab) releaseMail() {
	l.mu.Lock()
	var hung []*mailTalk
	for t := range l.mail.talks {
		hung = append(hung, t)
	}
	l.mu.Unlock()
	for _, t := range hung {
		if err := t.conn.Close(); err != nil {
			l.log.WithField("service", Mail).WithError(err).Debug("cutting a hung connection")
		}
	}
}

// takeFault finds the fault for a stage, of the service as a whole or one
// that was ordered, and counts it.
func (l *Lab) takeFault(stage Stage, recipients []string) (MailFault, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s := l.services[Mail]; {
	case s.mode == modeHang:
		return MailFault{Stage: stage, Action: ActHang}, true
	case s.mode == modeFail && stage == StageBanner:
		return MailFault{Stage: stage, Action: ActReply, Code: s.code, Text: "Service not available"}, true
	}
	for i := range l.mail.faults {
		f := l.mail.faults[i]
		if f.Stage != stage || !f.fits(recipients) {
			continue
		}
		if f.Times > 0 {
			if l.mail.faults[i].Times--; f.Times == 1 {
				l.mail.faults = slices.Delete(l.mail.faults, i, i+1)
			}
		}
		return f, true
	}
	return MailFault{}, false
}

func (f MailFault) fits(recipients []string) bool {
	if f.Recipient == "" {
		return true
	}
	return slices.ContainsFunc(recipients, func(r string) bool {
		ok, err := path.Match(strings.ToLower(f.Recipient), strings.ToLower(r))
		return ok && err == nil // the pattern was checked when ordered
	})
}
