package notify

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// hidden stands where a secret stood.
const hidden = "***"

// secrets knows what must not be repeated in a log, an error or a transcript. A
// server may echo what it was told, in any of its forms, so all its words pass
// through here.
type secrets struct {
	password func() string // a function, so that printing the struct can't show it
	fixed    func() []string
	mu       sync.Mutex
	sent     []string // what the latest login put on the wire
}

func newSecrets(password string) *secrets {
	s := &secrets{password: func() string { return password }, fixed: func() []string { return nil }}
	if password == "" {
		return s
	}
	forms := []string{
		password, hex.EncodeToString([]byte(password)), strings.ToUpper(hex.EncodeToString([]byte(password))),
		url.QueryEscape(password), url.PathEscape(password),
		base64.StdEncoding.EncodeToString([]byte(password)), base64.RawStdEncoding.EncodeToString([]byte(password)),
		base64.URLEncoding.EncodeToString([]byte(password)), base64.RawURLEncoding.EncodeToString([]byte(password)),
	}
	s.fixed = func() []string { return forms }
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

// encoded matches what may be base64 of something longer than a word.
var encoded = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}={0,2}`)

// hide replaces every known secret in text.
func (s *secrets) hide(text string) string {
	s.mu.Lock()
	all := slices.Concat(s.sent, s.fixed())
	s.mu.Unlock()
	// Longest first, so that no part of one is left over from another.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	for _, x := range all {
		text = strings.ReplaceAll(text, x, hidden)
	}
	password := s.password()
	if password == "" {
		return text
	}
	// The password within something longer, as PLAIN wraps it.
	return encoded.ReplaceAllStringFunc(text, func(token string) string {
		bare := strings.TrimRight(token, "=")
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if b, err := e.DecodeString(bare); err == nil && strings.Contains(string(b), password) {
				return hidden
			}
		}
		return token
	})
}
