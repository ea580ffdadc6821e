package notify

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"labstatus/internal/health"
)

const (
	mailHost = "mail.lab.example"
	password = "s3cr3t+Pass/word="
)

// pipes is a network of one address, in memory, so that a bubble's clock runs.
type pipes struct {
	mu     sync.Mutex
	dialed int
	accept func(net.Conn) // run for each connection, on its own goroutine
	wg     sync.WaitGroup
}

func (p *pipes) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	client, server := net.Pipe()
	p.mu.Lock()
	p.dialed++
	p.mu.Unlock()
	p.wg.Go(func() {
		defer server.Close()
		p.accept(server)
	})
	return client, nil
}

func (p *pipes) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialed
}

// deaf never answers and ends when the other side does.
func deaf(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// Bubbles live in the year 2000.
var (
	longAgo = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	farAway = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// authority is a certificate authority of the tests' own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool

	once sync.Once
	host *tls.Config // of the mail server, made once
}

func mustAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: longAgo, NotAfter: farAway,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{cert: cert, key: key, pool: pool}
}

// server gives the TLS settings of a server with a certificate for name.
func (a *authority) server(t testing.TB, name string, from, until time.Time) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		// A pipe holds nothing: a ticket nobody waits for would block the server.
		SessionTicketsDisabled: true,
	}
}

// good gives settings that are the caller's own, of a server that is as it should be.
func (a *authority) good(t testing.TB) *tls.Config {
	t.Helper()
	a.once.Do(func() { a.host = a.server(t, mailHost, longAgo, farAway) })
	return a.host.Clone()
}

// scripted is a mail server that does as it is told at each stage, right or
// wrong. The zero value is a well-behaved server without extensions.
type scripted struct {
	tls      *tls.Config
	implicit bool
	size     string                      // of EHLO
	auth     string                      // mechanisms offered, and accepted whatever they say
	at       func(stage, arg string) act // what to do before answering
	mu       sync.Mutex
	seen     []string // stages reached, with their arguments
	mails    []received
}

// act is what a scripted server does at a stage: answers something, or not.
type act struct {
	reply string // in place of the usual answer
	hang  bool
	cut   bool
	drip  time.Duration // a byte of the answer each
	flood bool
	half  bool // without the line's end, and cut
}

type received struct {
	from string
	to   []string
	raw  []byte
}

func (s *scripted) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

func (s *scripted) stages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// answer carries out the act for a stage; false ends the connection.
func (s *scripted) answer(c net.Conn, stage, arg, usual string) bool {
	s.mu.Lock()
	s.seen = append(s.seen, strings.TrimSpace(stage+" "+arg))
	s.mu.Unlock()
	var a act
	if s.at != nil {
		a = s.at(stage, arg)
	}
	switch {
	case a.hang:
		deaf(c)
		return false
	case a.cut:
		return false
	case a.reply != "":
		usual = a.reply
	}
	if a.flood {
		for {
			if _, err := io.WriteString(c, "250-"+strings.Repeat("x", 1000)+"\r\n"); err != nil {
				return false
			}
		}
	}
	for a.drip > 0 && usual != "" {
		time.Sleep(a.drip)
		if _, err := io.WriteString(c, usual[:1]); err != nil {
			return false
		}
		usual = usual[1:]
	}
	if a.half {
		_, _ = io.WriteString(c, usual)
		return false
	}
	_, err := io.WriteString(c, usual+"\r\n")
	return err == nil && !strings.HasPrefix(usual, "421")
}

