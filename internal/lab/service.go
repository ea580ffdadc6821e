package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

type mode int

const (
	modeWell mode = iota
	modeStopped
	modeHang
	modeFail
)

func (m mode) String() string {
	return [...]string{"well", "stopped", "hanging", "failing"}[m]
}

// service is one address of the lab and how it behaves at the moment.
type service struct {
	lab  *Lab
	name string
	gate *gate
	side *gate          // the collector's, for gRPC; nil for others
	held sync.WaitGroup // handlers that outlive their request: websockets
	// record wraps everything, so that it also sees what a fault answers.
	record func(http.Handler) http.Handler

	// Guarded by Lab.mu.
	mode    mode
	code    int // of modeFail
	latency time.Duration
	clock   clock
	changed chan struct{} // closed and replaced when mode changes
}

func newService(l *Lab, name string, g *gate) *service {
	return &service{lab: l, name: name, gate: g, changed: make(chan struct{}), record: func(h http.Handler) http.Handler { return h }}
}

// serveHTTP returns the function that serves h until its context ends and
// every handler has returned.
func (s *service) serveHTTP(h http.Handler) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w := logrusWriter{s.lab.log.WithField("service", s.name)}
		srv := &http.Server{
			Handler:           s.record(s.behave(ctx, h)),
			ReadHeaderTimeout: time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          log.New(w, "", 0),
		}
		var wg sync.WaitGroup
		var fault error
		wg.Go(func() {
			if err := srv.Serve(s.gate); ctx.Err() == nil {
				fault = err
				cancel()
			}
		})
		<-ctx.Done()
		err := s.gate.close()
		// Every connection is closed by now, so this only waits for handlers.
		err = errors.Join(err, srv.Shutdown(context.WithoutCancel(ctx)))
		s.held.Wait()
		wg.Wait()
		return errors.Join(fault, err)
	}
}

// each does something at every gate of the service.
func (s *service) each(do func(*gate) error) error {
	err := do(s.gate)
	if s.side != nil {
		err = errors.Join(err, do(s.side))
	}
	return err
}

// logrusWriter takes the lines of net/http's own log.
type logrusWriter struct{ log logrus.FieldLogger }

func (w logrusWriter) Write(p []byte) (int, error) {
	w.log.Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}

// behave applies what was ordered of the service before h sees a request. A
// delay or a hang goes on when the client has given up: the real services
// work on requests nobody waits for any more, and a late write still counts.
func (s *service) behave(ctx context.Context, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, ended := s.await(ctx)
		s.dated(w)
		switch {
		case ended:
			panic(http.ErrAbortHandler)
		case code != 0:
			answerFailure(w, code)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// await carries out a delay or a hang, and returns the code the service fails
// with, 0 where it doesn't. With ctx, all has ended.
func (s *service) await(ctx context.Context) (code int, ended bool) {
	for first := true; ; first = false {
		s.lab.mu.Lock()
		m, code, latency, changed := s.mode, s.code, s.latency, s.changed
		s.lab.mu.Unlock()
		switch {
		case m == modeHang:
			select {
			case <-ctx.Done():
				return 0, true
			case <-changed:
			}
			continue
		case m == modeFail:
			return code, false
		case first && latency > 0:
			select {
			case <-ctx.Done():
				return 0, true
			case <-time.After(latency):
			}
			continue // it may hang by now
		}
		return 0, false
	}
}

// answerFailure writes the page of the proxy in front for 502 to 504, and the
// service's own form for other codes.
func answerFailure(w http.ResponseWriter, code int) {
	text := http.StatusText(code)
	if code >= 502 && code <= 504 {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		say(w, fmt.Sprintf("<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n", code, text, code, text))
		return
	}
	answer(w, code, fmt.Sprintf(`{"code":%d,"message":%q}`, code, strings.ToLower(text)))
}

// answer writes a JSON body as it stands.
func answer(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	say(w, body)
}

// say writes the body; that a client has gone is its own affair.
func say(w io.Writer, body string) {
	_, _ = io.WriteString(w, body)
}

// ServiceOrder is a handle to order faults of one service.
type ServiceOrder struct {
	lab  *Lab
	name string
}

// Service returns the handle of Book, Relay, Jump, Mail, Control or, where
// Options ask for it, Collector; its methods fail for any other name.
func (l *Lab) Service(name string) ServiceOrder { return ServiceOrder{lab: l, name: name} }

func (o ServiceOrder) set(f func(*service)) (*service, error) {
	s := o.lab.services[o.name]
	if s == nil {
		return nil, fmt.Errorf("order a fault: no service %q in the lab: use book, relay, jump, mail, control, or collector where there is one", o.name)
	}
	o.lab.mu.Lock()
	defer o.lab.mu.Unlock()
	f(s)
	close(s.changed)
	s.changed = make(chan struct{})
	return s, nil
}

// Stop refuses connections and cuts those that exist.
func (o ServiceOrder) Stop() error {
	s, err := o.set(func(s *service) { s.mode = modeStopped })
	if err != nil {
		return err
	}
	return errors.Join(s.each((*gate).shut), o.lab.lost(s.name, false))
}

// Start ends Stop, Hang and Fail. After Stop, experiments reconnect within
// Options.Reconnect. What hung is answered now, except by the mail server,
// which cuts it.
func (o ServiceOrder) Start() error {
	var was mode
	s, err := o.set(func(s *service) { was, s.mode = s.mode, modeWell })
	if err != nil {
		return err
	}
	if was == modeStopped {
		o.lab.reconnect(s.name)
	}
	if was == modeHang && s.name == Mail {
		o.lab.releaseMail()
	}
	return s.each((*gate).open)
}

// Hang accepts connections and requests and never answers them; a feed that
// hangs keeps its connections open and is mute.
func (o ServiceOrder) Hang() error {
	_, err := o.set(func(s *service) { s.mode = modeHang })
	return err
}

// Fail answers every request with the code; the mail server greets with it
// and closes.
func (o ServiceOrder) Fail(code int) error {
	if code < 400 || code > 599 {
		return fmt.Errorf("let %s fail: code %d: use 400 to 599", o.name, code)
	}
	_, err := o.set(func(s *service) { s.mode, s.code = modeFail, code })
	return err
}

// Latency delays each answer (each reply, of the mail server) from now on;
// zero ends it.
func (o ServiceOrder) Latency(d time.Duration) error {
	_, err := o.set(func(s *service) { s.latency = max(d, 0) })
	return err
}

// Restart cuts every connection and makes the service forget what a restart
// makes it forget: relay and jump their codes and their experiments, who
// reconnect within Options.Reconnect; book the availability of every
// resource, which becomes available with the reason `Loaded at …`; the
// collector nothing.
func (o ServiceOrder) Restart() error {
	s, err := o.set(func(s *service) { s.mode = modeWell })
	if err != nil {
		return err
	}
	err = errors.Join(o.lab.lost(s.name, true), s.each((*gate).open), s.each((*gate).cut))
	o.lab.reconnect(s.name)
	return err
}
