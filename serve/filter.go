package serve

import (
	"strings"

	"labstatus/internal/health"
)

// filter picks experiments. The zero filter picks all.
type filter struct {
	state string // empty: any
	text  string // empty: any; else looked for in name, resources and issues
}

func (f filter) isAll() bool { return f.state == "" && f.text == "" }

func (f filter) pick(all []*health.Report) []*health.Report {
	if f.isAll() {
		return all
	}
	text := strings.ToLower(f.text)
	var picked []*health.Report
	for _, r := range all {
		if (f.state == "" || f.state == string(r.State)) && (text == "" || mentions(r, text)) {
			picked = append(picked, r)
		}
	}
	return picked
}

func mentions(r *health.Report, lower string) bool {
	if strings.Contains(strings.ToLower(r.Name), lower) {
		return true
	}
	for i := range r.Resources {
		if strings.Contains(strings.ToLower(r.Resources[i].Name), lower) {
			return true
		}
	}
	for i := range r.Issues {
		if strings.Contains(strings.ToLower(r.Issues[i].String()), lower) {
			return true
		}
	}
	return false
}
