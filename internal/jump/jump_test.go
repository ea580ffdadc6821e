package jump

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"labstatus/internal/stats"
)

const (
	audience = "http://127.0.0.1:18880/lab/jump"
	secret   = "a-secret-of-jump"
)

// answers plays jump: it gives the same answer to everybody.
type answers struct {
	status int
	skew   time.Duration // of its clock
	body   string
	asked  *http.Request
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked = r
	h := http.Header{"Date": {time.Now().Add(a.skew).UTC().Format(http.TimeFormat)}}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

func ask(t *testing.T, a *answers, aud string) (string, error) {
	c := service(aud)
	c.Audience, c.Secret, c.HTTP = aud, secret, &http.Client{Transport: a}
	uri, _, err := stats.NewService(c).Access(t.Context())
	return uri, err
}

func TestToken(t *testing.T) {
	for aud, url := range map[string]string{
		audience:             audience + "/api/v1/connect/stats",
		audience + "/api/v1": audience + "/api/v1/connect/stats",
		"http://host":        "http://host/api/v1/connect/stats",
	} {
		a := &answers{status: 200, body: `{"uri":"ws://127.0.0.1:18880/lab/jump/connect/stats?code=abcdcbf5"}`}
		uri, err := ask(t, a, aud)
		if err != nil || uri != "ws://127.0.0.1:18880/lab/jump/connect/stats?code=abcdcbf5" {
			t.Fatalf("%q, %v", uri, err)
		}
		if a.asked.Method != "POST" || a.asked.URL.String() != url {
			t.Errorf("asked %s %s", a.asked.Method, a.asked.URL)
		}
		claims := jwt.MapClaims{}
		if _, err := jwt.ParseWithClaims(a.asked.Header.Get("Authorization"), claims, func(*jwt.Token) (any, error) { return []byte(secret), nil }); err != nil {
			t.Fatal(err)
		}
		got, err := claims.GetAudience()
		if err != nil || len(got) != 1 || got[0] != aud {
			t.Errorf("audience %v, %v", got, err)
		}
		scopes, ok := claims["scopes"].([]any)
		if !ok || len(scopes) != 1 || scopes[0] != "stats" || claims["prefix"] != "connect" || claims["topic"] != "stats" {
			t.Errorf("claims %v", claims)
		}
		exp, iat := claims["exp"].(float64), claims["iat"].(float64)
		if d := exp - iat - 86400; d < 9 || d > 11 || claims["nbf"] != claims["iat"] {
			t.Errorf("exp %v, iat %v, nbf %v", exp, iat, claims["nbf"])
		}
	}
}

// What jump was measured to answer, and what is advised.
func TestRefusals(t *testing.T) {
	const late, fine = -90 * time.Second, 0
	const reading, damaged = "500 error reading token was ", "; the token arrives damaged: does a proxy in between change the Authorization header?"
	for _, c := range []struct {
		name   string
		answer answers
		want   string
	}{
		{"wrong secret", answers{500, fine, `{"code":500,"message":"error reading token was signature is invalid"}`, nil},
			reading + "signature is invalid; STATUS_SECRET_JUMP is not the secret that jump was started with"},
		{"expired", answers{500, fine, `{"code":500,"message":"error reading token was token is expired by 5.348147883s"}`, nil},
			reading + "token is expired by 5.348147883s; the clocks of the two hosts differ: set both by NTP"},
		{"not yet valid", answers{500, late, `{"code":500,"message":"error reading token was token is not valid yet"}`, nil},
			reading + "token is not valid yet; jump's clock is 1m30s behind ours: set both by NTP"},
		{"issued in the future", answers{500, late, `{"code":500,"message":"error reading token was token used before issued"}`, nil},
			reading + "token used before issued; jump's clock is 1m30s behind ours: set both by NTP"},
		{"garbage", answers{500, fine, `{"code":500,"message":"error reading token was invalid character 'i' looking for beginning of value"}`, nil},
			reading + "invalid character 'i' looking for beginning of value" + damaged},
		{"Bearer", answers{500, fine, `{"code":500,"message":"error reading token was tokenstring should not contain 'bearer '"}`, nil},
			reading + "tokenstring should not contain 'bearer '" + damaged},
		{"alg none", answers{500, fine, `{"code":500,"message":"error reading token was unexpected signing method was none"}`, nil},
			reading + "unexpected signing method was none" + damaged},
		{"wrong audience", answers{500, fine, `{"code":500,"message":"aud [` + audience + `] does not match this host https://lab.example/ed0/jump"}`, nil},
			"500 aud [" + audience + "] does not match this host https://lab.example/ed0/jump; its audience is https://lab.example/ed0/jump: " +
				`set STATUS_SCHEME_JUMP="https" STATUS_HOST_JUMP="lab.example" STATUS_BASEPATH_JUMP="/ed0/jump"`},
		{"audience missing", answers{500, fine, `{"code":500,"message":"aud [] does not match this host http://127.0.0.1:18880/lab/jump/api"}`, nil},
			`500 aud [] does not match this host http://127.0.0.1:18880/lab/jump/api; its audience is http://127.0.0.1:18880/lab/jump/api: set STATUS_BASEPATH_JUMP="/lab/jump/api"`},
		{"no Authorization", answers{401, fine, `{"code":401,"message":"unauthenticated for invalid credentials"}`, nil},
			"401 unauthenticated for invalid credentials; the token did not arrive: does a proxy in between drop the Authorization header?"},
		{"wrong topic, code a string", answers{401, fine, `{"code":"401","message":"host_id does not match topic in token"}`, nil},
			"401 host_id does not match topic in token; the token is signed right but not for this feed: check STATUS_HOST_JUMP and STATUS_BASEPATH_JUMP"},
		{"claims missing", answers{401, fine, `{"code":"401","message":"token missing required claims"}`, nil},
			"401 token missing required claims; the token is signed right but not for this feed: check STATUS_HOST_JUMP and STATUS_BASEPATH_JUMP"},
		{"scope", answers{401, fine, `{"code":"401","message":"path not valid without stats scope"}`, nil},
			"401 path not valid without stats scope; the token is signed right but not for this feed: check STATUS_HOST_JUMP and STATUS_BASEPATH_JUMP"},
		{"wrong path", answers{404, fine, `{"code":404,"message":"path /api/v1/nosuch/stats was not found"}`, nil},
			"404 path /api/v1/nosuch/stats was not found; jump does not listen at that path: check STATUS_BASEPATH_JUMP"},
		{"path variant, no body", answers{400, fine, ``, nil},
			"400 Bad Request; jump does not listen at that path: check STATUS_BASEPATH_JUMP"},
		{"wrong method", answers{405, fine, `{"code":405,"message":"method GET is not allowed, but [POST] are"}`, nil},
			"405 method GET is not allowed, but [POST] are; jump does not listen at that path: check STATUS_BASEPATH_JUMP"},
		{"down", answers{502, fine, "<html>\r\n<head><title>502 Bad Gateway</title></head></html>", nil},
			"502 Bad Gateway; the proxy in front answers but jump behind it does not: is jump running?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := ask(t, &c.answer, audience)
				if _, ok := errors.AsType[*stats.AccessError](err); !ok {
					t.Fatalf("%v", err)
				}
				if want := "jump refuses access at " + audience + "/api/v1/connect/stats: " + c.want; err.Error() != want {
					t.Errorf("got  %s\nwant %s", err, want)
				}
			})
		})
	}
}
