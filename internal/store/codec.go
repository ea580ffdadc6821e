package store

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"time"

	"labstatus/internal/health"
)

// Both stores keep what these functions make of a value, so that they give back
// the same, and never the memory they were given.

// nanos is how a time is kept: Unix nanoseconds, 0 for the zero time. Times out of
// the range of about 1678 to 2262 are moved to its ends.
func nanos(t time.Time) int64 {
	switch sec := t.Unix(); {
	case t.IsZero():
		return 0
	case sec >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	case sec <= math.MinInt64/int64(time.Second):
		return math.MinInt64
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// eventText gives the JSON columns of an event.
func eventText(e *health.Event) (text eventJSON, err error) {
	for _, part := range []struct {
		what string
		from any
		to   *string
	}{{"streams", e.StreamOK, &text.streamOK}, {"tunnels", e.TunnelOK, &text.tunnelOK}, {"issues", e.Issues, &text.issues}} {
		b, err := json.Marshal(part.from)
		if err != nil {
			return text, fmt.Errorf("encode %s of an event of %s: %w", part.what, e.Experiment, err)
		}
		*part.to = string(b)
	}
	return text, nil
}

func eventFromText(e *health.Event, streamOK, tunnelOK, issues []byte) error {
	if err := json.Unmarshal(tunnelOK, &e.TunnelOK); err != nil {
		return fmt.Errorf("decode its tunnels: %w", err)
	}
	if err := json.Unmarshal(streamOK, &e.StreamOK); err != nil {
		return fmt.Errorf("decode its streams: %w", err)
	}
	if err := json.Unmarshal(issues, &e.Issues); err != nil {
		return fmt.Errorf("decode its issues: %w", err)
	}
	return nil
}

func recordText(r *health.Record) (string, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode record of %s: %w", r.Name, err)
	}
	return string(b), nil
}

// recordFromText trusts the row's key for the name: it is what the record will
// be replaced and dropped by.
func recordFromText(name string, body []byte) (health.Record, error) {
	var r health.Record
	if err := json.Unmarshal(body, &r); err != nil {
		return health.Record{}, fmt.Errorf("decode record of %s, which starts afresh: %w", name, err)
	}
	r.Name = name
	inUTC(reflect.ValueOf(&r))
	return r, nil
}

func systemText(r *health.SystemRecord) (string, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode the system's record: %w", err)
	}
	return string(b), nil
}

func systemFromText(body []byte) (health.SystemRecord, error) {
	var r health.SystemRecord
	if err := json.Unmarshal(body, &r); err != nil {
		return health.SystemRecord{}, fmt.Errorf("decode the system's record, which starts afresh: %w", err)
	}
	inUTC(reflect.ValueOf(&r))
	return r, nil
}

func actText(a *health.Act) (string, error) {
	b, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("encode what %s did (%s): %w", a.By, a.Kind, err)
	}
	return string(b), nil
}

func actFromText(body []byte) (health.Act, error) {
	var a health.Act
	if err := json.Unmarshal(body, &a); err != nil {
		return health.Act{}, fmt.Errorf("decode what a person did: %w", err)
	}
	inUTC(reflect.ValueOf(&a))
	return a, nil
}

var timeType = reflect.TypeFor[time.Time]()

// The years that JSON has, in UTC. In another zone a time may lie some hours beyond
// them, and once it is in UTC nothing that holds it could be kept again.
var (
	firstTime = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
)

// utc moves a time to UTC, one out of the range of JSON to its end.
func utc(t time.Time) time.Time {
	switch {
	case t.Before(firstTime):
		return firstTime
	case t.After(lastTime):
		return lastTime
	}
	return t.UTC()
}

// inUTC turns every time within v to UTC: JSON keeps the zone a time was written
// with. It looks at the type rather than naming fields, so that a field added
// to a record can't be overlooked.
func inUTC(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			inUTC(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			inUTC(v.Index(i))
		}
	case reflect.Map:
		for key, value := range v.Seq2() {
			fresh := reflect.New(value.Type()).Elem()
			fresh.Set(value)
			inUTC(fresh)
			v.SetMapIndex(key, fresh)
		}
	case reflect.Struct:
		if v.Type() == timeType {
			if v.CanSet() {
				v.Set(reflect.ValueOf(utc(v.Interface().(time.Time))))
			}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				inUTC(v.Field(i))
			}
		}
	}
}
