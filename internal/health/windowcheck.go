package health

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The most that a window, and all of them together, may hold.
const (
	// MaxWindows is how many windows there may be.
	MaxWindows = 200
	// MaxWindowNames is how many names and patterns one may have, MaxNameBytes how
	// long each may be.
	MaxWindowNames, MaxNameBytes = 200, 256
	// MaxReason is how many characters a reason may have.
	MaxReason = 500
	// LongestSpan is how long a silence, or a window that comes once, may last.
	LongestSpan = 366 * 24 * time.Hour
)

// FieldError is what is wrong with one field of a [Window], in words for whoever
// filled it in.
type FieldError struct {
	Field string // as in JSON: "weekly.zone", "names[2]"
	Want  string // what it should be
}

// Error names the field first.
func (f *FieldError) Error() string { return f.Field + " " + f.Want }

// Check says whether the window makes sense, as a [*FieldError]; nil: it does. ID
// and By are not looked at.
func (w *Window) Check() error {
	if _, fault := w.workOut(); fault != nil {
		return fault
	}
	return nil
}

// workOut makes the plan, or names the first field that makes no sense.
func (w *Window) workOut() (*plan, *FieldError) {
	p := &plan{exact: map[string]bool{}}
	if len(w.Names) == 0 || len(w.Names) > MaxWindowNames {
		return nil, &FieldError{"names", fmt.Sprintf("must hold 1 to %d names of experiments, or patterns of them", MaxWindowNames)}
	}
	for i, name := range w.Names {
		if want := wantOfName(name); want != "" {
			return nil, &FieldError{fmt.Sprintf("names[%d]", i), want}
		}
		if strings.ContainsAny(name, "*?") {
			p.patterns = append(p.patterns, []rune(name))
		} else {
			p.exact[name] = true
		}
	}
	if n := len([]rune(w.Reason)); strings.TrimSpace(w.Reason) == "" || n > MaxReason {
		return nil, &FieldError{"reason", fmt.Sprintf("must have 1 to %d characters, this one has %d", MaxReason, n)}
	}
	if !slices.Contains([]Bookings{BookingsDecide, BookingsLeave, BookingsClose}, w.Bookings) {
		return nil, &FieldError{"bookings", fmt.Sprintf("must be decide, close or leave, not %q", w.Bookings)}
	}
	if fault := w.checkSpan(); fault != nil {
		return nil, fault
	}
	if w.Weekly == nil {
		return p, nil
	}
	weekly, fault := w.Weekly.workOut()
	if fault != nil {
		return nil, fault
	}
	p.weekly = weekly
	return p, nil
}

func wantOfName(name string) string {
	switch {
	case name == "":
		return "is empty; write a name, or * for every experiment"
	case len(name) > MaxNameBytes:
		return fmt.Sprintf("must be at most %d bytes long, this one has %d", MaxNameBytes, len(name))
	case strings.TrimSpace(name) != name:
		return "has space around it"
	case name != strings.ToValidUTF8(name, "") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "has characters that can't be shown"
	}
	return ""
}

// The years in which windows may lie: whatever is counted from there stays within
// what RFC 3339 can say.
const firstYear, lastYear = 1970, 9990

func (w *Window) checkSpan() *FieldError {
	outside := func(t time.Time) bool { y := t.UTC().Year(); return y < firstYear || y > lastYear }
	switch {
	case !w.From.IsZero() && outside(w.From):
		return &FieldError{"from", "must be a moment of this age"}
	case !w.Until.IsZero() && outside(w.Until):
		return &FieldError{"until", "must be a moment of this age"}
	case w.Weekly == nil && w.From.IsZero():
		return &FieldError{"from", "is needed: the moment at which it begins"}
	case w.Weekly == nil && w.Until.IsZero():
		return &FieldError{"until", "is needed: the moment at which it ends, unless it comes weekly"}
	case !w.Until.IsZero() && !w.Until.After(w.From):
		return &FieldError{"until", "must be after from"}
	case w.Weekly == nil && w.Until.Sub(w.From) > LongestSpan:
		return &FieldError{"until", "must be at most 366 days after from"}
	}
	return nil
}
