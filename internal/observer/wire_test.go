package observer

import (
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"
)

// The samples are what real GOSTs send, byte for byte.
func TestReportsAreWhatGOSTSends(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		events []Event
		json   string
		proto  string // hexadecimal
	}{
		"a service that is ready": {
			events: []Event{{Subject: Service("web"), Type: TypeStatus, Status: &ServiceStatus{Ready, "service web is ready"}}},
			json:   `{"events":[{"kind":"service","service":"web","type":"status","status":{"state":"ready","msg":"service web is ready"}}]}`,
			proto: "0a35 0a0773657276696365 1203776562 2206737461747573" +
				"321d 0a057265616479 121473657276696365207765622069732072656164 79",
		},
		"the figures of a service": {
			events: []Event{{Subject: Service("web"), Type: TypeStats, Stats: &Stats{TotalConns: 3, InputBytes: 508, OutputBytes: 339, TotalErrs: 2}}},
			json:   `{"events":[{"kind":"service","service":"web","type":"stats","stats":{"totalConns":3,"currentConns":0,"inputBytes":508,"outputBytes":339,"totalErrs":2}}]}`,
			proto:  "0a21 0a0773657276696365 1203776562 22057374617473 2a0a 0803 18fc03 20d302 2802",
		},
		"the figures of a client": {
			events: []Event{{Subject: Client("web", "alice"), Type: TypeStats, Stats: &Stats{TotalConns: 1, OutputBytes: 154}}},
			json:   `{"events":[{"kind":"handler","service":"web","client":"alice","type":"stats","stats":{"totalConns":1,"currentConns":0,"inputBytes":0,"outputBytes":154,"totalErrs":0}}]}`,
			proto:  "0a23 0a0768616e646c6572 1203776562 1a05616c696365 22057374617473 2a05 0801 209a01",
		},
		"the one sample of gRPC that was recorded": {
			events: []Event{{Subject: Service("fwd"), Type: TypeStats, Stats: &Stats{TotalConns: 2, InputBytes: 158, OutputBytes: 270}}},
			json:   `{"events":[{"kind":"service","service":"fwd","type":"stats","stats":{"totalConns":2,"currentConns":0,"inputBytes":158,"outputBytes":270,"totalErrs":0}}]}`,
			proto:  "0a1f 0a0773657276696365 1203667764 22057374617473 2a08 0802 189e01 208e02",
		},
		"the largest numbers there are": {
			events: []Event{{Subject: Service("s"), Type: TypeStats, Stats: &Stats{math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64}}},
			json:   `{"events":[{"kind":"service","service":"s","type":"stats","stats":{"totalConns":18446744073709551615,"currentConns":18446744073709551615,"inputBytes":18446744073709551615,"outputBytes":18446744073709551615,"totalErrs":18446744073709551615}}]}`,
			proto: "0a4c 0a0773657276696365 120173 22057374617473 2a37 08ffffffffffffffffff01 10ffffffffffffffffff01" +
				"18ffffffffffffffffff01 20ffffffffffffffffff01 28ffffffffffffffffff01",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wire, err := hex.DecodeString(strings.ReplaceAll(tc.proto, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := encodeJSON(tc.events); err != nil || string(got) != tc.json {
				t.Errorf("written as JSON: %s, %v\nwant %s", got, err, tc.json)
			}
			if got := encodeProto(tc.events); string(got) != string(wire) {
				t.Errorf("written as protobuf: %x\nwant %x", got, wire)
			}
			if got, err := decodeJSON([]byte(tc.json)); err != nil || !reflect.DeepEqual(got, tc.events) {
				t.Errorf("read from JSON: %+v, %v", got, err)
			}
			if got, err := decodeProto(wire); err != nil || !reflect.DeepEqual(got, tc.events) {
				t.Errorf("read from protobuf: %+v, %v", got, err)
			}
		})
	}
}

