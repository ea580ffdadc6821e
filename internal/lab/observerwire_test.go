package lab

import (
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"
)

// reported are reports as a GOST sent them.
var reported = []struct {
	json, proto string // one of them, or both; proto in hexadecimal
	events      []GOSTEvent
}{
	{
		json:   `{"events":[{"kind":"service","service":"web","type":"status","status":{"state":"ready","msg":"service web is ready"}}]}`,
		events: []GOSTEvent{statusEvent("web", stateReady)},
	}, {
		json:   `{"events":[{"kind":"service","service":"web","type":"stats","stats":{"totalConns":3,"currentConns":0,"inputBytes":508,"outputBytes":339,"totalErrs":2}}]}`,
		events: []GOSTEvent{{Kind: "service", Service: "web", Type: "stats", Stats: &GOSTStats{3, 0, 508, 339, 2}}},
	}, {
		json:   `{"events":[{"kind":"handler","service":"web","client":"alice","type":"stats","stats":{"totalConns":1,"currentConns":0,"inputBytes":0,"outputBytes":154,"totalErrs":0}}]}`,
		events: []GOSTEvent{{Kind: "handler", Service: "web", Client: "alice", Type: "stats", Stats: &GOSTStats{1, 0, 0, 154, 0}}},
	}, {
		proto:  "0a1f" + "0a0773657276696365" + "1203667764" + "22057374617473" + "2a08" + "0802" + "189e01" + "208e02",
		events: []GOSTEvent{{Kind: "service", Service: "fwd", Type: "stats", Stats: &GOSTStats{2, 0, 158, 270, 0}}},
	},
}

// What the lab's GOST writes is what a GOST was seen to write, byte for byte,
// and the collector reads it, written either way, for what it says.
func TestCapturedReports(t *testing.T) {
	t.Parallel()
	for _, c := range reported {
		text, err := observeJSON(c.events)
		if err != nil {
			t.Fatal(err)
		}
		if c.json != "" && string(text) != c.json {
			t.Errorf("wrote\n%s\nGOST\n%s", text, c.json)
		}
		wire := observeProto(c.events)
		if c.proto != "" && hex.EncodeToString(wire) != c.proto {
			t.Errorf("wrote\n%x\nGOST\n%s", wire, c.proto)
		}
		for way, read := range map[string]func() ([]GOSTEvent, error){
			"JSON":     func() ([]GOSTEvent, error) { return strictJSON(text) },
			"protobuf": func() ([]GOSTEvent, error) { return strictProto(wire) },
		} {
			if got, err := read(); err != nil || !reflect.DeepEqual(got, c.events) {
				t.Errorf("%s of %s: read %+v, %v", way, text, got, err)
			}
		}
	}
}

// Figures beyond 2^53, a client without a name and names that JSON escapes
// come through both ways.
func TestOddReports(t *testing.T) {
	t.Parallel()
	events := []GOSTEvent{
		{Kind: kindHandler, Service: `a"<ü>`, Type: typeStats, Stats: &GOSTStats{math.MaxUint64, math.MaxUint64 - 1, 1<<53 + 1, 0, 0}},
		{Kind: kindHandler, Service: `a"<ü>`, Client: "b", Type: typeStats, Stats: &GOSTStats{}},
	}
	text, err := observeJSON(events)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := strictJSON(text); err != nil || !reflect.DeepEqual(got, events) {
		t.Errorf("read %+v of %s: %v", got, text, err)
	}
	if got, err := strictProto(observeProto(events)); err != nil || !reflect.DeepEqual(got, events) {
		t.Errorf("read %+v: %v", got, err)
	}
}

