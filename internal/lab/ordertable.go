package lab

import (
	"fmt"
	"slices"
	"strings"
)

// orders is the grammar: what is parsed, listed and carried out.
var orders = orderTable()

func orderTable() []order {
	stream := func(do func(StreamOrder) error) func(*Lab, args) error {
		return onStreams(func(l *Lab, topic string) error { return do(l.Stream(topic)) })
	}
	host := func(do func(HostOrder) error) func(*Lab, args) error {
		return onStubs(func(l *Lab, _ args, stub string) error { return do(l.Jump(stub)) })
	}
	student := func(on bool) func(*Lab, args) error {
		return onStreams(func(l *Lab, topic string) error { return l.Student(topic, on) })
	}
	service := func(do func(ServiceOrder, args) error) func(*Lab, args) error {
		return func(l *Lab, a args) error { return do(l.Service(a["service"]), a) }
	}
	feed := func(do func(FeedOrder, args) error) func(*Lab, args) error {
		return func(l *Lab, a args) error { return do(l.Feed(a["feed"]), a) }
	}
	atOnce := func(do func(*Lab, args)) func(*Lab, args) error {
		return func(l *Lab, a args) error { do(l, a); return nil }
	}
	fault := func(f func(args) MailFault) func(*Lab, args) error {
		return func(l *Lab, a args) error { return l.FaultMail(f(a)) }
	}
	act := func(action Action) func(*Lab, args) error {
		return fault(func(a args) MailFault {
			return MailFault{Stage: Stage(a["stage"]), Action: action, Times: a.number("n")}
		})
	}
	return slices.Concat([]order{
		{"<stub> jump drops", "the experiment's host leaves jump", host(HostOrder.Drop)},
		{"<stub> jump returns", "and is back", host(HostOrder.Return)},
		{"<stub> jump login", "a maintainer logs in over jump", host(HostOrder.Login)},
		{"<stub> jump logout", "and leaves", host(HostOrder.Logout)},
		{"<stub> arrives", "a new experiment, with data and video", func(l *Lab, a args) error { return l.AddExperiment(Experiment{Stub: a["stub"]}) }},
		{"<stub> leaves", "it is taken away; book does not know", onStubs(func(l *Lab, _ args, stub string) error { return l.RemoveExperiment(stub) })},
		{"<stub> <stream> vanishes", "its connections to relay close", stream(StreamOrder.Vanish)},
		{"<stub> <stream> returns", "it connects afresh", stream(StreamOrder.Return)},
		{"<stub> <stream> silent", "it stays connected and sends nothing", stream(StreamOrder.Silence)},
		{"<stub> <stream> speaks", "it sends again", stream(StreamOrder.Resume)},
		{"<stub> <stream> never", "it reconnects and has never sent", stream(StreamOrder.Never)},
		{"<stub> <stream> halfdead", "it reconnects; the dead connection stays for a minute", stream(StreamOrder.HalfDead)},
		{"<stub> <stream> watched", "one more student watches it", student(true)},
		{"<stub> <stream> unwatched", "one less", student(false)},
		{"<service> stops", "refuses connections, existing ones are cut", service(func(o ServiceOrder, _ args) error { return o.Stop() })},
		{"<service> starts", "ends stops, hangs and fails", service(func(o ServiceOrder, _ args) error { return o.Start() })},
		{"<service> hangs", "accepts and never answers", service(func(o ServiceOrder, _ args) error { return o.Hang() })},
		{"<service> restarts", "cuts everything and forgets", service(func(o ServiceOrder, _ args) error { return o.Restart() })},
		{"<service> answers in <duration>", "each answer takes that long; 0s ends it", service(func(o ServiceOrder, a args) error { return o.Latency(a.duration("duration")) })},
		{"<service> fails with <failure>", "answers everything with it; a mail server greets so", service(func(o ServiceOrder, a args) error { return o.Fail(a.number("failure")) })},
		{"<timed> clock <skew>", "its clock is so much ahead, or behind; 0s sets it right", func(l *Lab, a args) error { return l.Service(a["timed"]).Clock(a.duration("skew")) }},
		{"<feed> mute", "no frames; connections stay", feed(func(o FeedOrder, _ args) error { return o.Mute() })},
		{"<feed> speaks", "frames again", feed(func(o FeedOrder, _ args) error { return o.Unmute() })},
		{"<feed> sends <text>", "these bytes as one message, now", feed(func(o FeedOrder, a args) error { return o.Rubbish(a["text"]) })},
		{"<feed> noise", "what other stats clients cause", feed(func(o FeedOrder, _ args) error { return o.Noise() })},
		{"<feed> cuts links", "drops the websockets of stats clients", feed(func(o FeedOrder, _ args) error { return o.CutLinks() })},
		{"<feed> refuses <n> codes", "the next codes are silently refused", feed(func(o FeedOrder, a args) error { return o.RefuseCodes(a.number("n")) })},
		{"<feed> fragments <size>", "frames come in pieces of so many bytes", feed(func(o FeedOrder, a args) error { return o.Fragment(a.number("size")) })},
		{"<feed> drips every <duration>", "frames come a byte at a time; 0s ends it", feed(func(o FeedOrder, a args) error { return o.Drip(a.duration("duration")) })},
		{"<feed> glues <n>", "the next frame comes so many times in one message", feed(func(o FeedOrder, a args) error { return o.Glue(a.number("n")) })},
		{"<feed> reports every <duration>", "the period from frame to frame", feed(func(o FeedOrder, a args) error { return o.Every(a.duration("duration")) })},
		{"book forgets manifest", "it is empty", atOnce(func(l *Lab, _ args) { l.ForgetManifest() })},
		{"book loads manifest", "it is back, everything available", atOnce(func(l *Lab, _ args) { l.LoadManifest() })},
		{"book adds <resource> for <stub> needing <streams>", "streams by comma, or none", atOnce(func(l *Lab, a args) {
			streams := strings.Split(a["streams"], ",")
			if a["streams"] == "none" {
				streams = []string{}
			}
			for i, s := range streams {
				if !strings.Contains(s, "st-") {
					streams[i] = "st-" + s
				}
			}
			l.SetResource(a["resource"], a["stub"], streams)
		})},
		{"book drops <resource>", "it leaves the manifest", atOnce(func(l *Lab, a args) { l.DropResource(a["resource"]) })},
		{"somebody closes <resource> because <text>", "a person, in book", func(l *Lab, a args) error { return l.SetAvailable(a["resource"], false, a["text"]) }},
		{"somebody opens <resource> because <text>", "a person, in book", func(l *Lab, a args) error { return l.SetAvailable(a["resource"], true, a["text"]) }},
		{"mail hangs at <stage> [<n>]", "says no more at that stage, n times or for ever", act(ActHang)},
		{"mail cuts at <stage> [<n>]", "closes the connection there", act(ActCut)},
		{"mail drips at <stage> [<n>]", "answers a byte a second", act(ActDrip)},
		{"mail says <code> at <stage> [<n>]", "answers that instead", fault(func(a args) MailFault {
			return MailFault{Stage: Stage(a["stage"]), Action: ActReply, Code: a.number("code"), Text: "as ordered", Times: a.number("n")}
		})},
		{"mail refuses <recipient> with <code> [<n>]", "at the rcpt stage", fault(func(a args) MailFault {
			return MailFault{Stage: StageRcpt, Action: ActReply, Code: a.number("code"), Text: fmt.Sprintf("%s refused as ordered", a["recipient"]), Recipient: a["recipient"], Times: a.number("n")}
		})},
		{"mail certificate <kind>", "shows such a one to whoever starts TLS", func(l *Lab, a args) error { return l.MailCertificate(Certificate(a["kind"])) }},
		{"mail well", "ends every fault of the mail server", func(l *Lab, _ args) error { return l.MailWell() }},
	}, gostOrders(), collectorOrders())
}
