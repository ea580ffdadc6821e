package observer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

// tokenIn finds what stands as a token in JSON, whole or broken.
var tokenIn = regexp.MustCompile(`(?i)"token"\s*:\s*"([^"\\]{12,})"`)

// betrays says whether a text that people read holds a token of the JSON, one that
// stands there once: what is also a name may be said.
func betrays(said, text string) bool {
	for _, found := range tokenIn.FindAllStringSubmatch(text, -1) {
		if strings.Count(text, found[1]) == 1 && strings.Contains(said, found[1]) {
			return true
		}
	}
	return false
}

// logged is a log to be read.
func logged() (*bytes.Buffer, logrus.FieldLogger) {
	text := new(bytes.Buffer)
	l := logrus.New()
	l.SetOutput(text)
	return text, l
}

func mustMarshal(tb testing.TB, v any) string {
	tb.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// longAgo is before now, whatever this machine takes for now.
var longAgo = time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC)

// whereTo is where nobody is told anything: no test of this file calls Run.
const whereTo = `{"name":"b","address":"collector:8000"}`

// FuzzKeptObserver begins with whatever a database may hold of one observer: the two
// beside it are told what they were to be told, and whatever is left of the one is told
// as well, since anybody who speaks the protocol takes it.
func FuzzKeptObserver(f *testing.F) {
	at := longAgo
	pending := func(name string) KeptObserver {
		ready := Event{Subject: Service("relay"), Type: TypeStatus, Status: &ServiceStatus{Ready, "well"}}
		figures := Event{Subject: Client("relay", "anna"), Type: TypeStats, Stats: &Stats{TotalConns: 1}}
		return KeptObserver{
			Observer: Observer{Name: name, Type: HTTP, Address: "https://collector.example.org/", Token: NewSecret("a-token-of-" + name), Timeout: time.Second, Period: time.Second},
			Reports:  []KeptReport{{"0123456789abcdef-1", at, []Event{ready, figures}}, {"0123456789abcdef-2", at, []Event{figures}}},
			Waiting:  []KeptEvent{{at, ready}}, LastOK: at,
		}
	}
	f.Add(mustMarshal(f, pending("b")))
	for _, text := range []string{
		``, `null`, `{}`, `{"observer":` + whereTo + `}`,
		`{"observer":` + whereTo + `,"fixed":true,"last_ok":"9999-12-31T23:59:59-14:00"}`,
		`{"observer":` + whereTo + `,"waiting":[{"at":"2026-11-20T22:10:05Z","event":{"kind":"service","service":"a","type":"status"}},{},null,{"event":{"kind":"service","service":"a","type":"stats","stats":{}}}]}`,
		`{"observer":` + whereTo + `,"reports":[{"key":"a\r\nb: c","at":"9999-01-01T00:00:00Z","events":[{"kind":"service","service":"a","type":"stats"},{"kind":"service","service":"a","type":"status","status":{"state":"ready","msg":"x\ny"}},null]},null,{"key":"0123456789abcdef-0","events":[{"kind":"handler","service":"a","type":"stats","stats":{"currentConns":18446744073709551615}}]}]}`,
		`{"observer":{"name":"a","address":"collector:8000","token":"somebody-elses-token"}}`,
		`{"observer":{"name":"b","address":"collector:8000","token":"a-token-that-is-secret","period":"x"}}`,
		`{"observer":` + whereTo + `,"last_ok":"` + strings.Repeat("9", 5000) + `"}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		others := []KeptObserver{pending("a"), pending("c")}
		kept := slices.Clone(others)
		k, err := ReadKeptObserver("b", []byte(text))
		if err != nil {
			if len(err.Error()) > 2500 || betrays(err.Error(), text) {
				t.Fatalf("%d bytes: %v", len(err.Error()), err)
			}
		} else {
			kept = append(kept, k)
		}
		said, log := logged()
		r, err := NewReporter(ReporterOptions{Kept: kept, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range r.workers {
			defer w.sender.close()
		}
		for _, o := range others {
			w := r.workers[o.Observer.Name]
			if w == nil {
				t.Fatalf("%s is lost: %s", o.Observer.Name, said)
			}
			if got := w.kept(); mustMarshal(t, got) != mustMarshal(t, o) {
				t.Fatalf("kept of the other one:\n got %+v\nwant %+v", got, o)
			}
		}
		w := r.workers["b"]
		lost := w != nil && w.back.dropped > 0
		if (k.Observer.Name != "" && !k.Fixed && w == nil || lost) && said.Len() == 0 {
			t.Error("something is left out, and nobody is told")
		}
		if said.Len() > 3000 || betrays(said.String(), text) {
			t.Errorf("%d bytes of log: %.1000s", said.Len(), said)
		}
		if w == nil {
			return
		}
		canBeTold(t, w)

		// What is kept of it now is whole.
		again, err := ReadKeptObserver("b", []byte(mustMarshal(t, w.kept())))
		if got, gone := again.usable(time.Now()); err != nil || gone > 0 || mustMarshal(t, got) != mustMarshal(t, w.kept()) {
			t.Errorf("kept again:\n got %+v\nwant %+v\n%d gone, %v", got, w.kept(), gone, err)
		}

		// It goes on as ever: news come, what is too old is let go of.
		w.tell(KeptEvent{time.Now(), Event{Subject: Service("relay"), Type: TypeStatus, Status: &ServiceStatus{Failed, ""}}})
		w.back.thin()
		w.back.expire(time.Now().Add(2 * maxAge))
		w.back.seal([]Total{{Service("relay"), Stats{TotalConns: 1}}}, time.Now())
		canBeTold(t, w)
		for range len(w.back.reports) {
			if !w.back.giveUp(w.back.reports[0].Key, time.Now().Add(2*maxAge)) {
				t.Fatalf("a report that is refused would be told for ever: %+v", w.back.reports[0])
			}
		}
	})
}

// canBeTold looks whether one who speaks the protocol takes all that is pending: our own
// Receiver, over both of its wires.
func canBeTold(t *testing.T, w *worker) {
	t.Helper()
	for _, report := range w.back.reports {
		if _, ok := readKey(report.Key); !ok || strings.Contains(report.Key, `"`) {
			t.Errorf("key %q", report.Key)
		}
		if len(report.Events) == 0 || len(report.Events) > 1000 {
			continue // so many are refused, and given up in the end
		}
		text, err := encodeJSON(report.Events)
		if err != nil {
			t.Fatal(err)
		}
		for _, decode := range []func() ([]Event, error){
			func() ([]Event, error) { return decodeJSON(text) },
			func() ([]Event, error) { return decodeProto(encodeProto(report.Events)) },
		} {
			events, err := decode()
			if err != nil {
				t.Fatal(err)
			}
			r, err := NewReceiver(ReceiverOptions{Credentials: []Credential{{Token: NewSecret("a-token-of-at-least-16")}}})
			if err != nil {
				t.Fatal(err)
			}
			if no := r.take(context.Background(), guest{source: "us"}, report.Key, events); no != nil {
				t.Errorf("%+v is refused: %s", report, no.message)
			}
			if r.figures.Unknown > 0 {
				t.Errorf("%+v is not understood", report)
			}
		}
	}
}

