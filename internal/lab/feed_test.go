package lab

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// shape lists every key path of a frame with the kind of its value, for each
// kind of record: by its scopes, in their sorted order.
func shape(t *testing.T, frame string) map[string][]string {
	t.Helper()
	by := map[string][]string{}
	for _, all := range records(t, frame) {
		for _, r := range all {
			var scopes []string
			list, _ := r["scopes"].([]any)
			for _, s := range list {
				word, _ := s.(string)
				scopes = append(scopes, word)
			}
			slices.Sort(scopes)
			var keys []string
			walk("", map[string]any(r), &keys)
			slices.Sort(keys)
			by[strings.Join(scopes, ",")] = keys
		}
	}
	return by
}

func walk(at string, v any, keys *[]string) {
	m, ok := v.(map[string]any)
	if !ok {
		kind := map[bool]string{true: "null", false: "value"}[v == nil]
		switch v.(type) {
		case string:
			kind = "string"
		case float64:
			kind = "number"
		case bool:
			kind = "bool"
		}
		*keys = append(*keys, at+" "+kind)
		return
	}
	for k, v := range m {
		walk(at+"."+k, v, keys)
	}
}

// Frames of all three generations have the records and keys captured from
// the real services, in the same order of keys.
func TestFrameShapes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, service string
		stats         bool
	}{
		{"relay-0.7.0-frames.jsonl", Relay, true},
		{"relay-0.7.0-students-and-silent.jsonl", Relay, true},
		{"relay-0.9.3-frames.jsonl", Relay, false},
		{"jump-0.4.0-frames.jsonl", Jump, true},
		{"jump-0.4.0-with-clients.jsonl", Jump, true},
	} {
		t.Run(c.file, func(t *testing.T) {
			raw, err := os.ReadFile("testdata/" + c.file)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
			want := map[string][]string{}
			for _, line := range lines {
				maps.Copy(want, shape(t, line))
			}
			inBubble(t, Options{Experiments: captured(), RelayStats: c.stats}, func(b *bench) {
				b.must(b.Student("pend00-st-data", true))
				b.must(b.Student("pend00-st-data", true))
				b.must(b.Jump("pend01").Login())
				ws := b.subscribe(c.service)
				defer ws.Close()
				both := b.dial(b.uri(c.service, map[string]any{"scopes": map[string][]string{
					Relay: {"read", "write"}, Jump: {"stats"},
				}[c.service]}))
				defer both.Close()
				text := b.message(ws, time.Hour)
				got := shape(t, text)
				for scopes, keys := range want {
					if !slices.Equal(got[scopes], keys) {
						t.Errorf("a record with the scopes [%s]:\n got %v\nwant %v", scopes, got[scopes], keys)
					}
				}
				if a, b := keyOrder(t, text), keyOrder(t, lines[0]); !slices.Equal(a, b) {
					t.Errorf("keys in the order %v, want %v", a, b)
				}
			})
		})
	}
}

// keyOrder is that of the keys in the first record.
func keyOrder(t *testing.T, frame string) []string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(frame))
	var keys []string
	for depth := 0; ; {
		tok, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch v := tok.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else if depth--; depth == 1 {
				return keys
			}
		case string:
			if strings.Contains("canRead connected expiresAt scopes stats topic userAgent can_read connected_at statistcs user_agent", v) && v != "stats" {
				keys = append(keys, v)
			}
		}
	}
}

