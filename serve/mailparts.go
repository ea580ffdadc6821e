package serve

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// mailParts is what a mail's bytes say.
type mailParts struct {
	headers [][]string // name and value of each, decoded, in their order
	text    string     // of its first text/plain part
	html    string     // of its first text/html part; empty: it has none
}

const (
	deepestPart  = 4   // multiparts within multiparts
	mostParts    = 100 // of one multipart
	longestParts = 1 << 20
)

// readMail takes a mail apart. It is our own, so what it doesn't understand is a
// fault of ours.
func readMail(raw []byte) (*mailParts, error) {
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read the mail's headers: %w", err)
	}
	parts := &mailParts{headers: headersOf(raw)}
	if err := parts.add(message.Header.Get, message.Body, 0); err != nil {
		return nil, fmt.Errorf("read the mail's parts: %w", err)
	}
	return parts, nil
}

// add reads one part, or the parts in it, into what isn't there yet.
func (p *mailParts) add(header func(string) string, body io.Reader, depth int) error {
	kind, params, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		kind = "text/plain" // as RFC 2045 has it
	}
	if strings.HasPrefix(kind, "multipart/") {
		if depth == deepestPart {
			return errors.New("its parts are nested too deeply")
		}
		return p.addAll(multipart.NewReader(body, params["boundary"]), depth)
	}
	into := &p.text
	switch kind {
	case "text/plain":
	case "text/html":
		into = &p.html
	default:
		return nil
	}
	if *into != "" {
		return nil
	}
	switch strings.ToLower(header("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, err := io.ReadAll(io.LimitReader(body, longestParts))
	if err != nil {
		return fmt.Errorf("decode a part of type %s: %w", kind, err)
	}
	*into = strings.ToValidUTF8(strings.ReplaceAll(string(content), "\r\n", "\n"), "\uFFFD")
	return nil
}

func (p *mailParts) addAll(parts *multipart.Reader, depth int) error {
	for range mostParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.add(part.Header.Get, part, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// headersOf keeps the order of the headers, which net/mail doesn't.
func headersOf(raw []byte) [][]string {
	var headers [][]string
	var words mime.WordDecoder
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		if folded := line[0] == ' ' || line[0] == '\t'; folded {
			if len(headers) > 0 {
				last := headers[len(headers)-1]
				last[1] = strings.TrimSpace(last[1] + " " + strings.TrimSpace(line))
			}
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok {
			headers = append(headers, []string{name, strings.TrimSpace(value)})
		}
	}
	for _, h := range headers {
		if decoded, err := words.DecodeHeader(h[1]); err == nil {
			h[1] = decoded
		}
	}
	return headers
}
