package serve

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// A browser sends no token when it fills a frame. So who may read a mail gets with
// it a ticket for its HTML part, which goes into the frame's address.

// ticketLife is how long a ticket is good for, at least; at most twice as long.
const ticketLife = 5 * time.Minute

// tickets makes and checks them, with a key that ends with the process.
type tickets struct{ key []byte }

func newTickets() *tickets {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it never fails
	return &tickets{key}
}

// issue gives a ticket for one mail; whole says whether its reader may see
// addresses. Within ticketLife the same reader gets the same one, so that an answer
// that holds it can be known already.
func (t *tickets) issue(id string, whole bool, now time.Time) string {
	return t.ticket(id, whole, now.Truncate(ticketLife).Add(2*ticketLife).Unix())
}

func (t *tickets) ticket(id string, whole bool, ends int64) string {
	what := strconv.FormatInt(ends, 36) + "." + strconv.FormatBool(whole)
	mac := hmac.New(sha256.New, t.key)
	_, _ = mac.Write([]byte(what + "." + id)) // a hash takes everything
	return what + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// admits says whether the ticket is good for the mail, and whether its reader may
// see addresses.
func (t *tickets) admits(id, ticket string, now time.Time) (whole, good bool) {
	until, rest, _ := strings.Cut(ticket, ".")
	flag, _, _ := strings.Cut(rest, ".")
	ends, err := strconv.ParseInt(until, 36, 64)
	if err != nil || now.Unix() >= ends {
		return false, false
	}
	whole = flag == "true"
	good = hmac.Equal([]byte(ticket), []byte(t.ticket(id, whole, ends)))
	return whole && good, good
}
