package health

import "time"

// issue is what is wrong with the tunnel as far as is known; false: nothing.
func (t *tunnel) issue() (Issue, bool) {
	if !t.bad() {
		return Issue{}, false
	}
	code := UnhealthyTunnel
	if t.missing {
		code = MissingTunnel
	}
	return Issue{Code: code, Experiment: t.experiment, Subject: t.name, Since: t.okSince}, true
}

// tunnelsOK are the verdicts as an event shows them; nil where there are none.
func (x *experiment) tunnelsOK() map[string]bool {
	var ok map[string]bool
	for _, t := range x.tunnels {
		if t.judged {
			if ok == nil {
				ok = make(map[string]bool, len(x.tunnels))
			}
			ok[t.name] = t.ok
		}
	}
	return ok
}

// statuses are the tunnels as snapshots show them. Nothing changes what has been handed
// out: while the tunnels are as they were all snapshots share it.
func (x *experiment) statuses() []TunnelStatus {
	if len(x.tunnels) == 0 || x.tunnelStatus != nil {
		return x.tunnelStatus
	}
	x.tunnelStatus = make([]TunnelStatus, len(x.tunnels))
	for i, t := range x.tunnels {
		x.tunnelStatus[i] = TunnelStatus{
			Name: t.name, Source: t.source, Service: t.service, Client: t.client, Required: t.required,
			State: t.state, Message: t.message, Since: t.since, OK: !t.bad(), Verdict: t.verdict(), LastAt: t.lastAt,
		}
	}
	return x.tunnelStatus
}

// tunnelRecords are what is kept of the experiment's tunnels. It goes with the events: a
// verdict that none has told, since the experiment is in its grace or leaves, is not kept.
func (x *experiment) tunnelRecords() (records []TunnelRecord) {
	for _, t := range x.tunnels {
		r := TunnelRecord{
			Source: t.source, Service: t.service, Client: t.client, Required: t.required, OK: t.ok, Missing: t.missing, Since: t.okSince,
		}
		noted, unwell := x.noted[subject{UnhealthyTunnel, t.name}]
		switch {
		case unwell && !t.bad():
			r.OK, r.Missing, r.Since = false, noted.Code == MissingTunnel, noted.Since
		case !unwell && !t.ok:
			continue
		}
		records = append(records, r)
	}
	return records
}

// restoreTunnel takes up what an earlier run kept of a tunnel. A fault stands until it
// is ready or shows new connections.
func (e *Engine) restoreTunnel(x *experiment, r TunnelRecord, since time.Time) {
	key := tunnelKey{r.Source, r.Service, r.Client}
	if r.Source == "" || r.Service == "" || e.tunnels.all[key] != nil {
		return
	}
	t := newTunnel(key, x.name)
	t.required, t.judged, t.ok, t.missing, t.okSince = r.Required, true, r.OK, r.Missing && !r.OK, since
	if t.bad() && !t.missing {
		t.failedAt = since
	}
	e.tunnels.all[key] = t
	e.tie(t)
}
