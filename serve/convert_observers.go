package serve

import "labstatus/serve/models"

func observers(all []ObserverInfo, whole bool) models.ObserverReports {
	out := make(models.ObserverReports, 0, len(all))
	for i := range all {
		out = append(out, observer(&all[i], whole))
	}
	return out
}

// observer shows its address whole only to who may change it, and its token to
// nobody.
func observer(o *ObserverInfo, whole bool) *models.ObserverReport {
	address, token := o.Spec.Address, ""
	if !whole {
		address = placeOf(address)
	}
	if o.Spec.Token != "" {
		token = tokenSet
	}
	out := &models.ObserverReport{
		Spec: &models.ObserverSpec{
			Name: o.Spec.Name, Type: o.Spec.Type, Address: &address, Token: token,
			Timeout: o.Spec.Timeout, Period: o.Spec.Period, ResetTraffic: o.Spec.ResetTraffic,
		},
		Whole:         &whole,
		Fixed:         &o.Fixed,
		LastTry:       atIfKnown(o.LastTry),
		LastOk:        atIfKnown(o.LastOK),
		FailingSince:  atIfKnown(o.FailingSince),
		LastError:     o.LastErr,
		LastErrorAt:   atIfKnown(o.LastErrAt),
		Pending:       new(int64(o.Pending)),
		OldestPending: atIfKnown(o.OldestPending),
		Reports:       &o.Reports,
		Failures:      &o.Failures,
		Events:        &o.Events,
		Dropped:       &o.Dropped,
		KeepError:     o.KeepErr,
	}
	if tls := o.Spec.TLS; tls != nil {
		out.Spec.TLS = &models.ObserverTLS{ServerName: tls.ServerName, Insecure: tls.Insecure, Ca: tls.CA}
	}
	return out
}

// observedAnswer tells of what fits as much as was asked for.
func observedAnswer(list *observedList, q observedQuery, receiver *ObserverInInfo) *models.Observed {
	fits, total := q.pick(list.all)
	out := &models.Observed{
		Receiver: observerIn(receiver),
		Sources:  make([]*models.ObservedSource, 0, len(list.sources)),
		Total:    new(int64(total)),
		Subjects: make([]*models.ObservedSubject, 0, len(fits)),
	}
	for i := range list.sources {
		s := &list.sources[i]
		out.Sources = append(out.Sources, &models.ObservedSource{
			Source: &s.name, Subjects: &s.subjects, Ready: &s.ready, Running: &s.running, Failed: &s.failed, Closed: &s.closed,
			Unsaid: &s.unsaid, LastAt: atIfKnown(s.lastAt),
		})
	}
	for _, s := range fits {
		out.Subjects = append(out.Subjects, observedSubject(s))
	}
	return out
}

func observedSubject(s *ObservedInfo) *models.ObservedSubject {
	return &models.ObservedSubject{
		Source:       &s.Source,
		Kind:         &s.Kind,
		Service:      &s.Service,
		Client:       &s.Client,
		Experiment:   &s.Experiment,
		Required:     &s.Required,
		State:        new(models.TunnelState(s.State)),
		Message:      &s.Message,
		Since:        atIfKnown(s.Since),
		TotalConns:   &s.TotalConns,
		CurrentConns: &s.CurrentConns,
		InputBytes:   &s.InputBytes,
		OutputBytes:  &s.OutputBytes,
		TotalErrs:    &s.TotalErrs,
		Counted:      atIfKnown(s.Counted),
		LastAt:       atIfKnown(s.LastAt),
		Restarts:     &s.Restarts,
		Repeats:      &s.Repeats,
		Incremental:  &s.Incremental,
	}
}

func observerIn(in *ObserverInInfo) *models.ObserverIn {
	if in == nil {
		return nil
	}
	refused := make(map[string]uint64, len(in.Refused))
	for reason, n := range in.Refused {
		if n > 0 {
			refused[reason] = n
		}
	}
	return &models.ObserverIn{
		Addresses: nonNil(in.Addresses),
		Reports:   &in.Reports,
		Repeats:   &in.Repeats,
		Events:    &in.Events,
		Unknown:   &in.Unknown,
		Refused:   refused,
		Sources:   new(int64(in.Sources)),
		Subjects:  new(int64(in.Subjects)),
		KeepError: in.KeepErr,
	}
}
