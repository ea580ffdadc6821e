package observer

import (
	"strconv"
	"strings"
)

// reportKey names a report beside its body, in the header or metadata Idempotency-Key.
// A report is sent again under its key until it is acknowledged, and only then does
// its sender go on to the next number: whoever has taken a number of a life has taken
// all before it. Observers that know nothing of keys ignore them, GOST has none.
type reportKey struct {
	life string // of the sender: random, new with each start
	seq  uint64 // from 1
}

// keyHeader carries the key; gRPC wants its metadata in lower case.
const (
	keyHeader   = "Idempotency-Key"
	keyMetadata = "idempotency-key"
)

func (k reportKey) String() string { return k.life + "-" + strconv.FormatUint(k.seq, 10) }

// readKey reads what String writes, quoted as the header's draft standard has it or
// not. Whatever else somebody sends there is no key.
func readKey(text string) (k reportKey, ok bool) {
	life, number, found := strings.Cut(strings.Trim(text, `"`), "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	if !found || err != nil || seq == 0 || len(life) < 16 || len(life) > 64 || strings.ContainsFunc(life, notAlphanumeric) {
		return reportKey{}, false
	}
	return reportKey{life, seq}, true
}

func notAlphanumeric(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
