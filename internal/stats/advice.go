package stats

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"labstatus/internal/health"
)

// AccessError is a refusal of an access call, or that it could not be made. It
// never holds a token.
type AccessError struct {
	Service  health.Source
	URL      string        // that was asked
	Audience string        // that our token named
	Status   int           // HTTP status; 0: no answer
	Message  string        // in the service's words; may be empty
	Location string        // where a redirect points to
	Skew     time.Duration // how far the service's clock is ahead of ours; 0: about right, or unknown
	Advice   string        // what to do about it; may be empty
	Err      error         // why there is no answer
}

// Error gives what happened and what to do, in one line.
func (e *AccessError) Error() string {
	var b strings.Builder
	if e.Status == 0 {
		fmt.Fprintf(&b, "ask %s for access at %s: %v", e.Service, e.URL, e.Err)
	} else {
		words := cmp.Or(e.Message, http.StatusText(e.Status))
		words = strings.TrimPrefix(words, strconv.Itoa(e.Status)) // as proxies title their pages
		fmt.Fprintf(&b, "%s refuses access at %s: %s", e.Service, e.URL, strings.TrimSpace(strconv.Itoa(e.Status)+" "+strings.TrimSpace(words)))
	}
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// Unwrap gives why there is no answer.
func (e *AccessError) Unwrap() error { return e.Err }

// Setting gives the full name of one of the service's settings, for instance
// STATUS_SECRET_RELAY.
func (e *AccessError) Setting(kind string) string {
	return "STATUS_" + kind + "_" + strings.ToUpper(string(e.Service))
}

// SecretAdvice is for a token whose signature was refused.
func (e *AccessError) SecretAdvice() string {
	return fmt.Sprintf("%s is not the secret that %s was started with", e.Setting("SECRET"), e.Service)
}

// ClockAdvice is for a token whose times were refused, empty where the clocks
// are known to agree well enough.
func (e *AccessError) ClockAdvice() string {
	if e.Skew == 0 {
		return ""
	}
	side := "ahead of"
	if e.Skew < 0 {
		side = "behind"
	}
	return fmt.Sprintf("%s's clock is %v %s ours: set both by NTP", e.Service, e.Skew.Abs(), side)
}

// advice words what is the same for both services.
func advice(e *AccessError) string {
	svc, host, path := e.Service, e.Setting("HOST"), e.Setting("BASEPATH")
	switch {
	case strings.Contains(e.Message, "does not match this host"):
		return audienceAdvice(e)
	case speaksHTTP(e.Err):
		return e.Setting("SCHEME") + " should be http"
	case strings.Contains(e.Message, "HTTP request to an HTTPS server"), // Go's words
		strings.Contains(e.Message, "plain HTTP request was sent to HTTPS port"): // nginx's
		return e.Setting("SCHEME") + " should be https"
	case e.Status == 0:
		return fmt.Sprintf("is %s running, and are %s and %s right?", svc, host, e.Setting("SCHEME"))
	case e.Status >= 300 && e.Status < 400:
		if strings.HasPrefix(e.Location, "https:") && strings.HasPrefix(e.URL, "http:") {
			return fmt.Sprintf("it points to %s: %s should be https", e.Location, e.Setting("SCHEME"))
		}
		return fmt.Sprintf("it points to %s: check %s and %s", e.Location, host, path)
	case e.Status == http.StatusUnauthorized && strings.Contains(e.Message, "unauthenticated"):
		return "the token did not arrive: does a proxy in between drop the Authorization header?"
	case e.Status == http.StatusUnauthorized:
		return fmt.Sprintf("the token is signed right but not for this feed: check %s and %s", host, path)
	case e.Status == http.StatusNotFound, e.Status == http.StatusMethodNotAllowed, e.Status == http.StatusBadRequest:
		return fmt.Sprintf("%s does not listen at that path: check %s", svc, path)
	case e.Status == http.StatusBadGateway, e.Status == http.StatusServiceUnavailable, e.Status == http.StatusGatewayTimeout:
		return fmt.Sprintf("the proxy in front answers but %s behind it does not: is %s running?", svc, svc)
	case e.Status == http.StatusForbidden:
		return fmt.Sprintf("something in front of %s refuses us: check %s and %s", svc, host, path)
	}
	return ""
}

// speaksHTTP says that our TLS handshake was answered by plain HTTP. net/http says
// so in its own words only where it made the connection itself.
func speaksHTTP(err error) bool {
	record, is := errors.AsType[tls.RecordHeaderError](err)
	return errors.Is(err, http.ErrSchemeMismatch) || is && string(record.RecordHeader[:]) == "HTTP/"
}

// audienceAdvice says what the settings should be, for
// "aud [http://a/b] does not match this host http://c/d".
func audienceAdvice(e *AccessError) string {
	_, theirs, _ := strings.Cut(e.Message, "does not match this host")
	theirs = strings.TrimSpace(theirs)
	want, err := url.Parse(theirs)
	have, err2 := url.Parse(e.Audience)
	if err != nil || err2 != nil || want.Host == "" || want.Scheme == "" {
		return fmt.Sprintf("%s, %s and %s together must spell the audience that %s was started with",
			e.Setting("SCHEME"), e.Setting("HOST"), e.Setting("BASEPATH"), e.Service)
	}
	var set []string
	for _, f := range []struct{ kind, have, want string }{
		{"SCHEME", have.Scheme, want.Scheme},
		{"HOST", have.Host, want.Host},
		{"BASEPATH", have.Path, want.Path},
	} {
		if f.have != f.want {
			set = append(set, e.Setting(f.kind)+"="+strconv.Quote(f.want))
		}
	}
	if set == nil || strings.HasSuffix(want.Path, "/") {
		return fmt.Sprintf("the audience that %s was started with is spelt otherwise than can be set here: take the slash off its end there", e.Service)
	}
	return fmt.Sprintf("its audience is %s: set %s", theirs, strings.Join(set, " "))
}

// maxQuote bounds what is shown of a service's words, in characters.
const maxQuote = 200

// message finds the words in a refusal: an object with a message (whose code is
// a number or a string), a JSON string, a proxy's page, or nothing.
func message(body []byte) string {
	var object struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	var text string
	switch {
	case json.Unmarshal(body, &object) == nil:
		text = object.Message + object.Error
	case json.Unmarshal(body, &text) == nil:
	default:
		text = string(body)
		if _, after, ok := strings.Cut(text, "<title>"); ok {
			text, _, _ = strings.Cut(after, "</title>")
		} else if strings.HasPrefix(strings.TrimSpace(text), "<") {
			text = "" // a page without a title has nothing to say in one line
		}
	}
	return oneLine(text)
}

// oneLine makes foreign words fit to be shown.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxQuote {
		text = string(r[:maxQuote]) + "…"
	}
	return text
}
