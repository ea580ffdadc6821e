package config

import "strings"

// apiPath is where book and jump serve their API below their base path. Relay
// serves it at the base path itself.
const apiPath = "/api/v1"

// Service is one of book, jump and relay: where it is and the key its tokens
// are signed with.
type Service struct {
	Scheme   string // http or https
	Host     string // host[:port]
	BasePath string // empty, or /… without a slash at its end
	Secret   Secret // HS256 key: the raw bytes of the text

	// APIPath is what API adds to the audience: /api/v1 for book and jump,
	// nothing for relay. It belongs to the service, no setting changes it.
	APIPath string
}

// Audience is the aud claim of our tokens. All three services compare it byte
// by byte with their own setting, so it never ends in a slash.
func (s Service) Audience() string { return s.Scheme + "://" + s.Host + s.BasePath }

// API is the prefix of every call's URL. A base path that already ends in
// /api/v1 is taken at its word, and is then part of the audience too.
func (s Service) API() string {
	if s.APIPath != "" && strings.HasSuffix(s.BasePath, s.APIPath) {
		return s.Audience()
	}
	return s.Audience() + s.APIPath
}
