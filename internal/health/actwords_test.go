package health_test

import (
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
)

func TestActsAreWordedForPeople(t *testing.T) {
	t.Parallel()
	once := &health.Window{Names: []string{"pend*", "spin30", "spin31", "trus05", "trus06"}, From: epoch, Until: epoch.Add(90 * time.Minute), Bookings: health.BookingsClose}
	weekly := lectures()
	weekly.Weekly.Days, weekly.Until = []string{"fri", "mon"}, epoch.Add(1000*time.Hour)
	daily := lectures()
	daily.Bookings, daily.Weekly.Days = health.BookingsDecide, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	for _, c := range []struct {
		act         health.Act
		long, short string
	}{
		{health.Act{Kind: health.ActSilence, By: "anna", Experiment: "pend00", Until: epoch.Add(16 * time.Hour), Text: "rewiring"},
			"anna silenced pend00 until 2026-11-21 14:00 UTC: rewiring", "pend00 silenced by anna"},
		{health.Act{Kind: health.ActSilence, By: "anna", Experiment: "pend00", Until: epoch.Add(time.Second).In(time.FixedZone("", 3600)), Text: "two\r\n\tlines "},
			"anna silenced pend00 until 2026-11-20 22:00:01 UTC: two lines", "pend00 silenced by anna"},
		{health.Act{Kind: health.ActUnsilence, By: "anna", Experiment: "pend00", Text: "rewiring"}, "anna ended the silence of pend00", "silence of pend00 ended by anna"},
		{health.Act{Kind: health.ActUnsilence, Experiment: "pend00", Text: "rewiring"}, "silence of pend00 is over (rewiring)", "silence of pend00 is over"},
		{health.Act{Kind: health.ActAck, By: "ben", Experiment: "pend00"}, "ben acknowledged pend00", "pend00 acknowledged by ben"},
		{health.Act{Kind: health.ActAck, By: "ben", Experiment: "pend00", Text: "on my way"}, "ben acknowledged pend00: on my way", "pend00 acknowledged by ben"},
		{health.Act{Kind: health.ActUnack, By: "ben", Experiment: "pend00"}, "ben took back the acknowledgement of pend00", "acknowledgement of pend00 ended by ben"},
		{health.Act{Kind: health.ActUnack, Experiment: "pend00"}, "acknowledgement of pend00 is over", "acknowledgement of pend00 is over"},
		{health.Act{Kind: health.ActHold, By: "ben", Experiment: "pend00", Text: "loose"}, "ben took pend00 off booking: loose", "pend00 off booking by ben"},
		{health.Act{Kind: health.ActRelease, By: "ben", Experiment: "pend00"}, "ben put pend00 back on booking", "pend00 back on booking by ben"},
		{health.Act{Kind: health.ActSetMaintenance, By: "anna", Window: once, Text: "new switch"},
			"anna set maintenance of pend*, spin30, spin31 and 2 more from 2026-11-20 22:00 UTC until 2026-11-20 23:30 UTC, bookings closed: new switch", "maintenance of pend*, spin30, spin31 and 2 more set by anna"},
		{health.Act{Kind: health.ActSetMaintenance, By: "anna", Window: &weekly, Text: "lectures"},
			"anna set maintenance of pend* every mon, fri from 08:00 until 12:30 in Europe/London, none after 2027-01-01 14:00 UTC, bookings left as they are: lectures", "maintenance of pend* set by anna"},
		{health.Act{Kind: health.ActSetMaintenance, By: "anna", Window: &daily},
			"anna set maintenance of pend* every day from 08:00 until 12:30 in Europe/London", "maintenance of pend* set by anna"},
		{health.Act{Kind: health.ActRemoveMaintenance, By: "anna", Window: once, Text: "new switch"}, "anna removed the maintenance of pend*, spin30, spin31 and 2 more", "maintenance of pend*, spin30, spin31 and 2 more ended by anna"},
		{health.Act{Kind: health.ActRemoveMaintenance, Window: &daily, Text: "lectures"}, "maintenance of pend* is over (lectures)", "maintenance of pend* is over"},
		{health.Act{Kind: health.ActTestMail, By: "anna"}, "anna asked for a test mail", "test mail by anna"},
		{health.Act{Kind: health.ActSetMaintenance, By: "anna"}, "anna set maintenance of nothing", "maintenance of nothing set by anna"},
		{health.Act{Kind: "brand_new", By: "anna", Experiment: "pend00"}, "anna brand_new pend00", "brand_new pend00 by anna"},
	} {
		if got := c.act.String(); got != c.long {
			t.Errorf("got  %q\nwant %q", got, c.long)
		}
		if got := c.act.Short(); got != c.short {
			t.Errorf("got  %q\nwant %q", got, c.short)
		}
	}
}

// Whatever a person's reason says, book's answer is read as that person's hold.
func TestAReasonForAHoldIsAPersons(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"lens is being cleaned":            "lens is being cleaned (anna)",
		"two\r\nlines":                     "two lines (anna)",
		"status server: missing required":  "hold: status server: missing required (anna)",
		"Loaded at the wrong end":          "hold: Loaded at the wrong end (anna)",
		"unavailable because it is broken": "unavailable because it is broken (anna)",
		"unavailable because Loaded at x":  "hold: unavailable because Loaded at x (anna)",
		"":                                 " (anna)",
	} {
		got := health.HoldReason(reason, "anna")
		held, words := health.PersonsHold(false, "unavailable because "+got)
		if got != want || !held || !strings.HasSuffix(words, "(anna)") {
			t.Errorf("%q: %q, held %v as %q", reason, got, held, words)
		}
	}
}
