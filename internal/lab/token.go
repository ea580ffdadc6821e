package lab

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"
)

// claims are what the three services read in a token. It is checked here
// without a JWT library because the words of each refusal are part of what is
// simulated: status code and text are all an operator has to go by.
type claims struct {
	Audience  audience `json:"aud"`
	Expires   *seconds `json:"exp"`
	IssuedAt  *seconds `json:"iat"`
	NotBefore *seconds `json:"nbf"`
	Prefix    string   `json:"prefix"`
	Topic     string   `json:"topic"`
	Scopes    []string `json:"scopes"`
}

// seconds is a Unix time in a token.
type seconds float64

func (s seconds) time() time.Time {
	return time.Unix(0, int64(float64(s)*float64(time.Second)))
}

// audience is one string or several.
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return err
	}
	*a = many
	return nil
}

var macs = map[string]func() hash.Hash{
	"HS256": sha256.New,
	"HS384": sha512.New384,
	"HS512": sha512.New,
}

// readToken checks form, times and signature. Of several faults the last
// looked at is told: expiry, issued at, not before, signature.
func readToken(token string, secret []byte, now time.Time) (claims, error) {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, errors.New("token contains an invalid number of segments")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		if strings.HasPrefix(strings.ToLower(token), "bearer ") {
			return c, errors.New("tokenstring should not contain 'bearer '")
		}
		return c, err
	}
	var header struct {
		Alg string `json:"alg"`
	}
	if err := json.Unmarshal(raw, &header); err != nil {
		return c, err
	}
	if raw, err = base64.RawURLEncoding.DecodeString(parts[1]); err != nil {
		return c, err
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, err
	}
	mac := macs[header.Alg]
	if mac == nil {
		return c, fmt.Errorf("unexpected signing method was %s", header.Alg)
	}
	var fault error
	if c.Expires != nil && !now.Before(c.Expires.time()) {
		fault = fmt.Errorf("token is expired by %s", now.Sub(c.Expires.time()))
	}
	if c.IssuedAt != nil && now.Before(c.IssuedAt.time()) {
		fault = errors.New("token used before issued")
	}
	if c.NotBefore != nil && now.Before(c.NotBefore.time()) {
		fault = errors.New("token is not valid yet")
	}
	h := hmac.New(mac, secret)
	h.Write([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(signature, h.Sum(nil)) {
		fault = errors.New("signature is invalid")
	}
	return c, fault
}

// meant reports whether the token is for this host, by exact comparison.
func (c claims) meant(host string) error {
	if slices.Contains(c.Audience, host) {
		return nil
	}
	return fmt.Errorf("aud [%s] does not match this host %s", strings.Join(c.Audience, " "), host)
}

// timed reports whether the token says when it was issued, begins and ends.
func (c claims) timed() bool {
	return c.Expires != nil && c.IssuedAt != nil && c.NotBefore != nil
}

func (c claims) has(scope string) bool { return slices.Contains(c.Scopes, scope) }
