package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
)

// newAdminHandler serves the fixture on a server on which something can be changed.
func newAdminHandler(t testing.TB, change ...func(*Options)) http.Handler {
	t.Helper()
	log, _ := test.NewNullLogger()
	auth, err := NewAuth(testSecret, testAudience, log)
	if err != nil {
		t.Fatal(err)
	}
	return newHandler(t, append([]func(*Options){func(o *Options) { o.AdminAuth = auth }}, change...)...)
}

// changes are all calls that change something, each with a body that would do.
func changes() []struct{ method, path, body string } {
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	window := `{"names":["pend00"],"reason":"motor","from":"` + yesterday() + `","until":"` + later + `"}`
	return []struct{ method, path, body string }{
		{"PUT", "/experiments/pend00/silence", `{"until":"` + later + `","reason":"rewiring"}`},
		{"DELETE", "/experiments/pend02/silence", ""},
		{"PUT", "/experiments/pend01/ack", `{}`},
		{"DELETE", "/experiments/pend01/ack", ""},
		{"PUT", "/experiments/pend00/hold", `{"reason":"belt"}`},
		{"DELETE", "/experiments/pend02/hold", ""},
		{"POST", "/maintenance", window},
		{"PUT", "/maintenance/aaaa", window},
		{"DELETE", "/maintenance/aaaa", ""},
		{"POST", "/mail/test", ""},
	}
}

func yesterday() string { return time.Now().AddDate(0, 0, -1).UTC().Format(time.RFC3339) }

// done records what the API has had done.
type done struct {
	acts  []health.Act
	holds []string
	tests []string
}

func (d *done) into(o *Options) {
	o.Act = func(_ context.Context, a health.Act) error { d.acts = append(d.acts, a); return nil }
	o.Hold = func(_ context.Context, name string, resources []string, by, reason string) error {
		d.holds = append(d.holds, fmt.Sprintf("%s %v %s %q", name, resources, by, reason))
		return nil
	}
	o.TestMail = func(_ context.Context, by string) (string, int, error) {
		d.tests = append(d.tests, by)
		return "id@lab.example", 3, nil
	}
}

// reset forgets what was done.
func (d *done) reset() { *d = done{} }

func (d *done) nothing() bool { return len(d.acts)+len(d.holds)+len(d.tests) == 0 }

// Only a token that names its owner and carries status:admin changes something.
func TestWhoMayChange(t *testing.T) {
	t.Parallel()
	now := time.Now()
	as := func(subject any, scopes ...string) string {
		c := jwt.MapClaims{"aud": testAudience, "exp": now.Add(time.Hour).Unix(), "scopes": scopes}
		if subject != nil {
			c["sub"] = subject
		}
		return "Bearer " + signed(t, jwt.SigningMethodHS256, []byte(testSecret), c)
	}
	// One handler for all cases: making one takes longer than all that it is asked.
	var d done
	auth := new(Auth)
	h := newAdminHandler(t, d.into, func(o *Options) { o.AdminAuth = auth })
	for _, c := range []struct {
		what, token string
		headers     []string
		status      int
		says        string
	}{
		{"an administrator may", as("anna", ScopeAdmin), nil, 0, ""},
		{"an administrator may from our own page", as("anna", ScopeAdmin), []string{"Origin", "http://example.com", "Sec-Fetch-Site", "same-origin"}, 0, ""},
		{"an administrator may from the page's public address", as("anna", ScopeAdmin), []string{"Origin", "https://lab.example"}, 0, ""},
		{"nobody may without a token", "", nil, 401, "token is needed"},
		{"a reader may not", as("anna", ScopeRead), nil, 403, "status:admin"},
		{"nobody may with a token of another secret", "Bearer " + signed(t, jwt.SigningMethodHS256, []byte("guess"), jwt.MapClaims{"sub": "anna", "aud": testAudience, "scopes": []string{ScopeAdmin}}), nil, 401, "another secret"},
		{"a token without a subject is nobody's", as(nil, ScopeAdmin), nil, 401, "--subject"},
		{"a token with an empty subject is nobody's", as(" ", ScopeAdmin), nil, 401, "--subject"},
		{"a subject has no control characters", as("anna\n", ScopeAdmin), nil, 401, "--subject"},
		{"a subject is no novel", as(strings.Repeat("ö", 201), ScopeAdmin), nil, 401, "--subject"},
		{"another site may not, by its origin", as("anna", ScopeAdmin), []string{"Origin", "https://evil.example"}, 403, "another site"},
		{"another site may not, by the browser's word", as("anna", ScopeAdmin), []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
		{"a neighbour's site may not", as("anna", ScopeAdmin), []string{"Sec-Fetch-Site", "same-site"}, 403, "another site"},
	} {
		t.Run(c.what, func(t *testing.T) {
			renew(t, auth)
			for _, change := range changes() {
				d.reset()
				headers := c.headers
				if c.token != "" {
					headers = append([]string{"Authorization", c.token}, headers...)
				}
				w := send(t, h, change.method, basePath+change.path, change.body, headers...)
				if c.status == 0 {
					if w.Code >= 300 || d.nothing() {
						t.Errorf("%s %s: %d %s", change.method, change.path, w.Code, w.Body)
					}
					continue
				}
				if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
					t.Errorf("%s %s: %d, want %d: %s", change.method, change.path, w.Code, c.status, w.Body)
				}
				if !d.nothing() {
					t.Errorf("%s %s was done all the same", change.method, change.path)
				}
			}
		})
	}
}

