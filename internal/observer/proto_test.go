package observer

import (
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"
)

// The format as protobuf's own language would say it.
const schema = `
name: "labstatus/observer_test.proto"  package: "proto"  syntax: "proto3"
message_type { name: "Stats"
  field { name: "totalConns"   number: 1 type: TYPE_UINT64 label: LABEL_OPTIONAL }
  field { name: "currentConns" number: 2 type: TYPE_UINT64 label: LABEL_OPTIONAL }
  field { name: "inputBytes"   number: 3 type: TYPE_UINT64 label: LABEL_OPTIONAL }
  field { name: "outputBytes"  number: 4 type: TYPE_UINT64 label: LABEL_OPTIONAL }
  field { name: "totalErrs"    number: 5 type: TYPE_UINT64 label: LABEL_OPTIONAL } }
message_type { name: "ServiceStatus"
  field { name: "state" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "msg"   number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Event"
  field { name: "kind"    number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "service" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "client"  number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "type"    number: 4 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "stats"   number: 5 type: TYPE_MESSAGE type_name: ".proto.Stats" label: LABEL_OPTIONAL }
  field { name: "status"  number: 6 type: TYPE_MESSAGE type_name: ".proto.ServiceStatus" label: LABEL_OPTIONAL } }
message_type { name: "ObserveRequest"
  field { name: "events" number: 1 type: TYPE_MESSAGE type_name: ".proto.Event" label: LABEL_REPEATED } }
`

func requestType(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	var file descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(schema), &file); err != nil {
		t.Fatal(err)
	}
	d, err := protodesc.NewFile(&file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d.Messages().ByName("ObserveRequest")
}

// What is written field by field here is what protobuf's library writes, and each
// reads the other's.
func TestProtobufAsTheLibraryHasIt(t *testing.T) {
	t.Parallel()
	request := requestType(t)
	rapid.Check(t, func(rt *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(anyEvent), 0, 5).Draw(rt, "events")
		ours := encodeProto(events)

		theirs := dynamicpb.NewMessage(request)
		if err := proto.Unmarshal(ours, theirs); err != nil {
			rt.Fatalf("the library can't read ours: %v", err)
		}
		if len(theirs.GetUnknown()) > 0 {
			rt.Fatalf("the library doesn't know a field: %x", theirs.GetUnknown())
		}
		written, err := proto.MarshalOptions{Deterministic: true}.Marshal(theirs)
		if err != nil {
			rt.Fatal(err)
		}
		if string(written) != string(ours) {
			rt.Fatalf("%+v\nours   %x\ntheirs %x", events, ours, written)
		}
		if read, err := decodeProto(written); err != nil || string(encodeProto(read)) != string(ours) {
			rt.Fatalf("we read theirs as %+v, %v", read, err)
		}
	})
}

func anyEvent(t *rapid.T) Event {
	name := rapid.StringMatching(`[a-zäß0-9-]{1,12}`)
	e := Event{Subject: Service(name.Draw(t, "service"))}
	if rapid.Bool().Draw(t, "of a client") {
		e.Subject = Client(e.Service, rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "client"))
	}
	if rapid.Bool().Draw(t, "status") {
		e.Type = TypeStatus
		e.Status = &ServiceStatus{rapid.SampledFrom([]State{Running, Ready, Failed, Closed}).Draw(t, "state"), name.Draw(t, "msg")}
		return e
	}
	n := rapid.Uint64()
	e.Type = TypeStats
	e.Stats = &Stats{n.Draw(t, "total"), n.Draw(t, "current"), n.Draw(t, "in"), n.Draw(t, "out"), n.Draw(t, "errs")}
	return e
}
