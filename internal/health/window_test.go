package health_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"labstatus/internal/health"
)

func utc(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// lectures is a window that makes sense, every weekday morning.
func lectures() health.Window {
	return health.Window{
		Names: []string{"pend*"}, Reason: "lectures", Bookings: health.BookingsLeave, From: epoch,
		Weekly: &health.Weekly{Days: []string{"mon", "tue", "wed", "thu", "fri"}, Start: "08:00", End: "12:30", Zone: "Europe/London"},
	}
}

func TestAWindowThatMakesNoSenseIsRefusedByItsField(t *testing.T) {
	t.Parallel()
	once := func(w *health.Window) { w.Weekly, w.Until = nil, epoch.Add(time.Hour) }
	for about, c := range map[string]struct {
		change func(*health.Window)
		field  string
	}{
		"a weekly window":                     {func(*health.Window) {}, ""},
		"a window that comes once":            {once, ""},
		"a name with other patterns' letters": {func(w *health.Window) { w.Names = []string{`[a-z]\d{2}`} }, ""},
		"as many names as are allowed":        {func(w *health.Window) { w.Names = make200("pend00") }, ""},
		"once, for as long as is allowed":     {func(w *health.Window) { once(w); w.Until = epoch.Add(health.LongestSpan) }, ""},
		"weekly, from ever and for ever":      {func(w *health.Window) { w.From, w.Until = time.Time{}, time.Time{} }, ""},
		"a whole day":                         {func(w *health.Window) { w.Weekly.End = "08:00" }, ""},
		"a reason of 500 letters":             {func(w *health.Window) { w.Reason = strings.Repeat("é", 500) }, ""},

		"no names":                     {func(w *health.Window) { w.Names = nil }, "names"},
		"too many names":               {func(w *health.Window) { w.Names = append(make200("pend00"), "pend01") }, "names"},
		"an empty name":                {func(w *health.Window) { w.Names = []string{"pend00", "spin30", ""} }, "names[2]"},
		"a name that is too long":      {func(w *health.Window) { w.Names = []string{strings.Repeat("p", 257)} }, "names[0]"},
		"a name with space around it":  {func(w *health.Window) { w.Names = []string{" pend00"} }, "names[0]"},
		"a name of two lines":          {func(w *health.Window) { w.Names = []string{"pend\n00"} }, "names[0]"},
		"a name that is no text":       {func(w *health.Window) { w.Names = []string{"pend\xff"} }, "names[0]"},
		"no reason":                    {func(w *health.Window) { w.Reason = "" }, "reason"},
		"a blank reason":               {func(w *health.Window) { w.Reason = " \n" }, "reason"},
		"a reason that is too long":    {func(w *health.Window) { w.Reason = strings.Repeat("é", 501) }, "reason"},
		"nothing about bookings":       {func(w *health.Window) { w.Bookings = "" }, "bookings"},
		"bookings nobody knows":        {func(w *health.Window) { w.Bookings = "open" }, "bookings"},
		"once, without a beginning":    {func(w *health.Window) { once(w); w.From = time.Time{} }, "from"},
		"once, without an end":         {func(w *health.Window) { once(w); w.Until = time.Time{} }, "until"},
		"an end before the beginning":  {func(w *health.Window) { once(w); w.Until = epoch.Add(-time.Hour) }, "until"},
		"an end at the beginning":      {func(w *health.Window) { once(w); w.Until = epoch }, "until"},
		"once, too long":               {func(w *health.Window) { once(w); w.Until = epoch.Add(health.LongestSpan + 1) }, "until"},
		"weekly, over before it is":    {func(w *health.Window) { w.Until = epoch.Add(-time.Hour) }, "until"},
		"the far future":               {func(w *health.Window) { w.From = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }, "from"},
		"an end in the far future":     {func(w *health.Window) { w.Until = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }, "until"},
		"long ago":                     {func(w *health.Window) { w.From = time.Date(800, 1, 1, 0, 0, 0, 0, time.UTC) }, "from"},
		"no days":                      {func(w *health.Window) { w.Weekly.Days = nil }, "weekly.days"},
		"a day that isn't one":         {func(w *health.Window) { w.Weekly.Days = []string{"mon", "Tue"} }, "weekly.days[1]"},
		"a day twice":                  {func(w *health.Window) { w.Weekly.Days = []string{"mon", "tue", "mon"} }, "weekly.days[2]"},
		"a start without its zero":     {func(w *health.Window) { w.Weekly.Start = "8:00" }, "weekly.start"},
		"a start with seconds":         {func(w *health.Window) { w.Weekly.Start = "08:00:00" }, "weekly.start"},
		"an end beyond the day":        {func(w *health.Window) { w.Weekly.End = "24:00" }, "weekly.end"},
		"no end":                       {func(w *health.Window) { w.Weekly.End = "" }, "weekly.end"},
		"a zone nobody knows":          {func(w *health.Window) { w.Weekly.Zone = "Europe/Londn" }, "weekly.zone"},
		"no zone":                      {func(w *health.Window) { w.Weekly.Zone = "" }, "weekly.zone"},
		"the zone of whoever runs it":  {func(w *health.Window) { w.Weekly.Zone = "Local" }, "weekly.zone"},
		"a zone out of the zones' box": {func(w *health.Window) { w.Weekly.Zone = "../../etc/passwd" }, "weekly.zone"},
	} {
		t.Run(about, func(t *testing.T) {
			w := lectures()
			c.change(&w)
			err := w.Check()
			fault, is := errors.AsType[*health.FieldError](err)
			switch {
			case c.field == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.field != "" && (!is || fault.Field != c.field || !strings.HasPrefix(err.Error(), c.field+" ")):
				t.Errorf("got %v, want a fault of %s", err, c.field)
			}
			if _, _, ok := w.Active(epoch.Add(60 * time.Hour)); err != nil && (ok || w.Matches("pend00")) {
				t.Error("it is refused, and holds")
			}
		})
	}
}

func make200(name string) []string {
	names := make([]string, 200)
	for i := range names {
		names[i] = name
	}
	return names
}

func TestPatternsOfNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		matches       bool
	}{
		{"pend00", "pend00", true}, {"pend00", "pend01", false}, {"pend00", "pend000", false}, {"pend00", "", false},
		{"*", "", true}, {"*", "anything at all", true}, {"pend*", "pend", true}, {"pend*", "spin30", false},
		{"*00", "pend00", true}, {"*00", "pend001", false}, {"p*d*0", "pend00", true}, {"p*d*0", "pend01", false},
		{"pend0?", "pend07", true}, {"pend0?", "pend0", false}, {"pend0?", "pend071", false}, {"?*", "", false}, {"*?", "x", true},
		{"träger?", "trägerü", true}, {"??", "ü", false}, {"[a-z]*", "pend00", false}, {"[a-z]*", "[a-z]1", true},
		{`pend\*`, "pend00", false}, {`pend\*`, `pend\x`, true}, {"pend.*", "pend00", false}, {"**a**", "bab", true},
		{"PEND*", "pend00", false}, {"a*b*c*d*e*f", strings.Repeat("abcde", 50), false},
	} {
		w := lectures()
		w.Names = []string{"other", c.pattern}
		if got := w.Matches(c.name); got != c.matches {
			t.Errorf("%q and %q: %v", c.pattern, c.name, got)
		}
	}
}

