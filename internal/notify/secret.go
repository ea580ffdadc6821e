package notify

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// hidden stands where a secret stood.
const hidden = "***"

// secrets knows what must not be repeated in a log, an error or a transcript. A
// server may echo what it was told, so its words pass through here.
type secrets struct {
	mu    sync.Mutex
	fixed []string // forms of the password
	sent  []string // what the latest login put on the wire
}

func newSecrets(password string) *secrets {
	if password == "" {
		return &secrets{}
	}
	s := &secrets{fixed: []string{
		password,
		base64.StdEncoding.EncodeToString([]byte(password)),
		base64.RawStdEncoding.EncodeToString([]byte(password)),
		base64.URLEncoding.EncodeToString([]byte(password)),
		hex.EncodeToString([]byte(password)),
		url.QueryEscape(password),
	}}
	return s
}

// noteSent adds what a login is about to send.
func (s *secrets) noteSent(b []byte) {
	if len(b) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sent) >= 8 {
		s.sent = s.sent[1:]
	}
	s.sent = append(s.sent, base64.StdEncoding.EncodeToString(b))
}

// hide replaces every known secret in text.
func (s *secrets) hide(text string) string {
	s.mu.Lock()
	all := slices.Concat(s.sent, s.fixed)
	s.mu.Unlock()
	// Longest first, so that no part of one is left over from another.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	for _, x := range all {
		text = strings.ReplaceAll(text, x, hidden)
	}
	return text
}