// A server without the secret says what would cure it, whoever asks.
func TestNothingCanBeChangedWithoutASecret(t *testing.T) {
	t.Parallel()
	var d done
	h := newHandler(t, d.into)
	for _, change := range changes() {
		w := send(t, h, change.method, basePath+change.path, change.body, "Authorization", "Bearer "+mint(t, ScopeAdmin))
		if w.Code != 403 || !strings.Contains(w.Body.String(), "STATUS_SECRET_STATUS") {
			t.Errorf("%s %s: %d %s", change.method, change.path, w.Code, w.Body)
		}
	}
	if !d.nothing() {
		t.Error("something was done")
	}
	if body := get(t, h, basePath+"/system").Body.String(); !strings.Contains(body, `"can_change":false`) {
		t.Error("the system doesn't say so")
	}
	if body := get(t, newAdminHandler(t), basePath+"/system").Body.String(); !strings.Contains(body, `"can_change":true`) {
		t.Error("a server with a secret doesn't say so")
	}
}

// Who guesses at the calls that change something has to wait, too.
func TestGuessersOfChangesWait(t *testing.T) {
	t.Parallel()
	h := newAdminHandler(t)
	for i := range wrongTokens + 1 {
		w := do(t, h, "POST", basePath+"/mail/test", "Authorization", "Bearer guess")
		if want := map[bool]int{true: 401, false: 429}[i < wrongTokens]; w.Code != want {
			t.Fatalf("guess %d: %d", i, w.Code)
		}
		if w.Code == 429 && w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
}

// Each call hands on what was asked for, by whom, as the engine wants it.
func TestActsAreHandedOn(t *testing.T) {
	until := time.Now().Add(25 * time.Hour).UTC().Truncate(time.Second)
	begin := until.AddDate(0, 0, -7)
	var d done
	h := newAdminHandler(t, d.into)
	for _, c := range []struct {
		method, path, body string
		want               health.Act // but for At
	}{
		{"PUT", "/experiments/pend00/silence", `{"until":"` + until.In(time.FixedZone("", 3600)).Format(time.RFC3339) + `","reason":" rewiring\nall of it "}`,
			health.Act{Kind: health.ActSilence, Experiment: "pend00", Until: until, Text: " rewiring\nall of it "}},
		{"DELETE", "/experiments/pend02/silence", "", health.Act{Kind: health.ActUnsilence, Experiment: "pend02"}},
		{"PUT", "/experiments/pend01/ack", `{"note":"on <my> way"}`, health.Act{Kind: health.ActAck, Experiment: "pend01", Text: "on <my> way"}},
		{"PUT", "/experiments/zeta/ack", `{}`, health.Act{Kind: health.ActAck, Experiment: "zeta"}},
		{"DELETE", "/experiments/pend01/ack", "", health.Act{Kind: health.ActUnack, Experiment: "pend01"}},
		{"PUT", "/maintenance/bbbb", `{"names":["a*"],"reason":"r","from":"` + begin.In(time.FixedZone("", 3600)).Format(time.RFC3339) + `","until":"` + until.Format(time.RFC3339) + `","bookings":"close"}`,
			health.Act{Kind: health.ActSetMaintenance, Text: "r", Window: &health.Window{
				ID: "bbbb", Names: []string{"a*"}, Reason: "r", By: "tester", Bookings: health.BookingsClose,
				From: begin, Until: until}}},
		{"PUT", "/maintenance/aaaa", `{"names":["a","b"],"reason":"r","from":"2025-01-01T00:00:00Z","weekly":{"days":["sun"],"start":"23:00","end":"01:00","zone":"Europe/London"}}`,
			health.Act{Kind: health.ActSetMaintenance, Text: "r", Window: &health.Window{
				ID: "aaaa", Names: []string{"a", "b"}, Reason: "r", By: "tester", Bookings: health.BookingsDecide,
				From: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), Weekly: &health.Weekly{Days: []string{"sun"}, Start: "23:00", End: "01:00", Zone: "Europe/London"}}}},
		{"DELETE", "/maintenance/bbbb", "", health.Act{Kind: health.ActRemoveMaintenance, Text: "new motor", Window: &labWindows()[1]}},
	} {
		d.reset()
		w := send(t, h, c.method, basePath+c.path, c.body, "Authorization", "Bearer "+mint(t, ScopeAdmin))
		if w.Code >= 300 || len(d.acts) != 1 {
			t.Errorf("%s %s: %d %s, %d acts", c.method, c.path, w.Code, w.Body, len(d.acts))
			continue
		}
		got := d.acts[0]
		if age := time.Since(got.At); age < 0 || age > time.Minute {
			t.Errorf("%s %s: at %v", c.method, c.path, got.At)
		}
		got.At, c.want.By = time.Time{}, "tester"
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s:\n%+v, want\n%+v", c.method, c.path, got, c.want)
		}
	}
}