// Patterns mean what the shell's do, where those have no classes and no slashes.
func TestPatternsLikeTheShell(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]rune("ab*?"))
		w := lectures()
		w.Names = []string{rapid.StringOfN(letters, 1, 12, -1).Draw(t, "pattern")}
		name := rapid.StringOfN(rapid.SampledFrom([]rune("abä")), 0, 20, -1).Draw(t, "name")
		want, err := path.Match(w.Names[0], name)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Matches(name); got != want {
			t.Fatalf("%q and %q: %v", w.Names[0], name, got)
		}
	})
}

// A window is on the clock of its place. Moments are in UTC.
func TestWeeklyWindows(t *testing.T) {
	t.Parallel()
	weekly := func(days, start, end, zone string) health.Window {
		w := lectures()
		w.From = time.Time{}
		w.Weekly = &health.Weekly{Days: strings.Fields(days), Start: start, End: end, Zone: zone}
		return w
	}
	for _, c := range []struct {
		about            string
		w                health.Window
		at, since, until string // none: not active
		next, nextUntil  string // none: not looked at
	}{
		{"winter in London", weekly("mon", "08:00", "12:30", "Europe/London"), "2027-01-04 09:00", "2027-01-04 08:00", "2027-01-04 12:30", "2027-01-11 08:00", "2027-01-11 12:30"},
		{"summer in London", weekly("mon", "08:00", "12:30", "Europe/London"), "2027-07-05 07:00", "2027-07-05 07:00", "2027-07-05 11:30", "2027-07-12 07:00", "2027-07-12 11:30"},
		{"its end is not in it", weekly("mon", "08:00", "12:30", "Europe/London"), "2027-01-04 12:30", "", "", "2027-01-11 08:00", "2027-01-11 12:30"},
		{"the day before", weekly("mon", "08:00", "12:30", "Europe/London"), "2027-01-03 09:00", "", "", "2027-01-04 08:00", "2027-01-04 12:30"},
		{"until the next day", weekly("fri", "22:00", "06:00", "Europe/London"), "2027-01-09 05:59", "2027-01-08 22:00", "2027-01-09 06:00", "2027-01-15 22:00", "2027-01-16 06:00"},
		{"until midnight", weekly("fri", "22:00", "00:00", "Europe/London"), "2027-01-08 23:59", "2027-01-08 22:00", "2027-01-09 00:00", "", ""},
		{"whole days that touch", weekly("mon tue", "08:00", "08:00", "Europe/London"), "2027-01-05 08:00", "2027-01-05 08:00", "2027-01-06 08:00", "2027-01-11 08:00", "2027-01-12 08:00"},
		{"a place far to the east: Monday begins on Sunday", weekly("mon", "08:00", "09:00", "Pacific/Auckland"), "2027-01-03 19:30", "2027-01-03 19:00", "2027-01-03 20:00", "", ""},

		// London, 28 March 2027: 01:00 to 02:00 is left out. 31 October: it comes twice.
		{"it begins in an hour that is left out", weekly("sun", "01:30", "03:00", "Europe/London"), "2027-03-28 01:00", "2027-03-28 01:00", "2027-03-28 02:00", "", ""},
		{"it ends in an hour that is left out", weekly("sun", "00:00", "01:30", "Europe/London"), "2027-03-28 00:59", "2027-03-28 00:00", "2027-03-28 01:00", "", ""},
		{"it is all in an hour that is left out", weekly("sun", "01:10", "01:50", "Europe/London"), "2027-03-28 01:00", "", "", "2027-04-04 00:10", "2027-04-04 00:50"},
		{"over an hour that is left out", weekly("sun", "00:30", "04:00", "Europe/London"), "2027-03-28 01:30", "2027-03-28 00:30", "2027-03-28 03:00", "", ""},
		{"it begins in an hour that comes twice: the first time", weekly("sun", "01:30", "03:00", "Europe/London"), "2027-10-31 00:30", "2027-10-31 00:30", "2027-10-31 03:00", "", ""},
		{"it ends in an hour that comes twice: the first time", weekly("sun", "00:00", "01:30", "Europe/London"), "2027-10-31 00:30", "", "", "2027-11-07 00:00", "2027-11-07 01:30"},
		{"over an hour that comes twice", weekly("sun", "00:30", "04:00", "Europe/London"), "2027-10-31 03:59", "2027-10-30 23:30", "2027-10-31 04:00", "", ""},

		{"half an hour is left out on Lord Howe", weekly("sun", "02:15", "03:00", "Australia/Lord_Howe"), "2027-10-02 15:30", "2027-10-02 15:30", "2027-10-02 16:00", "", ""},
		{"midnight is left out in Santiago", weekly("sun", "00:00", "02:00", "America/Santiago"), "2027-09-05 04:00", "2027-09-05 04:00", "2027-09-05 05:00", "", ""},
		{"a whole day is left out in Apia", weekly("fri", "08:00", "12:00", "Pacific/Apia"), "2011-12-30 10:00", "", "", "2012-01-05 18:00", "2012-01-05 22:00"},
		{"before the first rule of a zone", weekly("sun", "08:00", "09:00", "UTC"), "1970-01-04 08:30", "1970-01-04 08:00", "1970-01-04 09:00", "", ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			at := utc(t, c.at)
			since, until, ok := c.w.Active(at)
			if ok != (c.since != "") {
				t.Fatalf("active at %s: %v, %s to %s", c.at, ok, since, until)
			}
			if ok && (since != utc(t, c.since) || until != utc(t, c.until)) {
				t.Errorf("%s to %s, want %s to %s", since, until, c.since, c.until)
			}
			if c.next == "" {
				return
			}
			if since, until, ok := c.w.Next(at); !ok || since != utc(t, c.next) || until != utc(t, c.nextUntil) {
				t.Errorf("next: %v, %s to %s, want %s to %s", ok, since, until, c.next, c.nextUntil)
			}
		})
	}
}

