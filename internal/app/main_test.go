package app_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// Stories leave much garbage and keep little, so that collecting it less often is a
// good part of what they cost under the race detector. Memory is bounded all the same.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
