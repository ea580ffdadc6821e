package health

import (
	"strings"
	"time"
)

// HoldReason words a person's hold for book, in one line: the reason, and who gave it.
// Whatever the reason says, [PersonsHold] takes the result for a person's.
func HoldReason(reason, by string) string {
	words := oneLine(reason) + mark(by)
	if held, _ := PersonsHold(false, words); !held { // it begins as ours do, or as book's own
		words = "hold: " + words
	}
	return words
}

// mark is how a reason ends that somebody gave through us.
func mark(by string) string { return " (" + oneLine(by) + ")" }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// hold notes who holds resources of the experiment. Book has been told before, and
// has said so.
func (e *Engine) hold(x *experiment, a Act) (refused string) {
	if len(x.resources) == 0 {
		return "it has no resource that could be booked"
	}
	words := withoutPreamble(HoldReason(a.Text, a.By))
	found, news := false, false
	for _, r := range x.resources {
		if held, said := r.held(false); !held || said != words {
			continue
		}
		found = true
		if x.holds[r.Name] != a.By {
			if x.holds == nil {
				x.holds = make(map[string]string)
			}
			x.holds[r.Name], news = a.By, true
		}
	}
	if found && !news {
		return "" // said twice
	}
	a.Until, a.Window = time.Time{}, nil
	x.changed()
	e.done(a)
	return ""
}

// release notes who has ended holds of the experiment. Book has been told before, and
// has said so.
func (e *Engine) release(x *experiment, a Act) (refused string) {
	if len(x.resources) == 0 {
		return "it has no resource that could be booked"
	}
	a.Until, a.Window = time.Time{}, nil
	e.done(a)
	return ""
}

// holder is who holds the resource, as far as it was done through us. What book says
// now decides: somebody else may have held it since.
func (r *resource) holder() string {
	by := r.of.holds[r.Name]
	if by == "" {
		return ""
	}
	if held, words := r.held(false); !held || !strings.HasSuffix(words, mark(by)) {
		return ""
	}
	return by
}

// forgetHolder drops what is known of a holder who holds the resource no more.
func (r *resource) forgetHolder() {
	if r.of.holds[r.Name] != "" && r.holder() == "" {
		if delete(r.of.holds, r.Name); len(r.of.holds) == 0 {
			r.of.holds = nil
		}
		r.of.unsaved = true
	}
}
