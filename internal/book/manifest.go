package book

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"labstatus/internal/health"
)

const (
	maxName     = 1024 // bytes of a resource's name
	maxWarnings = 20   // said one by one
)

// entry is what we need of a resource in book's manifest. There is more.
type entry struct {
	Stub    string   `json:"topic_stub"`
	Streams []string `json:"streams"` // e.g. "st-video"; null where there are none
}

// decodeManifest reads a manifest to its end: an object of entries by name. An
// entry that can't be used is left out, so that it costs the laboratory nothing
// but itself.
func decodeManifest(body io.Reader) (resources []health.Resource, warnings []string, err error) {
	dec := json.NewDecoder(body)
	start, err := dec.Token()
	if err != nil {
		return nil, nil, unexpected(err)
	}
	byName := make(map[string]health.Resource)
	var unusable []string
	if start != nil { // a Go map that was never made is sent as null
		if start != json.Delim('{') {
			return nil, nil, errors.New("a manifest is an object, and this is not")
		}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, nil, unexpected(err)
			}
			name, _ := key.(string) // what More allows here is a string
			var e entry
			err = dec.Decode(&e)
			if _, wrongType := errors.AsType[*json.UnmarshalTypeError](err); err != nil && !wrongType {
				return nil, nil, unexpected(err)
			}
			if why := whyUnusable(name, e, err); why != "" {
				unusable = append(unusable, fmt.Sprintf("resource %q in book's manifest is left out: %s", shorten(name, 80), why))
				continue
			}
			byName[name] = health.Resource{Name: name, Stub: e.Stub, Required: topics(e)}
		}
		if _, err := dec.Token(); err != nil {
			return nil, nil, unexpected(err)
		}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("something follows the manifest")
	}

	resources = slices.SortedFunc(maps.Values(byName), func(a, b health.Resource) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(unusable)
	if more := len(unusable) - maxWarnings; more > 0 {
		unusable = append(unusable[:maxWarnings], fmt.Sprintf("and so are %d more resources", more))
	}
	return resources, unusable, nil
}

// whyUnusable says what is wrong with an entry; empty: nothing.
func whyUnusable(name string, e entry, wrongType error) string {
	switch {
	case wrongType != nil:
		return "topic_stub should be text and streams a list of text"
	case strings.TrimSpace(e.Stub) == "":
		return "it has no topic_stub"
	case strings.TrimSpace(name) == "", name == ".", name == "..", len(name) > maxName:
		return "its name can't be part of an address"
	}
	return ""
}

func topics(e entry) []string {
	var required []string
	for _, stream := range e.Streams {
		if stream != "" {
			required = append(required, e.Stub+"-"+stream)
		}
	}
	slices.Sort(required)
	return slices.Compact(required)
}

// unexpected tells an answer that was cut from one that merely ends.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
