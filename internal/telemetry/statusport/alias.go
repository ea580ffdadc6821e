package statusport

import (
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// alias gives one of ghostunnel's values from ours, as the sum over all series of
// some families.
type alias struct {
	name     string
	families []string
}

// known are the values of ghostunnel's that this server has too, so that what was
// made to read a ghostunnel finds them. What it doesn't measure isn't there.
var known = []alias{
	{"accept.error", []string{"net_conntrack_listener_accept_failed_total"}},
	{"accept.success", []string{"net_conntrack_listener_conn_accepted_total"}},
	{"accept.total", []string{"net_conntrack_listener_conn_accepted_total", "net_conntrack_listener_accept_failed_total"}},
	{"conn.open", []string{"net_conntrack_listener_conn_open"}},
	{"runtime.goroutines", []string{"go_goroutines"}},
	{"runtime.mem.alloc", []string{"go_memstats_alloc_bytes"}},
	{"runtime.mem.frees", []string{"go_memstats_frees_total"}},
	{"runtime.mem.heap.alloc", []string{"go_memstats_heap_alloc_bytes"}},
	{"runtime.mem.heap.idle", []string{"go_memstats_heap_idle_bytes"}},
	{"runtime.mem.heap.inuse", []string{"go_memstats_heap_inuse_bytes"}},
	{"runtime.mem.heap.objects", []string{"go_memstats_heap_objects"}},
	{"runtime.mem.heap.released", []string{"go_memstats_heap_released_bytes"}},
	{"runtime.mem.heap.sys", []string{"go_memstats_heap_sys_bytes"}},
	{"runtime.mem.mallocs", []string{"go_memstats_mallocs_total"}},
	{"runtime.mem.stack.inuse", []string{"go_memstats_stack_inuse_bytes"}},
	{"runtime.mem.stack.sys", []string{"go_memstats_stack_sys_bytes"}},
	{"runtime.mem.sys", []string{"go_memstats_sys_bytes"}},
	{"runtime.mem.total-alloc", []string{"go_memstats_alloc_bytes_total"}},
}

func (f *flat) aliases(families []*dto.MetricFamily) {
	for _, a := range known {
		sum, found := 0.0, false
		for _, family := range families {
			if !slices.Contains(a.families, family.GetName()) {
				continue
			}
			for _, m := range family.GetMetric() {
				found = true
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() // one of them
			}
		}
		if found {
			f.add(a.name, sum)
		}
	}
}
