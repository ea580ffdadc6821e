package observer

import (
	"fmt"

	"google.golang.org/grpc/encoding"
)

// Messages of the one gRPC method.
type (
	observeRequest struct {
		events []Event
		unread error // why they can't be read: gRPC would answer that with a code of its own
	}
	observeReply struct{ ok bool }
)

// codec writes and reads them. Its name is that of protobuf, since that is what is
// on the wire.
type codec struct{}

var _ encoding.Codec = codec{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) ([]byte, error) {
	switch m := v.(type) {
	case *observeRequest:
		return encodeProto(m.events), nil
	case *observeReply:
		return encodeReply(m.ok), nil
	}
	return nil, fmt.Errorf("write a message: %T is none of the protocol", v)
}

func (codec) Unmarshal(b []byte, v any) (err error) {
	switch m := v.(type) {
	case *observeRequest:
		m.events, m.unread = decodeProto(b)
		return nil
	case *observeReply:
		m.ok, err = decodeReply(b)
		return err
	}
	return fmt.Errorf("read a message: %T is none of the protocol", v)
}
