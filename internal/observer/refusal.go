package observer

import (
	"net/http"

	"google.golang.org/grpc/codes"
)

// Reason is why a report was not taken.
type Reason string

// The reasons, as figures name them.
const (
	refusedToken  Reason = "token"  // none, or a wrong one
	refusedSource Reason = "source" // somebody else's token
	refusedPath   Reason = "path"
	refusedMethod Reason = "method"
	refusedCoding Reason = "encoding"
	refusedSize   Reason = "size"
	refusedBody   Reason = "body" // it can't be read
	refusedRoom   Reason = "room" // too many subjects or sources
	refusedBusy   Reason = "busy" // too much waits to be handed on, or comes at once
	refusedGone   Reason = "gone" // who reported waits no more
)

// reasons are all of them, in the order of figures.
var reasons = [...]Reason{
	refusedBody, refusedBusy, refusedCoding, refusedGone, refusedMethod, refusedPath, refusedRoom, refusedSize, refusedSource, refusedToken,
}

// refusal is an answer that says no, in words for the one who reports.
type refusal struct {
	reason  Reason
	message string
}

func refuse(reason Reason, message string) *refusal { return &refusal{reason, message} }

// httpStatus and grpcCode word a refusal in each protocol. GOST takes them all alike:
// it tries again.
func (r *refusal) httpStatus() int {
	switch r.reason {
	case refusedToken:
		return http.StatusUnauthorized
	case refusedSource:
		return http.StatusForbidden
	case refusedPath:
		return http.StatusNotFound
	case refusedMethod:
		return http.StatusMethodNotAllowed
	case refusedCoding:
		return http.StatusUnsupportedMediaType
	case refusedSize:
		return http.StatusRequestEntityTooLarge
	case refusedBody:
		return http.StatusBadRequest
	case refusedGone:
		return http.StatusRequestTimeout
	}
	return http.StatusServiceUnavailable
}

func (r *refusal) grpcCode() codes.Code {
	switch r.reason {
	case refusedToken:
		return codes.Unauthenticated
	case refusedSource:
		return codes.PermissionDenied
	case refusedBody:
		return codes.InvalidArgument
	case refusedGone:
		return codes.Canceled
	}
	return codes.Unavailable
}
