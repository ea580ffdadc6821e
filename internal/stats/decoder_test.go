package stats

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
)

// decode gives copies of the frames in a message.
func decode(d *Decoder, msg string) (frames [][]health.Conn, skipped Skipped) {
	skipped = d.Decode([]byte(msg), func(c []health.Conn) {
		frames = append(frames, append([]health.Conn{}, c...))
	})
	return frames, skipped
}

// compare holds the decoder against the reference.
func compare(t *testing.T, d *Decoder, msg string) {
	t.Helper()
	want, rubbish, err := reference([]byte(msg))
	got, skipped := decode(d, msg)
	if err != nil {
		return
	}
	if len(got) != len(want) || skipped.Rubbish != rubbish {
		t.Fatalf("%q:\n%d frames, %d rubbish (%v); the reference has %d, %d", msg, len(got), skipped.Rubbish, skipped.Err, len(want), rubbish)
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("%q: frame %d\n got %+v\nwant %+v", msg, i, got[i], want[i])
		}
	}
}

func TestDecodeCaptures(t *testing.T) {
	t.Parallel()
	// What is known of the captured messages: the connections in each, and those
	// of them that are experiments' ("expt" or "host").
	type count struct{ conns, experiments int }
	want := map[string][]count{
		"relay-0.7.0-frames.jsonl":              {{12, 10}, {12, 10}, {12, 10}},
		"relay-0.7.0-students-and-silent.jsonl": {{15, 11}},
		"relay-0.9.3-frames.jsonl":              {{14, 10}, {14, 10}},
		"jump-0.4.0-frames.jsonl":               {{8, 6}, {8, 6}, {8, 6}},
		"jump-0.4.0-with-clients.jsonl":         {{9, 6}},
	}
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d captured files, %v", len(files), err)
	}
	var d Decoder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []count
		for line := range strings.Lines(string(text)) {
			compare(t, &d, line)
			frames, skipped := decode(&d, line)
			if len(frames) != 1 || skipped != (Skipped{}) {
				t.Fatalf("%s: %d frames, skipped %+v", file, len(frames), skipped)
			}
			n := count{conns: len(frames[0])}
			for _, c := range frames[0] {
				if c.Topic == "" || c.ConnectedAt.IsZero() || c.UserAgent == "" || c.RemoteAddr == "" {
					t.Errorf("%s: a field was not understood: %+v", file, c)
				}
				if old := !strings.Contains(file, "0.9"); c.StatsKnown != old {
					t.Errorf("%s: StatsKnown = %v", file, c.StatsKnown)
				}
				if c.HasScope("expt") || c.HasScope("host") {
					n.experiments++
				}
			}
			got = append(got, n)
		}
		if name := filepath.Base(file); !reflect.DeepEqual(got, want[name]) {
			t.Errorf("%s: %v, want %v", name, got, want[name])
		}
	}
}

func TestDecodeRelayRecord(t *testing.T) {
	t.Parallel()
	var d Decoder
	frames, _ := decode(&d, `[{"canRead":true,"canWrite":true,"connected":"2026-11-20T23:10:02.198293272Z","expiresAt":"2026-11-21T23:10:02Z","remoteAddr":"127.0.0.1",
	 "scopes":["write","read","expt"],"stats":{"tx":{"last":"293.509567ms","size":41,"fps":0.99988},"rx":{"last":"Never","size":0,"fps":0}},
	 "topic":"pend00-st-data","userAgent":"labsim/expt"}]`)
	want := health.Conn{
		Topic: "pend00-st-data", Scopes: []string{"write", "read", "expt"}, UserAgent: "labsim/expt", RemoteAddr: "127.0.0.1",
		ConnectedAt: time.Date(2026, 11, 20, 23, 10, 2, 198293272, time.UTC), ExpiresAt: time.Date(2026, 11, 21, 23, 10, 2, 0, time.UTC),
		CanRead: true, CanWrite: true, StatsKnown: true,
		Tx: health.Traffic{Last: 293509567, Size: 41, FPS: 0.99988}, Rx: health.Traffic{Never: true},
	}
	if len(frames) != 1 || len(frames[0]) != 1 || !reflect.DeepEqual(frames[0][0], want) {
		t.Errorf("got %+v, want %+v", frames, want)
	}
}

func TestDecodeJumpRecord(t *testing.T) {
	t.Parallel()
	var d Decoder
	frames, _ := decode(&d, `[{"can_read":true,"can_write":false,"connected_at":"2026-11-20T23:10:02Z","expires_at":"0001-01-01T00:00:00Z","remote_address":"127.0.0.1",
	"scopes":["read","host"],"statistcs":{"last":"2562047h47m16.854775807s"},"topic":"truss07","user_agent":"labsim/host"}]`)
	want := health.Conn{
		Topic: "truss07", Scopes: []string{"read", "host"}, UserAgent: "labsim/host", RemoteAddr: "127.0.0.1",
		ConnectedAt: time.Date(2026, 11, 20, 23, 10, 2, 0, time.UTC), CanRead: true, StatsKnown: true,
		Tx: health.Traffic{Never: true}, Rx: health.Traffic{Never: true},
	}
	if len(frames) != 1 || len(frames[0]) != 1 || !reflect.DeepEqual(frames[0][0], want) {
		t.Errorf("got %+v, want %+v", frames, want)
	}
}

