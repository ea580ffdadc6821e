package serve

import (
	"time"

	"labstatus/internal/health"
	"labstatus/serve/models"
)

func silence(s *health.Silence) *models.Silence {
	if s == nil {
		return nil
	}
	return &models.Silence{At: at(s.At), By: &s.By, Reason: &s.Reason, Until: at(s.Until)}
}

func ack(a *health.Ack) *models.Ack {
	if a == nil {
		return nil
	}
	return &models.Ack{At: at(a.At), By: &a.By, Note: &a.Note}
}

func maintenance(m *health.Maintenance) *models.Maintenance {
	if m == nil {
		return nil
	}
	return &models.Maintenance{
		ID: &m.ID, Reason: &m.Reason, By: &m.By, Bookings: new(string(m.Bookings)), Since: at(m.Since), Until: at(m.Until),
	}
}

func windows(all []health.Window, now time.Time) models.MaintenanceWindows {
	out := make(models.MaintenanceWindows, 0, len(all))
	for i := range all {
		out = append(out, window(&all[i], now))
	}
	return out
}

// window adds to what was asked for when it is in force.
func window(w *health.Window, now time.Time) *models.MaintenanceWindow {
	out := &models.MaintenanceWindow{
		ID: &w.ID, Names: nonNil(w.Names), Reason: &w.Reason, By: &w.By, Bookings: new(string(w.Bookings)),
		From: at(w.From), Until: atIfKnown(w.Until), Weekly: weekly(w.Weekly), Active: []*models.Span{},
	}
	if since, until, ok := w.Active(now); ok {
		out.Active = append(out.Active, &models.Span{Since: at(since), Until: at(until)})
	}
	if since, until, ok := w.Next(now); ok {
		out.Next = &models.Span{Since: at(since), Until: at(until)}
	}
	return out
}

func weekly(w *health.Weekly) *models.Weekly {
	if w == nil {
		return nil
	}
	return &models.Weekly{Days: nonNil(w.Days), Start: &w.Start, End: &w.End, Zone: &w.Zone}
}

func actPage(page []health.Act, next string) *models.ActPage {
	out := &models.ActPage{Acts: make([]*models.Act, 0, len(page)), Next: next}
	for i := range page {
		a := &page[i]
		out.Acts = append(out.Acts, &models.Act{
			At: at(a.At), Kind: new(string(a.Kind)), By: &a.By, Experiment: a.Experiment,
			Until: atIfKnown(a.Until), Text: a.Text, Window: actWindow(a.Window),
		})
	}
	return out
}

func actWindow(w *health.Window) *models.ActWindow {
	if w == nil {
		return nil
	}
	return &models.ActWindow{
		ID: &w.ID, Names: nonNil(w.Names), Reason: &w.Reason, By: &w.By, Bookings: new(string(w.Bookings)),
		From: at(w.From), Until: atIfKnown(w.Until), Weekly: weekly(w.Weekly),
	}
}
