package serve

import (
	"labstatus/internal/health"
	"labstatus/serve/models"
)

func eventPage(page []health.Event, next string) *models.EventPage {
	return &models.EventPage{Events: events(page), Next: next}
}

// system is how the server is doing, in the words of the API.
func (o *Options) system() *models.System {
	out := system(o.snapshot(), o.System(), o.Ready())
	out.CanChange = new(o.AdminAuth != nil)
	return out
}

func system(snap *health.Snapshot, info SystemInfo, notReady []string) *models.System {
	out := &models.System{
		AsOf:     atIfKnown(snap.At),
		Ready:    new(len(notReady) == 0),
		NotReady: nonNil(notReady),
		Version:  &info.Version,
		Started:  at(info.Started),
		Warnings: nonNil(info.Warnings),

		Connections: connections(info.Connections),
		Timings:     timings(info.Timings),

		Counts:  counts(snap.Counts),
		Issues:  make([]*models.SystemIssue, 0, len(snap.Issues)),
		Sources: make([]*models.SourceReport, 0, len(snap.Sources)),
		Book: &models.BookReport{
			Answering:    &snap.Book.Answering,
			LastManifest: atIfKnown(snap.Book.LastManifest),
			Resources:    new(int64(snap.Book.Resources)),
			FailingSince: atIfKnown(snap.Book.FailingSince),
			LastError:    snap.Book.LastErr,
			Pending:      new(int64(snap.Book.Pending)),
		},
		Mail: &models.MailReport{
			Enabled:            &info.Mail.Enabled,
			Queued:             new(int64(info.Mail.Queued)),
			Sent:               new(int64(info.Mail.Sent)),
			Failed:             new(int64(info.Mail.Failed)),
			LastError:          maskIn(info.Mail.LastErr),
			UndeliverableSince: atIfKnown(info.Mail.UndeliverableSince),
			LastFailure:        mailFailure(info.Mail.LastFailure),
		},
		Store: &models.StoreReport{
			Kind:      &info.Store.Kind,
			Ok:        &info.Store.OK,
			LastError: info.Store.LastErr,
			Pending:   new(int64(info.Store.Pending)),
		},
	}
	for _, i := range snap.Issues {
		out.Issues = append(out.Issues, &models.SystemIssue{
			Code: new(string(i.Code)), Subject: &i.Subject, Text: new(i.String()), Since: at(i.Since),
		})
	}
	for i := range snap.Sources {
		out.Sources = append(out.Sources, source(&snap.Sources[i]))
	}
	return out
}

// mailFailure is shown to all readers, so whom it is about is masked.
func mailFailure(f *MailFailure) *models.MailFailure {
	if f == nil {
		return nil
	}
	return &models.MailFailure{
		At: at(f.At), Subject: maskIn(f.Subject), Address: new(maskAddress(f.Address)), Error: new(maskIn(f.Err)),
	}
}

func settings(all []SettingInfo) []*models.Setting {
	out := make([]*models.Setting, 0, len(all))
	for i := range all {
		out = append(out, &models.Setting{Name: &all[i].Name, Value: &all[i].Value, Source: &all[i].Source})
	}
	return out
}

func source(s *health.SourceReport) *models.SourceReport {
	return &models.SourceReport{
		Name:           new(string(s.Name)),
		State:          new(string(s.State)),
		Fresh:          new(s.State == health.SourceFresh || s.State == health.SourceSettling),
		LastFrame:      atIfKnown(s.LastFrame),
		Connections:    new(int64(s.Connections)),
		CadenceSeconds: s.Cadence.Seconds(),
		WindowSeconds:  new(s.Window.Seconds()),
		Widened:        &s.Widened,
		Connected:      &s.Connected,
		ConnectedSince: atIfKnown(s.ConnectedSince),
		Reconnects:     new(int64(s.Reconnects)),
		LastError:      s.LastErr,
		SettlesAt:      atIfKnown(s.SettlesAt),
	}
}

func counts(c health.Counts) *models.Counts {
	return &models.Counts{
		Total:     new(int64(c.Total)),
		Starting:  new(int64(c.Starting)),
		Healthy:   new(int64(c.Healthy)),
		Unhealthy: new(int64(c.Unhealthy)),
		Unknown:   new(int64(c.Unknown)),
		Flapping:  new(int64(c.Flapping)),
	}
}
