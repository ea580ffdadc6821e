package stats

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
)

func TestDecodeAllocatesNothing(t *testing.T) {
	var d Decoder
	text, err := os.ReadFile("testdata/relay-0.7.0-students-and-silent.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	jump, err := os.ReadFile("testdata/jump-0.4.0-with-clients.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	big := bigFrame(1000)
	n := 0
	count := func(c []health.Conn) { n += len(c) }
	if allocs := testing.AllocsPerRun(20, func() {
		d.Decode(text, count)
		d.Decode(jump, count)
		d.Decode(big, count)
	}); allocs != 0 {
		t.Errorf("%v allocations for known connections", allocs)
	}
	if n == 0 {
		t.Error("nothing decoded")
	}
}

// The two benchmarks are a pair: the first should take no more than a fifth of
// the second.
func BenchmarkDecode(b *testing.B) {
	msg := bigFrame(20_000)
	var d Decoder
	n := 0
	count := func(c []health.Conn) { n += len(c) }
	d.Decode(msg, count)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		d.Decode(msg, count)
	}
}

func BenchmarkDecodeWithEncodingJSON(b *testing.B) {
	msg := bigFrame(20_000)
	type traffic struct {
		Last string
		Size float64
		FPS  float64
	}
	type record struct {
		Topic      string
		Scopes     []string
		UserAgent  string
		RemoteAddr string
		Connected  time.Time
		ExpiresAt  time.Time
		CanRead    bool
		CanWrite   bool
		Stats      *struct{ Tx, Rx traffic }
	}
	convert := func(from traffic) health.Traffic {
		if from.Last == "Never" {
			return health.Traffic{Never: true, Size: from.Size, FPS: from.FPS}
		}
		last, err := time.ParseDuration(from.Last)
		return health.Traffic{Last: last, Never: err != nil, Size: from.Size, FPS: from.FPS}
	}
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		var records []record
		if err := json.Unmarshal(msg, &records); err != nil {
			b.Fatal(err)
		}
		conns := make([]health.Conn, len(records))
		for i, r := range records {
			c := &conns[i]
			*c = health.Conn{Topic: r.Topic, Scopes: r.Scopes, UserAgent: r.UserAgent, RemoteAddr: r.RemoteAddr,
				ConnectedAt: r.Connected, ExpiresAt: r.ExpiresAt, CanRead: r.CanRead, CanWrite: r.CanWrite, StatsKnown: r.Stats != nil}
			if r.Stats == nil {
				continue
			}
			c.Tx, c.Rx = convert(r.Stats.Tx), convert(r.Stats.Rx)
		}
	}
}

// bigFrame is a frame in the shape of the captured ones, of n connections, two
// for each experiment.
func bigFrame(n int) []byte {
	var b strings.Builder
	b.WriteByte('[')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		stream, size := "video", 2000
		if i%2 == 1 {
			stream, size = "data", 41
		}
		fmt.Fprintf(&b, `{"canRead":true,"canWrite":true,"connected":"2026-11-20T23:10:%02d.%09dZ","expiresAt":"2026-11-21T23:10:02Z",`+
			`"remoteAddr":"10.%d.%d.%d","scopes":["write","read","expt"],"stats":{"tx":{"last":"%d.%06dms","size":%d,"fps":0.99%013d},`+
			`"rx":{"last":"Never","size":0,"fps":0}},"topic":"pend%05d-st-%s","userAgent":"labsim/expt"}`,
			i%60, 198293272+i, i>>16, i>>8&255, i&255, 200+i%700, i*37%1000000, size, i*7919%1000000007, i/2, stream)
	}
	b.WriteByte(']')
	return []byte(b.String())
}
