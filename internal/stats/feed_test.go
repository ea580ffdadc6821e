package stats

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

// https and wss, on loopback, and what is said where http and https are mixed up
// or the certificate is nobody's.
func TestTLS(t *testing.T) {
	t.Parallel()
	var host string
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			fmt.Fprintf(w, `{"uri":"wss://%s/feed?code=very-secret"}`, host)
			return
		}
		up := websocket.Upgrader{}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_, _, err = ws.ReadMessage()
		if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Error(err)
		}
		_ = ws.Close()
	}
	safe := httptest.NewUnstartedServer(http.HandlerFunc(serve))
	quiet, _ := logtest.NewNullLogger()
	out := quiet.Writer()
	defer out.Close()
	safe.Config.ErrorLog = stdlog.New(out, "", 0)
	safe.StartTLS()
	defer safe.Close()
	host = strings.TrimPrefix(safe.URL, "https://")
	plain := httptest.NewServer(http.HandlerFunc(serve))
	defer plain.Close()
	pool := x509.NewCertPool()
	pool.AddCert(safe.Certificate())

	for _, c := range []struct {
		name, audience string
		trust          *x509.CertPool
		want           string // empty: no error
	}{
		{"well", safe.URL, pool, ""},
		{"unknown certificate", safe.URL, x509.NewCertPool(), "certificate"},
		{"http in place of https", "http://" + host, pool, "STATUS_SCHEME_RELAY should be https"},
		{"https in place of http", strings.Replace(plain.URL, "http:", "https:", 1), pool, "STATUS_SCHEME_RELAY should be http"},
		{"unknown certificate of the feed", plain.URL, x509.NewCertPool(), "open relay's feed at wss://" + host + "/feed: "},
		{"no address", "http://[::1/", pool, "makes no sense"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New(Options{
				Audience: c.audience, Secret: "s", Life: time.Hour, TLS: &tls.Config{RootCAs: c.trust}, Log: quiet,
			}, ServiceConfig{Name: health.Relay, URL: c.audience + "/session/stats"})
			err := s.Check(t.Context())
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "very-secret")):
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}