// A new window gets an id of its own.
func TestNewWindowsHaveIDs(t *testing.T) {
	t.Parallel()
	var d done
	h := newAdminHandler(t, d.into)
	body := changes()[6].body
	for range 3 {
		w := send(t, h, "POST", basePath+"/maintenance", body, "Authorization", "Bearer "+mint(t, ScopeAdmin))
		id := d.acts[len(d.acts)-1].Window.ID
		if w.Code != 201 || len(id) != 8 || !strings.Contains(w.Body.String(), `"id":"`+id+`"`) {
			t.Fatalf("%d %s, id %q", w.Code, w.Body, id)
		}
	}
	if d.acts[0].Window.ID == d.acts[1].Window.ID {
		t.Error("two windows have one id")
	}
}

// A hold is of all the experiment's resources, or of those that are named; a release
// is of those that are held.
func TestHoldsAreHandedOn(t *testing.T) {
	t.Parallel()
	two := func(o *Options) {
		r := healthyReport("both")
		r.Resources = append(r.Resources, r.Resources[0])
		r.Resources[0].Name, r.Resources[1].Name = "r-a", "r-b"
		r.Resources[1].Held = true
		o.Snapshot = func() *health.Snapshot { return &health.Snapshot{Experiments: []*health.Report{r}} }
	}
	var d done
	h := newAdminHandler(t, two, d.into)
	for _, c := range []struct{ method, query, body, want string }{
		{"PUT", "", `{"reason":"belt"}`, `both [r-a r-b] tester "belt"`},
		{"PUT", "", `{"reason":"belt","resources":[]}`, `both [r-a r-b] tester "belt"`},
		{"PUT", "", `{"reason":"belt","resources":["r-b","r-a","r-b"]}`, `both [r-a r-b] tester "belt"`},
		{"PUT", "", `{"reason":"belt","resources":["r-a"]}`, `both [r-a] tester "belt"`},
		{"PUT", "", `{"reason":"belt","resources":["r-c"]}`, `422 resources in body`},
		{"DELETE", "", "", `both [r-b] tester ""`},
		{"DELETE", "?resource=r-b&resource=r-a", "", `both [r-b] tester ""`},
		{"DELETE", "?resource=r-a", "", `409 nothing is held`},
		{"DELETE", "?resource=r-c", "", `422 resource in query`},
	} {
		d.reset()
		w := send(t, h, c.method, basePath+"/experiments/both/hold"+c.query, c.body, "Authorization", "Bearer "+mint(t, ScopeAdmin))
		got := fmt.Sprint(w.Code, " ", w.Body)
		if w.Code == 200 {
			got = strings.Join(d.holds, "\n")
		}
		if status, says, refused := strings.Cut(c.want, " "); refused && len(status) == 3 {
			if !strings.HasPrefix(got, status) || !strings.Contains(got, says) || len(d.holds) > 0 {
				t.Errorf("%s %s %s: %s, want %s", c.method, c.query, c.body, got, c.want)
			}
		} else if got != c.want {
			t.Errorf("%s %s %s: %s, want %s", c.method, c.query, c.body, got, c.want)
		}
	}
}

