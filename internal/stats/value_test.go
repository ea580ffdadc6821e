package stats

import (
	"math"
	"reflect"
	"testing"
	"time"

	"labstatus/internal/health"
)

func TestDecodeLast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		last  string
		known bool
		never bool
		want  time.Duration
	}{
		{`"Never"`, true, true, 0},
		{`"never"`, true, true, 0},
		{`"NEVER"`, true, true, 0},
		{`""`, true, true, 0},
		{`"a while"`, true, true, 0},
		{`"1.5"`, true, true, 0},
		{`"293.509567ms"`, true, false, 293509567},
		{`"1m21.318965775s"`, true, false, 81318965775},
		{`"2h3m4.5s"`, true, false, 2*time.Hour + 3*time.Minute + 4500*time.Millisecond},
		{"\"12.5\u00b5s\"", true, false, 12500},
		{"\"12.5\u03bcs\"", true, false, 12500},
		{`"12.5\u00b5s"`, true, false, 12500},
		{`"12us"`, true, false, 12000},
		{`"3ns"`, true, false, 3},
		{`"0s"`, true, false, 0},
		{`"0"`, true, false, 0},
		{`"+1s"`, true, false, time.Second},
		{`"-3s"`, true, true, -3 * time.Second},
		{`"-1s"`, true, false, 0},
		{`"-59m59.7s"`, true, true, -59*time.Minute - 59700*time.Millisecond},
		{`"2562047h47m16.854775807s"`, true, true, 0},
		{`"-2562047h47m16.854775808s"`, true, true, 0},
		{`"2562048h"`, true, true, 0},
		{`"99999999999999999999h"`, true, true, 0},
		{`"876000h"`, true, true, 0},
		{`"875999h59m59s"`, true, false, absurd - time.Second},
		{`5000000000`, true, false, 5 * time.Second},
		{`9223372036854775807`, true, true, 0},
		{`9223372036854775808`, true, true, 0},
		{`-5`, true, false, 0},
		{`-0.5`, true, false, 0},
		{`-1000000001`, true, true, -1000000001},
		{`1.5e9`, true, false, 1500 * time.Millisecond},
		{`1e999`, true, true, 0},
		{`-1e999`, true, true, 0},
		{`null`, false, true, 0},
	} {
		msg := `[{"topic":"a-st-b","stats":{"tx":{"last":` + c.last + `}}}]`
		var d Decoder
		frames, skipped := decode(&d, msg)
		if len(frames) != 1 || skipped != (Skipped{}) {
			t.Errorf("%s: %d frames, %+v", c.last, len(frames), skipped)
			continue
		}
		got := frames[0][0]
		if got.StatsKnown != c.known || got.Tx.Never != c.never || got.Tx.Last != c.want {
			t.Errorf("%s: known %v, %+v; want %v, never %v, %v", c.last, got.StatsKnown, got.Tx, c.known, c.never, c.want)
		}
		compare(t, &d, msg)
	}
}

func TestDecodeTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want time.Time
	}{
		{`"2026-11-20T23:10:02.198293272Z"`, time.Date(2026, 11, 20, 23, 10, 2, 198293272, time.UTC)},
		{`"2026-11-20T23:10:02.5Z"`, time.Date(2026, 11, 20, 23, 10, 2, 5e8, time.UTC)},
		{`"2028-02-29T00:00:00Z"`, time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC)},
		{`"2026-12-31T23:59:59Z"`, time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)},
		{`"2026-11-20T23:10:02+02:00"`, time.Date(2026, 11, 20, 21, 10, 2, 0, time.UTC)},
		{`"2026-11-20T23\u003a10:02Z"`, time.Date(2026, 11, 20, 23, 10, 2, 0, time.UTC)},
		{`"0001-01-01T00:00:00Z"`, time.Time{}},
		{`"1970-01-01T00:00:00Z"`, time.Time{}},
		{`"2027-02-29T00:00:00Z"`, time.Time{}},
		{`"2027-04-31T00:00:00Z"`, time.Time{}},
		{`"2027-13-01T00:00:00Z"`, time.Time{}},
		{`"2027-01-01T24:00:00Z"`, time.Time{}},
		{`"2027-01-01T00:00:00.Z"`, time.Time{}},
		{`"yesterday"`, time.Time{}},
		{`""`, time.Time{}},
		{`null`, time.Time{}},
		{`1700000000`, time.Time{}},
	} {
		var d Decoder
		msg := `[{"topic":"a","expiresAt":` + c.text + `}]`
		frames, skipped := decode(&d, msg)
		if len(frames) != 1 || skipped != (Skipped{}) {
			t.Errorf("%s: %d frames, %+v", c.text, len(frames), skipped)
		} else if got := frames[0][0].ExpiresAt; got != c.want {
			t.Errorf("%s: %v, want %v", c.text, got, c.want)
		}
		compare(t, &d, msg)
	}
}

