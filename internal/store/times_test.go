package store_test

import (
	"reflect"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// Every time in a record comes back in UTC, also in fields added after this test
// was written.
func TestTimesComeBackInUTC(t *testing.T) {
	t.Parallel()
	local := time.Date(2026, 11, 20, 22, 10, 5, 123456789, time.FixedZone("far", 5*3600))
	var times int
	var fill func(reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0))
		case reflect.String:
			v.SetString("pend00")
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				times++
				v.Set(reflect.ValueOf(local))
				return
			}
			for _, field := range v.Fields() {
				fill(field)
			}
		}
	}
	var r health.Record
	var sys health.SystemRecord
	fill(reflect.ValueOf(&r).Elem())
	fill(reflect.ValueOf(&sys).Elem())
	if times < 8 {
		t.Fatalf("only %d times found to fill", times)
	}
	var check func(reflect.Value)
	check = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Slice:
			check(v.Index(0))
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				if v.Interface() != local.UTC() {
					t.Errorf("came back as %v", v.Interface())
				}
				return
			}
			for _, field := range v.Fields() {
				check(field)
			}
		}
	}
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		e := event("pend00", 0)
		e.When = local
		m := mail("1@lab", local, "a@example.org")
		m.Recipients[0].Next, m.Recipients[0].Done = local, local
		MustCommit(t, s, store.Commit{At: local, Records: []health.Record{r}, System: &sys, Events: []health.Event{e}, Mails: []*health.Mail{m}})
		kept := MustKept(t, s)
		check(reflect.ValueOf(kept.Records[0]))
		check(reflect.ValueOf(kept.System))
		got, err := s.Mail(t.Context(), "1@lab")
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Time{MustEvents(t, s, "pend00")[0].When, got.At, got.Recipients[0].Next, got.Recipients[0].Done} {
			if at != local.UTC() {
				t.Errorf("came back as %v", at)
			}
		}
	})
}

func TestTimesAtTheEdge(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{{}, time.Unix(0, 1), time.Unix(-1, 0), t0} {
		if got := store.FromNanos(store.Nanos(at)); !got.Equal(at) || got.IsZero() != at.IsZero() {
			t.Errorf("%v came back as %v", at, got)
		}
	}
	early, late := time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if e, l := store.Nanos(early), store.Nanos(late); e >= 0 || l <= store.Nanos(t0) {
		t.Errorf("out of order: %d %d", e, l)
	}
}