func TestTheEndsOfAWindow(t *testing.T) {
	t.Parallel()
	once := lectures()
	once.Weekly, once.From, once.Until = nil, epoch, epoch.Add(time.Hour)
	morning := lectures() // Monday 23 November 2026 is its first day
	morning.Until = utc(t, "2026-11-25 08:00")
	late := lectures()
	late.From = utc(t, "2026-11-23 08:01")
	for _, c := range []struct {
		about  string
		w      health.Window
		at     time.Time
		active bool
		next   string
	}{
		{"before it", once, epoch.Add(-time.Second), false, "2026-11-20 22:00"},
		{"at its beginning", once, epoch, true, ""},
		{"in its last moment", once, epoch.Add(time.Hour - 1), true, ""},
		{"at its end", once, epoch.Add(time.Hour), false, ""},
		{"weekly: long before it", morning, epoch.Add(-1000 * time.Hour), false, "2026-11-23 08:00"},
		{"weekly: one begins at the last moment", morning, utc(t, "2026-11-25 12:29"), true, ""},
		{"weekly: none begins after that", morning, utc(t, "2026-11-26 09:00"), false, ""},
		{"weekly: one that begins before it is none", late, utc(t, "2026-11-23 09:00"), false, "2026-11-24 08:00"},
	} {
		t.Run(c.about, func(t *testing.T) {
			_, _, active := c.w.Active(c.at)
			since, _, more := c.w.Next(c.at)
			if active != c.active || more != (c.next != "") || more && since != utc(t, c.next) {
				t.Errorf("active %v, next %v %s", active, more, since)
			}
		})
	}
}

