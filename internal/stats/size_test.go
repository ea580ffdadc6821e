package stats

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// sizeOf gives the number that a name of the environment has, or the usual one.
func sizeOf(t *testing.T, name, usual string) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(name), usual))
	if err != nil || n <= 0 {
		t.Fatalf("%s=%q is no number: %v", name, os.Getenv(name), err)
	}
	return n
}

// message begins a message of so many bytes: apart in pieces of some 64 KiB, of which
// nobody knows how many will follow, else in one piece, whose length comes first.
func (p *peer) message(bytes int, apart bool) (io.WriteCloser, error) {
	if apart {
		return p.ws.NextWriter(websocket.TextMessage)
	}
	_, err := p.ws.NetConn().Write(binary.BigEndian.AppendUint64([]byte{0x81, 0x7f}, uint64(bytes)))
	return piece{p.ws.NetConn()}, err
}

// piece is what is written of a message in one piece.
type piece struct{ io.Writer }

func (piece) Close() error { return nil } // its length has said where it ends

// wide sends a frame of one record that is so many MiB long, and looks after each and
// where it fails.
func (p *peer) wide(mib int, apart bool, look func()) error {
	wr, err := p.message(mib<<20, apart)
	for i := 0; i < mib && err == nil; i++ {
		part := bytes.Repeat([]byte(" "), 1<<20)
		if i == 0 {
			copy(part, `[{"topic":"wide"}`)
		}
		if i == mib-1 {
			part[len(part)-1] = ']'
		}
		_, err = wr.Write(part)
		look()
	}
	if err != nil {
		return err
	}
	return wr.Close()
}

// A message as large as may be is a frame, and one that is half as large again ends its
// connection, for which there is another at once, in one piece or in many. Neither costs
// more memory than such a message and its growth, nor leaves any behind.
// STATS_TEST_MESSAGE_MIB=64 is what the product allows.
func TestSubscriberLargestMessage(t *testing.T) {
	limit := sizeOf(t, "STATS_TEST_MESSAGE_MIB", "8")
	for name, apart := range map[string]bool{"in one piece": false, "in pieces": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { largestMessage(t, limit, apart) })
		})
	}
}

func largestMessage(t *testing.T, limit int, apart bool) {
	var before, largest, most uint64 // most: with the one that is too large
	f := newFake(t, func(n int, p *peer) {
		if n > 0 {
			p.frames("small", 6*s, 0)
			return
		}
		p.listen()
		before = heapAlloc()
		every := func(look *uint64) func() {
			looks := 0
			return func() {
				if looks++; looks%4 == 0 || looks == 1 {
					*look = max(*look, heapAlloc())
				}
			}
		}
		if err := p.wide(limit, apart, every(&largest)); err != nil {
			t.Error(err)
		}
		if err := p.wide(limit*3/2, apart, every(&most)); err == nil {
			t.Error("a message that is too large is taken")
		}
	})
	w := f.watch(func(c *Config) { c.limit = int64(limit) << 20 })
	time.Sleep(20 * s)
	synctest.Wait()
	if w.count("frame wide") != 1 || w.count("down: relay sent a message of more than") != 1 || w.count("frame small") < 2 {
		t.Errorf("told %q", w.told())
	}
	after := heapAlloc()
	t.Logf("%d and %d MiB: at most %d and %d MiB of memory, %d before, %d after", limit, limit*3/2, largest>>20, most>>20, before>>20, after>>20)
	if allowed := before + uint64(3*limit+4)<<20; largest > allowed || most > allowed || largest == 0 || most == 0 || after > before+2<<20 {
		t.Errorf("at most %d and %d MiB of memory, %d before, %d after", largest>>20, most>>20, before>>20, after>>20)
	}
}

// A message of more entries than are taken is no frame. The connection that says
// nothing else is replaced, as one that is silent, and the memory is given back.
// STATS_TEST_ENTRIES says how many entries there are.
func TestSubscriberTooManyEntries(t *testing.T) {
	entries := sizeOf(t, "STATS_TEST_ENTRIES", "200001")
	msg := "[" + strings.Repeat(`{"topic":"a"},`, entries-1) + `{"topic":"a"}]`
	synctest.Test(t, func(t *testing.T) {
		var before, most uint64
		f := newFake(t, func(n int, p *peer) {
			if n > 0 {
				p.frames("small", 6*s, 0)
				return
			}
			before = heapAlloc()
			for p.send(msg) {
				most = max(most, heapAlloc())
				p.sleep(15 * s)
			}
		})
		w := f.watch()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if w.count("frame") != w.count("frame small") || w.count("frame small") < 10 || w.count("down") != 0 {
			t.Errorf("told %q", w.told())
		}
		if at, most := f.openings(); len(at) != 2 || at[1] != "30" || most > 2 {
			t.Errorf("opened at %v, %d at once", at, most)
		}
		if c := w.sub.Stats(); c.Rubbish == 0 || c.Unheard != 1 || w.logged("feed sends rubbish, which is skipped") != 1 {
			t.Errorf("stats %+v", c)
		}
		after := heapAlloc()
		t.Logf("%d entries: at most %d MiB of memory, %d before, %d after", entries, most>>20, before>>20, after>>20)
		// The message, what it grew from, and the records that are taken before the limit.
		if most > before+uint64(3*len(msg))+120<<20 || after > before+2<<20 {
			t.Errorf("at most %d MiB of memory, %d before, %d after", most>>20, before>>20, after>>20)
		}
	})
}
