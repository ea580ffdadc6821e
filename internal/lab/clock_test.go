package lab

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A service whose clock is set judges tokens by it, dates its answers with it, and
// counts from it how long ago something was.
func TestClock(t *testing.T) {
	inBubble(t, Options{Experiments: captured(), RelayStats: true, Seed: 1}, func(b *bench) {
		ws := b.subscribe(Relay)
		b.frame(ws)
		b.must(b.Stream("pend01-st-data").Silence())
		for _, order := range []string{"relay clock -1h", "jump clock -1h", "book clock -1h"} {
			b.must(b.Order(order))
		}
		for service, refusal := range map[string]string{Relay: "token invalid", Jump: "not valid yet"} {
			if status, body := b.ask("POST", b.accessURL(service), b.token(service, nil), "", ""); status != 500 || !strings.Contains(body, refusal) {
				t.Errorf("%s an hour behind: %d %s", service, status, body)
			}
		}
		resources := b.Audience(Book) + "/api/v1/admin/resources"
		if status, body := b.ask("GET", resources, b.token(Book, nil), "", ""); status != 500 || !strings.Contains(body, "not valid yet") {
			t.Errorf("book an hour behind: %d %s", status, body)
		}
		res, err := b.http.Get(resources)
		b.must(err)
		b.must(res.Body.Close())
		if date, err := http.ParseTime(res.Header.Get("Date")); err != nil || time.Since(date).Round(time.Minute) != time.Hour {
			t.Errorf("at %s it is dated %q", time.Now().UTC(), res.Header.Get("Date"))
		}
		// What was sent before lies ahead of that clock; what is sent now doesn't.
		last := func(by map[string][]record, topic string) time.Duration {
			d, err := time.ParseDuration(by[topic][0].last())
			b.must(err)
			return d
		}
		by := b.frame(ws)
		if d := last(by, "pend01-st-data"); d < -time.Hour || d > -59*time.Minute {
			t.Errorf("silent since before its clock was set back: %s", d)
		}
		if d := last(by, "pend01-st-video"); d < 0 || d > time.Second {
			t.Errorf("sends: %s", d)
		}
		b.must(b.Order("relay clock 1h"))
		by = b.frame(ws)
		if d := last(by, "pend01-st-data"); d < time.Hour || d > time.Hour+time.Minute {
			t.Errorf("silent since before its clock was set forward: %s", d)
		}
		// A token of two hours is good for one.
		if status, body := b.ask("POST", b.accessURL(Relay), b.token(Relay, nil), "", ""); status != 500 {
			t.Errorf("relay an hour ahead takes a token of one hour: %d %s", status, body)
		}
		short := b.dial(b.uri(Relay, map[string]any{"exp": time.Now().Unix() + 7200}))
		began := time.Now()
		for err = nil; err == nil; {
			b.must(short.SetReadDeadline(time.Now().Add(time.Hour)))
			_, _, err = short.ReadMessage()
		}
		if d := time.Since(began).Round(time.Second); d != time.Hour {
			t.Errorf("a connection with a token of two hours is dropped after %s: %v", d, err)
		}
		if clocks := b.State().Services; clocks[1].Clock != "1h0m0s" || clocks[2].Clock != "-1h0m0s" {
			t.Errorf("state %+v", clocks)
		}
		b.must(b.Order("relay clock 0s"))
		for _, c := range []*websocket.Conn{ws, short, b.subscribe(Relay)} {
			b.must(c.Close())
		}
		if err := b.Order("mail clock 1h"); err == nil {
			t.Error("mail has a clock")
		}
	})
}

// A feed that drips says nothing else meanwhile, not even an answer to a ping.
func TestDrip(t *testing.T) {
	inBubble(t, Options{Experiments: captured(), RelayStats: true}, func(b *bench) {
		b.must(b.Order("relay drips every 10s"))
		ws := b.subscribe(Relay)
		wire := ws.NetConn()
		got := 0
		buf := make([]byte, 1<<16)
		for range 3 {
			b.must(wire.SetReadDeadline(time.Now().Add(time.Hour)))
			n, err := wire.Read(buf)
			b.must(err)
			got += n
		}
		if got != 12 {
			t.Errorf("%d bytes, want the first ten and two more", got)
		}
		began := time.Now()
		if n, err := wire.Read(buf); n != 1 || err != nil || time.Since(began) != 10*time.Second {
			t.Errorf("%d bytes after %s, %v", n, time.Since(began), err)
		}
		b.must(ws.Close())
		b.must(b.Order("relay drips every 0s"))
		ws = b.subscribe(Relay)
		b.frame(ws)
		b.must(ws.Close())
	})
}
