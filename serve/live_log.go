package serve

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"labstatus/internal/health"
)

// What the log keeps for readers that are behind or come back.
const (
	mostMessages = 1024
	mostLogBytes = 16 << 20
	mostReaders  = 1000
)

// liveLog holds the latest messages, numbered, and wakes whoever waits for the next.
// Its lock is held for moments only: nothing is worded or written under it.
type liveLog struct {
	boot string // begins every id, so that those of an earlier run are recognised

	mu       sync.Mutex
	messages []*message // numbered next-len to next-1
	bytes    int
	next     uint64
	changed  chan struct{} // closed with the next change
	closed   bool

	system      *message // the latest one; it takes no number of its own
	systemAfter uint64   // number of the message that it follows
	systemCount uint64

	readers int
	left    time.Time        // when the last reader left
	asleep  bool             // nobody reads: nothing is added
	known   []*health.Report // what those who have read everything know
}

// first is the number of the oldest message that is kept, or else of the next one.
func (g *liveLog) first() uint64 { return g.next - uint64(len(g.messages)) }

func (g *liveLog) id(number uint64) string { return g.boot + "-" + strconv.FormatUint(number, 10) }

// told gives what readers know, and whether there are any.
func (g *liveLog) told() (reports []*health.Report, awake bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known, !g.asleep
}

// add appends messages, after which readers know these reports.
func (g *liveLog) add(drafts []draft, known []*health.Report) {
	g.mu.Lock()
	first := g.next
	g.mu.Unlock() // only one goroutine adds
	made := make([]*message, 0, len(drafts))
	for i, d := range drafts {
		made = append(made, newMessage(g.id(first+uint64(i)), d))
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	g.known = known
	if len(made) == 0 {
		return
	}
	g.next += uint64(len(made))
	for _, m := range made {
		g.messages = append(g.messages, m)
		g.bytes += len(m.raw)
	}
	drop := 0
	for len(g.messages)-drop > mostMessages || g.bytes > mostLogBytes && drop < len(g.messages)-1 {
		g.bytes -= len(g.messages[drop].raw)
		drop++
	}
	clear(g.messages[:drop])
	g.messages = g.messages[drop:]
	g.wakeAll()
}

// setSystem replaces the message about the server.
func (g *liveLog) setSystem(d draft) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.systemAfter = g.next - 1
	g.system = newMessage(g.id(g.systemAfter), d)
	g.systemCount++
	g.wakeAll()
}

func (g *liveLog) wakeAll() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// skip leaves a gap: whoever has not read everything, and whoever comes back, has
// to begin anew. From there on this snapshot is known.
func (g *liveLog) skip(snap *health.Snapshot) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gap()
	if snap != nil {
		g.known = snap.Experiments
	}
	g.wakeAll()
}

func (g *liveLog) gap() {
	g.messages, g.bytes = nil, 0
	g.next++
}

// isRead says whether anybody reads. Nobody for long: the log sleeps, and what
// happens meanwhile is a gap.
func (g *liveLog) isRead(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.readers == 0 && !g.asleep && now.Sub(g.left) >= sleepAfter {
		g.asleep, g.known, g.system = true, nil, nil
		g.gap()
	}
	return g.readers > 0
}

// close lets everybody go.
func (g *liveLog) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		close(g.changed)
	}
}

// Why a reader is not taken in.
var (
	errTooManyReaders = errors.New("too many follow what changes already; try again later")
	errLiveEnded      = errors.New("the server is stopping")
)

// place is where in the log a reader is.
type place struct {
	next   uint64 // number of the message it wants
	system uint64 // count of the system's messages it has had
}

// join takes a reader in. It begins after the message with the id that it names, or
// after the latest; missed says that it named one after which not everything is
// known. What is changed later than by now, the reader will be told.
func (g *liveLog) join(after string, now func() *health.Snapshot) (at place, missed bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return place{}, false, errLiveEnded
	case g.readers >= mostReaders:
		return place{}, false, errTooManyReaders
	}
	g.readers++
	if g.asleep {
		g.asleep, g.known = false, nil
		if snap := now(); snap != nil {
			g.known = snap.Experiments
		}
	}
	at = place{next: g.next, system: g.systemCount}
	if after == "" {
		return at, false, nil
	}
	number, err := g.number(after)
	if err != nil || number+1 < g.first() || number >= g.next {
		return at, true, nil
	}
	at.next = number + 1
	return at, false, nil
}

func (g *liveLog) leave(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.readers--
	g.left = now
}

// number reads an id of this run.
func (g *liveLog) number(id string) (uint64, error) {
	digits, ours := strings.CutPrefix(id, g.boot+"-")
	if !ours {
		return 0, errors.New("the id is not of this run")
	}
	return strconv.ParseUint(digits, 10, 63)
}

// since gives what a reader at a place has not had yet, where it is afterwards, and
// what is closed when there is more. gone says that it has to go: the log has ended,
// or no longer has what it wants.
func (g *liveLog) since(at place) (batch []*message, then place, more <-chan struct{}, gone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || at.next < g.first() {
		return nil, at, nil, true
	}
	batch = append(batch, g.messages[at.next-g.first():]...)
	if g.system != nil && at.system < g.systemCount {
		// In its place, so that ids never run ahead of what has been read.
		i := min(max(int(g.systemAfter+1)-int(at.next), 0), len(batch))
		batch = slices.Insert(batch, i, g.system)
	}
	return batch, place{next: g.next, system: g.systemCount}, g.changed, false
}
