package app_test

import (
	"slices"
	"strings"
	"time"

	"labstatus/internal/lab"
)

// service lets one of book, relay and jump fail in some way, or mends it.
func (d *day) service(name string) {
	if d.ill[name] {
		d.mend(name)
		return
	}
	o, at := d.lab.Service(name), labAddresses[name]
	faults := []struct {
		name  string
		lasts bool
		order func() error
	}{
		{"stops", true, o.Stop},
		{"hangs", true, o.Hang},
		{"fails with 500", true, func() error { return o.Fail(500) }},
		{"fails with 503", true, func() error { return o.Fail(503) }},
		{"answers slowly", true, func() error { return o.Latency(time.Duration(1+d.rng.IntN(7)) * time.Second) }},
		{"restarts", false, func() error {
			if name == lab.Book {
				d.truth.reload(time.Now())
			}
			return o.Restart()
		}},
		{"is cut off", true, func() error { d.network.Partition(at); return nil }},
		{"can't be dialled", true, func() error { d.network.Blackhole(at); return nil }},
		{"refuses", true, func() error { d.network.Refuse(at); return nil }},
		{"loses its connections", false, func() error { d.network.Cut(at); return nil }},
		{"has a clock that is ahead", true, func() error { return d.skews(name, time.Hour) }},
		{"has a clock that is behind", true, func() error { return d.skews(name, -time.Hour) }},
	}
	if name != lab.Book {
		f := d.lab.Feed(name)
		faults = append(faults, []struct {
			name  string
			lasts bool
			order func() error
		}{
			{"is mute", true, f.Mute},
			{"cuts its links", false, f.CutLinks},
			{"refuses codes", true, func() error { return f.RefuseCodes(1 + d.rng.IntN(2)) }},
			{"drips", true, func() error { return f.Drip(pick(d, []time.Duration{20 * time.Second, time.Minute})) }},
		}...)
	}
	fault := pick(d, faults)
	d.did("%s %s", name, fault.name)
	d.fell(name)
	d.must(fault.order())
	if !fault.lasts {
		d.rose(name)
	}
}

// mend ends whatever is wrong with a service.
func (d *day) mend(name string) {
	d.did("%s is mended", name)
	d.network.Heal(labAddresses[name])
	d.must(d.lab.Service(name).Latency(d.latency[name]))
	if name == lab.Mail {
		d.trustsNobody()
		d.must(d.lab.MailWell())
		d.refuseOne()
	}
	d.must(d.lab.Service(name).Start())
	if name == lab.Relay || name == lab.Jump {
		f := d.lab.Feed(name)
		d.must(f.Unmute(), f.RefuseCodes(0), f.Drip(0))
	}
	if d.skewed[name] != 0 {
		d.clockIsSet(name)
	}
	d.rose(name)
}

// skews sets a service's clock, ahead while it runs, and back only as it starts again. One
// that is set back while it runs takes what it heard an hour ago for something that is still
// to come, and when that time has come for something it has heard just now: nobody who
// believes it can tell.
func (d *day) skews(name string, ahead time.Duration) error {
	was := d.skewed[name]
	d.skewed[name] = ahead
	if err := d.lab.Service(name).Clock(ahead); err != nil || ahead > was || name == lab.Book {
		return err
	}
	return d.lab.Service(name).Restart()
}

// clockIsSet sets a clock right. What was connected while it was wrong may be dropped
// later, when its token is over, and is here.
func (d *day) clockIsSet(name string) {
	d.must(d.skews(name, 0))
	d.network.Cut(labAddresses[name])
}

// refusal is what readers are told to be refused for.
const refusal = "5.7.1 we do not like this"

// refuseOne has one of the recipients refused for good, all day long: the others
// must not notice.
func (d *day) refuseOne() {
	d.must(d.lab.FaultMail(lab.MailFault{
		Stage: lab.StageRcpt, Action: lab.ActReply, Code: 550, Text: "5.1.1 no such mailbox", Recipient: goneRecipient,
	}))
}

func (d *day) mailServer() {
	if d.ill[lab.Mail] {
		d.mend(lab.Mail)
		return
	}
	o := d.lab.Service(lab.Mail)
	d.fell(lab.Mail)
	switch d.rng.IntN(10) {
	case 0:
		d.did("mail stops")
		d.must(o.Stop())
	case 1:
		d.did("mail hangs")
		d.must(o.Hang())
	case 2:
		d.did("mail is cut off")
		d.network.Partition(labAddresses[lab.Mail])
	case 3:
		d.did("mail fails with 421")
		d.must(o.Fail(421))
	case 4:
		d.refusesMails()
	case 5:
		if d.mailKind.TLS != "" {
			kind := pick(d, []lab.Certificate{lab.CertExpired, lab.CertMisnamed, lab.CertUnknown})
			d.did("mail shows a certificate that is %s", kind)
			d.must(d.lab.MailCertificate(kind))
			d.distrusted = time.Now()
			return
		}
		d.mailFault()
	default:
		d.mailFault()
	}
}

// trustsNobody: a mail server whose certificate isn't good is told nothing, once talks from
// before have ended.
func (d *day) trustsNobody() {
	if d.distrusted.IsZero() {
		return
	}
	for _, m := range d.lab.Mails() {
		if m.At.After(d.distrusted.Add(mailAttempt)) {
			d.errorf("%q was sent at %s to a server that can't be trusted", m.Subject, m.At.UTC().Format(time.TimeOnly))
		}
	}
	d.distrusted = time.Time{}
}