func TestDecodeMessages(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxText+1)
	const good = `[{"topic":"a"}]`
	for _, c := range []struct {
		name, msg string
		frames    int
		skipped   Skipped
	}{
		{"empty", "", 0, Skipped{}},
		{"blank", " \r\n\t", 0, Skipped{}},
		{"empty frame", "[]", 1, Skipped{}},
		{"empty frame, spaced", " [ ] ", 1, Skipped{}},
		{"null", "null", 0, Skipped{Null: 1}},
		{"requests end to end", `{"cmd":"update"}{"cmd":"update"}`, 0, Skipped{Objects: 2}},
		{"farewell", `{"action":"disconnect","uri":"","uuid":"39fd398b"}`, 0, Skipped{Objects: 1}},
		{"other values", `1 "x" true false -2.5e-3`, 0, Skipped{Others: 5}},
		{"frames end to end", good + good + " " + good, 3, Skipped{}},
		{"frames among other things", `null` + good + `{"cmd":"update"}` + `[]`, 2, Skipped{Null: 1, Objects: 1}},
		{"broken after a frame", good + `[{"topic":"a"}`, 1, Skipped{Rubbish: 1}},
		{"no JSON", `hello`, 0, Skipped{Rubbish: 1}},
		{"half a word", `nul`, 0, Skipped{Rubbish: 1}},
		{"broken number", `-`, 0, Skipped{Rubbish: 1}},
		{"broken object", `{"cmd":"upd`, 0, Skipped{Rubbish: 1}},
		{"after a break nothing is read", `[{]` + good, 0, Skipped{Rubbish: 1}},
		{"a list of numbers", `[1,2]` + good, 1, Skipped{Rubbish: 1}},
		{"a list of lists", `[[]]` + good, 1, Skipped{Rubbish: 1}},
		{"a null among records", `[{"topic":"a"},null]` + good, 1, Skipped{Rubbish: 1}},
		{"a record without a topic", `[{"topic":"a"},{"name":"b"}]`, 0, Skipped{Rubbish: 1}},
		{"an empty record", `[{}]`, 0, Skipped{Rubbish: 1}},
		{"topic null", `[{"topic":null}]`, 0, Skipped{Rubbish: 1}},
		{"topic a number", `[{"topic":7}]` + good, 1, Skipped{Rubbish: 1}},
		{"scopes a string", `[{"topic":"a","scopes":"expt"}]`, 0, Skipped{Rubbish: 1}},
		{"a scope that is no string", `[{"topic":"a","scopes":["expt",1]}]`, 0, Skipped{Rubbish: 1}},
		{"scopes null", `[{"topic":"a","scopes":null}]`, 1, Skipped{}},
		{"stats a string", `[{"topic":"a","stats":"none"}]`, 0, Skipped{Rubbish: 1}},
		{"stats null", `[{"topic":"a","stats":null}]`, 1, Skipped{}},
		{"fps beyond all figures", `[{"topic":"a","stats":{"tx":{"fps":1e999}}}]`, 0, Skipped{Rubbish: 1}},
		{"last a list", `[{"topic":"a","stats":{"tx":{"last":[]}}}]`, 0, Skipped{Rubbish: 1}},
		{"permission a string", `[{"topic":"a","canRead":"yes"}]`, 0, Skipped{Rubbish: 1}},
		{"unknown fields of every kind", `[{"a":{"b":[1,{"c":null}]},"d":[],"e":{},"topic":"a","f":-1e-9,"g":"\ud83d\ude00"}]`, 1, Skipped{}},
		{"trailing comma", `[{"topic":"a"},]`, 0, Skipped{Rubbish: 1}},
		{"trailing comma in a record", `[{"topic":"a",}]`, 0, Skipped{Rubbish: 1}},
		{"control character", "[{\"topic\":\"a\nb\"}]", 0, Skipped{Rubbish: 1}},
		{"unknown escape", `[{"topic":"\x41"}]`, 0, Skipped{Rubbish: 1}},
		{"leading zero", `[{"topic":"a","n":01}]`, 0, Skipped{Rubbish: 1}},
		{"nested as deep as may be", `[{"topic":"a","n":` + strings.Repeat("[", 98) + strings.Repeat("]", 98) + `}]`, 1, Skipped{}},
		{"nested too deep", `[{"topic":"a","n":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}]`, 0, Skipped{Rubbish: 1}},
		{"nested without end", strings.Repeat(`{"a":`, 1_000_000), 0, Skipped{Rubbish: 1}},
		{"topic too long", `[{"topic":"` + long + `"}]` + good, 1, Skipped{Rubbish: 1}},
		{"user agent as long as may be", `[{"topic":"a","userAgent":"` + long[1:] + `"}]`, 1, Skipped{}},
		{"unknown field of any length", `[{"topic":"a","x":"` + long + `"}]`, 1, Skipped{}},
		{"last too long", `[{"topic":"a","stats":{"tx":{"last":"` + long + `"}}}]`, 0, Skipped{Rubbish: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			decode(&d, c.msg) // nothing wrong is learned from it
			frames, skipped := decode(&d, c.msg)
			if (skipped.Err != nil) != (c.skipped.Rubbish > 0) {
				t.Errorf("%d rubbish, but err %v", skipped.Rubbish, skipped.Err)
			}
			if skipped.Err = nil; len(frames) != c.frames || skipped != c.skipped {
				t.Errorf("%d frames, skipped %+v; want %d, %+v", len(frames), skipped, c.frames, c.skipped)
			}
		})
	}
}

