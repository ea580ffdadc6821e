package notify

import (
	"crypto/tls"
)

// TLSMode says how a connection is encrypted.
type TLSMode string

// TLS modes. Wherever encryption is required, or a password leaves this machine,
// the certificate must be valid for the server's name. Where it is only used
// because it is offered, the certificate is not verified: refusing it would
// leave the choice between no mail and mail in clear, and neither is safer.
const (
	// TLSAuto is implicit TLS on port 465; STARTTLS, required, when there is a
	// login and the server is not on this machine; else opportunistic.
	TLSAuto          TLSMode = "auto"
	TLSRequired      TLSMode = "required"      // STARTTLS or nothing
	TLSImplicit      TLSMode = "implicit"      // from the first byte
	TLSOpportunistic TLSMode = "opportunistic" // STARTTLS where offered
	TLSNone          TLSMode = "none"
)

var tlsModes = []TLSMode{TLSAuto, TLSRequired, TLSImplicit, TLSOpportunistic, TLSNone}

// encryptionPlan is what a mode comes to for one server.
type encryptionPlan struct {
	implicit bool // before the banner
	upgrade  bool // by STARTTLS, where offered
	required bool
	verify   bool
}

func (s *SMTP) plan() encryptionPlan {
	password := s.login() && !s.local
	switch mode := s.mode; {
	case mode == TLSImplicit, mode == TLSAuto && s.port() == "465":
		return encryptionPlan{implicit: true, required: true, verify: true}
	case mode == TLSRequired, mode == TLSAuto && password:
		return encryptionPlan{upgrade: true, required: true, verify: true}
	case mode == TLSNone:
		return encryptionPlan{}
	}
	return encryptionPlan{upgrade: true, verify: password}
}

func (s *SMTP) tlsConfig(verify bool) *tls.Config {
	return &tls.Config{
		ServerName: s.host, RootCAs: s.roots, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: !verify, //nolint:gosec // only where TLSMode says so
	}
}