// The first frame comes at the next tick, then one each period, with what the
// experiments have sent by then; the subscriber sees itself.
func TestCadenceAndContents(t *testing.T) {
	inBubble(t, Options{Experiments: captured(), RelayStats: true, RelayEvery: 61 * time.Second}, func(b *bench) {
		time.Sleep(10 * time.Second)
		begin := time.Now()
		ws := b.subscribe(Relay)
		defer ws.Close()
		first := b.frame(ws)
		if d := time.Since(begin); d != 51*time.Second {
			t.Errorf("first frame after %s, want at the next tick, 51s", d)
		}
		if d, err := time.ParseDuration(first["pend01-st-video"][0].last()); err != nil || d < 0 || d >= time.Second {
			t.Errorf("a stream of one message a second was last heard %v, %v ago", d, err)
		}
		if len(first["stats"]) != 2 {
			t.Errorf("%d records of statistics, want the generator's and ours", len(first["stats"]))
		}
		b.must(b.Stream("pend01-st-video").Silence())
		b.must(b.Stream("pend01-st-data").Vanish())
		b.must(b.Stream("pvna05-st-data").Never())
		b.must(b.Stream("spin30-st-data").HalfDead())
		b.must(b.Jump("spin30").Drop())
		second := b.frame(ws)
		if d := time.Since(begin); d != 112*time.Second {
			t.Errorf("second frame after %s, want a period later, 1m52s", d)
		}
		if d, _ := time.ParseDuration(second["pend01-st-video"][0].last()); d < 61*time.Second {
			t.Errorf("a stream silent for a period was last heard %s ago", d)
		}
		if second["pend01-st-data"] != nil {
			t.Error("a stream that vanished is listed")
		}
		if last := second["pvna05-st-data"][0].last(); last != "Never" {
			t.Errorf("a stream that only reconnected reads %q", last)
		}
		if n := len(second["spin30-st-data"]); n != 1 {
			t.Errorf("a dead connection is listed %d times after its minute", n-1)
		}
		b.must(b.Stream("spin30-st-data").HalfDead())
		time.Sleep(time.Second * 30)
		b.must(b.Stream("spin30-st-data").HalfDead())
		b.must(b.Stream("pend01-st-video").Resume())
		b.must(b.Stream("pend01-st-data").Return())
		third := b.frame(ws)
		if n := len(third["spin30-st-data"]); n != 2 {
			t.Errorf("%d connections listed, want the live one and the one dead for half a minute", n)
		}
		for _, topic := range []string{"pend01-st-video", "pend01-st-data"} {
			if d, err := time.ParseDuration(third[topic][0].last()); err != nil || d >= time.Second {
				t.Errorf("%s, back again, was last heard %s ago", topic, d)
			}
		}
		b.must(b.RemoveExperiment("truss07"))
		if b.frame(ws)["truss07-st-data"] != nil {
			t.Error("a removed experiment is listed")
		}
		if b.Stream("truss07-st-data").Vanish() == nil || b.Jump("truss07").Return() == nil || b.RemoveExperiment("truss07") == nil {
			t.Error("orders for a removed experiment were taken")
		}
	})
}

// uriFor is the address of another topic's websocket on relay.
func (b *bench) uriFor(topic string) string {
	b.Helper()
	url := strings.TrimSuffix(b.accessURL(Relay), "stats") + topic
	status, body := b.ask("POST", url, b.token(Relay, map[string]any{"topic": topic}), "", "")
	var answer struct{ URI string }
	if status != 200 || json.Unmarshal([]byte(body), &answer) != nil {
		b.Fatalf("access to %s: %d %s", topic, status, body)
	}
	return answer.URI
}

// A code is good once; whatever is wrong with it, the answer is silence on an
// open connection, without even a ping.
func TestSilentRefusals(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{Experiments: captured()}, func(b *bench) {
		uri := b.uri(Relay, nil)
		good := b.dial(uri)
		defer good.Close()
		base, _, _ := strings.Cut(uri, "?")
		late := b.uri(Jump, nil)
		b.must(b.Feed(Jump).RefuseCodes(1))
		silent := map[string]string{
			"code used before":         uri,
			"no code":                  base,
			"unknown code":             base + "?code=nonsense",
			"code of another topic":    strings.Replace(b.uriFor("other"), "/other?", "/stats?", 1),
			"another topic":            b.uriFor("other"),
			"useless scope":            b.uri(Relay, map[string]any{"scopes": []string{"stats"}}),
			"code of another service":  strings.Replace(b.uri(Jump, nil), "ws://jump.lab:80/lab/jump/connect", "ws://relay.lab:80/lab/relay/session", 1),
			"refused as ordered":       b.uri(Jump, nil),
			"expires before the visit": b.uri(Relay, map[string]any{"exp": time.Now().Unix() + 1}),
		}
		time.Sleep(2 * time.Second)
		open := map[string]*websocket.Conn{}
		for name, uri := range silent { // all while codes are still good
			open[name] = b.dial(uri)
		}
		if text := b.message(good, time.Minute); text == "" {
			t.Error("the first use of a code is not served")
		}
		for name, ws := range open {
			pinged := false
			ws.SetPingHandler(func(string) error { pinged = true; return nil })
			if text := b.message(ws, 3*time.Minute); text != "" || pinged {
				t.Errorf("%s: %q, pinged %v", name, text, pinged)
			}
			b.must(ws.Close())
		}
		if text := b.message(b.dial(late), time.Minute); text != "" {
			t.Error("a code was good after more than a minute")
		}
		d := websocket.Dialer{NetDialContext: b.net.DialContext}
		_, res, err := d.Dial(b.uri(Relay, map[string]any{"prefix": "shell"}), nil)
		if err == nil || res.StatusCode != 404 {
			t.Errorf("another prefix: %v, %v; want 404", res, err)
		}
	})
}

