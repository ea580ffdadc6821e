package health

// publish makes the snapshot anew where anything in it has changed. Reports of
// experiments that have not changed are shared with the snapshot before.
func (e *Engine) publish() {
	sources := []SourceReport{e.relay.report(e.now), e.jump.report(e.now)}
	if e.snapshot != nil && (sources[0] != e.snapshot.Sources[0] || sources[1] != e.snapshot.Sources[1]) {
		e.touched = true
	}
	pending := 0
	for _, x := range e.order {
		for _, r := range x.resources {
			if r.wanted != "" {
				pending++
			}
		}
		if x.stale {
			x.report, x.stale = e.reportOf(x), false
			e.touched = true
		}
	}
	if !e.touched { // nothing has changed, and that is known as of now
		same := *e.snapshot
		same.At = e.now
		e.snapshot = &same
		return
	}
	e.touched = false
	s := &Snapshot{
		At: e.now, Version: 1, Counts: e.count(), Issues: sortedIssues(e.systemNoted), Sources: sources,
		Experiments: make([]*Report, len(e.order)),
		Windows:     e.maintenance.list,
		Book: BookReport{
			LastManifest: e.book.lastManifest, Resources: len(e.resources),
			Answering:    e.book.failingSince.IsZero() && !e.book.lastManifest.IsZero(),
			FailingSince: e.book.failingSince, LastErr: e.book.lastErr, Pending: pending,
		},
	}
	for i, x := range e.order {
		s.Experiments[i] = x.report
	}
	if e.snapshot != nil {
		s.Version = e.snapshot.Version + 1
	}
	e.snapshot = s
	e.d.Changed = true
}

func (e *Engine) reportOf(x *experiment) *Report {
	r := &Report{
		Name: x.name, State: x.state, Healthy: x.healthy(), Since: x.since, FirstSeen: x.firstSeen,
		LastCheckedStreams: x.lastRelay, LastCheckedJump: x.lastJump, LastInManifest: x.lastManifest,
		JumpOK: x.jumpOK(), JumpKnown: x.jump.judged && !x.jump.unknown,
		Issues: sortedIssues(x.noted), Events: x.events,
		Silence: x.silence, Ack: x.ack, Maintenance: x.maintenance,
		Streams: e.streamReports(x), Tunnels: x.statuses(),
	}
	if n := len(x.resources); n > 0 {
		r.Resources = make([]ResourceReport, 0, n)
	}
	if x.jump.frame == e.jumpFrames && e.jumpFrames > 0 {
		if x.shownJump == nil {
			x.shownJump = new(x.jump.conn)
		}
		r.Jump = x.shownJump
	}
	for _, res := range x.resources {
		rr := ResourceReport{
			Name: res.Name, Required: res.Required, Known: res.known, Available: res.known && res.available,
			Reason: res.reason, ReadAt: res.readAt, Wanted: res.wanted,
		}
		if rr.Held, rr.HeldReason = res.held(e.cfg.OverrideHolds); rr.Held {
			rr.HeldBy = res.holder()
		}
		r.Resources = append(r.Resources, rr)
	}
	return r
}

// streamReports are shared by all reports between two frames of relay.
func (e *Engine) streamReports(x *experiment) []StreamReport {
	if x.shownStreams == nil {
		x.shownStreams = make([]StreamReport, len(x.streams))
		for i, s := range x.streams {
			x.shownStreams[i] = e.streamReport(s)
		}
	}
	return x.shownStreams
}

func (e *Engine) streamReport(s *stream) StreamReport {
	r := StreamReport{Topic: s.topic, Required: s.required, LastActive: s.lastActive}
	r.OK, r.Since = s.of.streamOK(s)
	switch {
	case s.unknown || !s.judged:
		r.Verdict = VerdictUnknown
	case s.ok:
		r.Verdict = VerdictOK
	case s.missing:
		r.Verdict = VerdictMissing
	default:
		r.Verdict = VerdictUnhealthy
	}
	if s.frame == e.relayFrames && e.relayFrames > 0 {
		c := s.best
		r.Conn = &c
	}
	return r
}