// The collector's reader takes nothing that GOST's protocol does not have.
func TestStrictJSON(t *testing.T) {
	t.Parallel()
	const good = `{"events":[{"kind":"handler","service":"s","client":"c","type":"stats","stats":{"totalConns":1,"currentConns":0,"inputBytes":2,"outputBytes":3,"totalErrs":0}}]}`
	const status = `{"events":[{"kind":"service","service":"s","type":"status","status":{"state":"ready","msg":""}}]}`
	for _, text := range []string{good, status, " " + status + "\n"} {
		if _, err := strictJSON([]byte(text)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for _, c := range []struct{ from, old, with, want string }{
		{good, `{"events":[`, `[`, "no JSON object"},
		{good, `}]}`, `}]}{}`, "something follows"},
		{good, `}]}`, `}]`, "no JSON"},
		{good, `"events"`, `"Events"`, `"Events" is no key of it`},
		{good, `}]}`, `}],"at":1}`, `"at" is no key of it`},
		{status, `[{"kind":"service","service":"s","type":"status","status":{"state":"ready","msg":""}}]`, `[]`, "never empty"},
		{status, `[{"kind":"service","service":"s","type":"status","status":{"state":"ready","msg":""}}]`, `null`, "no array"},
		{good, `"kind":"handler"`, `"kind":"client"`, `kind "client"`},
		{good, `"kind":"handler"`, `"kind":"service"`, "a client, where kind is service"},
		{good, `"kind":"handler",`, ``, `"kind" is missing`},
		{good, `"service":"s"`, `"service":""`, "service is empty"},
		{good, `"service":"s"`, `"service":7`, "no string"},
		{good, `"service":"s"`, "\"service\":\"\xff\"", "no UTF-8"},
		{good, `"client":"c"`, `"client":""`, "client is empty"},
		{good, `"client":"c"`, `"client":"c","client":"d"`, `"client" comes twice`},
		{good, `"type":"stats"`, `"type":"status"`, "goes with status"},
		{good, `"type":"stats"`, `"type":"figures"`, `type "figures"`},
		{status, `"type":"status"`, `"type":"stats"`, "goes with stats"},
		{good, `"totalErrs":0`, `"totalErrors":0`, `"totalErrors" is no key of it`},
		{good, `,"totalErrs":0`, ``, `"totalErrs" is missing`},
		{good, `"totalConns":1`, `"totalConns":-1`, "totalConns is no unsigned number"},
		{good, `"totalConns":1`, `"totalConns":1.0`, "totalConns is no unsigned number"},
		{good, `"totalConns":1`, `"totalConns":"1"`, "totalConns is no unsigned number"},
		{good, `"totalConns":1`, `"totalConns":18446744073709551616`, "totalConns is no unsigned number"},
		{status, `"ready"`, `"well"`, `state "well"`},
		{status, `,"msg":""`, ``, `"msg" is missing`},
	} {
		text := strings.Replace(c.from, c.old, c.with, 1)
		if _, err := strictJSON([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", text, err, c.want)
		}
	}
}

// The same over gRPC, where also what proto3 leaves out has to be left out.
func TestStrictProto(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ wire, want string }{
		{"", "never empty"},
		{"00", "no protobuf"},
		{"0a05", "field 1"},
		{"1200", "field 2"},
		{"0801", "field 1 of wire type 0"},
		{"0a03" + "0a0178", `kind "x"`},
		{"0a02" + "0a00", "a zero value is written"},
		{"0a06" + "0a0178" + "0a0179", "field 1 comes twice"},
		{"0a03" + "3a0178", "field 7"},
		{"0a03" + "0a01ff", "no UTF-8"},
		{"0a04" + "2a020800", "a zero value is written"},
		{"0a04" + "2a023001", "field 6 of wire type 0"},
		{"0a04" + "2a020a00", "field 1 of wire type 2"},
		{"0a05" + "32030a01ff", "no UTF-8"},
		{"0a0c" + "0a0773657276696365" + "120173", `type ""`},
	} {
		wire, err := hex.DecodeString(c.wire)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := strictProto(wire); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.wire, err, c.want)
		}
	}
}
