package serve

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sirupsen/logrus/hooks/test"
)

const (
	testSecret   = "a-secret-of-tests"
	testAudience = "https://lab.example/status"
)

func mint(t *testing.T, scopes ...string) string {
	t.Helper()
	token, err := MintToken(testSecret, testAudience, "tester", scopes, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// renew makes a new check of tokens of one that a handler has already, and gives what
// it logs: a new handler takes longer than all that a case asks of it.
func renew(t *testing.T, auth *Auth) *test.Hook {
	t.Helper()
	log, hook := test.NewNullLogger()
	fresh, err := NewAuth(testSecret, testAudience, log)
	if err != nil {
		t.Fatal(err)
	}
	auth.key, auth.parser, auth.log, auth.wrong = fresh.key, fresh.parser, fresh.log, fresh.wrong
	auth.refused.Store(0)
	return hook
}

// signed makes a token that MintToken wouldn't make.
func signed(t *testing.T, method jwt.SigningMethod, key any, c jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestWhoMayRead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"aud": testAudience, "exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(), "iat": now.Unix(), "scopes": []string{ScopeRead}}
	}
	with := func(key string, value any) jwt.MapClaims {
		c := good()
		if value == nil {
			delete(c, key)
		} else {
			c[key] = value
		}
		return c
	}
	hs256 := func(c jwt.MapClaims) string { return signed(t, jwt.SigningMethodHS256, []byte(testSecret), c) }
	auth := new(Auth)
	h := newHandler(t, func(o *Options) { o.ReadAuth = auth })
	for _, c := range []struct {
		what, header string
		status       int
		says         string
	}{
		{"read", "Bearer " + mint(t, ScopeRead), 200, ""},
		{"admin", "Bearer " + mint(t, ScopeAdmin), 200, ""},
		{"as the ecosystem sends it", mint(t, ScopeRead), 200, ""},
		{"lower case scheme", "bearer " + mint(t, ScopeRead), 200, ""},
		{"audience in a list", "Bearer " + hs256(with("aud", []string{"other", testAudience})), 200, ""},
		{"a clock a little ahead", "Bearer " + hs256(with("nbf", now.Add(5*time.Second).Unix())), 200, ""},
		{"none", "", 401, "Bearer"},
		{"no token", "Bearer ", 401, "Bearer"},
		{"rubbish", "Bearer rubbish", 401, "can't be read"},
		{"basic", "Basic dXNlcjpwYXNz", 401, "can't be read"},
		{"too long", "Bearer " + strings.Repeat("x", longestToken+1), 401, "too long"},
		{"another secret", "Bearer " + signed(t, jwt.SigningMethodHS256, []byte("guess"), good()), 401, "another secret"},
		{"another method", "Bearer " + signed(t, jwt.SigningMethodHS512, []byte(testSecret), good()), 401, "HS256"},
		{"no method", "Bearer " + signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good()), 401, "HS256"},
		{"expired", "Bearer " + hs256(with("exp", now.Add(-time.Minute).Unix())), 401, "expired"},
		{"no expiry", "Bearer " + hs256(with("exp", nil)), 401, "expiry"},
		{"not yet", "Bearer " + hs256(with("nbf", now.Add(time.Minute).Unix())), 401, "not valid yet"},
		{"another audience", "Bearer " + hs256(with("aud", testAudience+"/")), 401, "audience"},
		{"no audience", "Bearer " + hs256(with("aud", nil)), 401, "audience"},
		{"no scope", "Bearer " + hs256(with("scopes", nil)), 403, "status:read"},
		{"another scope", "Bearer " + hs256(with("scopes", []string{"booking:admin"})), 403, "status:read"},
		{"scopes are no list", "Bearer " + hs256(with("scopes", ScopeRead)), 401, "can't be read"},
	} {
		t.Run(c.what, func(t *testing.T) {
			hook := renew(t, auth)
			for _, target := range []string{"/api/v1/experiments", "/feed.atom", "/badge/pend00.svg", "/mail.html?id=abc123@lab.example"} {
				w := get(t, h, target, "Authorization", c.header)
				if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
					t.Errorf("%s: %d, want %d: %s", target, w.Code, c.status, clip(w.Body.String(), 200))
				}
				if got := w.Header().Get("WWW-Authenticate") != ""; got != (c.status == 401) {
					t.Errorf("WWW-Authenticate: %v", got)
				}
				if c.status != 200 {
					var token string
					if _, token, _ = strings.Cut(c.header, " "); token != "" && strings.Contains(w.Body.String(), token) {
						t.Error("the answer holds the token")
					}
				}
			}
			if want := uint64(4); c.status != 200 && auth.Refused() != want || c.status == 200 && auth.Refused() != 0 {
				t.Errorf("%d refused", auth.Refused())
			}
			for _, entry := range hook.AllEntries() {
				line, err := entry.String()
				if err != nil {
					t.Fatal(err)
				}
				for part := range strings.SplitSeq(strings.TrimPrefix(c.header, "Bearer "), ".") {
					if len(part) > 8 && strings.Contains(line, part) {
						t.Errorf("the log holds a part of the token: %s", line)
					}
				}
			}
			if got := len(hook.AllEntries()); c.status != 200 && strings.TrimSpace(c.header) != "" && got != 1 {
				t.Errorf("%d lines in the log for one burst", got)
			}
			// Probes stay open; the reasons don't.
			w := get(t, h, "/readyz", "Authorization", c.header)
			if w.Code != 503 || strings.Contains(w.Body.String(), "jump") != (c.status == 200) {
				t.Errorf("readyz: %d %s", w.Code, w.Body)
			}
			if w := get(t, h, "/healthz"); w.Code != 200 {
				t.Errorf("healthz: %d", w.Code)
			}
		})
	}
}

