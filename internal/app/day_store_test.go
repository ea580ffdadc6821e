package app_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"labstatus/internal/store"
)

// dayStore is the store among the services that can be ill.
const dayStore = "store"

// storeLoud is after what time the server must have noticed that it can't keep what it
// has decided; storeWell is after what time all is kept again.
const (
	storeLoud = 5 * time.Second
	storeWell = 15 * time.Second
)

// storeFaults lets the server's store fail in some way, or mends it.
func (d *day) storeFaults() {
	if d.ill[dayStore] {
		d.mendStore()
		return
	}
	fault := pick(d, []struct {
		name  string
		loud  bool // whatever is to be kept can't be
		order storeFault
	}{
		{"has no space left", true, storeFault{err: fmt.Errorf("commit: %w", store.ErrFull)}},
		{"is read-only", true, storeFault{err: fmt.Errorf("commit: %w", store.ErrReadOnly)}},
		{"is locked", true, storeFault{err: fmt.Errorf("commit: %w", store.ErrLocked)}},
		{"is damaged", true, storeFault{err: fmt.Errorf("commit: %w: %w", store.ErrCorrupt, errNeighbour), reads: true}},
		{"hangs", true, storeFault{hangs: true, commit: true}},
		{"can't note what became of mails", false, storeFault{err: store.ErrFull, marks: true}},
		{"is slow", false, storeFault{slow: pick(d, []time.Duration{300 * time.Millisecond, 3 * time.Second})}},
		{"does what it says it hasn't done", true, storeFault{err: store.ErrDisk, lies: true, commit: true}},
	})
	d.did("the store %s", fault.name)
	d.fell(dayStore)
	d.storeLoud = fault.loud
	d.disk.order(fault.order)
}

// deletesStore takes the database away while the server runs, with or without what is
// beside it: it is written anew from what is still open, within the minute in which
// something is written, and nothing else comes of it, then or ever.
func (d *day) deletesStore() {
	if d.well(dayStore) < storeWell {
		return
	}
	endings := []string{"", "-wal", "-shm", ".lock"}[:pick(d, []int{1, 4})]
	d.did("the database is deleted, and with it %q", endings[1:])
	for _, ending := range endings {
		if err := os.Remove(d.env["STATUS_STORE"] + ending); !errors.Is(err, fs.ErrNotExist) {
			d.must(err)
		}
	}
	d.pass(time.Minute + 5*time.Second)
	if _, err := os.Stat(d.env["STATUS_STORE"]); err != nil {
		d.errorf("the database is not there again: %v", err)
	}
}

func (d *day) mendStore() {
	d.did("the store is mended")
	d.disk.order(storeFault{})
	d.rose(dayStore)
}

// saysOfStore: that decisions can't be kept is said, and that they can again.
func (d *day) saysOfStore() {
	if d.started.IsZero() {
		return
	}
	began := d.illness[dayStore]
	if len(began) == 0 || !d.ill[dayStore] && time.Since(began[len(began)-1].to) > time.Hour {
		return
	}
	failing := d.ill[dayStore] && d.storeLoud && d.toKeep.After(began[len(began)-1].from) && time.Since(d.toKeep) > storeLoud
	if !failing && d.well(dayStore) < storeWell {
		return
	}
	var system struct{ Store storeReport }
	if d.get("/api/v1/system", &system); system.Store.OK == failing || !failing && system.Store.Pending > 0 {
		d.errorf("the API says of the store: %+v; it fails: %t", system.Store, failing)
	}
}

// wrapStore puts the faults between the server and its store; they outlive restarts.
func (d *day) wrapStore(real store.Store) store.Store {
	d.disk.Store = real
	return d.disk
}

// killServer ends the server as SIGKILL does, at any moment at which it waits for
// something.
func (d *day) killServer() {
	d.bench.kill()
	d.down()
}

// suspend keeps the loop from turning, as a machine that is put to sleep does.
func (d *day) suspend() {
	long := time.Duration(20+d.rng.IntN(580)) * time.Second
	d.did("the server stands still for %s", long)
	release := make(chan struct{})
	d.seenMu.Lock()
	d.standstill = release
	d.seenMu.Unlock()
	d.down()
	d.wait(long)
	d.seenMu.Lock()
	d.standstill = nil
	d.seenMu.Unlock()
	close(release)
	d.up()
	d.wait(time.Second)
	d.did("the server goes on")
}

// jitter is what the seed, the part and the moment make of it: whoever asks first where
// two parts try again at once, each gets the same in every run.
func (d *day) jitter(part string, below time.Duration) time.Duration {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d %d", d.seed, part, time.Now().UnixNano(), below)
	return time.Duration(h.Sum64() % uint64(below))
}

// digest is what happened in a day, as a number: two runs of one seed have the same. Of
// mails it has who got what in which order. Where a server answers a byte a second, two
// timers of one moment decide when they arrive.
func (d *day) digest() uint64 {
	h := fnv.New64a()
	for _, line := range d.story {
		fmt.Fprintln(h, line)
	}
	for _, stub := range slices.Sorted(maps.Keys(d.author.history)) {
		for _, e := range d.author.history[stub] {
			fmt.Fprintln(h, stub, e.when.UnixMilli(), e.issues)
		}
	}
	for _, m := range d.lab.Mails() {
		fmt.Fprintln(h, m.To, m.Answer, m.Subject, m.Text)
	}
	return h.Sum64()
}
