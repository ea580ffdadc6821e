package observer

import (
	"fmt"
	"testing"
	"time"
)

// What a service says costs no more because there are others, or because it has many
// clients: thousands that begin in one report would stop all else for seconds.
func TestServicesDoNotCostEachOther(t *testing.T) {
	const n = 4000
	took := func(says func(i int) (service string, state State)) time.Duration {
		tab := newTable(nil, 2*n)
		s := tab.source("leeds")
		for i := range n {
			tab.entry(s, Client("web", fmt.Sprint(i)))
		}
		began := time.Now()
		for i := range 2 * n {
			service, state := says(i)
			tab.take(s, &Event{Subject: Service(service), Type: TypeStatus, Status: &ServiceStatus{State: state}}, t0, false)
		}
		tab.inherit()
		return time.Since(began)
	}
	begins := func(i int) State { return []State{Running, Ready}[i%2] }
	plain := took(func(int) (string, State) { return "web", Failed })
	for what, took := range map[string]time.Duration{
		"services that begin":        took(func(i int) (string, State) { return fmt.Sprint("s", i/2), begins(i) }),
		"one that begins and begins": took(func(i int) (string, State) { return "web", begins(i) }),
	} {
		if took > 50*plain+100*time.Millisecond {
			t.Errorf("%s: %v, where others take %v", what, took, plain)
		}
	}
}
