package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
)

// recorded are the changes of observers that were made.
type recorded struct{ told []string }

func (r *recorded) into(o *Options) {
	recordObservers(o, func(what string) { r.told = append(r.told, what) })
}

// Only an administrator changes observers, and nobody without a secret on the server.
func TestWhoMayChangeObservers(t *testing.T) {
	t.Parallel()
	var r recorded
	open, guarded := newHandler(t, r.into), newAdminHandler(t, r.into)
	for _, c := range []struct {
		what    string
		secret  bool
		headers []string
		status  int
		says    string
	}{
		{"an administrator may", true, []string{"Authorization", "Bearer " + mint(t, ScopeAdmin)}, 0, ""},
		{"a reader may not", true, []string{"Authorization", "Bearer " + mint(t, ScopeRead)}, 403, "status:admin"},
		{"nobody may without a token", true, nil, 401, "token is needed"},
		{"another site may not", true, []string{"Authorization", "Bearer " + mint(t, ScopeAdmin), "Origin", "https://evil.example"}, 403, "another site"},
		{"nobody may where there is no secret", false, []string{"Authorization", "Bearer " + mint(t, ScopeAdmin)}, 403, "STATUS_SECRET_STATUS"},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := open
			if c.secret {
				h = guarded
			}
			for _, change := range observerChanges {
				r.told = nil
				w := send(t, h, change.method, basePath+change.path, change.body, c.headers...)
				if c.status == 0 {
					if w.Code >= 300 || len(r.told) != 1 || !strings.HasPrefix(r.told[0], "tester ") {
						t.Errorf("%s %s: %d %s, made: %q", change.method, change.path, w.Code, w.Body, r.told)
					}
					continue
				}
				if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || len(r.told) > 0 {
					t.Errorf("%s %s: %d, want %d: %s, made: %q", change.method, change.path, w.Code, c.status, w.Body, r.told)
				}
			}
		})
	}
}

// No token is ever answered, and addresses whole only to administrators.
func TestObserversKeepTheirSecrets(t *testing.T) {
	t.Parallel()
	h := newAdminHandler(t)
	for _, target := range []string{"/observers", "/observers/collector"} {
		public := get(t, h, basePath+target)
		whole := get(t, h, basePath+target, "Authorization", "Bearer "+mint(t, ScopeAdmin))
		for _, w := range []*httptest.ResponseRecorder{public, whole} {
			if strings.Contains(w.Body.String(), "s3cret-token") || !strings.Contains(w.Body.String(), `"token":"***"`) {
				t.Errorf("%s: %s", target, w.Body)
			}
			if !slices.Contains(w.Header().Values("Vary"), "Authorization") {
				t.Errorf("%s: caches aren't told that it depends on who asks", target)
			}
		}
		if strings.Contains(public.Body.String(), "s3cret") || !strings.Contains(public.Body.String(), `"address":"https://collector.example:8443"`) || strings.Contains(public.Body.String(), `"whole":true`) {
			t.Errorf("%s for everybody: %s", target, public.Body)
		}
		if !strings.Contains(whole.Body.String(), secretPath) || strings.Contains(whole.Body.String(), `"whole":false`) {
			t.Errorf("%s for an administrator: %s", target, whole.Body)
		}
		if w := get(t, h, basePath+target, "If-None-Match", public.Header().Get("ETag")); w.Code != 304 {
			t.Errorf("%s again: %d", target, w.Code)
		}
		if w := get(t, h, basePath+target, "If-None-Match", whole.Header().Get("ETag")); w.Code != 200 {
			t.Errorf("%s: whoever may not see the address is told that it is as the administrator's", target)
		}
	}
	if body := get(t, h, basePath+"/observers/new-one").Body.String(); strings.Contains(body, "token") {
		t.Errorf("a token is told where there is none: %s", body)
	}
}

// Who may only read asks as often as they like: nothing is held against them, nor
// against others at their address.
func TestReadersAreNoGuessers(t *testing.T) {
	t.Parallel()
	log, hook := test.NewNullLogger()
	auth, err := NewAuth(testSecret, testAudience, log)
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, func(o *Options) { o.AdminAuth = auth })
	reader := "Bearer " + mint(t, ScopeRead)
	for range 100 {
		if w := get(t, h, basePath+"/observers", "Authorization", reader); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if lines := hook.AllEntries(); len(lines) > 0 || auth.Refused() > 0 {
		t.Errorf("%d lines in the log, %d refused", len(lines), auth.Refused())
	}
	if w := send(t, h, "DELETE", basePath+"/observers/collector", "", "Authorization", "Bearer guess"); w.Code != 401 {
		t.Errorf("a wrong token after that: %d %s", w.Code, w.Body)
	}
	for range wrongTokens { // guesses count here, too
		get(t, h, basePath+"/observers", "Authorization", "Bearer guess")
	}
	if w := send(t, h, "DELETE", basePath+"/observers/collector", "", "Authorization", "Bearer guess"); w.Code != 429 {
		t.Errorf("after %d guesses: %d %s", wrongTokens, w.Code, w.Body)
	}
}

