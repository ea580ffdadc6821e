package config

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"
)

// maxRecipients is what mail servers must take in one message at least; many
// refuse the next (RFC 5321, 4.5.3.1.8).
const maxRecipients = 100

var errAddress = errors.New("an address such as status@example.org or Lab Status <status@example.org>")

// parseAddress accepts exactly one address, with or without a name.
func parseAddress(raw string) (mail.Address, error) {
	a, err := parseOne(raw)
	if errors.Is(err, errAddress) {
		if list, err := parseAddresses(raw); err == nil && len(list) > 1 {
			return mail.Address{}, errors.New("one address only")
		}
	}
	return a, err
}

func parseOne(raw string) (mail.Address, error) {
	a, err := mail.ParseAddress(raw)
	if err != nil {
		return mail.Address{}, errAddress
	}
	// A name may arrive encoded (=?utf-8?q?…?=) and hold anything once decoded.
	// Such a line break must never reach a header.
	if strings.ContainsFunc(a.Name+a.Address, unicode.IsControl) {
		return mail.Address{}, errors.New("an address and a name without control characters")
	}
	if strings.ContainsFunc(a.Address, func(r rune) bool { return r > unicode.MaxASCII }) {
		return mail.Address{}, errors.New("an address in ASCII; write an international domain in its xn-- form")
	}
	if len(a.Address) > 254 {
		return mail.Address{}, errors.New("an address of at most 254 bytes")
	}
	return *a, nil
}

// parseAddresses accepts a list split at commas, at blanks, or both. An address
// given twice counts once.
func parseAddresses(raw string) ([]mail.Address, error) {
	pieces, err := splitAddresses(raw)
	if err != nil {
		return nil, err
	}
	var list []mail.Address
	seen := map[string]bool{}
	for i, piece := range pieces {
		a, err := parseOne(piece)
		if err != nil {
			return nil, fmt.Errorf("addresses split by commas; number %d is not %w", i+1, err)
		}
		if key := strings.ToLower(a.Address); !seen[key] {
			seen[key] = true
			list = append(list, a)
		}
	}
	switch {
	case len(list) == 0:
		return nil, errors.New("addresses split by commas")
	case len(list) > maxRecipients:
		return nil, fmt.Errorf("at most %d addresses, more are refused by mail servers: use a mailing list", maxRecipients)
	}
	return list, nil
}

// splitAddresses cuts a list into single addresses. A comma outside quotes ends
// one, a closing > does, and so does a blank after a bare address; blanks
// inside a name ("Lab Status <a@b>") do not.
func splitAddresses(raw string) ([]string, error) {
	var pieces []string
	var quoted, escaped, angled, bare bool // bare: this piece has an @ of its own
	start := 0
	end := func(at int) {
		if piece := strings.TrimSpace(raw[start:at]); piece != "" {
			pieces = append(pieces, piece)
		}
		start, bare = at, false
	}
	for i, r := range raw {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = r == '\\', r != '"'
		case r == '"':
			quoted = true
		case r == '>':
			angled = false
			end(i + 1)
		case angled:
		case r == '<':
			angled = true
		case r == ',':
			end(i)
			start = i + 1
		case r == ';':
			return nil, errors.New("addresses split by commas, not semicolons")
		case r == '@':
			bare = true
		case unicode.IsSpace(r) && bare:
			end(i)
		}
	}
	end(len(raw))
	return pieces, nil
}

// showAddress is readable rather than encoded as a header needs it.
func showAddress(a mail.Address) string {
	if a.Name == "" {
		return a.Address
	}
	return a.Name + " <" + a.Address + ">"
}

func showAddresses(list []mail.Address) string {
	var b strings.Builder
	for i, a := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(showAddress(a))
	}
	return b.String()
}
