package app_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"labstatus/internal/lab"
)

// Networks' names of the services, as the lab in memory gives them.
var labAddresses = map[string]string{
	lab.Book: "book.lab:80", lab.Relay: "relay.lab:80", lab.Jump: "jump.lab:80", lab.Mail: "mail.lab:25",
}

// dayOrder is something that can happen in a laboratory, with how often it does.
type dayOrder struct {
	weight int
	give   func(*day)
}

var dayOrders = []dayOrder{
	{10, func(d *day) { d.stream("silent") }},
	{10, func(d *day) { d.stream("vanishes") }},
	{5, func(d *day) { d.stream("never") }},
	{14, func(d *day) { d.stream("returns") }},
	{8, func(d *day) { d.stream("speaks") }},
	{4, func(d *day) { d.stream("half dead") }},
	{4, (*day).student},
	{6, func(d *day) { d.host(false) }},
	{8, func(d *day) { d.host(true) }},
	{2, (*day).login},
	{3, (*day).powerCut},
	{3, (*day).powerBack},
	{3, (*day).flapper},
	{2, (*day).arrives},
	{2, (*day).leaves},
	{3, (*day).person},
	{3, (*day).resource},
	{2, (*day).manifest},
	{8, func(d *day) { d.service(lab.Relay) }},
	{6, func(d *day) { d.service(lab.Jump) }},
	{6, func(d *day) { d.service(lab.Book) }},
	{6, (*day).mailServer},
	{4, (*day).feedNoise},
	{3, (*day).repair},
	{3, (*day).restartServer},
	{4, (*day).storeFaults},
	{1, (*day).deletesStore},
	{1, (*day).suspend},
	{3, (*day).holds},
	{2, (*day).silences},
	{2, (*day).maintains},
	{2, (*day).acks},
	{8, (*day).tunnel},
	{2, (*day).hiccup},
	{1, (*day).stutter},
	{3, (*day).traffic},
	{2, (*day).sharedTunnel},
	{3, (*day).user},
}

func (d *day) any() {
	total := 0
	for _, o := range dayOrders {
		total += o.weight
	}
	n := d.rng.IntN(total)
	for _, o := range dayOrders {
		if n -= o.weight; n < 0 {
			o.give(d)
			return
		}
	}
}

func pick[T any](d *day, all []T) T { return all[d.rng.IntN(len(all))] }

func (d *day) someStub() string { return pick(d, slices.Sorted(maps.Keys(d.truth.experiments))) }

func (d *day) someTopic() (stub, topic string) {
	stub = d.someStub()
	return stub, pick(d, slices.Sorted(maps.Keys(d.truth.experiments[stub].streams)))
}

func (d *day) stream(what string) {
	stub, topic := d.someTopic()
	d.orderStream(stub, topic, what)
}

func (d *day) orderStream(stub, topic, what string) {
	o, w := d.lab.Stream(topic), d.truth.experiments[stub].streams[topic]
	d.did("%s %s", topic, what)
	if what == "returns" || what == "half dead" {
		d.reconnects(topic, w)
	}
	var err error
	switch what {
	case "silent":
		err, w.sending = o.Silence(), false
	case "speaks":
		err, w.sending = o.Resume(), w.connected
	case "vanishes":
		err, w.connected, w.sending = o.Vanish(), false, false
	case "returns":
		err, w.connected, w.sending = o.Return(), true, true
	case "never":
		err, w.connected, w.sending, w.since = o.Never(), true, false, time.Now()
	case "half dead":
		err, w.connected, w.sending = o.HalfDead(), true, true
	}
	d.must(err)
	d.truth.note(stub, time.Now())
}

// reconnects notes that a stream connects anew: one that does so again before a report of
// relay can have shown a message of it, within a second, has been still for whoever reads
// the reports. It has also been still where relay was away for long: the next report shows
// a connection that has sent nothing yet, and what was sent before is too old to count.
func (d *day) reconnects(topic string, w *wire) {
	now := time.Now()
	switch {
	case !w.sending:
	case now.Sub(w.since) < d.relayEvery+time.Second:
		d.truth.bad[topic] = append(d.truth.bad[topic], span{from: w.since, to: now})
	case d.relayWasAway():
		d.truth.bad[topic] = append(d.truth.bad[topic], span{from: now, to: now.Add(time.Second)})
	}
	w.since = now
}

