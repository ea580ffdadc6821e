package observer_test

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
)

// TestMain sets how many of a kind the properties try, enough for every day: there are
// four worlds in which totals have to agree. -rapid.checks=1000 on the command line
// tries more.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "15"); err != nil {
		panic(err)
	}
	debug.SetGCPercent(400) // with -race a quarter of the work is to collect garbage
	os.Exit(m.Run())
}
