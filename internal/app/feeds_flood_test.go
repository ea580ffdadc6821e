package app_test

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/lab"
)

// A relay that lists thousands of experiments that book doesn't know is told of once,
// by mail and figures, and nothing of it stays; what book offers is watched as ever.
func TestRelayFloods(t *testing.T) {
	inLab(t, experiments("pend00"), nil, func(b *bench) {
		began := time.Now()
		var frame strings.Builder
		frame.WriteString(`[{"topic":"pend00-st-data","scopes":["expt"]},{"topic":"pend00-st-video","scopes":["expt"]}`)
		for i := range 5000 {
			frame.WriteString(`,{"topic":"flood` + strconv.Itoa(i) + `-st-a","scopes":["expt"],"stats":{"tx":{"last":"1ms"}}}`)
		}
		frame.WriteByte(']')
		b.wait(time.Second)
		for range 10 {
			b.must(b.lab.Feed(lab.Relay).Rubbish(frame.String()))
			b.wait(time.Second)
		}
		b.told(began, "1 new problem: relay lists too many unknown experiments")
		if n := len(b.app.Snapshot().Experiments); n != 1 {
			t.Errorf("%d experiments are watched, want one", n)
		}
		if n := b.figures().of("status_issues", "code", "too_many_unknown"); n != 1 {
			t.Errorf("the figures say %v", n)
		}
		b.wait(5 * time.Minute)
		b.faultFound(lab.Relay, "pend00")
		over := time.Now()
		b.wait(11 * time.Minute)
		b.told(over, "1 ok again, none left")
		if n := b.writes(began); n != 2 {
			t.Errorf("book was written %d times, want for pend00 twice", n)
		}
	})
}

// A relay that sends a message larger than any may be, whether that is known from its
// first bytes or when all that may be has come, loses its connection, and has another at
// once: nothing is told or booked of it, a fault after that is found as ever, and the
// memory is given back. It runs alone, since memory is everybody's.
func TestRelaySendsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00", "spin30"), nil)
		b.start()
		b.wait(settled)
		before := heapAlloc()
		for i, pieces := range []int{0, 1 << 20} {
			began := time.Now()
			b.must(b.lab.Feed(lab.Relay).Fragment(pieces), b.lab.Feed(lab.Relay).Rubbish(`[{"topic":"pend00-st-data"}`+strings.Repeat(" ", 64<<20)+`]`))
			b.wait(2 * time.Minute)
			b.quiet(began, "after a message that is too large")
			said := 0
			for _, e := range b.logged.AllEntries() {
				if why, _ := e.Data["reason"].(string); why == "relay sent a message of more than 64 MiB" {
					said++
				}
			}
			if n := b.app.Snapshot().Sources[0].Reconnects; n != i+1 || said != i+1 {
				t.Errorf("message %d, in pieces of %d bytes: %d reconnections, said %d times why", i+1, pieces, n, said)
			}
			after := heapAlloc()
			t.Logf("%d kB of heap before, %d kB after", before>>10, after>>10)
			if after > before+4<<20 {
				t.Errorf("%d kB of heap before, %d kB after", before>>10, after>>10)
			}
			b.faultFound(lab.Relay, "pend00")
		}
		b.stop()
		b.close()
	})
}

// heapAlloc is what is in use of the heap.
func heapAlloc() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
