package stats

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"labstatus/internal/health"
)

func TestSubscriberMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const records = 13_000
		big := bigFrame(records)
		if len(big) <= roomyMessage {
			t.Fatalf("%d bytes", len(big))
		}
		f := newFake(t, func(_ int, p *peer) {
			p.listen()
			p.send(`[{"topic":"a"}][{"topic":"b"},{"topic":"c"}]null{"cmd":"update"}`)
			wr, err := p.ws.NextWriter(websocket.TextMessage) // in pieces of 64 KiB
			if err != nil {
				t.Error(err)
				return
			}
			for piece := range slices.Chunk(big, 100_000) {
				if _, err := wr.Write(piece); err != nil {
					t.Error(err)
				}
			}
			if err := wr.Close(); err != nil {
				t.Error(err)
			}
			p.send(`[]`)
			<-p.gone
		})
		n := 0
		f.block = func(in health.Input) {
			if f, ok := in.(health.Frame); ok && len(f.Conns) > 1000 {
				n = len(f.Conns)
			}
		}
		w := f.watch()
		time.Sleep(s)
		got := w.told()
		if len(got) != 5 || got[1] != "0s frame a" || got[2] != "0s frame b c" || got[4] != "0s frame " || n != records {
			t.Errorf("%d inputs, %d records in the big one", len(got), n)
		}
		if c := w.sub.Stats(); c.Messages != 3 || c.Frames != 4 || c.Null != 1 || c.Objects != 1 {
			t.Errorf("stats %+v", c)
		}
	})
}

func TestSubscriberMessageTooLarge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) {
			p.listen()
			piece := []byte(strings.Repeat(" ", 1<<20))
			wr, err := p.ws.NextWriter(websocket.TextMessage)
			for err == nil {
				_, err = wr.Write(piece)
			}
			<-p.gone
		})
		w := f.watch(func(c *Config) { c.limit = 2 << 20 })
		time.Sleep(100 * time.Millisecond)
		w.want("0s up", "0s down: relay sent a message of more than 2 MiB")
		if w.sub.Stats().Messages != 0 || NewSubscriber(Config{Log: w.sub.log}).cfg.limit != 64<<20 {
			t.Error("a message was taken, or the usual limit is not 64 MiB")
		}
	})
}

func TestSubscriberRubbish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, p *peer) {
			p.listen()
			for range 25 * 60 {
				p.send("<html>")
				p.send(`[{"topic":"a"}]`)
				time.Sleep(s)
			}
			p.frames("a", s, 0)
		})
		w := f.watch()
		time.Sleep(25*time.Minute + 30*s)
		if n := w.logged("rubbish"); n != 3 {
			t.Errorf("25 minutes of rubbish are logged %d times", n)
		}
		time.Sleep(2 * time.Minute)
		if n := w.logged("makes sense again"); n != 1 {
			t.Errorf("the end of a burst is logged %d times", n)
		}
		if c := w.sub.Stats(); c.Rubbish != 1500 || c.Frames < 1500 || w.count("down") != 0 {
			t.Errorf("stats %+v", c)
		}
	})
}
