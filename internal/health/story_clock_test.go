package health_test

import (
	"encoding/json"
	"fmt"
	"time"
	"unsafe"

	"labstatus/internal/health"
)

// onBothClocks gives a moment with a monotonic reading besides, as the server's own
// moments have one: two of them are compared by that, whatever the time of day was set
// to between them. Only time.Now gives it, and only of the present; hence the look
// inside a time.Time: a flag with the seconds since 1885 and the nanoseconds, then the
// reading, then the zone.
func onBothClocks(wall time.Time, reading time.Duration) time.Time {
	inside := struct {
		wall uint64
		ext  int64
		zone *time.Location
	}{ext: int64(reading)}
	inside.wall = 1<<63 | uint64(wall.Sub(time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC))/time.Second)<<30 | uint64(wall.Nanosecond())
	return *(*time.Time)(unsafe.Pointer(&inside))
}

// startClocks gives the world's moments a monotonic reading from now on.
func (w *world) startClocks() {
	w.now = onBothClocks(w.now, time.Hour)
	w.began = w.now
	w.schedule()
}

// setClock sets the time of day, as a person or NTP does. Time itself goes on.
func (w *world) setClock(by time.Duration) error {
	reading := w.now.Sub(w.began) + time.Hour
	wall := w.now.Round(0).Add(by)
	w.now = onBothClocks(wall, reading)
	if got := w.now.Sub(w.began) + time.Hour; got != reading || !w.now.Round(0).Equal(wall) {
		return fmt.Errorf("this version of Go keeps a time.Time in another way: %s, %s", w.now, got)
	}
	w.schedule()
	return nil
}

// throughStore takes what is kept the way it goes: moments lose their monotonic reading
// on it.
func throughStore(kept health.Kept) (read health.Kept, err error) {
	text, err := json.Marshal(kept)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	return read, err
}