// On a server that is closed to strangers, these calls are.
func TestObserversOfClosedServers(t *testing.T) {
	t.Parallel()
	log, _ := test.NewNullLogger()
	auth, err := NewAuth(testSecret, testAudience, log)
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, func(o *Options) { o.ReadAuth = auth })
	for _, target := range []string{"/observers", "/observers/collector", "/observed"} {
		if w := get(t, h, basePath+target); w.Code != 401 || strings.Contains(w.Body.String(), "leeds") {
			t.Errorf("%s without a token: %d %s", target, w.Code, w.Body)
		}
		if w := get(t, h, basePath+target, "Authorization", "Bearer "+mint(t, ScopeRead)); w.Code != 200 {
			t.Errorf("%s with one: %d %s", target, w.Code, w.Body)
		}
	}
}

// What is asked for is handed on as it was written; the name comes from the path.
func TestObserversAreHandedOn(t *testing.T) {
	t.Parallel()
	const tls = `"tls":{"server_name":"s","insecure":true,"ca":"-----BEGIN\r\nCERTIFICATE-----"}`
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/observers", `{"name":"x","type":"grpc","address":" h:1","token":"t","timeout":"1s","period":"2s","reset_traffic":true}`,
			"tester adds {Name:x Type:grpc Address: h:1 Token:t TLS:<nil> Timeout:1s Period:2s ResetTraffic:true}"},
		{"POST", "/observers", `{"name":"x","address":"h:1"}`, "tester adds {Name:x Type: Address:h:1 Token: TLS:<nil> Timeout: Period: ResetTraffic:false}"},
		{"PUT", "/observers/collector", `{"address":"https://collector.example:8443/other","token":"***"}`,
			"tester changes collector {Name:collector Type: Address:https://collector.example:8443/other Token:*** TLS:<nil> Timeout: Period: ResetTraffic:false}"},
		{"PUT", "/observers/new-one", `{"name":"new-one","address":"h:2","token":"***"}`,
			"tester changes new-one {Name:new-one Type: Address:h:2 Token:*** TLS:<nil> Timeout: Period: ResetTraffic:false}"},
		{"DELETE", "/observers/collector", "", "tester removes collector"},
	} {
		var r recorded
		w := send(t, newAdminHandler(t, r.into), c.method, basePath+c.path, c.body, "Authorization", "Bearer "+mint(t, ScopeAdmin))
		if w.Code >= 300 || len(r.told) != 1 || strings.TrimSpace(r.told[0]) != c.want {
			t.Errorf("%s %s: %d %s\nmade %q, want %q", c.method, c.path, w.Code, w.Body, r.told, c.want)
		}
	}
	var spec ObserverSpec
	h := newAdminHandler(t, func(o *Options) {
		o.AddObserver = func(_ context.Context, _ string, s ObserverSpec) error { spec = s; return nil }
	})
	send(t, h, "POST", basePath+"/observers", `{"name":"x","address":"h:1",`+tls+`}`, "Authorization", "Bearer "+mint(t, ScopeAdmin))
	if spec.TLS == nil || *spec.TLS != (ObserverTLS{ServerName: "s", Insecure: true, CA: "-----BEGIN\r\nCERTIFICATE-----"}) {
		t.Errorf("TLS is handed on as %+v", spec.TLS)
	}
	send(t, h, "POST", basePath+"/observers", `{"name":"x","address":"h:1","tls":{}}`, "Authorization", "Bearer "+mint(t, ScopeAdmin))
	if spec.TLS == nil {
		t.Error("empty TLS, which encrypts gRPC, is lost")
	}
	// As the file of STATUS_OBSERVERS has it.
	if written, err := json.Marshal(spec); err != nil || string(written) != `{"name":"x","address":"h:1","tls":{}}` {
		t.Errorf("written as %s: %v", written, err)
	}
}

