package book

import (
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	tokenLife     = 5 * time.Minute
	tokenRenewal  = time.Minute      // before it expires
	tokenBackdate = 10 * time.Second // book refuses what is from its future: clocks differ
)

// claims are what book wants to see of an administrator.
type claims struct {
	jwt.RegisteredClaims
	Scopes []string `json:"scopes"`
}

// tokens makes our tokens and keeps the latest for the calls that follow.
type tokens struct {
	audience string
	key      []byte

	mu     sync.Mutex
	latest string
	renew  time.Time // with a monotonic reading: steps of the clock don't matter
}

func newTokens(audience, secret string) *tokens {
	return &tokens{audience: audience, key: []byte(secret)}
}

// get gives a token that is good for a minute at least.
func (t *tokens) get(now time.Time) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.latest != "" && now.Before(t.renew) {
		return t.latest, nil
	}
	start := jwt.NewNumericDate(now.Add(-tokenBackdate))
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Audience:  jwt.ClaimStrings{t.audience},
			Subject:   "status-server",
			IssuedAt:  start,
			NotBefore: start,
			ExpiresAt: jwt.NewNumericDate(now.Add(tokenLife)),
		},
		Scopes: []string{"booking:admin"},
	}).SignedString(t.key)
	if err != nil {
		return "", err
	}
	t.latest, t.renew = signed, now.Add(tokenLife-tokenRenewal)
	return signed, nil
}

// drop makes the next call use a new token.
func (t *tokens) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = ""
}