func TestDecodeLastOneCounts(t *testing.T) {
	t.Parallel()
	var d Decoder
	frames, _ := decode(&d, `[{"topic":"a","topic":"b","scopes":["x"],"scopes":null,"canRead":true,"canRead":null,
		"stats":{"tx":{"last":"1s","size":5},"tx":{"last":"2s"}},"userAgent":"u","userAgent":null}]`)
	want := health.Conn{Topic: "b", StatsKnown: true, Tx: health.Traffic{Last: 2 * time.Second}, Rx: health.Traffic{Never: true}}
	if len(frames) != 1 || !reflect.DeepEqual(frames[0][0], want) {
		t.Errorf("got %+v, want %+v", frames, want)
	}
}

func TestDecodeTooManyRecords(t *testing.T) {
	t.Parallel()
	d := Decoder{limit: roomy + 1}
	frames, skipped := decode(&d, "["+strings.Repeat(`{"topic":"a"},`, roomy)+`{"topic":"a"}]`)
	if len(frames) != 1 || skipped.Rubbish != 0 {
		t.Errorf("as many as may be: %d frames, %+v", len(frames), skipped)
	}
	frames, skipped = decode(&d, "["+strings.Repeat(`{"topic":"a"},`, roomy+1)+`{"topic":"a"}]`)
	if len(frames) != 0 || skipped.Rubbish != 1 {
		t.Errorf("one more: %d frames, %+v", len(frames), skipped)
	}
	if _, skipped = decode(&d, "[]"); skipped.Rubbish != 0 || d.limit != roomy+1 || cap(d.conns) > roomy {
		t.Errorf("room for %d records is kept, %+v", cap(d.conns), skipped)
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"relay-0.7.0-frames.jsonl", "relay-0.9.3-frames.jsonl", "jump-0.4.0-with-clients.jsonl"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		f.Add(line[:strings.Index(line, "},{")+1] + "]")
	}
	for _, s := range []string{
		`[]null{"cmd":"update"}[{"topic":"a\ud83d\ude00","scopes":["x",null]}]`,
		`[{"topic":"a","stats":{"tx":{"last":1.5e9,"size":1e999},"rx":null}}]`,
		"[{\"topic\":\"\xff\",\"statistcs\":{\"last\":\"1h2.5\u00b5s\"}}] 1 true[",
		`[{"topic":"a","expires_at":"2026-02-29T00:00:00.5Z","connected":"2026-11-20T23:10:02+02:00"}]`,
	} {
		f.Add(s)
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, msg string) { compare(t, &d, msg) })
}

// Whatever byte of a message is missing or changed, the decoder and the
// reference agree on what is left of it. Each run tries a third of the changes, another
// one than the run before perhaps; STATS_TEST_EVERY=1 has it try all.
func TestDecodeBroken(t *testing.T) {
	t.Parallel()
	const msg = `null [{"topic":"a\u00e9b","scopes":["x","\ty"],"n":[1.5e+3,{"k":true}],"canRead":false,` +
		`"stats":{"tx":{"last":"1.5s","size":-0.25,"fps":2E1,"x":{}},"rx":null,"y":0},"connected":"2026-11-20T23:10:02Z"},` +
		`{"topic":"b","statistcs":{"last":1500,"z":"z"}}]{"cmd":"update"}`
	every := sizeOf(t, "STATS_TEST_EVERY", "3")
	turn := rand.IntN(every)
	t.Logf("turn %d of %d", turn, every)
	var d Decoder
	for i := range len(msg) {
		compare(t, &d, msg[:i])
		compare(t, &d, msg[i:])
		for _, c := range "\"\\{}[],:0-.et \x01\xff" {
			if turn++; turn%every != 0 {
				continue
			}
			compare(t, &d, msg[:i]+string(c)+msg[i+1:])
			compare(t, &d, msg[:i]+string(c)+msg[i:])
		}
	}
}
