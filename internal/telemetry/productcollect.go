package telemetry

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"labstatus/internal/health"
)

func productDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("status_"+name, help, labels, nil)
}

// What is said of the laboratory.
var (
	descExperiments = productDesc("experiments", "Experiments, by state.", "state")
	descStreams     = productDesc("streams", "Streams of experiments, by verdict.", "verdict")
	descResources   = productDesc("resources", "Bookable resources, by what book last said of them.", "availability")
	descHeld        = productDesc("resources_held", "Resources that a person made unavailable.")
	descIssues      = productDesc("issues", "Present issues of experiments and of the system, by kind.", "code")
	descVersion     = productDesc("snapshot_version", "Grows with each change of what is known.")
	descSize        = productDesc("snapshot_bytes", "Size of the list of experiments as the API gives it.")
)

// What is said of relay, jump and book.
var (
	descFresh       = productDesc("source_fresh", "Whether the source's reports are fresh: 1, or 0.", "source")
	descConnected   = productDesc("source_connected", "Whether we are connected to the source: 1, or 0.", "source")
	descFrameAge    = productDesc("source_frame_age_seconds", "Time since the source's latest frame; none before the first.", "source")
	descWindow      = productDesc("source_window_seconds", "A frame older than that is not fresh.", "source")
	descListed      = productDesc("source_connections", "Connections listed in the source's latest frame.", "source")
	descBytes       = productDesc("source_received_bytes_total", "Bytes of messages received from the source.", "source")
	descMessages    = productDesc("source_messages_total", "Messages received from the source.", "source")
	descSkipped     = productDesc("source_skipped_total", "Values received from the source that are no frames, by kind.", "source", "kind")
	descLinks       = productDesc("source_links_total", "What became of our connections to the source.", "source", "event")
	descAnswering   = productDesc("book_answering", "Whether book answers: 1, or 0.")
	descManifestAge = productDesc("book_manifest_age_seconds", "Time since book's latest manifest; none before the first.")
	descCalls       = productDesc("book_calls_total", "Calls of book, by outcome.", "outcome")
	descInFlight    = productDesc("book_calls_in_flight", "Calls of book under way.")
	descPending     = productDesc("book_writes_pending", "Availability that is wanted and that book has not confirmed.")
	descWaiting     = productDesc("book_writes_waiting", "Of the pending writes, those that wait for another attempt.")
)

// What is said of the server.
var (
	descStarted    = productDesc("start_time_seconds", "When the server started, as Unix time.")
	descTurned     = productDesc("loop_last_turn_timestamp_seconds", "When the loop last turned, as Unix time.")
	descMailOn     = productDesc("mail_enabled", "Whether mail is set up: 1, or 0.")
	descMails      = productDesc("mails", "Mails that are kept, by how they are.", "state")
	descMailAge    = productDesc("mail_oldest_queued_age_seconds", "Age of the oldest mail that is still to be sent; 0 where there is none.")
	descMailDown   = productDesc("mail_undeliverable_seconds", "For how long mail has reached nobody; 0 while it does.")
	descMailSent   = productDesc("mail_last_sent_timestamp_seconds", "When a mail was last sent in this run, as Unix time.")
	descStoreOK    = productDesc("store_writable", "Whether the store can be written: 1, or 0.")
	descStoreOwed  = productDesc("store_pending", "Events and mails that wait until the store can be written.")
	descStoreLoss  = productDesc("store_dropped_total", "Events and mails that could not wait any longer.")
	descExpHealthy = productDesc("experiment_healthy", "Whether the experiment is healthy as last known: 1, or 0.", "experiment")
	descExpAvail   = productDesc("experiment_available", "Whether the resource can be booked, as book last said: 1, or 0.", "experiment", "resource")
	descExpActive  = productDesc("experiment_stream_last_active_seconds",
		"Time since the stream is last known to have transmitted; none where it never has.", "experiment", "stream")
)

