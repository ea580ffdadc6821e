package book

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Op is what book was asked for.
type Op string

// Operations.
const (
	OpManifest Op = "read the manifest"
	OpRead     Op = "read"
	OpOpen     Op = "open"
	OpClose    Op = "close"
)

var (
	// ErrUnknownResource is what an error is where book says that it has no such
	// resource. A proxy's or a wrong path's "not found" is not that.
	ErrUnknownResource = errors.New("book doesn't know this resource")
	// ErrTimeout is what an error is where a call took longer than its timeout.
	ErrTimeout = errors.New("timed out")
)

// StatusError is an answer that says no: book's own, or that of a proxy before
// it.
type StatusError struct {
	Op       Op
	Resource string // empty: the manifest
	Status   int    // HTTP
	Message  string // in the words of whoever answered, on one line; may be empty
	Advice   string // what to do about it; may be empty

	unknown bool
}

func (e *StatusError) Error() string {
	said := fmt.Sprintf("%s: book answered %d", asked(e.Op, e.Resource), e.Status)
	if text := http.StatusText(e.Status); text != "" && text != e.Message {
		said += " " + text
	}
	if e.Message != "" {
		said += fmt.Sprintf(" %q", e.Message)
	}
	return withAdvice(said, e.Advice)
}

// Is makes the error an [ErrUnknownResource] where book said so.
func (e *StatusError) Is(target error) bool { return target == ErrUnknownResource && e.unknown }

// CallError is a call without an answer, or with one that can't be understood.
type CallError struct {
	Op       Op
	Resource string // empty: the manifest
	Err      error
	Advice   string // what to do about it; may be empty
}

func (e *CallError) Error() string {
	return withAdvice(fmt.Sprintf("%s: %v", asked(e.Op, e.Resource), e.Err), e.Advice)
}

func (e *CallError) Unwrap() error { return e.Err }

func asked(op Op, resource string) string {
	if resource == "" {
		return string(op)
	}
	return string(op) + " " + resource
}

func withAdvice(said, advice string) string {
	if advice == "" {
		return said
	}
	return said + ": " + advice
}

// newStatusError makes what there is of an answer into an error. Two forms are
// book's own, {"code":404,"message":…} from its router and
// {"code":"404","message":…} from its handlers; proxies send HTML, or nothing.
func newStatusError(r request, resp *http.Response, body []byte, now time.Time) *StatusError {
	message, isBook := readMessage(body)
	e := &StatusError{Op: r.op, Resource: r.resource, Status: resp.StatusCode, Message: message}
	wrongPath := isBook && strings.HasPrefix(message, "path ")
	e.unknown = r.resource != "" && resp.StatusCode == http.StatusNotFound && isBook && !wrongPath
	e.Advice = adviseOnStatus(e, resp.Header, now)
	return e
}

var (
	htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	htmlTag   = regexp.MustCompile(`(?s)<[^>]*>`)
	// Whatever looks like one of our tokens, whole or cut: a proxy may show the
	// headers it was sent.
	tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)*`)
)

const maxMessage = 300

// readMessage gives the words in an error's body, and whether they came in
// book's form.
func readMessage(body []byte) (message string, isBook bool) {
	var form struct {
		Message *string         `json:"message"`
		Code    json.RawMessage `json:"code"`
	}
	var bare string
	text := string(body)
	if json.Unmarshal(body, &form) == nil && form.Message != nil {
		text, isBook = *form.Message, len(form.Code) > 0
	} else if json.Unmarshal(body, &bare) == nil {
		text = bare
	} else if strings.HasPrefix(strings.TrimSpace(text), "<") {
		if title := htmlTitle.FindStringSubmatch(text); title != nil {
			text = title[1]
		}
		text = html.UnescapeString(htmlTag.ReplaceAllString(text, " "))
	}
	return shorten(tokenLike.ReplaceAllString(text, "***"), maxMessage), isBook
}

// shorten puts text on one line of at most so many bytes.
func shorten(text string, most int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if len(text) <= most {
		return text
	}
	const dots = "…"
	end := most - len(dots)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + dots
}
