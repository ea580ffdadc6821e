package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Policy says which metrics are reported, to where and how often.
type Policy struct {
	Name string
	// Patterns match whole names, prefix included; * stands for any run of
	// characters, also none. The first policy that matches has the metric.
	Patterns []string
	To       []string      // names of targets; empty: all there are
	Every    time.Duration // 0: only outliers
	// Outliers are events that differ from the mean by more than OutlierPercent,
	// once the mean stands for at least MinOutlier events. It forgets half of
	// them in each HalfLife; 0: it forgets nothing. OutlierPercent 0: there are
	// none.
	OutlierPercent float64
	MinOutlier     int
	HalfLife       time.Duration
}

// Bounds of a policy file: more than any needs, and of its faults as many as somebody
// reads at once.
const (
	maxPolicyFile   = 1 << 20 // bytes
	maxPolicies     = 1000
	maxPolicyFaults = 50
)

// policyFile is the metrics part of a libwebsockets policy; outlier_percent and to
// are ours. Whatever else such a file holds is somebody else's.
type policyFile struct {
	Metrics []json.RawMessage `json:"metrics"`
}

type policyEntry struct {
	Name           string   `json:"name"`
	Schedule       uint64   `json:"us_schedule"` // µs
	HalfLife       uint64   `json:"us_halflife"` // µs
	MinOutlier     uint8    `json:"min_outlier"`
	Report         string   `json:"report"` // patterns, by comma
	OutlierPercent float64  `json:"outlier_percent"`
	To             []string `json:"to"`
}

// Reports come no faster than that, so that a slip of three zeros in a file costs
// nothing; and a schedule that is longer than a year is taken for another slip.
const (
	fastestPolicy = 100 * time.Millisecond
	slowestPolicy = 366 * 24 * time.Hour
)

var patternText = regexp.MustCompile(`^[A-Za-z0-9_.*-]+$`)

// ReadPolicies reads a policy file and reports the faults in it, briefly: what is
// wrong may be of any length, and goes to the log.
func ReadPolicies(r io.Reader) ([]Policy, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPolicyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the policies: %w", err)
	}
	if len(text) > maxPolicyFile {
		return nil, fmt.Errorf("read the policies: the file is larger than %d bytes", maxPolicyFile)
	}
	var file policyFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("read the policies: %s", briefly(err))
	}
	if len(file.Metrics) > maxPolicies {
		return nil, fmt.Errorf("read the policies: there are %d, at most %d are taken", len(file.Metrics), maxPolicies)
	}
	var policies []Policy
	var faults []error
	for i, raw := range file.Metrics {
		p, err := readPolicy(raw)
		if err == nil && slices.ContainsFunc(policies, func(q Policy) bool { return q.Name == p.Name }) {
			err = errors.New("another one before it has the same name")
		}
		if err != nil {
			if len(faults) == maxPolicyFaults {
				faults = append(faults, errors.New("there are more faults in it"))
				break
			}
			faults = append(faults, fmt.Errorf("policy %d %.80q: %w", i+1, p.Name, err))
			continue
		}
		policies = append(policies, p)
	}
	return policies, errors.Join(faults...)
}

// briefly is what the decoder says, which may quote the file at any length.
func briefly(err error) string { return fmt.Sprintf("%.200s", err.Error()) }

func readPolicy(raw []byte) (Policy, error) {
	var e policyEntry
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Policy{Name: e.Name}, errors.New(briefly(err))
	}
	p := Policy{Name: e.Name, To: e.To, OutlierPercent: e.OutlierPercent, MinOutlier: int(e.MinOutlier)}
	var faults []error
	if e.Name == "" {
		faults = append(faults, errors.New("it has no name"))
	}
	for pattern := range strings.SplitSeq(e.Report, ",") {
		if pattern = strings.TrimSpace(pattern); !patternText.MatchString(pattern) {
			faults = append(faults, fmt.Errorf("report: %.80q is no pattern: letters, digits, _ - . and * are", pattern))
			break // one that lacks its blanks or has a wrong separator makes the others wrong as well
		}
		p.Patterns = append(p.Patterns, pattern)
	}
	var err error
	if p.Every, err = microseconds("us_schedule", e.Schedule, fastestPolicy); err != nil {
		faults = append(faults, err)
	}
	if p.HalfLife, err = microseconds("us_halflife", e.HalfLife, 0); err != nil {
		faults = append(faults, err)
	}
	if e.OutlierPercent < 0 {
		faults = append(faults, errors.New("outlier_percent is below 0"))
	}
	return p, errors.Join(faults...)
}

// microseconds reads one of the file's times; 0 is always allowed.
func microseconds(key string, us uint64, least time.Duration) (time.Duration, error) {
	if us > uint64(slowestPolicy.Microseconds()) || us > 0 && us < uint64(least.Microseconds()) {
		return 0, fmt.Errorf("%s is %d: it is in microseconds, from %d to %d, or 0", key, us, least.Microseconds(), slowestPolicy.Microseconds())
	}
	return time.Duration(us) * time.Microsecond, nil
}

// policyFor is the first policy that matches, nil where none does.
func policyFor(policies []Policy, metric string) *Policy {
	for i := range policies {
		if slices.ContainsFunc(policies[i].Patterns, func(p string) bool { return match(p, metric) }) {
			return &policies[i]
		}
	}
	return nil
}

// match takes time in proportion to pattern times name, whatever the pattern.
func match(pattern, name string) bool {
	star, mark, p, n := -1, 0, 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0: // let the latest * stand for one more
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
