package stats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"labstatus/internal/health"
	"labstatus/internal/redirect"
)

const (
	// backdate is how far a token's iat and nbf lie in the past: a service whose
	// clock is only a second behind ours refuses a token from its future.
	backdate = 10 * time.Second
	// usualLife of a token, where none is set.
	usualLife = 24 * time.Hour
	// maxAnswer is how much of an answer is read; a real one has 100 bytes.
	maxAnswer = 64 << 10
	// skewWorthTelling is the difference of two clocks below which the Date
	// header, which has whole seconds and was written before it arrived, says
	// nothing.
	skewWorthTelling = 3 * time.Second
)

// Service is one service that hands out feeds: relay or jump. It keeps the
// secret to itself: printing a Service doesn't show it.
type Service struct {
	name     health.Source
	audience string
	url      string
	secret   []byte
	life     time.Duration
	claims   map[string]any
	client   http.Client
	advise   func(*AccessError) string
}

// ServiceConfig says how a service is asked for access.
type ServiceConfig struct {
	Name health.Source
	// Audience is the service's own idea of its address, without a slash at its
	// end, e.g. https://example.org/lab/access.
	Audience string
	URL      string        // to POST to
	Secret   string        // HS256 key
	Life     time.Duration // of a token; 0: a day
	// Claims are the token's claims besides its audience and its times.
	Claims map[string]any
	HTTP   *http.Client // redirects aren't followed, whatever it says
	// Advise words what to do about a refusal that this service words in its own
	// way; it gives "" where it has no advice.
	Advise func(*AccessError) string
}

// NewService prepares access calls; it makes none.
func NewService(c ServiceConfig) *Service {
	s := &Service{
		name: c.Name, audience: c.Audience, url: c.URL, secret: []byte(c.Secret),
		life: c.Life, claims: c.Claims, client: *c.HTTP, advise: c.Advise,
	}
	if s.life <= 0 {
		s.life = usualLife
	}
	redirect.Refuse(&s.client)
	return s
}

// String names the service, and shows nothing else.
func (s *Service) String() string { return string(s.name) }

// GoString is String.
func (s *Service) GoString() string { return s.String() }

// token mints a token. It gives the moment of its expiry on our own clock, as
// the service will see it: in whole seconds.
func (s *Service) token(now time.Time) (string, time.Time, error) {
	expires := now.Add(s.life)
	expires = expires.Add(-time.Duration(expires.Nanosecond())) // keeps the monotonic reading
	claims := jwt.MapClaims{
		"aud": []string{s.audience},
		"exp": expires.Unix(),
		"iat": now.Add(-backdate).Unix(),
		"nbf": now.Add(-backdate).Unix(),
	}
	maps.Copy(claims, s.claims)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(s.secret)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign a token for %s: %w", s.name, err)
	}
	return signed, expires, nil
}

// Access asks for the address of the feed. It is good for one connection within
// half a minute, and holds a code that must not be shown. Expires is when the
// service will drop that connection. A refusal is an [*AccessError].
func (s *Service) Access(ctx context.Context) (uri string, expires time.Time, err error) {
	now := time.Now()
	token, expires, err := s.token(now)
	if err != nil {
		return "", time.Time{}, err
	}
	ctx = context.WithValue(ctx, callKey{}, ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, nil)
	if err != nil {
		return "", time.Time{}, s.refusal(&AccessError{Err: fmt.Errorf("address %q makes no sense", s.url)})
	}
	req.Header.Set("Authorization", token) // bare: "Bearer " is refused
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return "", time.Time{}, s.refusal(&AccessError{Err: fmt.Errorf("no answer in time: %w", bare(err))})
	}
	if err != nil {
		return "", time.Time{}, s.refusal(&AccessError{Err: bare(err)})
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end, or given up

	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", time.Time{}, s.refusal(&AccessError{Err: fmt.Errorf("read the answer: %w", bare(err))})
	}
	if resp.StatusCode != http.StatusOK {
		return "", time.Time{}, s.refusal(&AccessError{
			Status:   resp.StatusCode,
			Message:  message(mask(body, token)),
			Location: redirect.Place(resp.Header.Get("Location")),
			Skew:     skew(resp.Header.Get("Date"), now),
		})
	}
	var answer struct {
		URI string `json:"uri"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", time.Time{}, s.refusal(&AccessError{Err: errors.New("the answer is no JSON: something else than " + s.String() + " listens there")})
	}
	if u, err := url.Parse(answer.URI); err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
		return "", time.Time{}, s.refusal(&AccessError{Err: errors.New("the answer holds no websocket address: something else than " + s.String() + " listens there")})
	}
	return answer.URI, expires, nil
}

// refusal completes an error with the service's name and advice.
func (s *Service) refusal(e *AccessError) *AccessError {
	e.Service, e.URL, e.Audience = s.name, s.url, s.audience
	if s.advise != nil {
		e.Advice = s.advise(e)
	}
	if e.Advice == "" {
		e.Advice = advice(e)
	}
	return e
}

// mask hides a token, and the parts that matter of it, from an answer that
// repeats what was sent.
func mask(body []byte, token string) []byte {
	_, signed, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(signed, ".")
	for _, secret := range []string{token, payload, signature} {
		body = bytes.ReplaceAll(body, []byte(secret), []byte("***"))
	}
	return body
}

// skew gives how far the service's clock is ahead of ours, 0 where it is about
// right or where nothing is known.
func skew(date string, now time.Time) time.Duration {
	t, err := http.ParseTime(date)
	if err != nil {
		return 0
	}
	d := t.Sub(now).Round(time.Second)
	if d.Abs() < skewWorthTelling {
		return 0
	}
	return d
}

// bare takes the address off an error of net/http or net/url: it may hold a
// code, and is told anyway.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
