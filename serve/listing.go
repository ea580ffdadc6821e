package serve

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	"labstatus/internal/health"
)

// listings keeps the marshalled list of all experiments while its snapshot
// stands. Nobody ever waits for anything but the one marshalling of the snapshot
// that they asked for.
type listings struct {
	uptime  func(name string) (float64, bool)
	listed  func(bytes int) // nil: nobody wants to know
	current atomic.Pointer[listing]
}

// listing is the list of one snapshot, marshalled when it is first asked for.
type listing struct {
	version uint64
	body    func() (*body, error)
}

func (l *listings) of(snap *health.Snapshot) *listing {
	for {
		have := l.current.Load()
		if have != nil && have.version == snap.Version {
			return have
		}
		made := &listing{
			version: snap.Version,
			body: sync.OnceValues(func() (*body, error) {
				b, err := marshal(reports(snap.Experiments, l.uptime))
				if err == nil && l.listed != nil {
					l.listed(len(b.raw))
				}
				return b, err
			}),
		}
		if have != nil && have.version > snap.Version {
			// This reader took its snapshot just before a newer one came.
			return made
		}
		if l.current.CompareAndSwap(have, made) {
			return made
		}
	}
}

func marshal(payload any) (*body, error) {
	raw, err := json.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("marshal the answer: %w", err)
	}
	return newBody("application/json", raw), nil
}
