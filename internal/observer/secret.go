package observer

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
)

// mask stands for a secret wherever one would be printed.
const mask = "***"

// Secret is a token. Printed, logged or marshalled it reads ***, or nothing when it
// is empty. The zero value is an empty secret.
type Secret struct{ text *string } // a pointer, because fmt prints what unexported fields hold

// NewSecret wraps text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the text itself: to be sent or kept, never for anything that a
// person will read.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero says whether there is none.
func (s Secret) IsZero() bool { return s.text == nil }

// String returns *** or, for an empty secret, nothing.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return mask
}

// Format answers every verb with String.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) // fmt reports its own writer's failure
}

// MarshalText covers JSON and the other text encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// matches compares in a time that tells nothing, not even a length.
func (s Secret) matches(given string) bool {
	want, got := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && !s.IsZero()
}

var _ fmt.Formatter = Secret{}