// What can't be taken is refused with 422 and names the field; nothing is done.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	silence := func(until, reason string) string { return fmt.Sprintf(`{"until":%q,"reason":%q}`, until, reason) }
	window := func(more string) string {
		return `{"names":["a"],"reason":"r","from":"2025-01-01T00:00:00Z"` + more + `}`
	}
	var d done
	h := newAdminHandler(t, d.into)
	const pend, ack, hold, windows = "/experiments/pend00/silence", "/experiments/pend01/ack", "/experiments/pend00/hold", "/maintenance"
	for _, c := range []struct {
		method, path, body string
		status             int
		names              string
	}{
		{"PUT", pend, ``, 422, "body in body is required"},
		{"PUT", pend, `null`, 422, "until in body is required"},
		{"PUT", pend, `[]`, 422, "must be an object"},
		{"PUT", pend, `7`, 422, "must be an object"},
		{"PUT", pend, `{"until`, 422, "the body can't be read"},
		{"PUT", pend, silence(later, "r") + `{}`, 422, "the body can't be read"},
		{"PUT", pend, silence(later, ""), 422, "reason in body"},
		{"PUT", pend, silence(later, " \n\t"), 422, "reason in body is blank"},
		{"PUT", pend, silence(later, "a\x00b"), 422, "the body can't be read"},
		{"PUT", pend, `{"until":"` + later + `","reason":"a\u0000b"}`, 422, "reason in body has control"},
		{"PUT", pend, `{"until":"` + later + `","reason":"a\u001b[31m"}`, 422, "reason in body has control"},
		{"PUT", pend, silence(later, strings.Repeat("ö", 501)), 422, "reason in body"},
		{"PUT", pend, `{"until":"` + later + `"}`, 422, "reason in body is required"},
		{"PUT", pend, `{"reason":"r"}`, 422, "until in body is required"},
		{"PUT", pend, `{"until":null,"reason":"r"}`, 422, "until in body is required"},
		{"PUT", pend, `{"until":"` + later + `","reason":7}`, 422, "reason in body can't be a number"},
		{"PUT", pend, `{"until":7,"reason":"r"}`, 422, "until in body must be a time"},
		{"PUT", pend, silence("", "r"), 422, "until in body must be a time"},
		{"PUT", pend, silence("tomorrow", "r"), 422, "until in body must be a time"},
		{"PUT", pend, silence("2099-01-01", "r"), 422, "until in body must be a time"},
		{"PUT", pend, silence("2099-01-01T00:00:00", "r"), 422, "until in body must be a time with its offset"},
		{"PUT", pend, silence("9999-12-31T23:59:59-23:00", "r"), 422, "until in body must be a time"},
		{"PUT", pend, silence("2025-01-01T00:00:00Z", "r"), 422, "until in body must lie in the future"},
		{"PUT", pend, silence(time.Now().AddDate(1, 0, 3).Format(time.RFC3339), "r"), 422, "at most 366 days"},
		{"PUT", pend, `{"until":"` + later + `","reason":"r","for":"me"}`, 422, "for"},
		{"PUT", ack, `{"note":"` + strings.Repeat("x", 501) + `"}`, 422, "note in body"},
		{"PUT", ack, `{"note":"a\u0007"}`, 422, "note in body has control"},
		{"PUT", ack, `{"reason":"r"}`, 422, "reason"},
		{"PUT", hold, `{}`, 422, "reason in body is required"},
		{"PUT", hold, `{"reason":" "}`, 422, "reason in body is blank"},
		{"PUT", hold, `{"reason":"r","resources":"r-pend00"}`, 422, "resources in body"},
		{"PUT", hold, `{"reason":"r","resources":[""]}`, 422, "resources.0 in body"},
		{"POST", windows, `{}`, 422, "names in body is required"},
		{"POST", windows, `{}`, 422, "from in body is required"},
		{"POST", windows, window(``), 422, "until in body is needed"},
		{"POST", windows, window(`,"until":"2025-01-01T00:00:00Z"`), 422, "until in body must be after from"},
		{"POST", windows, window(`,"until":"2025-01-02T00:00:00Z"`), 422, "until in body lies in the past"},
		{"POST", windows, window(`,"until":"2199-01-02T00:00:00Z"`), 422, "until in body must be at most 366 days"},
		{"POST", windows, window(`,"bookings":"maybe"`), 422, "bookings in body"},
		{"POST", windows, window(`,"by":"ben"`), 422, "by"},
		{"POST", windows, window(`,"id":"x"`), 422, "id"},
		{"POST", windows, window(`,"weekly":{}`), 422, "weekly.days in body is required"},
		{"POST", windows, window(`,"weekly":{"days":[],"start":"08:00","end":"09:00","zone":"UTC"}`), 422, "weekly.days in body"},
		{"POST", windows, window(`,"weekly":{"days":["mon","mon"],"start":"08:00","end":"09:00","zone":"UTC"}`), 422, "weekly.days in body"},
		{"POST", windows, window(`,"weekly":{"days":["Monday"],"start":"08:00","end":"09:00","zone":"UTC"}`), 422, "weekly.days.0 in body"},
		{"POST", windows, window(`,"weekly":{"days":["mon"],"start":"8:00","end":"09:00","zone":"UTC"}`), 422, "weekly.start in body"},
		{"POST", windows, window(`,"weekly":{"days":["mon"],"start":"08:00","end":"24:00","zone":"UTC"}`), 422, "weekly.end in body"},
		{"POST", windows, window(`,"weekly":{"days":["mon"],"start":"08:00","end":"09:00","zone":"Middle/Earth"}`), 422, "weekly.zone in body"},
		{"POST", windows, window(`,"weekly":{"days":["mon"],"start":"08:00","end":"09:00","zone":"../../etc/passwd"}`), 422, "weekly.zone in body"},
		{"POST", windows, window(`,"weekly":{"days":["mon"],"start":"08:00","end":"09:00","zone":"UTC","until":"x"}`), 422, "until"},
		{"POST", windows, strings.Replace(window(`,"until":"`+later+`"`), `["a"]`, `[]`, 1), 422, "names in body"},
		{"POST", windows, strings.Replace(window(`,"until":"`+later+`"`), `["a"]`, `["a",""]`, 1), 422, "names.1 in body"},
		{"POST", windows, strings.Replace(window(`,"until":"`+later+`"`), `["a"]`, `["a","b\u0000"]`, 1), 422, "names[1] in body"},
		{"POST", windows, strings.Replace(window(`,"until":"`+later+`"`), `["a"]`, `["a"`+strings.Repeat(`,"a"`, 200)+`]`, 1), 422, "names in body"},
		{"POST", windows, `{"reason":"` + strings.Repeat("x", maxRequestBody) + `"}`, 413, "65536 bytes"},
	} {
		t.Run(clip(c.path+" "+c.body, 80), func(t *testing.T) {
			d.reset()
			w := send(t, h, c.method, basePath+c.path, c.body, "Authorization", "Bearer "+mint(t, ScopeAdmin))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.names) {
				t.Errorf("%d, want %d that says %q: %s", w.Code, c.status, c.names, w.Body)
			}
			if strings.Contains(w.Body.String(), "Go value") || strings.Contains(w.Body.String(), "models.") {
				t.Errorf("the answer tells internals: %s", w.Body)
			}
			if !d.nothing() {
				t.Error("it was done all the same")
			}
		})
	}
}