func TestDecodeText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`"plain"`, "plain"},
		{`"\"\\\/\b\f\n\r\t\u0041\u00e9"`, "\"\\/\b\f\n\r\tA\u00e9"},
		{`"\ud83d\ude00"`, "\U0001F600"},
		{`"\ud83d"`, "\uFFFD"},
		{`"\ud83dx"`, "\uFFFDx"},
		{`"\ud83d\u0041"`, "\uFFFDA"},
		{`"\ude00\ud83d"`, "\uFFFD\uFFFD"},
		{"\"a\xffb\"", "a\uFFFDb"},
		{"\"\xe2\x82\"", "\uFFFD\uFFFD"},
		{`"日本"`, "日本"},
	} {
		var d Decoder
		msg := `[{"t\u006fpic":` + c.text + `}]`
		frames, _ := decode(&d, msg)
		if len(frames) != 1 || frames[0][0].Topic != c.want {
			t.Errorf("%s: %+v, want %q", c.text, frames, c.want)
		}
		compare(t, &d, msg)
	}
}

// What was handed over stays as it was, whatever is decoded afterwards.
func TestDecodeStringsAreKept(t *testing.T) {
	t.Parallel()
	var d Decoder
	msg := []byte(`[{"topic":"pend00-st-video","scopes":["expt","read"],"userAgent":"a\u0062c"}]`)
	var c health.Conn
	d.Decode(msg, func(conns []health.Conn) { c = conns[0] })
	for i := range msg {
		msg[i] = 'X'
	}
	decode(&d, `[{"topic":"pend01-st-video","scopes":["host"],"userAgent":"x\u0079z"}]`)
	if c.Topic != "pend00-st-video" || !reflect.DeepEqual(c.Scopes, []string{"expt", "read"}) || c.UserAgent != "abc" {
		t.Errorf("changed afterwards: %+v", c)
	}
}

func TestWordsAreBounded(t *testing.T) {
	t.Parallel()
	var d Decoder
	for i := range maxWords + 1000 {
		b := []byte{byte(i), byte(i >> 8), byte(i >> 16)}
		if s := d.words.intern(b); s != string(b) {
			t.Fatalf("%q interned as %q", b, s)
		}
	}
	if n := len(d.words.known); n > maxWords || n == 0 {
		t.Errorf("%d words are kept", n)
	}
	long := make([]byte, maxText)
	for i := range 2 * maxWordsSize / maxText {
		long[0], long[1] = byte(i), byte(i>>8)
		d.words.intern(long)
	}
	if d.words.size > maxWordsSize {
		t.Errorf("%d bytes of words are kept", d.words.size)
	}
}

func TestDurationAgreesWithTime(t *testing.T) {
	t.Parallel()
	for v := time.Duration(1); v < absurd && v > 0; v = v*3 + v/7 {
		for _, d := range []time.Duration{v, v - 1, v / 1000 * 1000} {
			if got, ok := duration([]byte(d.String())); !ok || got != d {
				t.Errorf("%v: %v, %v", d, got, ok)
			}
		}
	}
	if _, ok := duration([]byte(time.Duration(math.MaxInt64).String())); ok {
		t.Error("the absurd was taken for a duration")
	}
}
