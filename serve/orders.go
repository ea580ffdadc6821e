package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/go-openapi/runtime"
)

// orderTimes are the fields of bodies that hold a time.
var orderTimes = []string{"from", "until"}

// The years that a time in a body may lie in: far enough for any plan, and near
// enough to be counted with.
const firstYear, lastYear = 2000, 2999

// readOrder decodes a body more strictly than is usual: a misspelt field would
// otherwise be left out in silence, and a time without its offset would be taken as
// UTC by us and as local time by whoever wrote it.
func readOrder() runtime.Consumer {
	return runtime.ConsumerFunc(func(body io.Reader, into any) error {
		raw, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(raw)) == 0 {
			return io.EOF
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			return err
		}
		for field, value := range fields {
			for _, name := range orderTimes {
				if strings.EqualFold(field, name) && !isMoment(value) {
					return orderFault(fmt.Sprintf("%s in body must be a time with its offset, such as 2026-11-21T14:00:00Z, from the year %d to %d", name, firstYear, lastYear))
				}
			}
		}
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		return decoder.Decode(into)
	})
}

// orderFault is what is wrong with a body, in words for whoever sent it.
type orderFault string

// Error gives the words.
func (f orderFault) Error() string { return string(f) }

// isMoment also lets null pass: where a time is needed, its absence is found later.
func isMoment(value json.RawMessage) bool {
	var t *time.Time
	if err := json.Unmarshal(value, &t); err != nil {
		return false
	}
	return t == nil || t.UTC().Year() >= firstYear && t.UTC().Year() <= lastYear
}

// describeBody gives the status and the reader's message for a body that couldn't
// be read.
func describeBody(err error) (status int, message string) {
	if long, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", long.Limit)
	}
	message = "the body can't be read: " + strings.TrimPrefix(err.Error(), "json: ")
	if fault, ok := errors.AsType[orderFault](err); ok {
		message = fault.Error()
	} else if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		message = "the body must be an object"
		if wrong.Field != "" {
			message = wrong.Field + " in body can't be a " + wrong.Value
		}
	}
	return http.StatusUnprocessableEntity, clip(message, 500)
}

// checkText refuses what no person has written: nothing at all where there must be
// something, and characters that can't be seen.
func checkText(field, text string, needed bool) error {
	if needed && strings.TrimSpace(text) == "" {
		return orderFault(field + " in body is blank")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return orderFault(field + " in body has control characters")
	}
	return nil
}