func TestRepliesOfGRPC(t *testing.T) {
	t.Parallel()
	if got := hex.EncodeToString(encodeReply(true)); got != "0801" {
		t.Errorf("ok is written %s", got)
	}
	if got := encodeReply(false); len(got) != 0 {
		t.Errorf("no ok is written %x", got)
	}
	for wire, want := range map[string]bool{"0801": true, "": false, "0800": false, "1a0161" + "0801": true, "0a0101": false} {
		b, err := hex.DecodeString(wire)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := decodeReply(b); ok != want || err != nil {
			t.Errorf("%s is read as %v, %v", wire, ok, err)
		}
	}
	if _, err := decodeReply([]byte{0xff}); err == nil {
		t.Error("rubbish is read as a reply")
	}
}

func TestWhatIsNoReport(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 100_000)
	for name, tc := range map[string]struct{ body, says string }{
		"nothing":                        {"", "ends too early"},
		"no JSON":                        {"kind=service", "no JSON"},
		"an array":                       {"[]", "no JSON object"},
		"null":                           {"null", "no JSON object"},
		"no events":                      {`{"ok":true}`, "has no events"},
		"events that are no array":       {`{"events":{}}`, "no JSON array"},
		"events that are null":           {`{"events":null}`, "no JSON array"},
		"events twice":                   {`{"events":[],"events":[]}`, "twice"},
		"something behind it":            {`{"events":[]}{"events":[]}`, "follows"},
		"a report that was cut off":      {`{"events":[{"kind":"service"`, "too early"},
		"an event that is a number":      {`{"events":[1]}`, "events[0]"},
		"a negative figure":              {stats(`-1`), "inputBytes can't be number -1"},
		"a figure of 2^64":               {stats(`18446744073709551616`), "inputBytes can't be number 18446744073709551616"},
		"a figure with a fraction":       {stats(`1.5`), "inputBytes can't be number 1.5"},
		"a figure that is text":          {stats(`"1"`), "inputBytes can't be string"},
		"a state that is a number":       {`{"events":[{"status":{"state":1}}]}`, "state can't be number"},
		"depth in an event":              {`{"events":[{"kind":` + deep, "events[0]"},
		"depth beside the events":        {`{"more":` + deep, "no JSON"},
		"more events than anybody sends": {`{"events":[` + strings.Repeat(`{},`, maxEvents) + `{}]}`, "more than 10000"},
		"a long text where none belongs": {`{"events":[{"stats":"` + strings.Repeat("x", 100_000) + `"}]}`, "can't be string"},
	} {
		t.Run(name, func(t *testing.T) {
			events, err := decodeJSON([]byte(tc.body))
			if err == nil {
				t.Fatalf("it was read as %+v", events)
			}
			if text := err.Error(); !strings.Contains(text, tc.says) || len(text) > 400 {
				t.Errorf("it says %q, which lacks %q", text, tc.says)
			}
		})
	}
}

// stats is a report with one figure as given.
func stats(figure string) string {
	return `{"events":[{"kind":"service","service":"web","type":"stats","stats":{"totalConns":0,"inputBytes":` + figure + `}}]}`
}

func TestWhatIsNoProtobuf(t *testing.T) {
	t.Parallel()
	for name, wire := range map[string]string{
		"a length beyond the end":        "0a7f00",
		"a tag without a value":          "0a",
		"a varint without end":           "08ffffffffffffffffffff01",
		"an event that is cut off":       "0a020a7f",
		"figures that are cut off":       "0a042a0208ff",
		"a status that is cut off":       "0a0332010a",
		"the end of a group alone":       "0c",
		"a group without end":            strings.Repeat("0b", 50_000),
		"field number zero":              "00",
		"a wire type that there is none": "0f",
	} {
		t.Run(name, func(t *testing.T) {
			b, err := hex.DecodeString(wire)
			if err != nil {
				t.Fatal(err)
			}
			if events, err := decodeProto(b); err == nil {
				t.Errorf("it was read as %+v", events)
			}
		})
	}
	many := strings.Repeat("0a00", maxEvents+1)
	b, err := hex.DecodeString(many)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeProto(b); err == nil || !strings.Contains(err.Error(), "more than 10000") {
		t.Errorf("too many events: %v", err)
	}
}

