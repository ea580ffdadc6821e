package stats

import (
	"time"

	"github.com/sirupsen/logrus"
)

const (
	// sayAgain is how often an unchanging trouble is logged.
	sayAgain = 10 * time.Minute
	// quietAfter is how long no rubbish must have come for a burst to be over.
	quietAfter = time.Minute
)

// voice logs what becomes of a feed: each trouble once, however often it is
// tried again, and its end.
type voice struct {
	log logrus.FieldLogger

	downSaid time.Time // zero: the link is up, or nothing is wrong yet
	downText string
	failSaid time.Time // of connections beside the present one
	silences int       // tried in a row

	burst     int // rubbish since it was last logged
	burstFrom time.Time
	burstLast time.Time
	burstSaid time.Time // zero: no burst
}

func (v *voice) up(time.Time) {
	if v.downSaid.IsZero() {
		v.log.Info("feed connected")
	} else {
		v.log.Warn("feed connected again")
	}
	v.downSaid, v.downText = time.Time{}, ""
}

// down logs a new reason at once, one that differs from try to try (with a
// port's number in it) no more than once a minute, and the same one rarely.
func (v *voice) down(at time.Time, why string) {
	age := at.Sub(v.downSaid)
	if v.downSaid.IsZero() || age >= sayAgain || why != v.downText && age >= quietAfter {
		v.downSaid, v.downText = at, why
		v.log.WithField("reason", why).Warn("feed is not connected, trying again")
	}
}

func (v *voice) silence(d time.Duration) {
	if v.silences++; v.silences == 1 {
		v.log.WithField("silent", d.Round(time.Second).String()).
			Warn("feed is silent: opening a second connection beside it")
	}
}

func (v *voice) replaced(planned bool) {
	if v.failSaid = (time.Time{}); planned {
		v.log.Debug("feed connected with a new token")
		return
	}
	v.log.Warn("feed speaks again on a new connection")
}

func (v *voice) besideFailed(at time.Time, planned bool, err error) {
	if !v.failSaid.IsZero() && at.Sub(v.failSaid) < sayAgain {
		return
	}
	v.failSaid = at
	text := "feed is silent, and a second connection can't be opened"
	if planned {
		text = "feed's token can't be renewed yet, trying again until it expires"
	}
	v.log.WithError(err).Warn(text)
}

// heard notes a frame.
func (v *voice) heard() { v.silences = 0 }

// rubbish logs the first of a burst, a summary while it lasts, and its end.
func (v *voice) rubbish(at time.Time, s Skipped) {
	if s.Rubbish == 0 {
		if !v.burstSaid.IsZero() && at.Sub(v.burstLast) >= quietAfter {
			v.log.WithFields(logrus.Fields{"skipped": v.burst, "lasted": v.burstLast.Sub(v.burstFrom).Round(time.Second).String()}).
				Warn("feed makes sense again")
			v.burst, v.burstSaid = 0, time.Time{}
		}
		return
	}
	v.burst += s.Rubbish
	v.burstLast = at
	switch {
	case v.burstSaid.IsZero():
		v.burstFrom, v.burstSaid = at, at
		v.log.WithError(s.Err).Warn("feed sends rubbish, which is skipped")
	case at.Sub(v.burstSaid) >= sayAgain:
		v.log.WithError(s.Err).WithField("skipped", v.burst).Warn("feed still sends rubbish")
		v.burstSaid = at
	}
}