// FuzzKeptSource begins with whatever a database may hold of one source: the totals of
// the two beside it stand, and the one reports again as if nothing were.
func FuzzKeptSource(f *testing.F) {
	at := longAgo
	whole := func(name string) KeptSource {
		return KeptSource{
			Name: name, Senders: []KeptSender{{"0123456789abcdef", 5, at}},
			Subjects: []KeptSubject{
				{Subject: Service("web"), State: Failed, Message: "no route", Since: at, SaidAt: at, LastAt: at},
				{Subject: Client("web", "p1"), LastAt: at, Counted: at, Restarts: 1, Repeats: 2, Counter: KeptCounter{Total: Stats{TotalConns: 7}, Last: Stats{TotalConns: 3}, Heard: true}},
			},
		}
	}
	f.Add(mustMarshal(f, whole("b")))
	for _, text := range []string{
		``, `null`, `{}`, `{"name":"b"}`, `{"name":"a","subjects":[{"kind":"service","service":"web"}]}`,
		`{"name":"b","subjects":[{},null,{"kind":"service","service":"web","state":"running","began":true,"last_at":"9999-12-31T23:59:59-14:00"},{"kind":"service","service":"web","state":"well"},{"kind":"moon","service":"web"},{"kind":"handler","service":"web","client":"p1","message":"x\r\ny","counter":{"total":{"totalConns":18446744073709551615},"fresh":true}},{"kind":"handler","service":"web","client":"p1"}]}`,
		`{"name":"b","senders":[{"life":"0123456789abcdef","number":18446744073709551615,"at":"9999-01-01T00:00:00Z"},{"life":"x","number":1},{"life":"0123456789-bcdef","number":1},null]}`,
		`{"name":"b","subjects":[{"kind":"service","service":"` + strings.Repeat("x", 300) + `"},{"kind":"service","service":"web","message":"` + strings.Repeat("x", 3000) + `","state":"closed","since":"0000-01-01T00:00:00+23:59"}]}`,
		`{"name":"b","subjects":[{"kind":"service","service":"web","restarts":` + strings.Repeat("9", 5000) + `}]}`,
	} {
		f.Add(text)
	}
	ties, err := ParseMap(`client (?P<stub>p\d) link`)
	if err != nil {
		f.Fatal(err)
	}
	const room = 100
	begin := func(t *testing.T, log logrus.FieldLogger, sources ...KeptSource) *Receiver {
		t.Helper()
		r, err := NewReceiver(ReceiverOptions{
			Credentials: []Credential{{Token: NewSecret("a-token-of-at-least-16")}}, Map: ties, Subjects: room, Kept: KeptObserved{sources}, Log: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	f.Fuzz(func(t *testing.T, text string) {
		said, log := logged()
		sources := []KeptSource{whole("a"), whole("c")}
		source, err := ReadKeptSource("b", []byte(text))
		if err != nil {
			if len(err.Error()) > 2500 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
		} else {
			sources = append(sources, source)
		}
		r := begin(t, log, sources...)
		usable, gone := source.usable(time.Now())
		if gone > 0 && said.Len() == 0 || said.Len() > 2000 {
			t.Errorf("%d services and clients can't be read, and this is logged: %.1000s", gone, said)
		}
		if r.table.size > room || len(r.table.sources) > len(sources) {
			t.Fatalf("%d services and clients of %d sources", r.table.size, len(r.table.sources))
		}
		for _, s := range r.collect().Statuses {
			known := Event{Subject: s.Subject, Type: TypeStatus, Status: &ServiceStatus{State: s.State}}
			if s.At.After(time.Now()) || s.Since.After(time.Now()) || !known.tells() || s.Message != oneLine(s.Message, maxMessage) || !s.Restored {
				t.Errorf("handed on: %+v", s)
			}
		}
		kept, _ := r.kept()
		for _, want := range []KeptSource{whole("a"), whole("c")} {
			if i := slices.IndexFunc(kept.Sources, func(s KeptSource) bool { return s.Name == want.Name }); i < 0 || mustMarshal(t, kept.Sources[i]) != mustMarshal(t, want) {
				t.Fatalf("beside it is kept: %+v", kept)
			}
		}
		var stored []KeptSource // with the time of day alone
		for _, s := range kept.Sources {
			read, err := ReadKeptSource(s.Name, []byte(mustMarshal(t, s)))
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, read)
		}
		next, _ := begin(t, log, stored...).kept()
		if got, want := mustMarshal(t, next), mustMarshal(t, kept); got != want {
			t.Fatalf("of what was kept\n%s\nthe next run keeps\n%s", want, got)
		}

		// Everybody reports again, in one report.
		before := map[Origin]uint64{}
		var events []Event
		for _, o := range r.Snapshot() {
			before[o.Origin] = o.TotalConns
			if o.Source == "b" && len(events) < 50 {
				events = append(events, Event{Subject: o.Subject, Type: TypeStats, Stats: &Stats{TotalConns: 4, InputBytes: 4}},
					Event{Subject: o.Subject, Type: TypeStatus, Status: &ServiceStatus{Running, ""}},
					Event{Subject: o.Subject, Type: TypeStatus, Status: &ServiceStatus{Ready, ""}},
					Event{Subject: o.Subject, Type: TypeStats, Stats: &Stats{TotalConns: 1}})
			}
		}
		key := ""
		if len(usable.Senders) > 0 {
			key = reportKey{usable.Senders[0].Life, 1}.String()
		}
		if no := r.take(context.Background(), guest{source: "b"}, "fedcba9876543210-1", events); no != nil {
			t.Fatalf("refused: %s", no.message)
		}
		if no := r.take(context.Background(), guest{source: "b"}, key, events); no != nil {
			t.Fatalf("refused: %s", no.message)
		}
		for _, o := range r.Snapshot() {
			if o.TotalConns < before[o.Origin] {
				t.Errorf("a total has fallen from %d: %+v", before[o.Origin], o)
			}
		}
		if heard := r.collect(); len(events) > 0 && len(heard.Statuses) == 0 {
			t.Error(fmt.Sprint("nothing is handed on of ", events))
		}
	})
}
