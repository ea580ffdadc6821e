//go:build !linux

package telemetry

// monotonicMicroseconds is known on Linux alone, as is systemd.
func monotonicMicroseconds() (us int64, known bool) { return 0, false }