// relayWasAway says that our latest report of relay may be older than what counts as
// active. After a failure we reconnect within our patience.
func (d *day) relayWasAway() bool {
	const patience = 2 * time.Minute
	return slices.ContainsFunc(slices.Concat(d.illness[lab.Relay], d.pauses), func(s span) bool {
		return s.to.IsZero() || s.to.Sub(s.from) > d.lastActive-d.relayEvery-time.Second && time.Since(s.to) < patience+d.relayEvery
	})
}

func (d *day) student() {
	_, topic := d.someTopic()
	on := d.rng.IntN(2) == 0
	d.did("a student watches %s: %t", topic, on)
	d.must(d.lab.Student(topic, on))
}

func (d *day) host(on bool) { d.orderHost(d.someStub(), on) }

func (d *day) orderHost(stub string, on bool) {
	d.did("%s on jump: %t", stub, on)
	if on {
		d.must(d.lab.Jump(stub).Return())
	} else {
		d.must(d.lab.Jump(stub).Drop())
	}
	d.truth.experiments[stub].host = on
	d.truth.note(stub, time.Now())
}

func (d *day) login() {
	stub := d.someStub()
	d.did("a maintainer on %s", stub)
	if d.rng.IntN(2) == 0 {
		d.must(d.lab.Jump(stub).Login())
	} else {
		d.must(d.lab.Jump(stub).Logout())
	}
}

func (d *day) powerCut() {
	for _, stub := range slices.Sorted(maps.Keys(d.truth.experiments)) {
		if d.rng.IntN(3) == 0 {
			d.power(stub, false)
		}
	}
}

func (d *day) powerBack() {
	for _, stub := range slices.Sorted(maps.Keys(d.truth.experiments)) {
		if d.rng.IntN(4) > 0 {
			d.power(stub, true)
		}
	}
}

func (d *day) power(stub string, on bool) {
	for _, topic := range slices.Sorted(maps.Keys(d.truth.experiments[stub].streams)) {
		d.orderStream(stub, topic, map[bool]string{true: "returns", false: "vanishes"}[on])
	}
	d.orderHost(stub, on)
}

// flapper lets one experiment come and go, faster or slower than is noticed.
func (d *day) flapper() {
	stub, topic := d.someTopic()
	every := time.Duration(1+d.rng.IntN(3)) * (d.lastActive + 2*d.relayEvery) / 2
	for i := range 4 + d.rng.IntN(8) {
		d.orderStream(stub, topic, []string{"vanishes", "returns", "silent", "speaks"}[i%4])
		d.pass(every)
	}
}

func (d *day) arrives() {
	d.born++
	stub := fmt.Sprintf("new%03d", d.born)
	e := lab.Experiment{Stub: stub, Unlisted: d.rng.IntN(3) == 0, NoHost: d.rng.IntN(4) == 0}
	d.did("%s arrives: listed=%t host=%t", stub, !e.Unlisted, !e.NoHost)
	d.dig(stub, d.rng.IntN(2) == 0, d.rng.IntN(3) == 0)
	d.place(e)
	d.begin(stub)
}

func (d *day) place(e lab.Experiment) {
	d.must(d.lab.AddExperiment(e))
	x := &placed{streams: map[string]*wire{}, host: !e.NoHost}
	var required []string
	specs := e.Streams
	if specs == nil {
		specs = []lab.StreamSpec{{Name: "st-data"}, {Name: "st-video"}}
	}
	for _, s := range specs {
		topic := e.Stub + "-" + s.Name
		x.streams[topic] = &wire{connected: true, sending: true}
		if !s.Optional {
			required = append(required, topic)
		}
	}
	d.truth.experiments[e.Stub] = x
	if e.Unlisted {
		d.truth.note(e.Stub, time.Now())
		return
	}
	d.truth.offer("r-"+e.Stub, &offered{stub: e.Stub, topics: required}, time.Now())
}