// A token's end drops the connection at that very second, without a close
// frame; so do an order, a restart and the end of the lab's relay.
func TestDroppedConnections(t *testing.T) {
	inBubble(t, Options{Experiments: captured(), RelayEvery: 6 * time.Second}, func(b *bench) {
		ends := func(what string, ws *websocket.Conn, after time.Duration) {
			begin := time.Now()
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					var ce *websocket.CloseError
					if errors.As(err, &ce) && ce.Code != websocket.CloseAbnormalClosure {
						t.Errorf("%s: a close frame came: %v", what, err)
					}
					break
				}
			}
			if d := time.Since(begin); d != after {
				t.Errorf("%s: dropped after %s, want %s", what, d, after)
			}
			_ = ws.Close()
		}
		ends("expiry", b.dial(b.uri(Relay, map[string]any{"exp": time.Now().Unix() + 90})), 90*time.Second)
		for what, order := range map[string]func() error{
			"cut":     b.Feed(Relay).CutLinks,
			"restart": b.Service(Relay).Restart,
			"stop":    b.Service(Relay).Stop,
		} {
			ws := b.subscribe(Relay)
			time.AfterFunc(20*time.Second, func() { b.must(order()) })
			ends(what, ws, 20*time.Second)
			b.must(b.Service(Relay).Start())
		}
		ws := b.subscribe(Relay)
		time.AfterFunc(9*time.Second, func() { b.must(b.Service(Relay).Restart()) })
		ends("restart", ws, 9*time.Second)
		ws = b.subscribe(Relay)
		if n := len(b.frame(ws)["pend01-st-data"]); n != 1 {
			t.Errorf("after a restart and a period, %d connections of a stream", n)
		}
		_ = ws.Close()
	})
}

// Pings come every 54 s; a client that does not answer is gone a minute after
// it was last heard of.
func TestPings(t *testing.T) {
	inBubble(t, Options{RelayEvery: time.Hour}, func(b *bench) {
		begin := time.Now()
		ws := b.subscribe(Relay)
		var at []time.Duration
		ws.SetPingHandler(func(payload string) error {
			at = append(at, time.Since(begin))
			if payload != "" {
				t.Errorf("ping with %q", payload)
			}
			if len(at) == 1 {
				return ws.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second))
			}
			return nil
		})
		if _, _, err := ws.ReadMessage(); err == nil {
			t.Error("a message came")
		}
		if want := []time.Duration{54 * time.Second, 108 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("pings after %v, want %v", at, want)
		}
		if d := time.Since(begin); d != 114*time.Second {
			t.Errorf("dropped after %s, want 60 s after the pong, 1m54s", d)
		}
		_ = ws.Close()
	})
}

