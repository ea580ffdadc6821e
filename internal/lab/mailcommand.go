package lab

import (
	"cmp"
	"io"
	"slices"
	"strings"
	"time"
)

var verbStage = map[string]Stage{
	"EHLO": StageEHLO, "HELO": StageEHLO, "STARTTLS": StageTLS, "AUTH": StageAuth,
	"MAIL": StageMail, "RCPT": StageRcpt, "DATA": StageData, "QUIT": StageQuit,
}

// command carries out one command of the client.
func (t *mailTalk) command(line string) error {
	verb, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	verb = strings.ToUpper(verb)
	recipients := t.to
	if verb == "RCPT" {
		recipients = []string{address(arg)}
	}
	drip := false
	if stage, ok := verbStage[verb]; ok {
		instead, d, err := t.fault(stage, recipients...)
		if err != nil {
			return err
		}
		if instead != "" {
			return t.write(instead, false)
		}
		drip = d
	}
	switch verb {
	case "STARTTLS":
		return t.startTLS(drip)
	case "BDAT": // not offered: the final dot is a stage of its own
		return t.write("502 5.5.1 Command not implemented\r\n", drip)
	}
	answer, err := t.pass(line)
	if err != nil {
		return err
	}
	switch verb {
	case "EHLO":
		answer = t.capabilities(answer)
	case "RCPT":
		if strings.HasPrefix(answer, "2") {
			t.to = append(t.to, recipients...)
		}
	case "MAIL", "RSET", "HELO":
		t.to = nil
	}
	if err := t.write(answer, drip); err != nil {
		return err
	}
	switch {
	case verb == "QUIT":
		return io.EOF
	case verb == "DATA" && strings.HasPrefix(answer, "354"):
		return t.data()
	}
	for verb == "AUTH" && strings.HasPrefix(answer, "334") {
		response, err := t.readLine()
		if err != nil {
			return err
		}
		if answer, err = t.pass(response); err != nil {
			return err
		}
		if err := t.write(answer, drip); err != nil {
			return err
		}
	}
	return nil
}

func (t *mailTalk) startTLS(drip bool) error {
	if t.opt.TLS != TLSStart || t.encrypted {
		return t.write("502 5.5.1 TLS not available\r\n", drip)
	}
	if err := t.write("220 2.0.0 Ready to start TLS\r\n", drip); err != nil {
		return err
	}
	if err := t.encrypt(); err != nil {
		return err
	}
	_, err := t.connect() // everything said before is forgotten
	return err
}

// capabilities corrects the list the server proper gives: STARTTLS is done
// here, chunks are not offered, and a limit on size may be kept secret.
func (t *mailTalk) capabilities(answer string) string {
	lines := slices.DeleteFunc(strings.Split(strings.TrimRight(answer, "\r\n"), "\r\n"), func(l string) bool {
		return len(l) > 4 && (l[4:] == "CHUNKING" || t.opt.HideMaxBytes && strings.HasPrefix(l[4:], "SIZE"))
	})
	if t.opt.TLS == TLSStart && !t.encrypted && strings.HasPrefix(answer, "250") {
		lines = append(lines, "250 STARTTLS")
	}
	for i, l := range lines {
		if sep := byte('-'); len(l) >= 4 {
			if i == len(lines)-1 {
				sep = ' '
			}
			lines[i] = l[:3] + string(sep) + l[4:]
		}
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

// data passes the message on, up to its final dot, and records it together
// with what the client is told.
func (t *mailTalk) data() error {
	t.message = nil
	for {
		line, err := t.readLine()
		if err != nil {
			return err
		}
		if _, err := io.WriteString(t.server, line); err != nil {
			return err
		}
		if line == ".\r\n" {
			break
		}
	}
	answer, err := t.answer()
	if err != nil {
		return err
	}
	f, faulty := t.lab.takeFault(StageDot, t.to)
	t.to = nil
	number := 0
	if t.message != nil { // recorded before a fault that may last for ever
		t.message.Opened = t.opened
		t.message.Answer = strings.TrimSpace(answer)
		switch {
		case faulty && f.Action == ActReply:
			t.message.Answer = strings.TrimSpace(f.reply())
		case faulty && f.Action != ActDrip:
			t.message.Answer = ""
		}
		number = t.lab.keep(t.message)
	}
	instead, drip := "", false
	if faulty {
		if instead, drip, err = t.commit(f); err != nil {
			return err
		}
	}
	if err := t.delay(); err != nil {
		return err
	}
	if number > 0 { // before anybody can know of it
		began := time.Now()
		t.message.Answering = began
		t.lab.amend(number, func(m *ReceivedMail) { m.Answering = began })
	}
	if err := t.say(cmp.Or(instead, answer), drip); err != nil || number == 0 {
		return err
	}
	t.message.Answered, t.answered = time.Now(), number
	t.lab.amend(number, func(m *ReceivedMail) { m.Answered = t.message.Answered })
	if t.lab.opt.OnMail != nil {
		t.lab.opt.OnMail(*t.message)
	}
	return nil
}

// address is the bare one in the argument of RCPT.
func address(arg string) string {
	_, after, ok := strings.Cut(arg, "<")
	if !ok {
		_, after, _ = strings.Cut(arg, ":")
		return strings.TrimSpace(after)
	}
	bare, _, _ := strings.Cut(after, ">")
	return bare
}
