package observer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/lab"
	"labstatus/internal/observer"
)

const (
	leedsToken = "leeds-token-0123456789"
	readyBody  = `{"events":[{"kind":"service","service":"web","type":"status","status":{"state":"ready","msg":"service web is ready"}}]}`
)

// twoTokens are one for everybody, and one that is Leeds' own.
var twoTokens = []observer.Credential{{Token: observer.NewSecret(token)}, {Token: observer.NewSecret(leedsToken), Source: "leeds"}}

// post sends a report as it is, and gives the answer.
func post(h http.Handler, path, auth, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWhoMayReport(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		path, auth string
		code       int
		source     string // as whose it is taken
	}{
		"a token in the header":                  {"/observer", "Bearer " + token, 200, "gost"},
		"a token in the header, however written": {"/observer", "bearer  " + token + " ", 200, "gost"},
		"a bare token in the header":             {"/observer", token, 200, "gost"},
		"the source in the path":                 {"/observer/york", "Bearer " + token, 200, "york"},
		"a slash at the end":                     {"/observer/york/", "Bearer " + token, 200, "york"},
		"a token in the path":                    {"/observer/" + token, "", 200, "gost"},
		"source and token in the path":           {"/observer/york/" + token, "", 200, "york"},
		"token and source in the path":           {"/observer/" + token + "/york", "", 200, "york"},
		"a source's own token":                   {"/observer", "Bearer " + leedsToken, 200, "leeds"},
		"a source's own token, and its name":     {"/observer/leeds", "Bearer " + leedsToken, 200, "leeds"},
		"a source's own token in the path":       {"/observer/" + leedsToken, "", 200, "leeds"},
		"a source's token for another":           {"/observer/york", "Bearer " + leedsToken, 403, ""},
		"no token":                               {"/observer", "", 401, ""},
		"no token, but a source":                 {"/observer/york", "", 401, ""},
		"a wrong token":                          {"/observer", "Bearer wrong", 401, ""},
		"a part of a token":                      {"/observer", "Bearer " + token[:20], 401, ""},
		"more than a token":                      {"/observer", "Bearer " + token + "x", 401, ""},
		"a token without end":                    {"/observer", "Bearer " + strings.Repeat("x", 10_000), 401, ""},
		"an empty token":                         {"/observer", "Bearer ", 401, ""},
		"a wrong token in the path":              {"/observer/york/wrong-token-0123456789", "", 401, ""},
		"a source that is none":                  {"/observer/..%2f", "Bearer " + token, 404, ""},
		"too long a path":                        {"/observer/a/b/c", "Bearer " + token, 404, ""},
		"two sources":                            {"/observer/a/b", "Bearer " + token, 404, ""},
		"another path":                           {"/metrics", "Bearer " + token, 404, ""},
		"no path":                                {"/", "Bearer " + token, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			text, log := newLog()
			in := mustReceiver(t, observer.ReceiverOptions{Credentials: twoTokens, Log: log})
			w := post(in.Handler(), tc.path, tc.auth, readyBody)
			var answer struct {
				OK      bool   `json:"ok"`
				Code    int    `json:"code"`
				Message string `json:"message"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != tc.code || answer.OK != (tc.code == 200) {
				t.Errorf("answered %d %s, %v", w.Code, w.Body, err)
			}
			if tc.code != 200 && (answer.Code != tc.code || answer.Message == "") {
				t.Errorf("%+v", answer)
			}
			all := in.Snapshot()
			if tc.code == 200 && (len(all) != 1 || all[0].Source != tc.source) || tc.code != 200 && len(all) != 0 {
				t.Errorf("%+v", all)
			}
			for _, secret := range []string{token, leedsToken, "wrong"} {
				if strings.Contains(text.String()+answer.Message, secret) {
					t.Errorf("%q is shown: %s %s", secret, text, answer.Message)
				}
			}
			if refused := strings.Contains(text.String(), "was refused"); refused != (tc.code != 200) {
				t.Errorf("logged: %s", text)
			}
		})
	}
}

func TestRequestsThatAreNoReports(t *testing.T) {
	t.Parallel()
	do := func(change func(r *http.Request)) *httptest.ResponseRecorder {
		in := mustReceiver(t, observer.ReceiverOptions{})
		r := httptest.NewRequest(http.MethodPost, "/observer", strings.NewReader(readyBody))
		r.Header.Set("Authorization", "Bearer "+token)
		change(r)
		w := httptest.NewRecorder()
		in.Handler().ServeHTTP(w, r)
		if f := in.Figures(); w.Code != 200 && f.Reports != 0 {
			t.Errorf("%+v", f)
		}
		return w
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		change func(r *http.Request)
		code   int
	}{
		"as it should be":           {func(*http.Request) {}, 200},
		"a form's content type":     {func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 200},
		"GET":                       {func(r *http.Request) { r.Method = http.MethodGet }, 405},
		"compressed":                {func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415},
		"too large, as it says":     {func(r *http.Request) { r.ContentLength = 1<<20 + 1 }, 413},
		"too large, without a word": {func(r *http.Request) { r.ContentLength = -1; r.Body = blanks(1<<20 + 1) }, 413},
		"as large as may be": {func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(readyBody + strings.Repeat(" ", 1<<20-len(readyBody))))
		}, 200},
		"cut off":                    {func(r *http.Request) { r.Body = io.NopCloser(&broken{}) }, 408},
		"no JSON":                    {func(r *http.Request) { r.Body = blanks(10) }, 400},
		"from somebody who has left": {func(r *http.Request) { *r = *r.WithContext(gone) }, 408},
	} {
		t.Run(name, func(t *testing.T) {
			w := do(tc.change)
			if w.Code != tc.code {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if h := w.Header(); h.Get("Content-Type") != "application/json" || tc.code == 405 && h.Get("Allow") != "POST" {
				t.Errorf("%v", h)
			}
		})
	}
}

func blanks(n int64) io.ReadCloser { return io.NopCloser(io.LimitReader(blank{}, n)) }

type blank struct{}

func (blank) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, errors.New("reset by peer") }

// What can't be understood and never will be is refused, whole; what we only don't
// know yet is taken and ignored, or its GOST would send nothing else any more.
func TestHostileAndUnknownReports(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 257)
	for name, tc := range map[string]struct {
		events  string
		code    int
		unknown uint64
	}{
		"no events":                    {``, 200, 0},
		"an unknown kind":              {`{"kind":"router","service":"a","type":"status","status":{"state":"ready"}}`, 200, 1},
		"an unknown type":              {`{"kind":"service","service":"a","type":"quota","quota":{}}`, 200, 1},
		"an unknown state":             {`{"kind":"service","service":"a","type":"status","status":{"state":"paused","msg":""}}`, 200, 1},
		"an empty state":               {`{"kind":"service","service":"a","type":"status","status":{}}`, 200, 1},
		"null":                         {`null`, 400, 0},
		"an empty event":               {`{}`, 400, 0},
		"no type":                      {`{"kind":"service","service":"a"}`, 400, 0},
		"no service":                   {`{"kind":"service","type":"stats","stats":{}}`, 400, 0},
		"a status without its status":  {`{"kind":"service","service":"a","type":"status","stats":{}}`, 400, 0},
		"figures without their stats":  {`{"kind":"service","service":"a","type":"stats"}`, 400, 0},
		"a long service":               {`{"kind":"service","service":"` + long + `","type":"stats","stats":{}}`, 400, 0},
		"a long client":                {`{"kind":"handler","service":"a","client":"` + long + `","type":"stats","stats":{}}`, 400, 0},
		"a long kind":                  {`{"kind":"` + long + `","service":"a","type":"stats","stats":{}}`, 400, 0},
		"a negative figure":            {`{"kind":"service","service":"a","type":"stats","stats":{"totalConns":-1}}`, 400, 0},
		"2^64":                         {`{"kind":"service","service":"a","type":"stats","stats":{"totalConns":18446744073709551616}}`, 400, 0},
		"one that is bad among others": {`{"kind":"service","service":"a","type":"stats","stats":{}},{}`, 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in := mustReceiver(t, observer.ReceiverOptions{})
			w := post(in.Handler(), "/observer", token, `{"events":[`+tc.events+`]}`)
			if f := in.Figures(); w.Code != tc.code || f.Unknown != tc.unknown || len(in.Snapshot()) != 0 {
				t.Errorf("answered %d %s, %+v", w.Code, w.Body, f)
			}
		})
	}
}

func TestWhatIsKnownIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := mustReceiver(t, observer.ReceiverOptions{Subjects: 3})
		report := func(path string, names ...string) int {
			var events []string
			for _, name := range names {
				events = append(events, fmt.Sprintf(`{"kind":"handler","service":"web","client":%q,"type":"stats","stats":{"totalConns":1}}`, name))
			}
			return post(in.Handler(), path, token, `{"events":[`+strings.Join(events, ",")+`]}`).Code
		}
		if code := report("/observer", "anna", "bert"); code != 200 {
			t.Error(code)
		}
		if code := report("/observer", "anna", "carl", "dora"); code != 503 || len(in.Snapshot()) != 2 {
			t.Errorf("%d, %d known: it was taken in part", code, len(in.Snapshot()))
		}
		if code := report("/observer", "anna", "carl"); code != 200 {
			t.Error(code)
		}
		time.Sleep(20 * time.Hour)
		if code := report("/observer", "bert"); code != 200 {
			t.Error(code)
		}
		time.Sleep(5 * time.Hour) // anna and carl have been silent for a day
		if code := report("/observer", "carl", "dora", "emil"); code != 503 {
			t.Error(code)
		}
		if code := report("/observer/york", "dora"); code != 200 {
			t.Error(code)
		}
		var known []string
		for _, s := range in.Snapshot() {
			known = append(known, s.Source+" "+s.Client)
		}
		if got := strings.Join(known, ", "); got != "gost bert, gost carl, york dora" && got != "gost anna, gost bert, york dora" {
			t.Error(got)
		}
		if f := in.Figures(); f.Refused["room"] != 2 || f.Subjects != 3 || f.Sources != 2 {
			t.Errorf("%+v", f)
		}
	})
}

// An experiment's link may be silent for long, and isn't forgotten.
func TestLinksAreNotForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ties, err := observer.ParseMap("service web link stub=pend00")
		if err != nil {
			t.Fatal(err)
		}
		in := mustReceiver(t, observer.ReceiverOptions{Subjects: 1, Map: ties})
		post(in.Handler(), "/observer", token, readyBody)
		time.Sleep(1000 * time.Hour)
		other := strings.ReplaceAll(readyBody, "web", "other")
		if w := post(in.Handler(), "/observer", token, other); w.Code != 503 || in.Snapshot()[0].Experiment != "pend00" {
			t.Errorf("answered %d, known are %+v", w.Code, in.Snapshot())
		}
	})
}

// Of senders with keys the latest are remembered.
func TestSendersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := mustReceiver(t, observer.ReceiverOptions{})
		send := func(sender int) {
			r := httptest.NewRequest(http.MethodPost, "/observer", strings.NewReader(readyBody))
			r.Header.Set("Authorization", token)
			r.Header.Set("Idempotency-Key", fmt.Sprintf("%020d-1", sender))
			in.Handler().ServeHTTP(httptest.NewRecorder(), r)
			time.Sleep(time.Second)
		}
		for sender := range 20 {
			send(sender)
		}
		for sender := 19; sender >= 4; sender-- { // sixteen are remembered, and repeats change nothing
			send(sender)
		}
		if f := in.Figures(); f.Reports != 20 || f.Repeats != 16 {
			t.Errorf("%+v", f)
		}
		send(3)
		if f := in.Figures(); f.Reports != 21 {
			t.Errorf("%+v", f)
		}
	})
}

// Only so many reports are read at once; the others are told to come again, at once.
func TestReportsThatCrawl(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := lab.NewNetwork()
		in := mustReceiver(t, observer.ReceiverOptions{})
		far := serveHTTP(t, n, httpAddr, in.Handler())
		for range 32 {
			c, err := n.DialContext(t.Context(), "tcp", httpAddr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "POST /observer HTTP/1.1\r\nHost: a\r\nAuthorization: %s\r\nContent-Length: 100\r\n\r\n{", token)
		}
		synctest.Wait()
		if w := post(in.Handler(), "/observer", token, readyBody); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("answered %d", w.Code)
		}
		time.Sleep(11 * time.Second) // nobody may take that long
		if w := post(in.Handler(), "/observer", token, readyBody); w.Code != 200 {
			t.Errorf("answered %d", w.Code)
		}
		if f := in.Figures(); f.Refused["gone"] != 32 {
			t.Errorf("%+v", f)
		}
		far.end()
	})
}

func TestSourcesAreBounded(t *testing.T) {
	t.Parallel()
	in := mustReceiver(t, observer.ReceiverOptions{})
	taken := 0
	for n := range 300 {
		if post(in.Handler(), fmt.Sprint("/observer/s", n), token, readyBody).Code == 200 {
			taken++
		}
	}
	if taken != 256 {
		t.Errorf("%d sources", taken)
	}
}

// While nobody listens changes of state wait, and when too many do nothing is said to
// be taken.
func TestNothingIsTakenThatCannotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := mustReceiver(t, observer.ReceiverOptions{})
		var body strings.Builder
		for n := range 1000 {
			fmt.Fprintf(&body, `,{"kind":"service","service":"s%d","type":"status","status":{"state":"ready"}}`, n)
		}
		flap := func(state string) int {
			return post(in.Handler(), "/observer", token, `{"events":[`+strings.ReplaceAll(body.String(), "ready", state)[1:]+`]}`).Code
		}
		for n := range 10 {
			if code := flap([]string{"ready", "failed"}[n%2]); code != 200 {
				t.Fatalf("report %d: %d", n, code)
			}
		}
		if code := flap("ready"); code != 503 || in.Figures().Waiting != 10_000 {
			t.Errorf("%d, %d wait", code, in.Figures().Waiting)
		}
		heard := 0
		running := run(t, func(ctx context.Context) error {
			return in.Run(ctx, func(h observer.Heard) { heard += len(h.Statuses) })
		})
		synctest.Wait()
		if code := flap("ready"); code != 200 {
			t.Error(code)
		}
		synctest.Wait()
		running.end()
		if heard != 11_000 {
			t.Errorf("%d changes were heard", heard)
		}
		if code := flap("failed"); code != 503 {
			t.Errorf("after the stop a report is answered %d", code)
		}
	})
}

func TestKeptIsWhatWasHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b box
		options := func() observer.ReceiverOptions { return observer.ReceiverOptions{Kept: b.read(t), Keep: b.keep} }
		text, log := newLog()
		o := options()
		o.Log = log
		in := mustReceiver(t, o)
		running := run(t, func(ctx context.Context) error { return in.Run(ctx, func(observer.Heard) {}) })
		post(in.Handler(), "/observer/leeds", token, readyBody)
		stats := func(n int) string {
			return fmt.Sprintf(`{"events":[{"kind":"service","service":"web","type":"stats","stats":{"totalConns":%d}}]}`, n)
		}
		post(in.Handler(), "/observer/leeds", token, stats(7))
		b.fail(errShelf)
		time.Sleep(72 * time.Second)
		if f := in.Figures(); f.KeepError != errShelf.Error() || b.asked() != 3 || strings.Count(text.String(), "can't be kept") != 1 {
			t.Errorf("%+v, %d tries, %s", f, b.asked(), text)
		}
		b.fail(nil)
		time.Sleep(5 * time.Second) // once it can be kept again, it soon is
		if f := in.Figures(); f.KeepError != "" || b.asked() != 4 || !strings.Contains(text.String(), "kept again") {
			t.Errorf("%+v, %d tries, %s", f, b.asked(), text)
		}
		time.Sleep(time.Hour)
		if b.asked() != 4 {
			t.Errorf("nothing has come, and it is kept %d times", b.asked())
		}
		post(in.Handler(), "/observer/leeds", token, stats(9))
		running.end() // keeps at the end

		in = mustReceiver(t, options())
		var heard []observer.Status
		running = run(t, func(ctx context.Context) error {
			return in.Run(ctx, func(h observer.Heard) { heard = append(heard, h.Statuses...) })
		})
		synctest.Wait() // after it, heard may be looked at
		if len(heard) != 1 || !heard[0].Restored || heard[0].State != observer.Ready || heard[0].Source != "leeds" || time.Since(heard[0].At) < time.Hour {
			t.Errorf("%+v", heard)
		}
		post(in.Handler(), "/observer/leeds", token, stats(2)) // it was restarted meanwhile
		if s := in.Snapshot()[0]; s.TotalConns != 11 || s.Restarts != 1 || s.State != observer.Ready {
			t.Errorf("%+v", s)
		}
		running.end()
	})
}

func TestReceiversThatCannotBe(t *testing.T) {
	t.Parallel()
	good := observer.Credential{Token: observer.NewSecret(token)}
	for name, o := range map[string]observer.ReceiverOptions{
		"nobody may report":         {},
		"a short token":             {Credentials: []observer.Credential{{Token: observer.NewSecret("short")}}},
		"a source that is none":     {Credentials: []observer.Credential{{Token: observer.NewSecret(token), Source: "/"}}},
		"the same token twice":      {Credentials: []observer.Credential{good, good}},
		"less than nothing is kept": {Credentials: []observer.Credential{good}, Subjects: -1},
	} {
		if _, err := observer.NewReceiver(o); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Further refusals of a kind are counted, and told with the next that is logged.
func TestRefusalsAreLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		text, log := newLog()
		in := mustReceiver(t, observer.ReceiverOptions{Log: log})
		for range 50 {
			post(in.Handler(), "/observer", "wrong", readyBody)
			post(in.Handler(), "/observer", token, "rubbish")
		}
		if n := strings.Count(text.String(), "was refused"); n != 2 {
			t.Errorf("%d lines: %s", n, text)
		}
		time.Sleep(11 * time.Minute)
		post(in.Handler(), "/observer", "wrong", readyBody)
		if n := strings.Count(text.String(), "more=49"); n != 1 {
			t.Errorf("%s", text)
		}
		if f := in.Figures(); f.Refused["token"] != 51 || f.Refused["body"] != 50 || f.Refused["room"] != 0 || len(f.Refused) != 10 {
			t.Errorf("%+v", f)
		}
	})
}
