package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/health"
)

const mailPath = basePath + "/mails/abc123@lab.example"

// A mail is shown as it was sent, to those who may change something.
func TestMailsAreShownWhole(t *testing.T) {
	t.Parallel()
	h := newAdminHandler(t)
	admin := "Bearer " + mint(t, ScopeAdmin)
	var m struct {
		Text                 string
		Subject              string
		Headers              [][]string
		HTML                 string
		Queued, Sent, Failed int
		Recipients           []struct {
			Address   string
			LastError string `json:"last_error"`
		}
	}
	w := get(t, h, mailPath, "Authorization", admin)
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	if m.Text != "pendö: missing jump, a very long line that has to be folded by whoever sends it. Ask bob@lab.example.\n" {
		t.Errorf("text %q", m.Text)
	}
	want := [][]string{
		{"Date", "Fri, 20 Nov 2026 22:10:05 +0000"}, {"Message-ID", "<abc123@lab.example>"},
		{"References", "<pend00.labstatus@lab.example> <pend01.labstatus@lab.example>"},
		{"Subject", "[lab] 1 new problem: pendö"}, {"From", `"Lab Status" <status@lab.example>`},
		{"To", "<maint@lab.example>, Bob Ünal <bob@lab.example>"}, {"Cc", "<carol@lab.example>"},
		{"Content-Type", "multipart/alternative; boundary=labstatus-1a4f"},
	}
	if fmt.Sprint(m.Headers) != fmt.Sprint(want) {
		t.Errorf("headers\n%v, want\n%v", m.Headers, want)
	}
	if m.Queued != 1 || m.Sent != 1 || m.Failed != 1 || m.Recipients[1].LastError != "550 5.1.1 <bob@lab.example> unknown" {
		t.Errorf("fates %+v", m)
	}
	// The frame's address carries what a frame can't: who may see the whole of it.
	frame := get(t, h, "/"+m.HTML)
	if frame.Code != 200 || frame.Body.String() != "<p><b>pendö</b>: missing jump, by anna@lab.example</p>" {
		t.Errorf("%s: %d %s", m.HTML, frame.Code, frame.Body)
	}
}

