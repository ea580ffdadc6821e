package serve

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	openapi "github.com/go-openapi/errors"
	"github.com/sirupsen/logrus"

	"labstatus/serve/models"
)

// writeError answers with the error form. The message is for the reader: no
// secrets, no internals.
func writeError(w http.ResponseWriter, status int, message string) {
	// Marshalling an integer and a string can't fail.
	body, _ := json.Marshal(models.Error{Code: new(int64(status)), Message: &message})
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a reader that has gone away is no fault
}

// serveError words what the generated code refuses: unknown routes, wrong
// methods, bad parameters.
func serveError(log logrus.FieldLogger) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		if refusal, ok := errors.AsType[*Refusal](err); ok {
			writeRefusal(w, refusal)
			return
		}
		if e, ok := errors.AsType[*openapi.MethodNotAllowedError](err); ok {
			w.Header().Set("Allow", strings.Join(e.Allowed, ", "))
		}
		status, message := describe(err)
		if status == http.StatusInternalServerError {
			log.WithError(err).WithField("path", clip(r.URL.Path, 200)).Error("a request could not be answered")
		}
		writeError(w, status, message)
	}
}

// describe gives the status and the reader's message for an error of the
// generated code. Several bad parameters are all named.
func describe(err error) (status int, message string) {
	if all, ok := errors.AsType[*openapi.CompositeError](err); ok && len(all.Errors) > 0 {
		messages := make([]string, 0, len(all.Errors))
		for _, one := range all.Errors {
			var m string
			if status, m = describe(one); status == http.StatusInternalServerError {
				return status, m
			}
			messages = append(messages, m)
		}
		return status, clip(strings.Join(messages, "; "), 1000)
	}
	if unread, ok := errors.AsType[*openapi.ParseError](err); ok {
		return describeBody(unread.Reason)
	}
	e, ok := errors.AsType[openapi.Error](err)
	if !ok {
		return http.StatusInternalServerError, "a fault of ours; it is in the server's log"
	}
	status = int(e.Code())
	if status >= 600 { // its own codes are of parameters that don't validate
		status = http.StatusUnprocessableEntity
	}
	return status, clip(e.Error(), 500)
}

// clip shortens what a request has brought along, before it is repeated.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
