package serve

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sirupsen/logrus"
)

// Scopes that a token may carry.
const (
	ScopeRead  = "status:read"  // may read
	ScopeAdmin = "status:admin" // may read, and change what can be changed
)

const (
	// clockSkew is how far another machine's clock may be off.
	clockSkew = 10 * time.Second
	// longestToken bounds what is decoded for a stranger.
	longestToken = 8 << 10
)

// claims are those of the ecosystem's other tokens: scopes is a list of texts.
type claims struct {
	Scopes []string `json:"scopes"`
	jwt.RegisteredClaims
}

// Auth checks readers' tokens: HS256 with our secret, for our audience, not
// expired. Who brings wrong ones again and again has to wait.
type Auth struct {
	key     []byte
	parser  *jwt.Parser
	log     logrus.FieldLogger
	wrong   *limiter
	refused atomic.Uint64
}

// NewAuth makes a check of tokens. The audience is compared exactly.
func NewAuth(secret, audience string, log logrus.FieldLogger) (*Auth, error) {
	if secret == "" {
		return nil, errors.New("check tokens: the secret is empty; set STATUS_SECRET_STATUS")
	}
	if audience == "" {
		return nil, errors.New("check tokens: the audience is empty")
	}
	return &Auth{
		key: []byte(secret),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithAudience(audience),
			jwt.WithExpirationRequired(),
			jwt.WithLeeway(clockSkew),
		),
		log:   log,
		wrong: newLimiter(),
	}, nil
}

// Refusal is why a request may not pass, in words for the one who made it.
type Refusal struct {
	Status     int // 401, 403 or 429
	Message    string
	RetryAfter time.Duration // with 429
}

// Error gives the message.
func (r *Refusal) Error() string { return r.Message }

// Refused counts the requests that were refused since the start.
func (a *Auth) Refused() uint64 { return a.refused.Load() }

// Check gives nil where the request's bearer token is good and carries one of the
// scopes. The signature is compared in constant time. No token and no part of one
// is ever logged or answered.
func (a *Auth) Check(r *http.Request, scopes ...string) *Refusal {
	_, refusal := a.Who(r, scopes...)
	return refusal
}

// Who is Check that also tells whose token it is: its subject, which may be empty.
func (a *Auth) Who(r *http.Request, scopes ...string) (subject string, refusal *Refusal) {
	subject, refusal = a.verify(bearer(r), scopes)
	if refusal == nil {
		return subject, nil // also from an address that others guess from
	}
	return "", a.refuse(r, refusal)
}

// Carries says whether the request's token is good and carries the scope, where one
// without it is welcome too: a good token that lacks it is held against nobody.
func (a *Auth) Carries(r *http.Request, scope string) bool {
	_, refusal := a.verify(bearer(r), []string{scope})
	if refusal != nil && refusal.Status == http.StatusUnauthorized {
		_ = a.refuse(r, refusal) // it is counted; the reader is answered as one without a token
	}
	return refusal == nil
}

// refuse counts a refusal and holds it against the address, which may have to wait
// instead.
func (a *Auth) refuse(r *http.Request, refusal *Refusal) *Refusal {
	a.refused.Add(1)
	client, now := clientOf(r), time.Now()
	if wait := a.wrong.wait(client, now); wait > 0 {
		return &Refusal{
			Status: http.StatusTooManyRequests, RetryAfter: wait,
			Message: "too many wrong tokens came from this address; wait a little",
		}
	}
	if r.Header.Get("Authorization") == "" {
		return refusal // a guess it isn't
	}
	if first := a.wrong.spend(client, now); first {
		a.log.WithFields(logrus.Fields{"client": client, "reason": refusal.Message}).
			Warn("a token was refused; further ones from there are only counted for a while")
	}
	return refusal
}

func (a *Auth) verify(token string, scopes []string) (subject string, refusal *Refusal) {
	unauthorized := func(message string) (string, *Refusal) {
		return "", &Refusal{Status: http.StatusUnauthorized, Message: message}
	}
	if token == "" {
		return unauthorized("a token is needed: Authorization: Bearer <token>")
	}
	if len(token) > longestToken {
		return unauthorized("the token is far too long to be one")
	}
	var c claims
	_, err := a.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return a.key, nil })
	if err != nil {
		return unauthorized(whyRefused(err))
	}
	for _, s := range scopes {
		if slices.Contains(c.Scopes, s) {
			return c.Subject, nil
		}
	}
	return "", &Refusal{Status: http.StatusForbidden, Message: "the token lacks the scope " + strings.Join(scopes, " or ")}
}

// whyRefused has words of our own for each reason: those of the library may
// repeat parts of the token.
func whyRefused(err error) string {
	for _, known := range []struct {
		is   error
		text string
	}{
		{jwt.ErrTokenMalformed, "the token can't be read"},
		{jwt.ErrTokenSignatureInvalid, "the token was signed with another secret, or not with HS256"},
		{jwt.ErrTokenExpired, "the token has expired"},
		{jwt.ErrTokenNotValidYet, "the token is not valid yet; compare the clocks"},
		{jwt.ErrTokenInvalidAudience, "the token is for another audience"},
		{jwt.ErrTokenRequiredClaimMissing, "the token lacks its expiry or audience"},
	} {
		if errors.Is(err, known.is) {
			return known.text
		}
	}
	return "the token is not valid"
}

// bearer finds the token. The ecosystem's other services want it bare, so that
// is understood too.
func bearer(r *http.Request) string {
	value := strings.TrimSpace(r.Header.Get("Authorization"))
	if scheme, token, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return value
}

func writeRefusal(w http.ResponseWriter, refusal *Refusal) {
	switch refusal.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="status"`)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(refusal.RetryAfter.Seconds()))))
	}
	writeError(w, refusal.Status, refusal.Message)
}

// MintToken makes a token that [Auth] with the same secret and audience accepts
// for the given life.
func MintToken(secret, audience, subject string, scopes []string, life time.Duration) (string, error) {
	switch {
	case secret == "":
		return "", errors.New("make a token: the secret is empty; set STATUS_SECRET_STATUS")
	case audience == "":
		return "", errors.New("make a token: the audience is empty")
	case life <= 0:
		return "", fmt.Errorf("make a token: a life of %v is none", life)
	case len(scopes) == 0:
		return "", fmt.Errorf("make a token: it needs a scope, %s or %s", ScopeRead, ScopeAdmin)
	}
	for _, s := range scopes {
		if s != ScopeRead && s != ScopeAdmin {
			return "", fmt.Errorf("make a token: %q is no scope; %s and %s are", s, ScopeRead, ScopeAdmin)
		}
	}
	now := time.Now()
	// A little in the past, for readers whose clocks are behind ours.
	valid := jwt.NewNumericDate(now.Add(-clockSkew))
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		Scopes: scopes,
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   subject,
			Audience:  jwt.ClaimStrings{audience},
			IssuedAt:  valid,
			NotBefore: valid,
			ExpiresAt: jwt.NewNumericDate(now.Add(life)),
		},
	}).SignedString([]byte(secret))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}
