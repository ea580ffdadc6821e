package config

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
	year = 365 * day
)

// longUnits are the ones time.ParseDuration lacks. A year is 365 days: these
// are token lifetimes and intervals, not calendar dates.
var longUnits = map[string]uint64{"d": uint64(day), "w": uint64(week), "y": uint64(year)}

// minDuration is the magnitude of the most negative Duration.
const minDuration = uint64(1) << 63

var errOverflow = errors.New("longer than a duration can be (about 292y)")

// ParseDuration reads what time.ParseDuration does and also the units d, w and
// y, in any mix: 1d, 1.5d, 1d12h, -2w. What does not fit a time.Duration is an
// error; fractions of a nanosecond are dropped.
func ParseDuration(s string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(s, "-")
	if !negative {
		rest = strings.TrimPrefix(s, "+")
	}
	if rest == "0" {
		return 0, nil
	}
	if rest == "" {
		return 0, fmt.Errorf("read duration %q: no number", s)
	}
	var sum uint64
	for rest != "" {
		part, after, err := leadingPart(rest)
		if err == nil && part > minDuration-sum {
			err = errOverflow
		}
		if err != nil {
			return 0, fmt.Errorf("read duration %q: %w", s, err)
		}
		sum, rest = sum+part, after
	}
	switch {
	case negative && sum == minDuration:
		return time.Duration(-1 << 63), nil
	case negative:
		return -time.Duration(sum), nil
	case sum == minDuration:
		return 0, fmt.Errorf("read duration %q: %w", s, errOverflow)
	}
	return time.Duration(sum), nil
}

// leadingPart reads one number with its unit and returns what follows.
func leadingPart(s string) (part uint64, rest string, err error) {
	number := s[:len(s)-len(strings.TrimLeft(s, "0123456789."))]
	s = s[len(number):]
	unit := s
	if i := strings.IndexAny(s, "0123456789."); i >= 0 {
		unit = s[:i]
	}
	rest = s[len(unit):]
	switch {
	case number == "":
		return 0, "", fmt.Errorf("no number before %q", unit)
	case unit == "":
		return 0, "", fmt.Errorf("no unit after %s", number)
	}
	if size, ok := longUnits[unit]; ok {
		part, err = scale(number, size)
		return part, rest, err
	}
	// Negative, because the most negative Duration has no positive counterpart.
	d, err := time.ParseDuration("-" + number + unit)
	if err != nil {
		return 0, "", fmt.Errorf("%s%s is no duration", number, unit)
	}
	return -uint64(d), rest, nil
}

// scale returns number, a decimal without sign, times size.
func scale(number string, size uint64) (uint64, error) {
	whole, fraction, _ := strings.Cut(number, ".")
	if whole+fraction == "" || strings.Contains(fraction, ".") {
		return 0, fmt.Errorf("%s is no number", number)
	}
	var sum uint64
	if whole != "" {
		n, err := strconv.ParseUint(whole, 10, 64)
		if err != nil || n > minDuration/size {
			return 0, errOverflow
		}
		sum = n * size
	}
	// The 18th digit of a year is far below a nanosecond.
	fraction = fraction[:min(len(fraction), 18)]
	if fraction != "" {
		n, err := strconv.ParseUint(fraction, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s is no number", number)
		}
		unit := uint64(1)
		for range fraction {
			unit *= 10
		}
		hi, lo := bits.Mul64(n, size)
		q, _ := bits.Div64(hi, lo, unit) // n < unit, so q < size: no overflow
		sum += q
	}
	return sum, nil
}

// FormatDuration prints d as a person would write it: 1y, 1d, 1d12h, 10m, 0s.
// ParseDuration reads it back unchanged.
func FormatDuration(d time.Duration) string {
	days, rest := d/day, d%day
	switch {
	case days == 0:
		return short(rest)
	case d%year == 0:
		return strconv.FormatInt(int64(d/year), 10) + "y"
	}
	text := strconv.FormatInt(int64(days), 10) + "d"
	if rest != 0 {
		text += short(rest.Abs())
	}
	return text
}

// short is d.String() without the empty minutes and seconds at its end.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
