package relay

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sirupsen/logrus"

	"labstatus/internal/stats"
)

const (
	audience = "http://127.0.0.1:18880/lab/access"
	secret   = "a-secret-of-relay"
)

// answers plays relay: it gives the same answer to everybody.
type answers struct {
	status   int
	skew     time.Duration // of its clock
	body     string
	asked    *http.Request
	location []string
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked = r
	h := http.Header{"Date": {time.Now().Add(a.skew).UTC().Format(http.TimeFormat)}, "Location": a.location}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

func ask(a *answers, aud string) (string, time.Time, error) {
	c := service(aud)
	c.Audience, c.Secret, c.Life, c.HTTP = aud, secret, time.Hour, &http.Client{Transport: a}
	return stats.NewService(c).Access(context.Background())
}

func TestToken(t *testing.T) {
	a := &answers{status: 200, body: `{"uri":"ws://127.0.0.1:18880/lab/relay/session/stats?code=3131edd9"}` + "\n"}
	before := time.Now()
	uri, expires, err := ask(a, audience)
	if err != nil || uri != "ws://127.0.0.1:18880/lab/relay/session/stats?code=3131edd9" {
		t.Fatalf("%q, %v", uri, err)
	}
	if a.asked.Method != "POST" || a.asked.URL.String() != audience+"/session/stats" || a.asked.Body != nil {
		t.Errorf("asked %s %s", a.asked.Method, a.asked.URL)
	}
	token := a.asked.Header.Get("Authorization")
	claims := jwt.MapClaims{}
	parsed, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return []byte(secret), nil })
	if err != nil || parsed.Method.Alg() != "HS256" {
		t.Fatalf("token %v", err)
	}
	exp, iat, nbf := claims["exp"].(float64), claims["iat"].(float64), claims["nbf"].(float64)
	if iat != nbf || exp-iat < 3609 || exp-iat > 3611 || iat > float64(before.Unix()-9) || iat < float64(before.Unix()-11) {
		t.Errorf("iat %v, nbf %v, exp %v at %v", iat, nbf, exp, before.Unix())
	}
	if float64(expires.Unix()) != exp {
		t.Errorf("expires %v, the token %v", expires.Unix(), exp)
	}
	delete(claims, "exp")
	delete(claims, "iat")
	delete(claims, "nbf")
	text, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SigningString()
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = strings.Cut(text, ".")
	raw, err := jwt.NewParser().DecodeSegment(text)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"aud":["` + audience + `"],"booking_id":"status-server","prefix":"session","scopes":["read"],"topic":"stats"}`
	if string(raw) != want {
		t.Errorf("claims %s, want %s", raw, want)
	}
}

// What relay was measured to answer, and what is advised.
func TestRefusals(t *testing.T) {
	const soon, late, fine = 63 * time.Second, -90 * time.Second, 0
	const html = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n</body>\r\n</html>\r\n"
	for _, c := range []struct {
		name, aud string
		answer    answers
		want      string // the part after the address
	}{
		{"wrong secret", audience, answers{500, fine, `{"code":500,"message":"token invalid"}`, nil, nil},
			"500 token invalid; STATUS_SECRET_RELAY is not the secret that relay was started with (or the clocks of the two hosts differ)"},
		{"clock ahead", audience, answers{500, soon, `{"code":500,"message":"token invalid"}`, nil, nil},
			"500 token invalid; relay's clock is 1m3s ahead of ours: set both by NTP, or STATUS_SECRET_RELAY is not the secret that relay was started with"},
		{"clock behind", audience, answers{500, late, `{"code":500,"message":"token invalid"}`, nil, nil},
			"500 token invalid; relay's clock is 1m30s behind ours: set both by NTP, or STATUS_SECRET_RELAY is not the secret that relay was started with"},
		{"wrong audience", "http://other/lab", answers{500, fine, `{"code":500,"message":"aud [http://other/lab] does not match this host http://127.0.0.1:18880/lab/access"}`, nil, nil},
			`500 aud [http://other/lab] does not match this host http://127.0.0.1:18880/lab/access; its audience is http://127.0.0.1:18880/lab/access: ` +
				`set STATUS_HOST_RELAY="127.0.0.1:18880" STATUS_BASEPATH_RELAY="/lab/access"`},
		{"wrong scheme", "https://127.0.0.1:18880/lab/access", answers{500, fine, `{"code":500,"message":"aud [https://127.0.0.1:18880/lab/access] does not match this host http://127.0.0.1:18880/lab/access"}`, nil, nil},
			`500 aud [https://127.0.0.1:18880/lab/access] does not match this host http://127.0.0.1:18880/lab/access; its audience is http://127.0.0.1:18880/lab/access: set STATUS_SCHEME_RELAY="http"`},
		{"a slash at the end of ours", audience + "/", answers{500, fine, `{"code":500,"message":"aud [http://127.0.0.1:18880/lab/access/] does not match this host http://127.0.0.1:18880/lab/access"}`, nil, nil},
			`500 aud [http://127.0.0.1:18880/lab/access/] does not match this host http://127.0.0.1:18880/lab/access; its audience is http://127.0.0.1:18880/lab/access: set STATUS_BASEPATH_RELAY="/lab/access"`},
		{"a slash at the end of theirs", audience, answers{500, fine, `{"code":500,"message":"aud [` + audience + `] does not match this host ` + audience + `/"}`, nil, nil},
			`500 aud [` + audience + `] does not match this host ` + audience + `/; the audience that relay was started with is spelt otherwise than can be set here: take the slash off its end there`},
		{"their audience is no URL", audience, answers{500, fine, `{"code":500,"message":"aud [` + audience + `] does not match this host relay"}`, nil, nil},
			`500 aud [` + audience + `] does not match this host relay; STATUS_SCHEME_RELAY, STATUS_HOST_RELAY and STATUS_BASEPATH_RELAY together must spell the audience that relay was started with`},
		{"no Authorization", audience, answers{401, fine, `{"code":401,"message":"unauthenticated for invalid credentials"}`, nil, nil},
			"401 unauthenticated for invalid credentials; the token did not arrive: does a proxy in between drop the Authorization header?"},
		{"wrong topic, a JSON string", audience, answers{401, fine, `"Token Wrong Topic"`, nil, nil},
			"401 Token Wrong Topic; the token is signed right but not for this feed: check STATUS_HOST_RELAY and STATUS_BASEPATH_RELAY"},
		{"no body", audience, answers{401, fine, ``, nil, nil},
			"401 Unauthorized; the token is signed right but not for this feed: check STATUS_HOST_RELAY and STATUS_BASEPATH_RELAY"},
		{"denied, code a string", audience, answers{400, fine, `{"code":"400","message":"bookingID not allowed"}`, nil, nil},
			"400 bookingID not allowed; relay does not listen at that path: check STATUS_BASEPATH_RELAY"},
		{"wrong path", audience, answers{404, fine, `{"code":404,"message":"path /api/v1/session/stats was not found"}`, nil, nil},
			"404 path /api/v1/session/stats was not found; relay does not listen at that path: check STATUS_BASEPATH_RELAY"},
		{"wrong method", audience, answers{405, fine, `{"code":405,"message":"method GET is not allowed, but [POST] are"}`, nil, nil},
			"405 method GET is not allowed, but [POST] are; relay does not listen at that path: check STATUS_BASEPATH_RELAY"},
		{"wrong type", audience, answers{415, fine, `{"code":415,"message":"unsupported media type \"text/plain\", only [application/json] are allowed"}`, nil, nil},
			`415 unsupported media type "text/plain", only [application/json] are allowed`},
		{"proxy", audience, answers{502, fine, html, nil, nil},
			"502 Bad Gateway; the proxy in front answers but relay behind it does not: is relay running?"},
		{"to https", audience, answers{status: 301, body: `<html><title>301 Moved Permanently</title></html>`, location: []string{"https://lab.example/lab/access/session/stats?x=1"}},
			"301 Moved Permanently; it points to https://lab.example/lab/access/session/stats: STATUS_SCHEME_RELAY should be https"},
		{"elsewhere", audience, answers{status: 302, body: ``, location: []string{"http://lab.example/login"}},
			"302 Found; it points to http://lab.example/login: check STATUS_HOST_RELAY and STATUS_BASEPATH_RELAY"},
		{"forbidden", audience, answers{403, fine, `<html>no</html>`, nil, nil},
			"403 Forbidden; something in front of relay refuses us: check STATUS_HOST_RELAY and STATUS_BASEPATH_RELAY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, _, err := ask(&c.answer, c.aud)
				e, ok := errors.AsType[*stats.AccessError](err)
				if !ok || e.Status != c.answer.status {
					t.Fatalf("%v", err)
				}
				if want := "relay refuses access at " + strings.TrimSuffix(c.aud, "/") + "/session/stats: " + c.want; err.Error() != want {
					t.Errorf("got  %s\nwant %s", err, want)
				}
			})
		})
	}
}

