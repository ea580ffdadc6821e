package observer

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of the protocol are few and small, so they are written and read field
// by field: no generated code, and none registered where GOST's own would clash.
//
//	ObserveRequest 1 events      Event 1 kind 2 service 3 client 4 type 5 stats 6 status
//	ObserveReply   1 ok          ServiceStatus 1 state 2 msg
//	Stats 1 totalConns 2 currentConns 3 inputBytes 4 outputBytes 5 totalErrs

// encodeProto writes an ObserveRequest.
func encodeProto(events []Event) []byte {
	var b, inner []byte
	for i := range events {
		inner = appendEvent(inner[:0], &events[i])
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendBytes(b, inner)
	}
	return b
}

func appendEvent(b []byte, e *Event) []byte {
	b = appendText(b, 1, string(e.Kind))
	b = appendText(b, 2, e.Service)
	b = appendText(b, 3, e.Client)
	b = appendText(b, 4, string(e.Type))
	if e.Stats != nil {
		var inner []byte
		for i, n := range e.Stats.fields() {
			inner = appendNumber(inner, protowire.Number(i+1), *n)
		}
		b = protowire.AppendTag(b, 5, protowire.BytesType)
		b = protowire.AppendBytes(b, inner)
	}
	if e.Status != nil {
		inner := appendText(nil, 1, string(e.Status.State))
		inner = appendText(inner, 2, e.Status.Msg)
		b = protowire.AppendTag(b, 6, protowire.BytesType)
		b = protowire.AppendBytes(b, inner)
	}
	return b
}

// fields are the figures in the order of their numbers on the wire.
func (s *Stats) fields() [5]*uint64 {
	return [5]*uint64{&s.TotalConns, &s.CurrentConns, &s.InputBytes, &s.OutputBytes, &s.TotalErrs}
}

func appendText(b []byte, num protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), text)
}

func appendNumber(b []byte, num protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

// decodeProto reads an ObserveRequest.
func decodeProto(b []byte) ([]Event, error) {
	events := []Event{}
	err := eachField(b, func(num protowire.Number, f field) error {
		if num != 1 || f.typ != protowire.BytesType {
			return nil
		}
		if len(events) == maxEvents {
			return errTooManyEvents
		}
		var e Event
		if err := e.decodeProto(f.bytes()); err != nil {
			return fmt.Errorf("events[%d]: %w", len(events), err)
		}
		e.clean()
		events = append(events, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

func (e *Event) decodeProto(b []byte) error {
	return eachField(b, func(num protowire.Number, f field) error {
		if f.typ != protowire.BytesType {
			return nil
		}
		switch num {
		case 1:
			e.Kind = Kind(f.bytes())
		case 2:
			e.Service = string(f.bytes())
		case 3:
			e.Client = string(f.bytes())
		case 4:
			e.Type = EventType(f.bytes())
		case 5:
			if e.Stats == nil { // where it comes twice, the second adds to the first
				e.Stats = new(Stats)
			}
			return e.Stats.decodeProto(f.bytes())
		case 6:
			if e.Status == nil {
				e.Status = new(ServiceStatus)
			}
			return e.Status.decodeProto(f.bytes())
		}
		return nil
	})
}

func (s *Stats) decodeProto(b []byte) error {
	fields := s.fields()
	return eachField(b, func(num protowire.Number, f field) error {
		if f.typ == protowire.VarintType && num >= 1 && int(num) <= len(fields) {
			*fields[num-1] = f.number()
		}
		return nil
	})
}

func (s *ServiceStatus) decodeProto(b []byte) error {
	return eachField(b, func(num protowire.Number, f field) error {
		if f.typ != protowire.BytesType {
			return nil
		}
		switch num {
		case 1:
			s.State = State(f.bytes())
		case 2:
			s.Msg = string(f.bytes())
		}
		return nil
	})
}

// encodeReply writes an ObserveReply.
func encodeReply(ok bool) []byte { return appendNumber(nil, 1, protowire.EncodeBool(ok)) }

// decodeReply reads one.
func decodeReply(b []byte) (ok bool, err error) {
	err = eachField(b, func(num protowire.Number, f field) error {
		if num == 1 && f.typ == protowire.VarintType {
			ok = protowire.DecodeBool(f.number())
		}
		return nil
	})
	return ok, err
}

// field is one field of a message: its value as it is on the wire, known to be whole.
type field struct {
	typ   protowire.Type
	value []byte
}

func (f field) bytes() []byte {
	v, _ := protowire.ConsumeBytes(f.value)
	return v
}

func (f field) number() uint64 {
	v, _ := protowire.ConsumeVarint(f.value)
	return v
}

// eachField calls visit for every field of a message, in their order. Fields that it
// doesn't know it passes over, as the format wants it.
func eachField(b []byte, visit func(protowire.Number, field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errNoMessage
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return errNoMessage
		}
		if err := visit(num, field{typ, b[:n]}); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

var errNoMessage = errors.New("the report is no protobuf message, or it is cut off")
