package lab

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// strictProto reads an ObserveRequest; a field it does not know, one twice,
// and a zero that is written are faults.
func strictProto(body []byte) ([]GOSTEvent, error) {
	var events []GOSTEvent
	err := fields(body, 1, 0, func(_ protowire.Number, row []byte, _ uint64) error {
		var e GOSTEvent
		words := []*string{&e.Kind, &e.Service, &e.Client, &e.Type}
		err := once(row, 6, 0, func(n protowire.Number, b []byte, _ uint64) (err error) {
			switch n {
			case 5:
				e.Stats = &GOSTStats{}
				figures := []*uint64{&e.Stats.TotalConns, &e.Stats.CurrentConns, &e.Stats.InputBytes, &e.Stats.OutputBytes, &e.Stats.TotalErrs}
				return once(b, 0, 5, func(n protowire.Number, _ []byte, v uint64) error {
					*figures[n-1] = v
					return written(v != 0)
				})
			case 6:
				e.Status = &GOSTStatus{}
				return once(b, 2, 0, func(n protowire.Number, b []byte, _ uint64) error {
					*[]*string{&e.Status.State, &e.Status.Msg}[n-1] = string(b)
					return word(b)
				})
			}
			*words[n-1] = string(b)
			return word(b)
		})
		if err != nil {
			return fmt.Errorf("event %d: %w", len(events), err)
		}
		events = append(events, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return events, together(events)
}

func written(something bool) error {
	if !something {
		return errors.New("a zero value is written: proto3 leaves it out")
	}
	return nil
}

func word(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("a string is no UTF-8")
	}
	return written(len(b) > 0)
}

// once is fields where each may come once.
func once(b []byte, texts, numbers protowire.Number, each func(protowire.Number, []byte, uint64) error) error {
	seen := map[protowire.Number]bool{}
	return fields(b, texts, numbers, func(n protowire.Number, text []byte, v uint64) error {
		if seen[n] {
			return fmt.Errorf("field %d comes twice", n)
		}
		seen[n] = true
		return each(n, text, v)
	})
}

// fields takes a message apart that has either the fields 1 to texts, of
// bytes, or 1 to numbers, of numbers.
func fields(b []byte, texts, numbers protowire.Number, each func(protowire.Number, []byte, uint64) error) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return fmt.Errorf("no protobuf: %w", protowire.ParseError(size))
		}
		b = b[size:]
		var part []byte
		var v uint64
		switch {
		case kind == protowire.BytesType && n <= texts:
			part, size = protowire.ConsumeBytes(b)
		case kind == protowire.VarintType && n <= numbers:
			v, size = protowire.ConsumeVarint(b)
		default:
			return fmt.Errorf("field %d of wire type %d is none of it", n, kind)
		}
		if size < 0 {
			return fmt.Errorf("field %d: %w", n, protowire.ParseError(size))
		}
		b = b[size:]
		if err := each(n, part, v); err != nil {
			return err
		}
	}
	return nil
}