// planned is the window as the engine has it: worked out once, not at each question.
func planned(w health.Window) health.Window {
	w.ID = "w1"
	return health.New(newWorld().cfg, epoch, health.Kept{System: health.SystemRecord{Windows: []health.Window{w}}}).Snapshot().Windows[0]
}

// A place's clock, looked at minute by minute, agrees: a time of day is when the clock
// first shows it, or something later.
func TestWeeklyWindowsMinuteByMinute(t *testing.T) {
	t.Parallel()
	changes := map[string]time.Time{ // near one of the place's clock changes
		"Europe/London":       time.Date(2027, 3, 28, 0, 0, 0, 0, time.UTC),
		"Europe/Berlin":       time.Date(2027, 10, 31, 0, 0, 0, 0, time.UTC),
		"America/New_York":    time.Date(2027, 11, 7, 0, 0, 0, 0, time.UTC),
		"Australia/Lord_Howe": time.Date(2027, 4, 3, 0, 0, 0, 0, time.UTC),
		"America/Santiago":    time.Date(2027, 4, 4, 0, 0, 0, 0, time.UTC),
		"Pacific/Apia":        time.Date(2011, 12, 30, 0, 0, 0, 0, time.UTC),
		"Africa/Casablanca":   time.Date(2027, 2, 7, 0, 0, 0, 0, time.UTC),
		"Asia/Kolkata":        time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for zone, change := range changes {
		place, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		begin := change.Add(-3 * 24 * time.Hour)
		shown := make([]string, 6*24*60)     // minute by minute
		latest := make([]string, len(shown)) // of what was shown so far: in order, though clocks are put back
		for n := range shown {
			shown[n] = begin.Add(time.Duration(n) * time.Minute).In(place).Format("2006-01-02 15:04")
			latest[n] = max(shown[n], latest[max(n-1, 0)])
		}
		first := func(wall string) int { // the first minute at which the clock shows that, or later
			n, _ := slices.BinarySearch(latest, wall)
			return n
		}
		for range 8 {
			// Mostly in the small hours, when clocks are changed.
			minutes := func() int { return rng.IntN([]int{4 * 60, 24 * 60}[rng.IntN(2)]) }
			start, end := minutes(), minutes()
			clock := func(m int) string { return fmt.Sprintf("%02d:%02d", m/60%24, m%60) }
			w := lectures()
			w.From = time.Time{}
			w.Weekly = &health.Weekly{Days: []string{"mon", "wed", "fri", "sat", "sun"}, Start: clock(start), End: clock(end), Zone: zone}
			if end <= start {
				end += 24 * 60
			}
			w = planned(w)
			in := make([]int, len(shown)) // 1 and more: the span that holds it
			for d := range 7 {
				date := begin.AddDate(0, 0, d-1)
				if day := date.Weekday(); day == time.Tuesday || day == time.Thursday {
					continue
				}
				at := func(m int) int { return first(date.Add(time.Duration(m) * time.Minute).Format("2006-01-02 15:04")) }
				for n := at(start); n < at(end); n++ {
					in[n] = d + 1
				}
			}
			due := 0 // the next of the minutes between
			for n := 24 * 60; n < len(in)-24*60; n++ {
				if edge := in[n] != in[n-1] || in[n] != in[n+1]; !edge && n < due {
					continue
				}
				due = n + 1 + rng.IntN(120)
				at := begin.Add(time.Duration(n) * time.Minute)
				since, until, ok := w.Active(at)
				if ok != (in[n] > 0) {
					t.Fatalf("%s %+v at %s (%s): active %v", zone, *w.Weekly, at, shown[n], ok)
				}
				if next, _, more := w.Next(at); !more || ok && next.Before(until) || !next.After(at) {
					t.Fatalf("%s %+v at %s: active %s to %s, next %s", zone, *w.Weekly, at, since, until, next)
				}
			}
		}
	}
}
