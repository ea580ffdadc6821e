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

// DemoScript is a quarter of an hour of a lab's life, for DemoExperiments.
// It ends with everything well.
func DemoScript() Script {
	s, err := ParseScript(demoText)
	if err != nil {
		panic("the built-in demo script: " + err.Error()) // a test reads it
	}
	return s
}
