package config

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// mask stands for a secret wherever one would be printed.
const mask = "***"

// Secret is a key or a password. Printed, logged or marshalled in any way it
// reads ***, or nothing when it is empty. The zero value is an empty secret.
//
// The text sits behind a pointer because fmt cannot call methods on values in
// unexported fields and prints their bare content instead; of a pointer it
// prints the address.
type Secret struct{ text *string }

// NewSecret wraps text; an empty text gives the zero Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text itself: for signing and for authentication, never for
// anything a person will read.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet reports whether there is a secret at all.
func (s Secret) IsSet() bool { return s.text != nil }

// Equal compares in a time that depends only on the lengths.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns *** or, for an empty secret, nothing.
func (s Secret) String() string {
	if s.IsSet() {
		return mask
	}
	return ""
}

// GoString is String; %#v must not fall back to the fields.
func (s Secret) GoString() string { return s.String() }

// Format answers every verb, %x and %d too, with String.
func (s Secret) Format(f fmt.State, _ rune) {
	// A failing fmt.State has no way to be told, and fmt reports its own writer.
	_, _ = io.WriteString(f, s.String())
}

// MarshalText covers JSON, XML and the other text encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue covers log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

var (
	_ fmt.Formatter  = Secret{}
	_ slog.LogValuer = Secret{}
)
