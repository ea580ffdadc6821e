package book

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestStatusErrorIsATypedOne(t *testing.T) {
	t.Parallel()
	bubble(t, "fields", func(t *testing.T) {
		c := newTestClient(t, serveHTTP(t, respond(422, nil, `{"code":602,"message":"reason in query is required"}`)))
		err := c.SetAvailability(t.Context(), "r-pend00", false, "x")
		e, ok := errors.AsType[*StatusError](err)
		if !ok {
			t.Fatalf("%T is no *StatusError", err)
		}
		wantEqual(t, "fields", *e, StatusError{Op: OpClose, Resource: "r-pend00", Status: 422, Message: "reason in query is required"})
	})
}

func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	bubble(t, "in any way of printing a client", func(t *testing.T) {
		c := newTestClient(t, serveHTTP(t, respond(200, nil, `{}`)))
		if _, _, err := c.Manifest(t.Context()); err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprintf("%v %+v %#v", c, c, c)
		if strings.Contains(shown, testSecret) || strings.Contains(shown, "eyJ") {
			t.Errorf("shown: %s", shown)
		}
	})
}

func TestNewClientRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ api, secret, want string }{
		{"lab.test/book", "s", `read book's address: "lab.test/book" is not http://host/path or https://host/path`},
		{"ftp://lab.test/book", "s", `read book's address: "ftp://lab.test/book" is not http://host/path or https://host/path`},
		{"https://lab.test:x", "s", `read book's address: parse "https://lab.test:x": invalid port ":x" after host`},
		{"https://lab.test", "", "book's secret is empty: set STATUS_SECRET_BOOK"},
	} {
		if _, err := NewClient(Options{API: c.api, Secret: c.secret}); err == nil || err.Error() != c.want {
			t.Errorf("NewClient(%s): got %v, want %s", c.api, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about string
		book  func() *fakeBook
		found Finding
		err   string
	}{
		{"all well", func() *fakeBook {
			b := newFakeBook("r-pend00", "r-pend01")
			b.entries["r-twin"] = `{"topic_stub":"pend00","streams":null}`
			b.entries["r-none"] = `{}`
			return b
		}, Finding{Resources: 3, Experiments: 2, Warnings: []string{`resource "r-none" in book's manifest is left out: it has no topic_stub`}}, ""},
		{"empty", func() *fakeBook { return newFakeBook() },
			Finding{Warnings: []string{"book's manifest is empty: upload one, if book has just been started"}}, ""},
		{"the second call fails", func() *fakeBook {
			b := newFakeBook("r-pend00")
			delete(b.available, "r-pend00")
			return b
		}, Finding{Resources: 1, Experiments: 1}, `the manifest was read, and then: read r-pend00: book answered 404 Not Found "resource r-pend00 not found"`},
	} {
		bubble(t, c.about, func(t *testing.T) {
			found, err := Check(t.Context(), newTestClient(t, serveHTTP(t, c.book())))
			wantEqual(t, "found", found, c.found)
			if (err == nil) != (c.err == "") || (err != nil && err.Error() != c.err) {
				t.Errorf("got  %v\nwant %s", err, c.err)
			}
		})
	}
}