func (d *day) leaves() {
	stub := d.someStub()
	if len(d.truth.experiments) < d.size/2 {
		return
	}
	forgets := d.rng.IntN(2) == 0
	d.did("%s leaves, book forgets it: %t", stub, forgets)
	for _, w := range d.truth.experiments[stub].streams {
		w.connected, w.sending = false, false
	}
	d.truth.experiments[stub].host = false
	d.truth.note(stub, time.Now())
	delete(d.truth.experiments, stub)
	d.truth.note(stub, time.Now())
	d.must(d.lab.RemoveExperiment(stub))
	if forgets {
		for _, name := range d.resources() {
			if r := d.offered(name); r.stub == stub {
				d.lab.DropResource(name)
				d.truth.withdraw(name, time.Now())
			}
		}
	}
}

// resources are those of the manifest, also of one that is shelved.
func (d *day) resources() []string {
	all := slices.Collect(maps.Keys(d.truth.manifest))
	all = slices.AppendSeq(all, maps.Keys(d.truth.shelved))
	slices.Sort(all)
	return all
}

func (d *day) offered(name string) *offered {
	if r := d.truth.manifest[name]; r != nil {
		return r
	}
	return d.truth.shelved[name]
}

// person closes a resource for a reason of their own, or opens one.
func (d *day) person() {
	names := slices.Sorted(maps.Keys(d.truth.manifest))
	// Nobody can use a book that doesn't work, and what it still carries out after
	// a failure may be older than what a person sets.
	if len(names) == 0 || d.well(lab.Book) < 15*time.Second {
		return
	}
	name, now := pick(d, names), time.Now()
	r := d.truth.manifest[name]
	if held := slices.DeleteFunc(names, func(n string) bool { return d.truth.manifest[n].held == "" }); len(held) > 0 && d.rng.IntN(2) == 0 {
		name = pick(d, held)
		r = d.truth.manifest[name]
		d.did("somebody opens %s", name)
		d.must(d.lab.SetAvailable(name, true, "mended"))
		r.held, r.touched = "", now
		return
	}
	reason := pick(d, []string{"at the workshop", "Status Server: mine", "loaded with sand", "é 100% off & <on>"})
	d.did("somebody closes %s: %s", name, reason)
	d.must(d.lab.SetAvailable(name, false, reason))
	r.held, r.touched = reason, now
	// A write of ours that was on its way at that moment may come after it, and
	// then nobody's hold is left to be seen.
	d.pass(time.Second)
	if _, said, known := d.lab.Availability(name); known && !strings.Contains(said, reason) {
		d.did("%s was overtaken by a write that was on its way", name)
		r.held, r.touched = "", time.Now()
	}
}

// resource changes the manifest: a second way to offer an experiment, other
// streams that it needs, or one less.
func (d *day) resource() {
	now := time.Now()
	switch d.rng.IntN(3) {
	case 0:
		stub, topic := d.someTopic()
		name := "r2-" + stub
		streams := []string{strings.TrimPrefix(topic, stub+"-")}
		if d.rng.IntN(4) == 0 {
			streams = nil
		}
		d.did("book offers %s needing %v", name, streams)
		d.lab.SetResource(name, stub, streams)
		r := &offered{stub: stub}
		for _, s := range streams {
			r.topics = append(r.topics, stub+"-"+s)
		}
		d.truth.offer(name, r, now)
	case 1:
		names := d.resources()
		if len(names) == 0 {
			return
		}
		name := pick(d, names)
		stub := d.offered(name).stub
		streams := []string{"st-data", pick(d, []string{"st-video", "st-nosuch"})}
		d.did("%s now needs %v", name, streams)
		d.lab.SetResource(name, stub, streams)
		d.truth.offer(name, &offered{stub: stub, topics: []string{stub + "-st-data", stub + "-" + streams[1]}}, now)
	default:
		names := slices.DeleteFunc(d.resources(), func(n string) bool { return !strings.HasPrefix(n, "r2-") })
		if len(names) == 0 {
			return
		}
		name := pick(d, names)
		d.did("book drops %s", name)
		d.lab.DropResource(name)
		d.truth.withdraw(name, now)
	}
}

func (d *day) manifest() {
	if d.truth.shelved == nil && d.rng.IntN(2) == 0 {
		d.did("book forgets its manifest")
		d.lab.ForgetManifest()
		d.truth.shelve(time.Now())
		return
	}
	d.did("book loads its manifest")
	d.lab.LoadManifest()
	d.truth.unshelve(time.Now())
}
