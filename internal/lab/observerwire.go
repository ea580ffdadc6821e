package lab

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// The words of GOST's observer protocol.
const (
	kindService = "service"
	kindHandler = "handler" // about one client of a service
	typeStatus  = "status"
	typeStats   = "stats"
)

// The states of a service, as GOST names them.
const (
	stateRunning = "running"
	stateReady   = "ready"
	stateFailed  = "failed"
	stateClosed  = "closed"
)

// observePath is the one method of the protocol over gRPC.
const observePath = "/proto.Observer/Observe"

// GOSTStats are the five counters GOST reports.
type GOSTStats struct {
	TotalConns   uint64 `json:"totalConns"`
	CurrentConns uint64 `json:"currentConns"`
	InputBytes   uint64 `json:"inputBytes"`
	OutputBytes  uint64 `json:"outputBytes"`
	TotalErrs    uint64 `json:"totalErrs"`
}

// GOSTStatus is a state of a service and what is said of it.
type GOSTStatus struct {
	State string `json:"state"`
	Msg   string `json:"msg"`
}

// GOSTEvent is one line of a report, with GOST's names in GOST's order.
type GOSTEvent struct {
	Kind    string      `json:"kind"`
	Service string      `json:"service"`
	Client  string      `json:"client,omitempty"`
	Type    string      `json:"type"`
	Stats   *GOSTStats  `json:"stats,omitempty"`
	Status  *GOSTStatus `json:"status,omitempty"`
}

func statusEvent(service, state string) GOSTEvent {
	return GOSTEvent{Kind: kindService, Service: service, Type: typeStatus,
		Status: &GOSTStatus{State: state, Msg: fmt.Sprintf("service %s is %s", service, state)}}
}

// observeJSON is a report as GOST posts it.
func observeJSON(events []GOSTEvent) ([]byte, error) {
	return json.Marshal(struct {
		Events []GOSTEvent `json:"events"`
	}{events})
}

// observeProto is the same report as an ObserveRequest.
func observeProto(events []GOSTEvent) []byte {
	var all []byte
	for _, e := range events {
		var b []byte
		for n, text := range []string{e.Kind, e.Service, e.Client, e.Type} {
			if text != "" {
				b = protowire.AppendTag(b, protowire.Number(n+1), protowire.BytesType)
				b = protowire.AppendString(b, text)
			}
		}
		if e.Stats != nil {
			var s []byte
			for n, v := range []uint64{e.Stats.TotalConns, e.Stats.CurrentConns, e.Stats.InputBytes, e.Stats.OutputBytes, e.Stats.TotalErrs} {
				if v != 0 {
					s = protowire.AppendTag(s, protowire.Number(n+1), protowire.VarintType)
					s = protowire.AppendVarint(s, v)
				}
			}
			b = protowire.AppendTag(b, 5, protowire.BytesType)
			b = protowire.AppendBytes(b, s)
		}
		if e.Status != nil {
			var s []byte
			for n, text := range []string{e.Status.State, e.Status.Msg} {
				if text != "" {
					s = protowire.AppendTag(s, protowire.Number(n+1), protowire.BytesType)
					s = protowire.AppendString(s, text)
				}
			}
			b = protowire.AppendTag(b, 6, protowire.BytesType)
			b = protowire.AppendBytes(b, s)
		}
		all = protowire.AppendTag(all, 1, protowire.BytesType)
		all = protowire.AppendBytes(all, b)
	}
	return all
}

// replyProto is an ObserveReply.
func replyProto(ok bool) []byte {
	if !ok {
		return nil // false is the zero value: it is left out
	}
	return protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)
}

// rawCodec hands gRPC's messages through as they are. Without a name the
// content type is plain application/grpc, as it is with generated code.
type rawCodec struct{}

// Marshal takes the bytes to send.
func (rawCodec) Marshal(v any) ([]byte, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("write a gRPC message: %T is no bytes", v)
	}
	return *b, nil
}

// Unmarshal gives the bytes that came.
func (rawCodec) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("read a gRPC message: %T is no bytes", v)
	}
	*b = append([]byte{}, data...)
	return nil
}

// Name is empty, see rawCodec.
func (rawCodec) Name() string { return "" }
