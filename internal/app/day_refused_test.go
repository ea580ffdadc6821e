package app_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// fates is a mail as the API shows it.
type fates struct {
	ID         string
	Recipients []struct {
		Address string
		Fate    string
		Error   string `json:"last_error"`
	}
}

// refusedTo says whether the API gives the server's words for why somebody hasn't got it.
func (m fates) refusedTo(who string) bool {
	for _, r := range m.Recipients {
		if strings.HasPrefix(r.Address, who[:1]) {
			return r.Fate == "failed" && strings.Contains(r.Error, refusal)
		}
	}
	return false
}

// refusedForGood: what a recipient was finally refused is shown with the server's words.
// It is called when nothing waits to be sent. What was refused to everybody is known from
// the API alone; what it says would have been told, so that it must be as true and as
// complete as if it had been read.
func (d *day) refusedForGood() {
	missed := d.refusing
	for id := range d.seenByAnybody() {
		for _, who := range dayRecipients {
			missed = missed || d.readers[who].seen[id] == "" && !d.shownRefused[who+id]
		}
	}
	if !missed {
		return
	}
	d.refusing = false
	shown, ids := map[string]fates{}, d.seenByAnybody()
	for _, m := range d.keptMails() {
		id := "<" + m.ID + ">"
		if shown[id] = m; !ids[id] && !d.shownRefused[id] {
			ids[id], d.shownRefused[id] = true, true
			d.untaken(m.ID)
		}
	}
	for id := range ids {
		for _, who := range dayRecipients {
			if d.readers[who].seen[id] != "" || d.shownRefused[who+id] {
				continue
			}
			if d.shownRefused[who+id] = shown[id].refusedTo(who); !d.shownRefused[who+id] {
				d.errorf("%s has never got %s, and the API doesn't say why: %+v", who, id, shown[id])
			}
		}
	}
}

// untaken takes in a mail that nobody has got.
func (d *day) untaken(id string) {
	var mail struct{ Text string }
	d.must(json.Unmarshal([]byte(d.asks(http.MethodGet, "/mails/"+id, "", http.StatusOK)), &mail))
	l, err := read(mail.Text)
	if err != nil {
		d.errorf("%s: %v\n%s", id, err, mail.Text)
		return
	}
	d.author.mailed(l, d.flapWindow)
	d.noFalseAlarm(l)
	d.nothingHushed(l)
}

// seenByAnybody are the Message-IDs of what anybody has read.
func (d *day) seenByAnybody() map[string]bool {
	ids := map[string]bool{}
	for _, r := range d.readers {
		for id := range r.seen {
			ids[id] = true
		}
	}
	return ids
}

// keptMails are the newest mails of which the API knows, the oldest of them first: more
// than there are between two quiet points.
func (d *day) keptMails() []fates {
	var page struct{ Mails []fates }
	d.must(json.Unmarshal([]byte(d.asks(http.MethodGet, "/mails?limit=1000", "", http.StatusOK)), &page))
	slices.Reverse(page.Mails)
	return page.Mails
}