// What an administrator got can be sent back as it is.
func TestObserverCanBeSentBack(t *testing.T) {
	t.Parallel()
	var r recorded
	h := newAdminHandler(t, r.into)
	admin := []string{"Authorization", "Bearer " + mint(t, ScopeAdmin)}
	for _, name := range []string{"collector", "new-one"} {
		var got struct{ Spec json.RawMessage }
		if err := json.Unmarshal(get(t, h, basePath+"/observers/"+name, admin...).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if w := send(t, h, "PUT", basePath+"/observers/"+name, string(got.Spec), admin...); w.Code != 200 || !strings.Contains(w.Body.String(), string(got.Spec)) {
			t.Errorf("%s: %d %s, sent %s", name, w.Code, w.Body, got.Spec)
		}
	}
	if len(r.told) != 2 || !strings.Contains(r.told[0], "Token:*** TLS:0x") {
		t.Errorf("made %q", r.told)
	}
}

// What can't be done is refused, naming the field, and nothing is changed.
func TestBadObservers(t *testing.T) {
	t.Parallel()
	var r recorded
	h := newAdminHandler(t, r.into)
	const post, collector = "/observers", "/observers/collector"
	long := strings.Repeat("x", 4097)
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", post, ``, 422, "body in body is required"},
		{"POST", post, `[]`, 422, "must be an object"},
		{"POST", post, `{"name":"x"}`, 422, "address in body is required"},
		{"POST", post, `{"address":"h:1"}`, 422, "name in body is required"},
		{"POST", post, `{"name":"","address":"h:1"}`, 422, "name in body is required"},
		{"POST", post, `{"name":"-x","address":"h:1"}`, 422, "name in body should match"},
		{"POST", post, `{"name":"x y","address":"h:1"}`, 422, "name in body should match"},
		{"POST", post, `{"name":"<b>","address":"h:1"}`, 422, "name in body should match"},
		{"POST", post, `{"name":"x\n","address":"h:1"}`, 422, "name in body should match"},
		{"POST", post, `{"name":"` + strings.Repeat("x", 64) + `","address":"h:1"}`, 422, "name in body"},
		{"POST", post, `{"name":"x","address":""}`, 422, "address in body"},
		{"POST", post, `{"name":"x","address":" "}`, 422, "address in body is blank"},
		{"POST", post, `{"name":"x","address":"h:1\u0000"}`, 422, "address in body has control"},
		{"POST", post, `{"name":"x","address":"` + strings.Repeat("x", 2001) + `"}`, 422, "address in body"},
		{"POST", post, `{"name":"x","address":"h:1","type":"smtp"}`, 422, "type in body"},
		{"POST", post, `{"name":"x","address":"h:1","type":7}`, 422, "type in body can't be a number"},
		{"POST", post, `{"name":"x","address":"h:1","token":"***"}`, 422, "token in body: *** stands for"},
		{"POST", post, `{"name":"x","address":"h:1","token":"a\u0007"}`, 422, "token in body has control"},
		{"POST", post, `{"name":"x","address":"h:1","token":"` + long + `"}`, 422, "token in body"},
		{"POST", post, `{"name":"x","address":"h:1","timeout":5}`, 422, "timeout in body can't be a number"},
		{"POST", post, `{"name":"x","address":"h:1","period":"` + long[:33] + `"}`, 422, "period in body"},
		{"POST", post, `{"name":"x","address":"h:1","tls":true}`, 422, "tls in body can't be a bool"},
		{"POST", post, `{"name":"x","address":"h:1","tls":{"server_name":"` + long[:254] + `"}}`, 422, "tls.server_name in body"},
		{"POST", post, `{"name":"x","address":"h:1","tls":{"server_name":"a\u0000"}}`, 422, "tls.server_name in body has control"},
		{"POST", post, `{"name":"x","address":"h:1","tls":{"secure":true}}`, 422, "secure"},
		{"POST", post, `{"name":"x","address":"h:1","fixed":true}`, 422, "fixed"},
		{"POST", post, `{"name":"x","address":"h:1","tls":{"ca":"` + strings.Repeat("x", 48001) + `"}}`, 422, "tls.ca in body"},
		{"POST", post, `{"name":"x","address":"h:1","tls":{"ca":"` + strings.Repeat("x", maxRequestBody) + `"}}`, 413, "65536 bytes"},
		{"POST", post, `{"name":"grafana","address":"h:1"}`, 409, "of that name already"},
		{"PUT", "/observers/nobody", `{"address":"h:1"}`, 404, `there is no observer \"nobody\"`},
		{"PUT", "/observers/" + strings.Repeat("x", 64), `{"address":"h:1"}`, 422, "name in path"},
		{"PUT", "/observers/%3Cb%3E", `{"address":"h:1"}`, 404, `there is no observer`},
		{"PUT", collector, `{}`, 422, "address in body is required"},
		{"PUT", collector, `{"name":"other","address":"h:1"}`, 422, "name in body: an observer keeps its name"},
		{"PUT", collector, `{"address":"https://evil.example/observer","token":"***"}`, 422, "token in body: the one that is set is for https://collector.example:8443"},
		{"PUT", collector, `{"address":"http://collector.example:8443/","token":"***"}`, 422, "token in body"},
		{"PUT", "/observers/grafana", `{"address":"h:1"}`, 409, "set in the file"},
		{"DELETE", "/observers/grafana", "", 409, "set in the file"},
		{"DELETE", "/observers/nobody", "", 404, "there is no observer"},
		{"PATCH", collector, `{}`, 405, "PATCH"},
	} {
		t.Run(clip(c.method+" "+c.path+" "+c.body, 80), func(t *testing.T) {
			r.told = nil
			w := send(t, h, c.method, basePath+c.path, c.body, "Authorization", "Bearer "+mint(t, ScopeAdmin))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || len(r.told) > 0 {
				t.Errorf("%d, want %d that says %q: %s; made %q", w.Code, c.status, c.says, w.Body, r.told)
			}
		})
	}
	if w := send(t, newAdminHandler(t, notObserving), "POST", basePath+post, `{"name":"x","address":"h:1"}`, "Authorization", "Bearer "+mint(t, ScopeAdmin)); w.Code != 409 ||
		!strings.Contains(w.Body.String(), "tells no observers") {
		t.Errorf("where nobody is told: %d %s", w.Code, w.Body)
	}
}