// Others see neither names nor addresses of people, wherever they stand.
func TestAddressesAreMasked(t *testing.T) {
	t.Parallel()
	h := newAdminHandler(t)
	for _, target := range []string{mailPath, basePath + "/mails", "/mail.html?id=abc123@lab.example", basePath + "/system"} {
		for what, headers := range map[string][]string{
			"without a token":      nil,
			"with a reader's":      {"Authorization", "Bearer " + mint(t, ScopeRead)},
			"with a made-up token": {"Authorization", "Bearer guess"},
		} {
			w := get(t, h, target, headers...)
			if w.Code != 200 {
				t.Fatalf("%s %s: %d", target, what, w.Code)
			}
			for _, secret := range []string{"maint", "bob", "carol", "Ünal", "Lab Status", "anna@"} {
				if strings.Contains(w.Body.String(), secret) {
					t.Errorf("%s %s shows %s: %s", target, what, secret, w.Body)
				}
			}
			if !strings.Contains(w.Body.String(), "***@lab.example") {
				t.Errorf("%s %s shows no masked address", target, what)
			}
			if !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Authorization") {
				t.Errorf("%s: a cache could give one reader's answer to another", target)
			}
		}
	}
	for address, want := range map[string]string{
		"maint@example.org": "m***@example.org", "x@localhost": "x***@localhost", "ünal@b.org": "ü***@b.org",
		`"a@b"@example.org`: `"***@example.org`, "@example.org": "***", "rubbish": "***", "": "***",
	} {
		if got := maskAddress(address); got != want {
			t.Errorf("%q becomes %q, want %q", address, got, want)
		}
	}
	for text, want := range map[string]string{
		"550 <bob.x+y@mail.example.org>: unknown": "550 <b***@mail.example.org>: unknown",
		"no address @ all, nor here: @media":      "no address @ all, nor here: @media",
		"a@b.c,d@e.f;":                            "a***@b.c,d***@e.f;",
	} {
		if got := maskIn(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := maskHeader("To", "not an address list <"); got != "***" {
		t.Errorf("a header that can't be read shows %q", got)
	}
}

// Settings are for those who could change them.
func TestSettingsAreForAdmins(t *testing.T) {
	t.Parallel()
	h := newAdminHandler(t)
	if body := get(t, h, basePath+"/system").Body.String(); strings.Contains(body, "settings") {
		t.Errorf("anybody sees settings: %s", body)
	}
	body := get(t, h, basePath+"/system", "Authorization", "Bearer "+mint(t, ScopeAdmin)).Body.String()
	if !strings.Contains(body, `"settings":[{"name":"STATUS_SECRET_BOOK","source":"environment","value":"***"}`) {
		t.Errorf("an administrator doesn't: %s", body)
	}
}

// The HTML part stands alone: it can run nothing and load nothing, and only our page
// frames it. The page in turn frames nothing else.
func TestMailFrame(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	w := get(t, h, "/mail.html?id=abc123@lab.example")
	for header, want := range map[string]string{
		"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
		"X-Frame-Options":         "SAMEORIGIN",
		"X-Content-Type-Options":  "nosniff",
		"Content-Type":            "text/html; charset=utf-8",
	} {
		if got := w.Header().Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	policy := get(t, h, "/healthz").Header().Get("Content-Security-Policy")
	for _, want := range []string{"frame-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "default-src 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("%q is not in %s", want, policy)
		}
	}
	if w := get(t, h, "/mail.html?id=other"); w.Code != 404 || w.Header().Get("X-Frame-Options") != "DENY" {
		t.Errorf("an unknown mail: %d", w.Code)
	}
}

// Where reading takes a token, a frame takes a ticket, which is for one mail and ends.
func TestTickets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newAdminHandler(t, func(o *Options) { o.ReadAuth = o.AdminAuth })
		linkFor := func(scope string) string {
			var m struct{ HTML string }
			if err := json.Unmarshal(get(t, h, mailPath, "Authorization", "Bearer "+mint(t, scope)).Body.Bytes(), &m); err != nil {
				t.Fatal(err)
			}
			return m.HTML
		}
		reader, admin := linkFor(ScopeRead), linkFor(ScopeAdmin)
		if linkFor(ScopeRead) != reader || reader == admin {
			t.Errorf("the same reader gets another link: %s", reader)
		}
		id, ticket, _ := strings.Cut(reader, "&ticket=")
		for target, status := range map[string]int{
			reader: 200, admin: 200, id: 401, id + "&ticket=": 401, id + "&ticket=x.y.z": 401,
			strings.Replace(reader, "abc123", "abc124", 1): 401,
			strings.Replace(reader, "false", "true", 1):    401,
			id + "&ticket=z" + ticket:                      401,
			id + "&ticket=" + ticket + "A":                 401,
		} {
			if w := get(t, h, "/"+target); w.Code != status {
				t.Errorf("%s: %d, want %d", target, w.Code, status)
			}
		}
		if strings.Contains(get(t, h, "/"+reader).Body.String(), "anna@") || !strings.Contains(get(t, h, "/"+admin).Body.String(), "anna@") {
			t.Error("a ticket doesn't keep apart who may see addresses")
		}
		time.Sleep(ticketLife - time.Second)
		if w := get(t, h, "/"+reader); w.Code != 200 {
			t.Errorf("within its life: %d", w.Code)
		}
		time.Sleep(ticketLife + time.Second)
		if w := get(t, h, "/"+reader); w.Code != 401 {
			t.Errorf("after its life: %d", w.Code)
		}
		if w := get(t, newAdminHandler(t, func(o *Options) { o.ReadAuth = o.AdminAuth }), "/"+linkFor(ScopeRead)); w.Code != 401 {
			t.Errorf("at another server: %d", w.Code)
		}
	})
}

// Mails of any form are read as far as can be.
func TestMailParts(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ raw, text, html, fault string }{
		"text alone":                {"Subject: x\r\n\r\nhello\r\nyou\r\n", "hello\nyou\n", "", ""},
		"HTML alone":                {"Content-Type: text/html\r\n\r\n<p>", "", "<p>", ""},
		"no such type":              {"Content-Type: ///\r\n\r\nhello", "hello", "", ""},
		"another type":              {"Content-Type: image/png\r\n\r\nhello", "", "", ""},
		"letters of another time":   {"Subject: x\r\n\r\n\xff", "\uFFFD", "", ""},
		"parts within parts":        {nested(3), "deep", "", ""},
		"too many within parts":     {nested(5), "", "", "nested"},
		"no headers":                {"\x00", "", "", "headers"},
		"a part that is cut off":    {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello", "", "", "parts"},
		"a second text is left out": {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--", "one", "", ""},
		"broken base64":             {"Content-Transfer-Encoding: BASE64\r\n\r\n!!!", "", "", "decode"},
	} {
		parts, err := readMail([]byte(c.raw))
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		if err != nil || parts.text != c.text || parts.html != c.html {
			t.Errorf("%s: %+v, %v", what, parts, err)
		}
	}
}

func nested(depth int) string {
	raw := "Content-Type: text/plain\r\n\r\ndeep"
	for i := range depth {
		raw = fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%s\r\n--b%d--\r\n", i, i, raw, i)
	}
	return raw
}

// A mail without an HTML part has no frame.
func TestMailWithoutHTML(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(o *Options) {
		o.Mail = func(context.Context, string) (health.Mail, error) {
			return health.Mail{ID: "1@lab", At: t0, Raw: []byte("Subject: x\r\n\r\nhello")}, nil
		}
	})
	if body := get(t, h, basePath+"/mails/1@lab").Body.String(); strings.Contains(body, `"html"`) {
		t.Errorf("it promises one: %s", body)
	}
	if w := get(t, h, "/mail.html?id=1@lab"); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
}
