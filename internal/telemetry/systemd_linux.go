package telemetry

import "golang.org/x/sys/unix"

// monotonicMicroseconds is the clock by which systemd orders reloads.
func monotonicMicroseconds() (us int64, known bool) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0, false
	}
	return t.Nano() / 1000, true
}