var productDescs = []*prometheus.Desc{
	descExperiments, descStreams, descResources, descHeld, descIssues, descVersion, descSize,
	descFresh, descConnected, descFrameAge, descWindow, descListed, descBytes, descMessages, descSkipped, descLinks,
	descAnswering, descManifestAge, descCalls, descInFlight, descPending, descWaiting,
	descStarted, descTurned, descMailOn, descMails, descMailAge, descMailDown, descMailSent,
	descStoreOK, descStoreOwed, descStoreLoss, descExpHealthy, descExpAvail, descExpActive,
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range slices.Concat(productDescs, observerDescs, observedDescs) {
		out <- d
	}
	out <- m.build.Desc()
	for _, v := range m.vectors {
		v.Describe(out)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	c := collection{out: out, now: time.Now()}
	out <- m.build
	for _, v := range m.vectors {
		v.Collect(out)
	}
	c.gauge(descStarted, unixSeconds(m.o.Started))
	from := m.o.Sources
	if from.Turned != nil {
		if at := from.Turned(); !at.IsZero() {
			c.gauge(descTurned, unixSeconds(at))
		}
	}
	if from.Snapshot != nil {
		s := from.Snapshot()
		c.laboratory(s)
		c.sources(s)
		if m.o.PerExperiment {
			c.experiments(s.Experiments)
		}
	}
	if from.SnapshotBytes != nil {
		c.gauge(descSize, float64(from.SnapshotBytes()))
	}
	if from.Feeds != nil {
		for _, f := range from.Feeds() {
			c.feed(f)
		}
	}
	if from.Book != nil {
		c.book(from.Book())
	}
	if from.Mail != nil {
		c.mail(from.Mail())
	}
	if from.Store != nil {
		c.store(from.Store())
	}
	if from.Observers != nil {
		c.observers(from.Observers())
	}
	if from.Observed != nil {
		f := from.Observed()
		c.observed(&f)
		if m.o.PerExperiment {
			c.subjects(f.Subjects)
			c.tunnels(f.Tunnels)
		}
	}
}

var _ prometheus.Collector = (*Metrics)(nil)

// collection is one scrape.
type collection struct {
	out chan<- prometheus.Metric
	now time.Time
}

func (c collection) gauge(d *prometheus.Desc, v float64, labels ...string) {
	c.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (c collection) count(d *prometheus.Desc, v uint64, labels ...string) {
	c.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// age is 0 where there is nothing that could have one.
func (c collection) age(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(c.now.Sub(at).Seconds(), 0)
}

func (c collection) laboratory(s *health.Snapshot) {
	n := s.Counts
	for _, state := range []struct {
		name  health.State
		count int
	}{
		{health.StateStarting, n.Starting}, {health.StateHealthy, n.Healthy}, {health.StateUnhealthy, n.Unhealthy},
		{health.StateUnknown, n.Unknown}, {health.StateFlapping, n.Flapping},
	} {
		c.gauge(descExperiments, float64(state.count), string(state.name))
	}
	verdicts := map[health.Verdict]int{health.VerdictOK: 0, health.VerdictUnhealthy: 0, health.VerdictMissing: 0, health.VerdictUnknown: 0}
	resources := map[string]int{"available": 0, "unavailable": 0, "unknown": 0}
	issues := map[health.Code]int{
		health.MissingJump: 0, health.MissingRequired: 0, health.UnhealthyStream: 0,
		health.MissingTunnel: 0, health.UnhealthyTunnel: 0,
		health.Flapping: 0, health.NoReports: 0, health.BookSilent: 0, health.TooManyUnknown: 0,
	}
	held := 0
	for _, r := range s.Experiments {
		for i := range r.Streams {
			verdicts[r.Streams[i].Verdict]++
		}
		for i := range r.Resources {
			resources[availability(&r.Resources[i])]++
			if r.Resources[i].Held {
				held++
			}
		}
		for i := range r.Issues {
			issues[r.Issues[i].Code]++
		}
	}
	for i := range s.Issues {
		issues[s.Issues[i].Code]++
	}
	for verdict, count := range verdicts {
		c.gauge(descStreams, float64(count), string(verdict))
	}
	for what, count := range resources {
		c.gauge(descResources, float64(count), what)
	}
	for code, count := range issues {
		c.gauge(descIssues, float64(count), string(code))
	}
	c.gauge(descHeld, float64(held))
	c.gauge(descVersion, float64(s.Version))
}

func availability(r *health.ResourceReport) string {
	switch {
	case !r.Known:
		return "unknown"
	case r.Available:
		return "available"
	}
	return "unavailable"
}

func (c collection) sources(s *health.Snapshot) {
	for i := range s.Sources {
		r := &s.Sources[i]
		name := string(r.Name)
		c.gauge(descFresh, bit(r.State == health.SourceFresh || r.State == health.SourceSettling), name)
		c.gauge(descConnected, bit(r.Connected), name)
		c.gauge(descListed, float64(r.Connections), name)
		c.gauge(descWindow, r.Window.Seconds(), name)
		if !r.LastFrame.IsZero() {
			c.gauge(descFrameAge, c.age(r.LastFrame), name)
		}
	}
	c.gauge(descAnswering, bit(s.Book.Answering))
	if !s.Book.LastManifest.IsZero() {
		c.gauge(descManifestAge, c.age(s.Book.LastManifest))
	}
}

func (c collection) feed(f FeedFigures) {
	name := string(f.Source)
	c.count(descBytes, f.Bytes, name)
	c.count(descMessages, f.Messages, name)
	c.count(descSkipped, f.Null, name, "null")
	c.count(descSkipped, f.Objects, name, "object")
	c.count(descSkipped, f.Others, name, "other")
	c.count(descSkipped, f.Rubbish, name, "rubbish")
	c.count(descLinks, f.Connects, name, "opened")
	c.count(descLinks, f.Failed, name, "failed")
	c.count(descLinks, f.Breaks, name, "broke")
	c.count(descLinks, f.Renewals, name, "renewed")
	c.count(descLinks, f.Unheard, name, "unheard")
	c.count(descLinks, f.Reconnects, name, "came_back")
}

func (c collection) book(b BookFigures) {
	c.count(descCalls, b.Calls-min(b.Failures, b.Calls), "ok")
	c.count(descCalls, b.Failures, "failed")
	c.gauge(descInFlight, float64(b.InFlight))
	c.gauge(descPending, float64(b.Pending))
	c.gauge(descWaiting, float64(b.Waiting))
}

func (c collection) mail(m MailFigures) {
	c.gauge(descMailOn, bit(m.Enabled))
	c.gauge(descMails, float64(m.Queued), "queued")
	c.gauge(descMails, float64(m.Sent), "sent")
	c.gauge(descMails, float64(m.Failed), "failed")
	c.gauge(descMailAge, c.age(m.OldestQueued))
	c.gauge(descMailDown, c.age(m.UndeliverableSince))
	if !m.LastSent.IsZero() {
		c.gauge(descMailSent, unixSeconds(m.LastSent))
	}
}

func (c collection) store(s StoreFigures) {
	c.gauge(descStoreOK, bit(s.FailingSince.IsZero()))
	c.gauge(descStoreOwed, float64(s.Pending))
	c.count(descStoreLoss, s.Dropped)
}

func bit(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