// Who guesses has to wait; others do not, nor does who brings no token at all.
func TestGuessersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, hook := test.NewNullLogger()
		auth, err := NewAuth(testSecret, testAudience, log)
		if err != nil {
			t.Fatal(err)
		}
		try := func(from, header string) *Refusal {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.RemoteAddr = from
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			return auth.Check(r, ScopeRead)
		}
		const guesser, other = "192.0.2.1:1000", "192.0.2.2:1000"
		for range 100 {
			if r := try(guesser, ""); r == nil || r.Status != 401 {
				t.Fatalf("without a token: %v", r)
			}
		}
		for i := range wrongTokens {
			if r := try(guesser, "Bearer guess"); r.Status != 401 {
				t.Fatalf("guess %d: %d", i, r.Status)
			}
		}
		if got := try(guesser, "Bearer "+mint(t, ScopeRead)); got != nil {
			t.Errorf("a good token from an address that others guess from: %v", got)
		}
		r := try(guesser, "Bearer guess")
		if r == nil || r.Status != 429 || r.RetryAfter <= 0 || r.RetryAfter > wrongTokenPer {
			t.Fatalf("after %d guesses: %+v", wrongTokens, r)
		}
		if got := try(other, "Bearer "+mint(t, ScopeRead)); got != nil {
			t.Errorf("another address: %v", got)
		}
		time.Sleep(r.RetryAfter)
		if got := try(guesser, "Bearer "+mint(t, ScopeRead)); got != nil {
			t.Errorf("after the wait: %v", got)
		}
		if got := len(hook.AllEntries()); got != 1 {
			t.Errorf("%d lines in the log", got)
		}
		w := httptest.NewRecorder()
		writeRefusal(w, &Refusal{Status: 429, RetryAfter: 1500 * time.Millisecond, Message: "wait"})
		if w.Header().Get("Retry-After") != "2" {
			t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
		}
	})
}

// A flood of addresses doesn't fill the memory, and frees no recent guesser while
// there are forgiven ones to forget.
func TestLimiterIsBounded(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	for i := range mostClients * 2 {
		l.spend(fmt.Sprint("client ", i), t0)
	}
	if len(l.clean) > mostClients {
		t.Errorf("%d addresses kept", len(l.clean))
	}
	later := t0.Add(wrongTokenPer)
	for range wrongTokens {
		l.spend("late", later)
	}
	if len(l.clean) != 1 || l.wait("late", later) <= 0 {
		t.Errorf("%d addresses kept after all were forgiven", len(l.clean))
	}
}

func TestClientOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:80", "", "192.0.2.1"},
		{"192.0.2.1:80", "198.51.100.9", "192.0.2.1"},
		{"127.0.0.1:80", "", "127.0.0.1"},
		{"127.0.0.1:80", "203.0.113.5, 198.51.100.9", "198.51.100.9"},
		{"[::1]:80", "198.51.100.9", "198.51.100.9"},
		{"127.0.0.1:80", "rubbish", "127.0.0.1"},
		{"@", "198.51.100.9", "198.51.100.9"},
		{"", "", "local"},
		{"[2001:db8:1:2:3:4:5:6]:80", "", "2001:db8:1:2::/64"},
		{"[::ffff:192.0.2.1]:80", "", "192.0.2.1"},
		{"[fe80::1%eth0]:80", "", "fe80::/64"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := clientOf(r); got != c.want {
			t.Errorf("%q for %q is %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

func TestMintRefuses(t *testing.T) {
	t.Parallel()
	for what, call := range map[string]func() (string, error){
		"STATUS_SECRET_STATUS": func() (string, error) { return MintToken("", testAudience, "s", []string{ScopeRead}, time.Hour) },
		"audience":             func() (string, error) { return MintToken(testSecret, "", "s", []string{ScopeRead}, time.Hour) },
		"life":                 func() (string, error) { return MintToken(testSecret, testAudience, "s", []string{ScopeRead}, 0) },
		"needs a scope":        func() (string, error) { return MintToken(testSecret, testAudience, "s", nil, time.Hour) },
		"is no scope":          func() (string, error) { return MintToken(testSecret, testAudience, "s", []string{"root"}, time.Hour) },
	} {
		token, err := call()
		if err == nil || token != "" || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: %q, %v", what, token, err)
		}
	}
	log, _ := test.NewNullLogger()
	if _, err := NewAuth("", testAudience, log); err == nil {
		t.Error("a check without a secret was made")
	}
	if _, err := NewAuth(testSecret, "", log); err == nil {
		t.Error("a check without an audience was made")
	}
}
