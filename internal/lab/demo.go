package lab

import (
	_ "embed"
	"fmt"
)

//go:embed demo.txt
var demoText string

// DemoExperiments are those DemoScript speaks of, and some that stay well.
func DemoExperiments() []Experiment {
	var all []Experiment
	for _, kind := range []string{"pend", "spin", "trus", "pvna"} {
		for i := range 3 {
			all = append(all, Experiment{Stub: fmt.Sprintf("%s%02d", kind, i)})
		}
	}
	all[11].Streams = []StreamSpec{{Name: "st-data", Size: 41}, {Name: "st-video", Size: 2000}, {Name: "st-log", Size: 300, Optional: true}}
	return all
}

// DemoGOSTs are those DemoScript speaks of, two of different make. It also
// speaks of a collector.
func DemoGOSTs() []GOST {
	return []GOST{
		{Name: "leeds", Version: GOST33, Tunnels: []string{"pend00", "pend01", "pend02", "spin00", "spin01", "spin02"}},
		{Name: "york", Version: GOST326, GRPC: true, Tunnels: []string{"trus00", "trus01", "trus02"}, Clients: []string{"pvna00", "pvna01", "pvna02"}},
	}
}

// DemoScript is a quarter of an hour of a lab's life, for DemoExperiments
// and DemoGOSTs.
// It ends with everything well.
func DemoScript() Script {
	s, err := ParseScript(demoText)
	if err != nil {
		panic("the built-in demo script: " + err.Error()) // a test reads it
	}
	return s
}
