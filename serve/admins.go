package serve

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-openapi/runtime"
	"github.com/go-openapi/runtime/security"
)

// longestSubject of a token, in characters: a name or an address.
const longestSubject = 200

// admins knows who may change something.
type admins struct {
	auth  *Auth // nil: nobody may
	sites *http.CrossOriginProtection
}

// newAdmins trusts pages at the address that people know the server by, with or
// without its scheme: a proxy may hide from us that a request is for it.
func newAdmins(auth *Auth, link string) *admins {
	addresses := []string{link}
	if !strings.Contains(link, "://") {
		addresses = []string{"https://" + link, "http://" + link}
	}
	sites := http.NewCrossOriginProtection()
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			continue // no address that a browser could be at
		}
		// An error would say that it is no origin, which a browser could not send either.
		_ = sites.AddTrustedOrigin(u.Scheme + "://" + u.Host)
	}
	return &admins{auth: auth, sites: sites}
}

// authenticator is what the generated operations that change something ask. It
// gives the subject of the token, never an empty one.
func (a *admins) authenticator() runtime.Authenticator {
	return security.HTTPAuthenticator(func(r *http.Request) (bool, any, error) {
		subject, refusal := a.admit(r)
		if refusal != nil {
			return true, nil, refusal
		}
		return true, subject, nil
	})
}

func (a *admins) admit(r *http.Request) (subject string, refusal *Refusal) {
	forbidden := func(message string) (string, *Refusal) {
		return "", &Refusal{Status: http.StatusForbidden, Message: message}
	}
	if err := a.sites.Check(r); err != nil {
		return forbidden("another site's page asks for this; where it is ours behind a proxy, have the proxy pass the Host header on, or set STATUS_EMAIL_LINK to the page's address")
	}
	if a.auth == nil {
		return forbidden("nothing can be changed on this server; for that, STATUS_SECRET_STATUS must be set")
	}
	subject, refusal = a.auth.Who(r, ScopeAdmin)
	if refusal != nil {
		return "", refusal
	}
	if strings.TrimSpace(subject) == "" || utf8.RuneCountInString(subject) > longestSubject || strings.ContainsFunc(subject, unicode.IsControl) {
		return "", &Refusal{
			Status:  http.StatusUnauthorized,
			Message: "the token doesn't say whose it is, which is written down with what is done with it; make one with status token --scope status:admin --subject <name>",
		}
	}
	return subject, nil
}

// includes says whether the request brings an admin's token along. One without
// any token is no refusal, nor is one with a token that may only read.
func (a *admins) includes(r *http.Request) bool {
	return a.auth != nil && r.Header.Get("Authorization") != "" && a.auth.Carries(r, ScopeAdmin)
}