func TestSomethingElseAnswers(t *testing.T) {
	for _, body := range []string{``, `<html>hello</html>`, `{}`, `{"uri":"http://a/b"}`, `{"uri":"ws:///b"}`, `{"uri":7}`, `{"uri":"ws://a b"}`} {
		_, _, err := ask(&answers{status: 200, body: body}, audience)
		if err == nil || !strings.Contains(err.Error(), "something else than relay listens there") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// Neither the secret nor a token is shown, even where the other side repeats it.
type echo struct{}

func (echo) RoundTrip(r *http.Request) (*http.Response, error) {
	body := "you sent " + r.Header.Get("Authorization")
	return &http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestNoSecretIsShown(t *testing.T) {
	c := service(audience)
	c.Audience, c.Secret, c.HTTP = audience, secret, &http.Client{Transport: echo{}}
	s := stats.NewService(c)
	_, _, err := s.Access(t.Context())
	if err == nil || !strings.Contains(err.Error(), "you sent") {
		t.Fatal(err)
	}
	var out strings.Builder
	log := logrus.New()
	log.SetOutput(&out)
	log.WithField("service", s).WithError(err).Errorf("%v %+v %#v", s, s, s)
	if strings.Contains(out.String(), "eyJ") || strings.Contains(out.String(), secret) {
		t.Errorf("shown: %s", out.String())
	}
}
