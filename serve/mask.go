package serve

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// addresses finds what looks like a mail address.
var addresses = regexp.MustCompile(`[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(\.[\p{L}\p{N}-]+)*`)

// maskAddress leaves of a person's address what tells maintainers who it is, and
// nobody else whom to write to.
func maskAddress(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 {
		return "***"
	}
	first, _ := utf8.DecodeRuneInString(address)
	return string(first) + "***" + address[at:]
}

// maskIn masks every address in a text, such as what a mail server said.
func maskIn(text string) string { return addresses.ReplaceAllStringFunc(text, maskAddress) }