// What else comes over a feed: other clients' updates, several values in one
// message, rubbish, fragments, silence.
func TestOrderedMessages(t *testing.T) {
	inBubble(t, Options{Experiments: captured(), RelayStats: true}, func(b *bench) {
		relay := b.Feed(Relay)
		ws := b.subscribe(Relay)
		defer ws.Close()
		other := b.dial(b.uri(Relay, map[string]any{"scopes": []string{"read", "write"}}))
		defer other.Close()
		b.frame(ws)
		b.must(other.WriteMessage(websocket.TextMessage, []byte(updateMessage)))
		if text := b.message(ws, time.Millisecond); text != updateMessage {
			t.Errorf("another client's update arrives as %q", text)
		}
		if b.frame(ws) == nil {
			t.Error("no frame for an update")
		}
		asked := time.Now()
		b.must(ws.WriteMessage(websocket.TextMessage, []byte(updateMessage))) // may only read: ignored
		b.frame(ws)
		if d := time.Since(asked); d != 6*time.Second {
			t.Errorf("a frame %s after one that was asked for, want a period", d)
		}
		b.must(relay.Rubbish("null"))
		if text := b.message(ws, time.Second); text != "null" {
			t.Errorf("rubbish arrives as %q", text)
		}
		b.must(relay.Glue(2))
		d := json.NewDecoder(strings.NewReader(b.message(ws, time.Minute)))
		var values []any
		for {
			var v any
			if err := d.Decode(&v); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			values = append(values, v)
		}
		if len(values) != 3 {
			t.Errorf("%d values in a message of an update and two frames", len(values))
		}
		b.must(relay.Fragment(100))
		if frame := b.frame(ws); len(frame["stats"]) != 3 {
			t.Errorf("a frame in fragments has %d records of statistics, want 3", len(frame["stats"]))
		}
		b.must(relay.Mute())
		if text := b.message(b.subscribe(Relay), 20*time.Second); text != "" {
			t.Errorf("a mute relay says %.50q", text)
		}
		b.must(relay.Unmute())
		b.must(relay.Every(time.Minute))
		back := time.Now()
		if b.frame(ws); time.Since(back) != time.Minute {
			t.Errorf("a frame %s after the period became a minute", time.Since(back))
		}
		jump := b.subscribe(Jump)
		synctest.Wait() // until jump has it on its list
		b.must(b.Feed(Jump).Noise())
		if a, c := b.message(jump, time.Second), b.message(jump, time.Second); a != updateMessage || !strings.HasPrefix(c, `{"action":"disconnect","uri":"","uuid":"`) {
			t.Errorf("noise on jump: %q %q", a, c)
		}
		b.must(b.dial(b.uri(Jump, nil)).Close())
		if text := b.message(jump, time.Second); !strings.HasPrefix(text, `{"action":"disconnect"`) {
			t.Errorf("another client's leaving is told as %q", text)
		}
		if b.Feed(Book).Mute() == nil || relay.Glue(0) == nil || relay.Every(0) == nil || relay.Fragment(-1) == nil {
			t.Error("a senseless order was taken")
		}
	})
}

// A big frame of relay is one frame that is not final, and an empty one that
// is.
func TestBigFramesAreFragmented(t *testing.T) {
	t.Parallel()
	var many []Experiment
	for i := range 110 {
		many = append(many, Experiment{Stub: "many" + string(rune('a'+i/26)) + string(rune('a'+i%26))})
	}
	inBubble(t, Options{Experiments: many, RelayStats: true}, func(b *bench) {
		ws := b.subscribe(Relay)
		defer ws.Close()
		raw := make([]byte, 10)
		if _, err := io.ReadFull(ws.NetConn(), raw); err != nil {
			t.Fatal(err)
		}
		if raw[0] != 0x01 || raw[1] != 127 {
			t.Fatalf("the first frame begins % x, want text, not final, with a long length", raw)
		}
		size := int64(raw[6])<<24 | int64(raw[7])<<16 | int64(raw[8])<<8 | int64(raw[9])
		if size < 65<<10 {
			t.Errorf("110 experiments make %d bytes, too few to try this", size)
		}
		if _, err := io.CopyN(io.Discard, ws.NetConn(), size); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(ws.NetConn(), raw[:2]); err != nil || raw[0] != 0x80 || raw[1] != 0 {
			t.Errorf("then comes % x, %v; want an empty final continuation", raw[:2], err)
		}
	})
}

// More than 256 updates at once stop relay 0.7 until it is restarted.
func TestUpdatesStopOldRelay(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{Experiments: captured(), RelayStats: true}, func(b *bench) {
		ws := b.dial(b.uri(Relay, map[string]any{"scopes": []string{"read", "write"}}))
		for range 400 {
			b.must(ws.WriteMessage(websocket.TextMessage, []byte(updateMessage)))
		}
		time.Sleep(time.Minute)
		_ = ws.Close()
		if text := b.message(b.subscribe(Relay), time.Minute); text != "" {
			t.Errorf("relay still speaks: %.50q", text)
		}
		b.must(b.Service(Relay).Restart())
		if text := b.message(b.subscribe(Relay), time.Minute); text == "" {
			t.Error("relay is still stuck after a restart")
		}
	})
}
