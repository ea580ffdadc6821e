package lab

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mechanism is one exchange as the server sees it: a list of steps, each of
// which takes a response and gives a challenge.
type mechanism struct {
	steps []func(response []byte) (challenge []byte, err error)
	next  int
	done  func()
}

var _ sasl.Server = (*mechanism)(nil)

// Next takes the client's response; nil means it has sent none yet.
func (m *mechanism) Next(response []byte) ([]byte, bool, error) {
	if m.next == len(m.steps) {
		m.done()
		return nil, true, nil
	}
	challenge, err := m.steps[m.next](response)
	if err != nil {
		return nil, false, err
	}
	m.next++
	if challenge == nil { // the last word was the client's
		m.done()
		return nil, true, nil
	}
	return challenge, false, nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// newMechanism returns an exchange that calls done when the client has shown
// that it knows the password.
func newMechanism(name, user, password string, done func()) *mechanism {
	m := &mechanism{done: done}
	verdict := func(ok bool) ([]byte, error) {
		if !ok {
			return nil, smtp.ErrAuthFailed
		}
		return nil, nil
	}
	switch name {
	case "PLAIN":
		m.steps = append(m.steps, func(r []byte) ([]byte, error) {
			if r == nil {
				m.next-- // asked for now, judged next
				return []byte{}, nil
			}
			parts := strings.Split(string(r), "\x00")
			return verdict(len(parts) == 3 && equal(parts[1], user) && equal(parts[2], password))
		})
	case "LOGIN":
		var given string
		m.steps = append(m.steps, func(r []byte) ([]byte, error) {
			if r == nil {
				m.next--
				return []byte("Username:"), nil
			}
			given = string(r)
			return []byte("Password:"), nil
		}, func(r []byte) ([]byte, error) {
			return verdict(equal(given, user) && equal(string(r), password))
		})
	case "CRAM-MD5":
		challenge := fmt.Sprintf("<%s.%d@mail.lab>", rand.Text(), time.Now().Unix())
		m.steps = append(m.steps, func([]byte) ([]byte, error) {
			return []byte(challenge), nil
		}, func(r []byte) ([]byte, error) {
			mac := hmac.New(md5.New, []byte(password))
			mac.Write([]byte(challenge))
			return verdict(equal(string(r), user+" "+hex.EncodeToString(mac.Sum(nil))))
		})
	case "XOAUTH2":
		m.steps = append(m.steps, func(r []byte) ([]byte, error) {
			if r == nil {
				m.next--
				return []byte{}, nil
			}
			if equal(string(r), "user="+user+"\x01auth=Bearer "+password+"\x01\x01") {
				return verdict(true)
			}
			// The reason is told as a challenge, which the client must answer
			// before it is refused.
			return []byte(`{"status":"401","schemes":"bearer","scope":"https://mail.lab/"}`), nil
		}, func([]byte) ([]byte, error) { return verdict(false) })
	case "SCRAM-SHA-256":
		s := &scram{user: user, password: password, nonce: rand.Text(), salt: []byte(rand.Text())}
		m.steps = append(m.steps, func(r []byte) ([]byte, error) {
			if r == nil {
				m.next--
				return []byte{}, nil
			}
			return s.first(string(r))
		}, func(r []byte) ([]byte, error) { return s.final(string(r)) })
	}
	return m
}

// scramRounds keeps the lab quick: it is the least RFC 7677 allows.
const scramRounds = 4096

// scram is the server's half of RFC 5802 with SHA-256, without channel
// binding.
type scram struct {
	user, password, nonce string
	salt                  []byte
	gs2, transcript       string
}

func (s *scram) first(message string) ([]byte, error) {
	parts := strings.SplitN(message, ",", 3)
	if len(parts) != 3 || parts[0] != "n" && parts[0] != "y" {
		return nil, smtp.ErrAuthFailed
	}
	s.gs2 = parts[0] + "," + parts[1] + ","
	bare := parts[2]
	name, nonce, ok := strings.Cut(bare, ",r=")
	nonce, _, _ = strings.Cut(nonce, ",")
	name = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(strings.TrimPrefix(name, "n="))
	if !ok || nonce == "" || !equal(name, s.user) {
		return nil, smtp.ErrAuthFailed
	}
	s.nonce = nonce + s.nonce
	challenge := fmt.Sprintf("r=%s,s=%s,i=%d", s.nonce, base64.StdEncoding.EncodeToString(s.salt), scramRounds)
	s.transcript = bare + "," + challenge
	return []byte(challenge), nil
}

func (s *scram) final(message string) ([]byte, error) {
	bare, proof, ok := strings.Cut(message, ",p=")
	given, err := base64.StdEncoding.DecodeString(proof)
	want := "c=" + base64.StdEncoding.EncodeToString([]byte(s.gs2)) + ",r=" + s.nonce
	if !ok || err != nil || bare != want {
		return nil, smtp.ErrAuthFailed
	}
	salted, err := pbkdf2.Key(sha256.New, s.password, s.salt, scramRounds, sha256.Size)
	if err != nil {
		return nil, errors.Join(smtp.ErrAuthFailed, err)
	}
	sign := func(key []byte, text string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	client := sign(salted, "Client Key")
	stored := sha256.Sum256(client)
	transcript := s.transcript + "," + bare
	proven := sign(stored[:], transcript)
	subtle.XORBytes(proven, proven, client)
	if !bytes.Equal(proven, given) {
		return nil, smtp.ErrAuthFailed
	}
	return []byte("v=" + base64.StdEncoding.EncodeToString(sign(sign(salted, "Server Key"), transcript))), nil
}
