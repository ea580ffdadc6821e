package notify

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strings"

	"labstatus/internal/health"
)

// transaction is one mail transaction (RFC 5321, 3.3): MAIL, a RCPT for each
// recipient, and DATA for those that were accepted. What the server has given
// its final word on is settled; the rest is to be tried again.
type transaction struct {
	*session
	mail    health.Mail
	results []Result
	settled []bool
}

func (t *session) transact(ctx context.Context, m health.Mail, to []string) ([]Result, error) {
	x := &transaction{session: t, mail: m, results: all(to, Retry, "not tried"), settled: make([]bool, len(to))}
	if err := x.run(); err != nil {
		err = t.fail(ctx, err)
		x.settle(Retry, err.Error())
		return x.results, err
	}
	return x.results, nil
}

// settle gives all that isn't settled the same outcome.
func (x *transaction) settle(o Outcome, text string) {
	for i := range x.results {
		if !x.settled[i] {
			x.settleOne(i, o, text)
		}
	}
}

func (x *transaction) settleOne(i int, o Outcome, text string) {
	x.results[i].Outcome, x.results[i].Text, x.settled[i] = o, text, true
}

// run returns an error where the session is lost.
func (x *transaction) run() error {
	open, err := x.from()
	if err != nil || !open {
		return err
	}
	accepted, err := x.recipients()
	if err != nil {
		return err
	}
	if accepted > 0 {
		if open, err = x.data(); err != nil {
			return err
		}
	}
	if !open || accepted == 0 {
		return x.reset()
	}
	return nil
}

// from says MAIL. It returns whether the transaction has begun.
func (x *transaction) from() (bool, error) {
	from := "<" + x.mail.From + ">"
	if ok, _ := x.client.Extension("SIZE"); ok {
		from += fmt.Sprintf(" SIZE=%d", len(x.mail.Raw))
	}
	if err := x.link.enter(StageMail, x.smtp.timeouts.Stage); err != nil {
		return false, err
	}
	if err := x.client.Mail(from); err != nil {
		outcome, text, err := x.verdict(err)
		if err == nil {
			x.settle(outcome, text)
		}
		return false, err
	}
	return true, nil
}

// recipients says RCPT for each and returns how many were accepted.
func (x *transaction) recipients() (int, error) {
	accepted := 0
	for i, r := range x.results {
		if !isASCII(r.Address) || strings.ContainsAny(r.Address, "<> ") {
			x.settleOne(i, Refused, "not an address that can be sent to: it must be plain ASCII, without blanks")
			continue
		}
		if err := x.link.enter(StageRcpt, x.smtp.timeouts.Stage); err != nil {
			return 0, err
		}
		answer := x.client.Rcpt("<" + r.Address + ">")
		if answer == nil {
			accepted++
			continue
		}
		outcome, text, err := x.verdict(answer)
		if err != nil {
			x.results[i].Stuck = true
			return 0, err
		}
		if e, ok := errors.AsType[*textproto.Error](answer); ok && e.Code == 552 && accepted > 0 {
			outcome = Retry // too many recipients at once (RFC 5321, 4.5.3.1.10)
		}
		x.settleOne(i, outcome, text)
	}
	return accepted, nil
}

// data passes the message. It returns false where the server would not take it,
// and the transaction is still to be ended.
func (x *transaction) data() (bool, error) {
	if err := x.link.enter(StageData, x.smtp.timeouts.Stage); err != nil {
		return false, err
	}
	w, err := x.client.Data()
	if err != nil {
		outcome, text, err := x.verdict(err)
		if err == nil {
			x.settle(outcome, text)
		}
		return false, err
	}
	if err := x.link.enter(StageFinal, x.smtp.timeouts.Final); err != nil {
		return false, err
	}
	if _, err := w.Write(x.mail.Raw); err != nil {
		return false, err
	}
	if err := w.Close(); err != nil {
		outcome, text, err := x.verdict(err)
		if err == nil {
			x.settle(outcome, text)
		}
		return true, err
	}
	if err := x.link.torn(); err != nil {
		return false, err
	}
	text := "250"
	if r, ok := w.(interface{ ServerResponse() string }); ok {
		text = clean("250 "+x.smtp.secrets.hide(r.ServerResponse()), 300)
	}
	x.settle(Sent, text)
	return true, nil
}

// reset ends a transaction that has no message.
func (x *transaction) reset() error {
	if err := x.link.enter(StageReset, x.smtp.timeouts.Stage); err != nil {
		return err
	}
	return x.client.Reset()
}

// verdict tells an answer about a message or a recipient from the loss of the
// session, which it gives back as an error.
func (t *session) verdict(answer error) (Outcome, string, error) {
	if err := t.link.torn(); err != nil {
		return "", "", err
	}
	e, ok := errors.AsType[*textproto.Error](answer)
	switch {
	case !ok, e.Code == 421: // RFC 5321, 3.8: the server is closing
		return "", "", answer
	case e.Code == 530, e.Code == 534, e.Code == 535, e.Code == 538:
		// About our login, not about the mail: somebody can mend that.
		return "", "", answer
	case e.Code >= 500 && e.Code < 600:
		return Refused, t.said(e), nil
	case e.Code >= 400 && e.Code < 500:
		return Retry, t.said(e), nil
	}
	return "", "", answer // not an answer to what was asked: out of step
}