// A body has to be said to be JSON.
func TestBodiesSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	token := "Bearer " + mint(t, ScopeAdmin)
	h := newAdminHandler(t)
	w := send(t, h, "PUT", basePath+"/experiments/pend00/hold", `{"reason":"belt"}`, "Authorization", token, "Content-Type", "text/plain")
	if w.Code != 200 {
		t.Logf("both types were named: %d %s", w.Code, w.Body)
	}
	w = do(t, h, "PUT", basePath+"/experiments/pend00/hold", "Authorization", token, "Content-Type", "text/plain")
	if w.Code != 422 {
		t.Errorf("no body: %d %s", w.Code, w.Body)
	}
}

// Refusals of the engine and of book reach who asked, in their words; faults are
// logged and not told.
func TestWhatActsMeet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		err    error
		status int
		says   string
		level  logrus.Level
	}{
		{"it is done", nil, 200, "", logrus.InfoLevel},
		{"it is refused", &ActError{Status: 409, Message: "just changed by ben"}, 409, "just changed by ben", logrus.InfoLevel},
		{"it is refused within", fmt.Errorf("hold: %w", &ActError{Status: 502, Message: "book said 500"}), 502, "book said 500", logrus.InfoLevel},
		{"it fails", errors.New("the loop is at /secret/path"), 503, "try again", logrus.ErrorLevel},
	} {
		t.Run(c.what, func(t *testing.T) {
			log, hook := test.NewNullLogger()
			h := newAdminHandler(t, func(o *Options) {
				o.Log = log
				o.Act = func(context.Context, health.Act) error { return c.err }
				o.Hold = func(context.Context, string, []string, string, string) error { return c.err }
			})
			for _, change := range []struct{ method, path, body string }{changes()[0], changes()[4]} {
				hook.Reset()
				w := send(t, h, change.method, basePath+change.path, change.body, "Authorization", "Bearer "+mint(t, ScopeAdmin))
				if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || strings.Contains(w.Body.String(), "secret") {
					t.Errorf("%s: %d %s", change.path, w.Code, w.Body)
				}
				if len(hook.AllEntries()) != 1 {
					t.Fatalf("%d lines in the log", len(hook.AllEntries()))
				}
				entry := hook.LastEntry()
				if entry.Level != c.level || entry.Data["by"] != "tester" || entry.Data["experiment"] != "pend00" || entry.Data["client"] != "192.0.2.1" {
					t.Errorf("logged %v %v", entry.Level, entry.Data)
				}
			}
		})
	}
}