// Refusals reach who asked, with the field; each change is one line in the log that
// says who, and holds nothing secret.
func TestWhatChangesOfObserversMeet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		err    error
		status int
		says   string
		level  logrus.Level
	}{
		{"it is done", nil, 0, "", logrus.InfoLevel},
		{"a field is wrong", fmt.Errorf("add: %w", &ActError{Status: 422, Field: "tls.ca", Message: "certificates in PEM form"}), 422,
			"tls.ca in body: certificates in PEM form", logrus.InfoLevel},
		{"there are too many", &ActError{Status: 409, Message: "there are 32 observers already"}, 409, "there are 32", logrus.InfoLevel},
		{"it can't be kept", errors.New("keep: disk is full at /secret/path"), 503, "try again", logrus.ErrorLevel},
	} {
		t.Run(c.what, func(t *testing.T) {
			log, hook := test.NewNullLogger()
			h := newAdminHandler(t, func(o *Options) {
				o.Log = log
				if c.err != nil {
					o.AddObserver = func(context.Context, string, ObserverSpec) error { return c.err }
					o.ChangeObserver = func(context.Context, string, string, ObserverSpec) error { return c.err }
					o.RemoveObserver = func(context.Context, string, string) error { return c.err }
				}
			})
			for _, change := range observerChanges {
				hook.Reset()
				w := send(t, h, change.method, basePath+change.path, change.body, "Authorization", "Bearer "+mint(t, ScopeAdmin))
				if c.status == 0 && w.Code >= 300 || c.status != 0 && w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || strings.Contains(w.Body.String(), "secret") {
					t.Errorf("%s %s: %d %s", change.method, change.path, w.Code, w.Body)
				}
				if len(hook.AllEntries()) != 1 {
					t.Fatalf("%d lines in the log", len(hook.AllEntries()))
				}
				entry := hook.LastEntry()
				if entry.Level != c.level || entry.Data["by"] != "tester" || entry.Data["observer"] == nil || !strings.HasSuffix(fmt.Sprint(entry.Data["act"]), "_observer") {
					t.Errorf("logged %v %v", entry.Level, entry.Data)
				}
				if line, err := entry.String(); err != nil || strings.Contains(line, "t0ken") {
					t.Errorf("logged %q: %v", line, err)
				}
			}
		})
	}
}

// A change that has begun is carried through though whoever asked for it hangs up.
func TestObserversAreNotLeftHalfChanged(t *testing.T) {
	t.Parallel()
	look := func(ctx context.Context) error {
		if deadline, ok := ctx.Deadline(); ctx.Err() != nil || !ok || time.Until(deadline) > answerWithin {
			return fmt.Errorf("ended: %v, until %v", ctx.Err(), deadline)
		}
		return nil
	}
	h := newAdminHandler(t, func(o *Options) {
		o.AddObserver = func(ctx context.Context, _ string, _ ObserverSpec) error { return look(ctx) }
		o.ChangeObserver = func(ctx context.Context, _, _ string, _ ObserverSpec) error { return look(ctx) }
		o.RemoveObserver = func(ctx context.Context, _, _ string) error { return look(ctx) }
	})
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	for _, c := range observerChanges {
		r := httptest.NewRequestWithContext(gone, c.method, basePath+c.path, strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer "+mint(t, ScopeAdmin))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
}

// Whoever sets one of the functions sets them all.
func TestObserverOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := New(Options{Observers: func() []ObserverInfo { return nil }})
	for _, field := range []string{"AddObserver", "ChangeObserver", "RemoveObserver"} {
		if err == nil || !strings.Contains(err.Error(), "Options."+field) {
			t.Errorf("%v doesn't name %s", err, field)
		}
	}
	if _, err := New(Options{}); strings.Contains(err.Error(), "Observer") {
		t.Errorf("observers are asked for: %v", err)
	}
}
