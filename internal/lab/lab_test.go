package lab

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// captured are the experiments of the laboratory the captures were taken in.
func captured() []Experiment {
	data := StreamSpec{Name: "st-data", Size: 41}
	video := StreamSpec{Name: "st-video", Size: 2000}
	var all []Experiment
	for _, stub := range []string{"pend01", "pvna05", "spin30", "truss07"} {
		all = append(all, Experiment{Stub: stub, Streams: []StreamSpec{data, video}})
	}
	return append(all, Experiment{Stub: "pend00", Streams: []StreamSpec{data}},
		Experiment{Stub: "test06", Streams: []StreamSpec{video}})
}

// bench is a lab running on a network in a bubble.
type bench struct {
	*testing.T
	*Lab
	net  *Network
	http *http.Client
}

// inBubble runs f beside a lab. That the bubble ends shows that Run joins
// every goroutine.
func inBubble(t *testing.T, opt Options, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opt.Network = NewNetwork()
		l, err := New(opt)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		<-l.Ready()
		transport := &http.Transport{DialContext: opt.Network.DialContext, DisableKeepAlives: true}
		b := &bench{T: t, Lab: l, net: opt.Network, http: &http.Client{Transport: transport}}
		f(b)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		transport.CloseIdleConnections()
	})
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// sign makes a token; claims overrides the usual ones, a nil takes one away.
func sign(alg, secret string, claims map[string]any) string {
	enc := base64.RawURLEncoding
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return enc.EncodeToString(raw)
	}
	text := part(map[string]string{"alg": alg, "typ": "JWT"}) + "." + part(claims)
	hash := sha256.New
	if alg == "HS512" {
		hash = sha512.New
	}
	mac := hmac.New(hash, []byte(secret))
	mac.Write([]byte(text))
	if alg == "none" {
		return text + "."
	}
	return text + "." + enc.EncodeToString(mac.Sum(nil))
}

// usual are the claims of a good token.
func (b *bench) usual(service string, over map[string]any) map[string]any {
	now := time.Now().Unix()
	c := map[string]any{"aud": []string{b.Audience(service)}, "iat": now, "nbf": now, "exp": now + 3600}
	switch service {
	case Relay:
		maps.Copy(c, map[string]any{"booking_id": "status-server", "prefix": "session", "scopes": []string{"read"}, "topic": "stats"})
	case Jump:
		maps.Copy(c, map[string]any{"prefix": "connect", "scopes": []string{"stats"}, "topic": "stats"})
	case Book:
		maps.Copy(c, map[string]any{"scopes": []string{"booking:admin"}, "sub": "status-server"})
	}
	maps.Copy(c, over)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func (b *bench) token(service string, over map[string]any) string {
	return sign("HS256", b.Env()["STATUS_SECRET_"+strings.ToUpper(service)], b.usual(service, over))
}

// ask makes a request; a dropped connection is status 0.
func (b *bench) ask(method, url, token, kind, body string) (int, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, url, strings.NewReader(body))
	b.must(err)
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	res, err := b.http.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.must(err)
	return res.StatusCode, string(text)
}

func (b *bench) accessURL(service string) string {
	if service == Jump {
		return b.Audience(Jump) + "/api/v1/connect/stats"
	}
	return b.Audience(Relay) + "/session/stats"
}

// uri asks for access and returns the websocket's address.
func (b *bench) uri(service string, over map[string]any) string {
	b.Helper()
	status, body := b.ask("POST", b.accessURL(service), b.token(service, over), "", "")
	var answer struct{ URI string }
	if status != 200 || json.Unmarshal([]byte(body), &answer) != nil {
		b.Fatalf("access to %s: %d %s", service, status, body)
	}
	return answer.URI
}

func (b *bench) dial(uri string) *websocket.Conn {
	b.Helper()
	d := websocket.Dialer{NetDialContext: b.net.DialContext}
	ws, res, err := d.DialContext(b.Context(), uri, http.Header{"User-Agent": {"labtool"}})
	if err != nil {
		b.Fatal(err)
	}
	b.must(res.Body.Close())
	return ws
}

func (b *bench) subscribe(service string) *websocket.Conn {
	b.Helper()
	return b.dial(b.uri(service, nil))
}

// message reads one within the time given; "" when there is none.
func (b *bench) message(ws *websocket.Conn, within time.Duration) string {
	b.Helper()
	b.must(ws.SetReadDeadline(time.Now().Add(within)))
	_, text, err := ws.ReadMessage()
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		return ""
	}
	b.must(err)
	return string(text)
}

type record map[string]any

// frame reads one message and returns its records by topic.
func (b *bench) frame(ws *websocket.Conn) map[string][]record {
	b.Helper()
	return records(b.T, b.message(ws, time.Hour))
}

func records(t *testing.T, text string) map[string][]record {
	t.Helper()
	var all []record
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := d.Decode(&all); err != nil {
		t.Fatalf("frame %.200q: %v", text, err)
	}
	by := map[string][]record{}
	for _, r := range all {
		topic, _ := r["topic"].(string)
		by[topic] = append(by[topic], r)
	}
	return by
}

// last is tx.last of a relay record.
func (r record) last() string {
	stats, _ := r["stats"].(map[string]any)
	tx, _ := stats["tx"].(map[string]any)
	last, _ := tx["last"].(string)
	return last
}
