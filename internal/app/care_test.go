package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// In a window of maintenance that closes bookings nothing can be booked and nothing is
// mailed of the faults that the work makes; when it ends, the streams decide again, and
// what is still wrong is told then. It goes on over a restart.
func TestMaintenanceThroughThePage(t *testing.T) {
	inLabWithAnna(t, experiments("pend00", "pend01", "spin30"), func(b *bench, do func(string, string, string) (int, string)) {
		from, until := time.Now().Add(5*time.Minute).UTC(), time.Now().Add(30*time.Minute).UTC()
		order := `{"names":["pend*"],"reason":"new bearings","bookings":"close","from":"` + from.Format(time.RFC3339) + `","until":"` + until.Format(time.RFC3339) + `"}`
		if code, text := do(http.MethodPost, "/maintenance", order); code != http.StatusCreated {
			t.Fatalf("set: %d %s", code, text)
		}
		b.wait(4 * time.Minute)
		if !b.available("r-pend00") {
			t.Error("closed before the window begins")
		}
		b.wait(2 * time.Minute)
		for resource, open := range map[string]bool{"r-pend00": false, "r-pend01": false, "r-spin30": true} {
			if b.available(resource) != open {
				t.Errorf("%s: open is %t in the window", resource, !open)
			}
		}
		if _, reason, _ := b.lab.Availability("r-pend00"); !strings.Contains(reason, "maintenance until "+until.Format(time.RFC3339)+": new bearings") {
			t.Errorf("students read %q", reason)
		}
		began := time.Now()
		b.must(b.lab.Stream("pend00-st-video").Silence(), b.lab.Stream("pend01-st-video").Silence())
		b.wait(8 * time.Minute)
		b.must(b.lab.Stream("pend01-st-video").Resume())
		b.stop()
		b.start()
		b.wait(time.Until(until) - time.Minute)
		if b.available("r-pend00") || b.available("r-pend01") {
			t.Error("opened in the window")
		}
		b.told(began)
		b.wait(2 * time.Minute)
		if b.available("r-pend00") || !b.available("r-pend01") {
			t.Error("after the window the streams decide")
		}
		if told := b.mails(began); len(told) != 1 || !strings.Contains(told[0], "pend00") || strings.Contains(told[0], "pend01") {
			t.Errorf("told after the window: %q", told)
		}
	})
}

// A window that is taken away ends at once, and who did it is told.
func TestMaintenanceTakenAway(t *testing.T) {
	inLabWithAnna(t, experiments("pend00"), func(b *bench, do func(string, string, string) (int, string)) {
		code, text := do(http.MethodPost, "/maintenance",
			`{"names":["pend00"],"reason":"every night","from":"2000-01-01T00:00:00Z","bookings":"close","weekly":{"days":["mon","tue","wed","thu","fri","sat","sun"],"start":"00:00","end":"00:00","zone":"Europe/London"}}`)
		if code != http.StatusCreated {
			t.Fatalf("set: %d %s", code, text)
		}
		b.becomes("r-pend00", false, 10*time.Second)
		_, rest, _ := strings.Cut(text, `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		if code, text := do(http.MethodDelete, "/maintenance/"+id, ""); code != http.StatusNoContent {
			t.Fatalf("take away %q: %d %s", id, code, text)
		}
		b.becomes("r-pend00", true, 10*time.Second)
		b.wait(time.Minute)
		if told := strings.Join(b.mails(time.Time{}), " | "); strings.Count(told, "anna") != 2 {
			t.Errorf("told: %q", told)
		}
	})
}

// What is still wrong is told again and again, each time once, until somebody cares for
// it; over a restart the time goes on.
func TestReminders(t *testing.T) {
	env := map[string]string{"STATUS_SECRET_STATUS": actsSecret, "STATUS_EMAIL_REMIND_EVERY": "6m"}
	inLab(t, experiments("pend00", "spin30"), inFile(t, env), func(b *bench) {
		do := b.anna()
		began := time.Now()
		b.must(b.lab.Jump("pend00").Drop())
		b.wait(15 * time.Minute)
		b.told(began, "1 new problem", "reminder", "reminder")
		b.stop()
		b.start()
		b.wait(2 * time.Minute)
		b.told(began, "1 new problem", "reminder", "reminder")
		b.wait(2 * time.Minute)
		b.told(began, "1 new problem", "reminder", "reminder", "reminder")
		if code, text := do(http.MethodPut, "/experiments/pend00/ack", `{"note":"a new card is ordered"}`); code != http.StatusOK {
			t.Fatalf("ack: %d %s", code, text)
		}
		b.wait(time.Minute)
		cared := time.Now()
		b.wait(20 * time.Minute)
		b.told(cared)
	})
}
