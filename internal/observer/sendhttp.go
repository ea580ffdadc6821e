package observer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"labstatus/internal/redirect"
)

// httpSender posts reports as GOST does.
type httpSender struct {
	o      Observer
	client *http.Client
}

// maxAnswer is how much of an answer is read: it holds {"ok":true}.
const maxAnswer = 64 << 10

func newHTTPSender(o Observer, n Network) *httpSender {
	transport := &http.Transport{
		DialContext: n.dial(), Proxy: n.Proxy, TLSClientConfig: n.tlsConfig(o),
		MaxIdleConns: 1, MaxConnsPerHost: 2, IdleConnTimeout: 2 * max(o.Period, time.Minute),
		MaxResponseHeaderBytes: maxAnswer,
	}
	var through http.RoundTripper = transport
	if n.Wrap != nil {
		through = n.Wrap(transport)
	}
	client := &http.Client{Transport: through}
	redirect.Refuse(client)
	return &httpSender{o, client}
}

func (s *httpSender) send(ctx context.Context, key string, events []Event) error {
	body, err := encodeJSON(events)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.Address, bytes.NewReader(body))
	if err != nil {
		return errors.New("write the report: the address can't be used") // the error would repeat it
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(keyHeader, `"`+key+`"`)
	if !s.o.Token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+s.o.Token.Reveal())
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return errors.New(s.o.reason(err))
	}
	defer func() { _ = resp.Body.Close() }() // read as far as it is wanted: nothing more to fail
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return errors.New("read the answer: " + s.o.reason(err))
	}
	return s.judge(resp, answer)
}

// judge accepts exactly what GOST accepts.
func (s *httpSender) judge(resp *http.Response, answer []byte) error {
	status := resp.StatusCode
	if status == http.StatusOK {
		if decodeAnswer(answer) {
			return nil
		}
		return errors.New(`it answered 200 without {"ok":true}, so it has not taken the report`)
	}
	said := fmt.Sprintf("it answered %d %s", status, http.StatusText(status))
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		said += ": check the token"
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		said += ": check the path of the address"
	case status == http.StatusRequestEntityTooLarge:
		return &refusedError{fmt.Sprintf("%s: it has to take reports of %d KiB", said, maxBody>>10)}
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity:
		return &refusedError{said + ": it takes something in the report for wrong"}
	case status >= 300 && status < 400:
		said += ": redirects are not followed, set the address that it points to"
	case status > 200 && status < 300:
		said += `: an observer has to answer exactly 200 with {"ok":true}`
	}
	return errors.New(said)
}

func (s *httpSender) close() { s.client.CloseIdleConnections() }