// What a later version of the protocol may add is passed over.
func TestUnknownFieldsArePassedOver(t *testing.T) {
	t.Parallel()
	want := []Event{{Subject: Client("web", "alice"), Type: TypeStats, Stats: &Stats{TotalConns: 1}}}
	got, err := decodeJSON([]byte(`{"version":2,"events":[{"kind":"handler","service":"web","client":"alice","host":{"id":[1]},"type":"stats",
		"stats":{"totalConns":1,"p99":0.5}}],"more":null}`))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("JSON: %+v, %v", got, err)
	}
	event := encodeProto(want)[2:]
	event = append(event, 0x3a, 0x01, 'x')        // field 7, text
	event = append(event, 0x08, 0x01)             // kind as a number, which it isn't
	event = append(event, 0x45, 1, 2, 3, 4)       // field 8, 32 bits
	event = append(event, 0x4b, 0x08, 0x01, 0x4c) // field 9, a group
	got, err = decodeProto(append([]byte{0x0a, byte(len(event))}, event...))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("protobuf: %+v, %v", got, err)
	}
}

func TestTextIsCleaned(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", maxMessage)
	for name, tc := range map[string]struct{ msg, want string }{
		"lines become one":                    {"no\r\n  route\tto host", "no route to host"},
		"what is no UTF-8 is marked":          {"a\xffb", "a\uFFFDb"},
		"what is too long is cut at a letter": {long, strings.Repeat("ä", (maxMessage-3)/2) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			e := []Event{{Subject: Service("web"), Type: TypeStatus, Status: &ServiceStatus{Failed, tc.msg}}}
			got, err := decodeProto(encodeProto(e))
			if err != nil || got[0].Status.Msg != tc.want {
				t.Errorf("%q became %q, %v", tc.msg, got[0].Status.Msg, err)
			}
		})
	}
}

// Whatever comes, reading it neither panics nor makes more of it than there was, and
// what was read can be written and read again.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"events":[{"kind":"service","service":"web","type":"status","status":{"state":"ready","msg":"service web is ready"}}]}`))
	f.Add([]byte(`{"events":[{"kind":"handler","service":"web","client":"alice","type":"stats","stats":{"totalConns":1,"currentConns":0,"inputBytes":0,"outputBytes":154,"totalErrs":18446744073709551615}}]}`))
	f.Add([]byte(`{"events":[null,{},{"kind":null}],"more":{}}`))
	f.Add([]byte(`{"events":[{"stats":{"inputBytes":-1}}]}`))
	f.Add([]byte("{\"events\":[{\"kind\":\"\xff\"}]}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := decodeJSON(body)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again(t, events, func() ([]Event, error) {
			b, err := encodeJSON(events)
			if err != nil {
				t.Fatal(err)
			}
			return decodeJSON(b)
		})
	})
}

func FuzzProto(f *testing.F) {
	for _, wire := range []string{"0a1f0a07736572766963651203667764220573746174732a080802189e01208e02", "0a00", "0a022a00", "0a0432021200", "1a0161"} {
		b, err := hex.DecodeString(wire)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := decodeProto(body)
		if err != nil {
			return
		}
		again(t, events, func() ([]Event, error) { return decodeProto(encodeProto(events)) })
	})
}

// again compares events with what a way through the wire makes of them.
func again(t *testing.T, events []Event, through func() ([]Event, error)) {
	t.Helper()
	if len(events) > maxEvents {
		t.Fatalf("%d events", len(events))
	}
	for i := range events {
		if events[i].check() == nil {
			events[i].known()
		}
	}
	got, err := through()
	if err != nil || !reflect.DeepEqual(got, events) {
		t.Fatalf("%+v\nbecame %+v, %v", events, got, err)
	}
}