func (s *scripted) serve(c net.Conn) {
	if a := s.act("accept"); a.hang || a.cut {
		if a.hang {
			deaf(c)
		}
		return
	}
	if s.implicit {
		if a := s.act("handshake"); a.hang {
			deaf(c)
			return
		} else if a.cut {
			return
		}
		encrypted := tls.Server(c, s.tls)
		if encrypted.Handshake() != nil {
			return
		}
		c = encrypted
	}
	if !s.answer(c, "banner", "", "220 mail.lab.example ESMTP") {
		return
	}
	lines := bufio.NewReader(c)
	var m received
	secure := s.implicit
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, arg, _ := strings.Cut(line, " ")
		ok := true
		switch verb = strings.ToUpper(verb); verb {
		case "EHLO":
			answer := "250-hello"
			if s.tls != nil && !secure {
				answer += "\r\n250-STARTTLS"
			}
			if s.size != "" {
				answer += "\r\n250-SIZE " + s.size
			}
			if s.auth != "" {
				answer += "\r\n250-AUTH " + s.auth
			}
			ok = s.answer(c, "ehlo", arg, answer+"\r\n250 8BITMIME")
		case "STARTTLS":
			if !s.answer(c, "starttls", "", "220 go") {
				return
			}
			if a := s.act("handshake"); a.hang {
				deaf(c)
				return
			} else if a.cut {
				return
			}
			encrypted := tls.Server(c, s.tls)
			if encrypted.Handshake() != nil {
				return
			}
			c, lines, secure = encrypted, bufio.NewReader(encrypted), true
		case "AUTH":
			ok = s.answer(c, "auth", arg, "235 welcome")
		case "MAIL":
			m = received{from: arg}
			ok = s.answer(c, "mail", arg, "250 ok")
		case "RCPT":
			to := strings.Trim(strings.TrimPrefix(arg, "TO:"), "<>")
			if ok = s.answer(c, "rcpt", to, "250 ok"); ok && (s.at == nil || !strings.ContainsAny(s.at("rcpt", to).reply+"2", "45") || strings.HasPrefix(s.at("rcpt", to).reply, "2")) {
				m.to = append(m.to, to)
			}
		case "DATA":
			if ok = s.answer(c, "data", "", "354 go"); !ok || s.at != nil && s.at("data", "").reply != "" {
				break
			}
			for {
				line, err := lines.ReadBytes('\n')
				if err != nil {
					return
				}
				if bytes.Equal(line, []byte(".\r\n")) {
					break
				}
				m.raw = append(m.raw, bytes.TrimPrefix(line, []byte("."))...)
			}
			s.mu.Lock()
			s.mails = append(s.mails, m)
			s.mu.Unlock()
			ok = s.answer(c, "dot", "", "250 queued as 42")
		case "QUIT":
			s.answer(c, "quit", "", "221 bye")
			return
		case "*":
			ok = s.answer(c, "cancel", "", "501 cancelled")
		default: // RSET, and what follows in a login
			ok = s.answer(c, strings.ToLower(verb), arg, "250 ok")
		}
		if !ok {
			return
		}
	}
}

func (s *scripted) act(stage string) act {
	if s.at == nil {
		return act{}
	}
	return s.at(stage, "")
}

// at makes a script that acts at one stage only.
func at(stage string, a act) func(string, string) act {
	return func(s, arg string) act {
		if s == stage || s+" "+arg == stage {
			return a
		}
		return act{}
	}
}

func mustSMTP(t testing.TB, server func(net.Conn), change func(*SMTPOptions)) (*SMTP, *pipes) {
	t.Helper()
	p := &pipes{accept: server}
	o := SMTPOptions{Host: mailHost, Port: 587, HELO: "status.lab.example", Dial: p.dial}
	if change != nil {
		change(&o)
	}
	s, err := NewSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func mustMail(t testing.TB, to ...string) health.Mail {
	t.Helper()
	r, err := NewRenderer(Options{From: "status@lab.example", To: to, Host: "lab.example"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.RenderTest(NewID("lab.example"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func addresses(m health.Mail) []string {
	var to []string
	for _, r := range m.Recipients {
		to = append(to, r.Address)
	}
	return to
}

// outcomes sums results up: "a@b sent, c@d retry".
func outcomes(results []Result) string {
	var parts []string
	for _, r := range results {
		parts = append(parts, fmt.Sprintf("%s %s", strings.TrimSuffix(r.Address, "@lab.example"), r.Outcome))
	}
	return strings.Join(parts, ", ")
}