// refusesMails has the mail server say no for good to mails as a whole: nobody ever gets
// them.
func (d *day) refusesMails() {
	f := lab.MailFault{
		Stage: pick(d, []lab.Stage{lab.StageMail, lab.StageData, lab.StageDot}), Action: lab.ActReply,
		Code: 554, Text: refusal, Times: d.rng.IntN(4),
	}
	for _, r := range d.readers {
		r.blurred = true
	}
	d.refusing = true
	d.did("mail refuses mails for good at %s, %d times", f.Stage, f.Times)
	d.must(d.lab.FaultMail(f))
}

// mailFault has something go wrong at one stage of the talk with the mail server.
func (d *day) mailFault() {
	stages := []lab.Stage{lab.StageAccept, lab.StageBanner, lab.StageEHLO, lab.StageMail, lab.StageRcpt, lab.StageData, lab.StageDot, lab.StageQuit}
	if d.mailKind.TLS != "" {
		stages = append(stages, lab.StageTLS, lab.StageAuth)
	}
	f := lab.MailFault{
		Stage: pick(d, stages), Action: pick(d, []lab.Action{lab.ActHang, lab.ActCut, lab.ActDrip, lab.ActReply}),
		Code: 451, Text: "4.3.0 try again later", Times: d.rng.IntN(4),
	}
	if f.Stage == lab.StageAccept && (f.Action == lab.ActDrip || f.Action == lab.ActReply) {
		f.Action = lab.ActHang
	}
	if f.Stage == lab.StageRcpt && d.rng.IntN(2) == 0 {
		f.Recipient = dayRecipients[d.rng.IntN(len(dayRecipients))]
	}
	switch session := slices.Contains([]lab.Stage{lab.StageBanner, lab.StageEHLO, lab.StageTLS, lab.StageAuth}, f.Stage); {
	case f.Action == lab.ActReply && session && d.rng.IntN(2) == 0:
		f.Code, f.Text = 554, "5.3.2 not today" // of the server as a whole: no mail's end
	case f.Stage == lab.StageRcpt && f.Action == lab.ActReply && d.rng.IntN(2) == 0:
		f.Recipient, f.Code, f.Text = dayRecipients[1], 554, refusal
		d.readers[f.Recipient].blurred = true // misses mails, for good
	}
	d.did("mail: %s at %s, %d times, for %q", f.Action, f.Stage, f.Times, f.Recipient)
	d.must(d.lab.FaultMail(f))
}

// feedNoise is what a feed carries besides its frames.
func (d *day) feedNoise() {
	name := pick(d, []string{lab.Relay, lab.Jump})
	f := d.lab.Feed(name)
	switch d.rng.IntN(6) {
	case 0:
		d.must(f.Noise())
	case 5:
		d.huge(name, f)
	case 1:
		text := pick(d, []string{"null", `{"cmd":"update"}`, "[", `[{"topic":`, "\xff\xfe", `"text"`, "12 13", `{"a":[1,2,{"b":null}]}`})
		d.did("%s sends %q", name, text)
		d.must(f.Rubbish(text))
	case 2:
		d.must(f.Fragment(d.rng.IntN(3) * 700))
	default:
		d.must(f.Glue(1 + d.rng.IntN(3)))
	}
}

// huge is what would fill a reader's memory, or its stack, or keep it busy.
func (d *day) huge(name string, f lab.FeedOrder) {
	text, times := "", 1
	switch kind := pick(d, []string{"deep", "large", "many"}); kind {
	case "deep":
		text = strings.Repeat(pick(d, []string{"[", `[{"a":`}), 50_000)
	case "large":
		text = `{"a":"` + strings.Repeat("a", 1<<20) + `"}`
	case "many":
		text, times = `{"cmd":"update"}`, 50
	}
	d.did("%s sends %d messages of %d bytes", name, times, len(text))
	for range times {
		d.must(f.Rubbish(text))
	}
}

// repair makes an experiment well that isn't.
func (d *day) repair() {
	for _, stub := range d.truth.stubs() {
		if d.truth.experiments[stub] != nil && len(d.truth.wrong(stub)) > 0 && d.rng.IntN(2) == 0 {
			d.power(stub, true)
		}
	}
}

// restartServer stops the server, lets something happen or not, and starts it
// again.
func (d *day) restartServer() {
	if d.ill[dayStore] {
		// What it could not keep is lost with it, and told anew: not to be joined.
		d.mendStore()
	}
	if well := d.well(dayStore); well < storeWell {
		d.wait(storeWell - well)
	}
	settled := d.settled()
	if d.rng.IntN(2) == 0 {
		d.did("the server stops")
		d.stop()
	} else {
		d.did("the server is killed")
		d.killServer()
	}
	d.wait(time.Duration(d.rng.IntN(60)) * time.Second)
	for range d.rng.IntN(3) {
		d.stream(pick(d, []string{"vanishes", "returns", "silent", "speaks"}))
		d.wait(time.Duration(d.rng.IntN(120)) * time.Second)
	}
	if d.rng.IntN(4) == 0 {
		d.lost(settled)
	}
	d.did("the server starts")
	d.start()
	d.repeats(settled)
}