// A change that has begun is carried through though whoever asked for it hangs up,
// and is not waited for without end.
func TestChangesAreNotLeftHalfDone(t *testing.T) {
	t.Parallel()
	look := func(ctx context.Context) error {
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); ctx.Err() != nil || !ok || left <= 0 || left > answerWithin {
			return fmt.Errorf("ended: %v, until %v", ctx.Err(), deadline)
		}
		return nil
	}
	h := newAdminHandler(t, func(o *Options) {
		o.Act = func(ctx context.Context, _ health.Act) error { return look(ctx) }
		o.Hold = func(ctx context.Context, _ string, _ []string, _, _ string) error { return look(ctx) }
		o.TestMail = func(ctx context.Context, _ string) (string, int, error) { return "id", 1, look(ctx) }
	})
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	for _, c := range changes() {
		r := httptest.NewRequestWithContext(gone, c.method, basePath+c.path, strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer "+mint(t, ScopeAdmin))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 300 {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
}

// A window shows when it is in force, and when it is next.
func TestWindowsShowWhen(t *testing.T) {
	t.Parallel()
	body := get(t, newHandler(t), basePath+"/maintenance").Body.String()
	for _, want := range []string{`"active":[{"since":"`, `"next":{"since":"`, `"weekly":{"days":["mon","tue"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	if _, over, _ := strings.Cut(body, `"id":"bbbb"`); strings.Contains(over, `"next"`) {
		t.Errorf("a window that is over comes again: %s", over)
	}
	if got := slices.Collect(strings.SplitSeq(body, `"id":`)); len(got) != 3 {
		t.Errorf("%d windows", len(got)-1)
	}
}
