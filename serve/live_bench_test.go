package serve

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"labstatus/internal/health"
)

// discard is a reader that takes everything at once.
type discard struct {
	header http.Header
	bytes  atomic.Int64
	writes atomic.Int64
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Flush()              { d.writes.Add(1) }
func (d *discard) Write(p []byte) (int, error) {
	d.bytes.Add(int64(len(p)))
	return len(p), nil
}

// crowd has n readers follow, in the encoding given, until the benchmark ends.
func crowd(b *testing.B, n int, encoding string) (l *Live, readers []*discard) {
	b.Helper()
	l = NewLive()
	h := newHandler(b, func(o *Options) { o.Live = l })
	ctx, stop := context.WithCancel(b.Context())
	var parts sync.WaitGroup
	b.Cleanup(func() {
		stop()
		parts.Wait()
	})
	for range n {
		d := &discard{header: http.Header{}}
		readers = append(readers, d)
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, basePath+"/events/live", nil)
		r.Header.Set("Accept-Encoding", encoding)
		parts.Go(func() { h.ServeHTTP(d, r) })
	}
	awaitWrites(readers, 1)
	return l, readers
}

// awaitWrites waits until every reader has been written to so many times.
func awaitWrites(readers []*discard, n int64) {
	for _, d := range readers {
		for d.writes.Load() < n {
			// The others need the processor; they are many and we are one.
			runtime.Gosched()
		}
	}
}

// changing gives snapshots of 200 experiments, of which each time 40 differ: 200
// changes a second, in five flushes.
func changing() func() *health.Snapshot {
	now := bigSnapshot(200, 1)
	turn := 0
	return func() *health.Snapshot {
		next := *now
		next.Version++
		next.Experiments = append([]*health.Report(nil), now.Experiments...)
		for range 40 {
			same := *next.Experiments[turn%200]
			next.Experiments[turn%200] = &same
			turn++
		}
		now = &next
		return now
	}
}

// What a flush costs: found, worded once and given to 500 readers. Five a second are
// what 200 changes a second come to.
func BenchmarkLiveFlush(b *testing.B) {
	for _, encoding := range []string{"identity", "gzip"} {
		for _, n := range []int{1, 500} {
			b.Run(fmt.Sprint(encoding, "/", n), func(b *testing.B) {
				l, readers := crowd(b, n, encoding)
				next, flushes := changing(), int64(1)
				l.Publish(next(), nil)
				l.flush()
				flushes++
				awaitWrites(readers, flushes)
				before := readers[0].bytes.Load()
				b.ReportAllocs()
				for b.Loop() {
					l.Publish(next(), nil)
					l.flush()
					flushes++
					awaitWrites(readers, flushes)
				}
				b.ReportMetric(float64(readers[0].bytes.Load()-before)/float64(b.N), "bytes/flush")
			})
		}
	}
}

// What the engine's loop pays for each turn.
func BenchmarkLivePublish(b *testing.B) {
	l, _ := crowd(b, 500, "gzip")
	ctx, stop := context.WithCancel(b.Context())
	var parts sync.WaitGroup
	parts.Go(func() { l.Run(ctx) })
	snapshots := make([]*health.Snapshot, 1000)
	next := changing()
	for i := range snapshots {
		snapshots[i] = next()
	}
	events := labEvents("expt000001")
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Publish(snapshots[i%len(snapshots)], events)
		i++
	}
	stop()
	parts.Wait()
}
