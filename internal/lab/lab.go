package lab

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// The services of a lab, as Options.Addr, Options.Base and Lab.Service name
// them.
const (
	Book    = "book"
	Relay   = "relay"
	Jump    = "jump"
	Mail    = "mail"
	Control = "control"
	// Collector exists where Options.Collector asks for it; CollectorGRPC is
	// its address for gRPC.
	Collector     = "collector"
	CollectorGRPC = "collector-grpc"
)

// Options is what a lab is made of. The zero value is a working lab without
// experiments, on loopback.
type Options struct {
	// Experiments present from the start, connected and well.
	Experiments []Experiment

	// RelayEvery and JumpEvery are the periods from frame to frame as seen by
	// a client: 6s and 5s by default, a minute in real labs.
	RelayEvery, JumpEvery time.Duration
	// RelayStats makes relay one of the 0.7 generation, which reports when a
	// stream last transmitted; without it relay speaks as 0.9 does.
	RelayStats bool
	// Reconnect is the time within which experiments come back, one by one,
	// to a relay or jump that was restarted: 3s by default.
	Reconnect time.Duration

	// Secrets are the HS256 keys of book, relay and jump.
	Secrets Secrets
	// Tenant is the path all services are under: "/lab" by default, "/" for
	// none.
	Tenant string
	// Base replaces the path of single services (by default the tenant's
	// path and /book, /access, /jump).
	Base map[string]string
	// BookLatency delays every answer of book.
	BookLatency time.Duration

	// MailServer says what kind of mail server it is; the zero value takes
	// every mail on a plain connection.
	MailServer MailOptions
	// MailDir is where received mails are also written, as .eml files; empty
	// for nowhere. It must exist.
	MailDir string
	// OnMail sees each mail twice: when it has come to its final dot, before that is
	// answered, and when the answer has been written to the end. The talk with the
	// sender waits for it. Nil: nobody does.
	OnMail func(ReceivedMail)

	// GOSTs with tunnels to experiments; none by default. They report to whom
	// Lab.Observe says.
	GOSTs []GOST
	// Collector is an observer, for whoever reports as a GOST does; none by
	// default.
	Collector *CollectorOptions

	// Network carries the lab when set; else it listens on TCP.
	Network *Network
	// Addr are the addresses of single services: by default 127.0.0.1:0, on a
	// Network <service>.lab:80 and mail.lab:25.
	Addr map[string]string

	// Seed makes the order of frames and the phases of streams repeatable.
	Seed uint64
	// Log is told what happens in the lab; nil for nobody.
	Log logrus.FieldLogger
}

// Secrets are HS256 keys, the raw bytes of each string.
type Secrets struct{ Book, Relay, Jump string }

// Lab is a simulated laboratory. Make it with New.
type Lab struct {
	opt   Options
	log   logrus.FieldLogger
	ready chan struct{}
	cert  *tls.Certificate // the mail server's good one
	pool  *x509.CertPool

	services map[string]*service
	feeds    map[string]*feed
	gosts    []*gost

	// mu guards everything below and is never held during I/O.
	mu          sync.Mutex
	rng         *rand.Rand
	experiments map[string]*experiment // by stub
	byStub      []*experiment          // the same, sorted; nil: to be sorted anew
	records     []relayRecord          // of the latest frame, for its memory
	topics      map[string]*stream
	book        booking
	mail        mailState
	collected   collection
	orders      []Ordered
}

// New binds the lab's addresses and returns it, without starting anything.
func New(opt Options) (*Lab, error) {
	opt.RelayEvery = cmp.Or(opt.RelayEvery, 6*time.Second)
	opt.JumpEvery = cmp.Or(opt.JumpEvery, 5*time.Second)
	opt.Reconnect = cmp.Or(opt.Reconnect, 3*time.Second)
	opt.Tenant = cmp.Or(opt.Tenant, "/lab")
	opt.Secrets.Book = cmp.Or(opt.Secrets.Book, "book-secret-of-the-simulated-lab")
	opt.Secrets.Relay = cmp.Or(opt.Secrets.Relay, "relay-secret-of-the-simulated-lab")
	opt.Secrets.Jump = cmp.Or(opt.Secrets.Jump, "jump-secret-of-the-simulated-lab")
	if opt.RelayEvery < 0 || opt.JumpEvery < 0 || opt.Reconnect < 0 || opt.BookLatency < 0 {
		return nil, errors.New("lab options: periods must not be negative")
	}
	if opt.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		opt.Log = quiet
	}
	l := &Lab{
		opt: opt, log: opt.Log, ready: make(chan struct{}),
		rng:         rand.New(rand.NewPCG(opt.Seed, 0x1ab)),
		experiments: map[string]*experiment{},
		topics:      map[string]*stream{},
		services:    map[string]*service{},
		feeds:       map[string]*feed{},
		book:        booking{manifest: map[string]Resource{}, state: map[string]availability{}},
	}
	if err := l.setMail(opt.MailServer); err != nil {
		return nil, err
	}
	for _, g := range opt.GOSTs {
		if err := l.addGOST(g); err != nil {
			return nil, err
		}
	}
	if err := l.bind(); err != nil {
		return nil, errors.Join(err, l.unbind())
	}
	l.services[Book].latency = opt.BookLatency
	l.services[Book].record = l.recordCalls
	l.feeds[Relay] = newFeed(l, l.services[Relay], opt.RelayEvery)
	l.feeds[Jump] = newFeed(l, l.services[Jump], opt.JumpEvery)
	for _, e := range opt.Experiments {
		if err := l.AddExperiment(e); err != nil {
			return nil, errors.Join(err, l.unbind())
		}
	}
	return l, nil
}

// bind listens at every address of the lab.
func (l *Lab) bind() error {
	names := []string{Book, Relay, Jump, Mail, Control}
	if l.opt.Collector != nil {
		l.collected = newCollection(*l.opt.Collector)
		names = append(names, Collector)
	}
	for _, name := range names {
		g, err := listenGate(l.listen, l.address(name))
		if err != nil {
			return fmt.Errorf("start %s of the lab: %w", name, err)
		}
		l.services[name] = newService(l, name, g)
	}
	if s := l.services[Collector]; s != nil {
		var err error
		if s.side, err = listenGate(l.listen, l.address(CollectorGRPC)); err != nil {
			return fmt.Errorf("start %s of the lab: %w", CollectorGRPC, err)
		}
	}
	return nil
}

// unbind frees what bind took.
func (l *Lab) unbind() error {
	var all error
	for _, s := range l.services {
		all = errors.Join(all, s.each((*gate).close))
	}
	return all
}

func (l *Lab) address(name string) string {
	switch {
	case l.opt.Addr[name] != "":
		return l.opt.Addr[name]
	case l.opt.Network == nil:
		return "127.0.0.1:0"
	case name == Mail:
		return "mail.lab:25"
	}
	return name + ".lab:80"
}

func (l *Lab) listen(addr string) (net.Listener, error) {
	if l.opt.Network != nil {
		return l.opt.Network.Listen(addr)
	}
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
}

// Ready is closed once Run serves. Connections made earlier wait to be
// accepted.
func (l *Lab) Ready() <-chan struct{} { return l.ready }

// Run serves every part of the lab until ctx ends, and returns when all its
// goroutines have. It may be called once. Ending by ctx is no error.
func (l *Lab) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	fault := make(chan error, 2*len(l.services)+len(l.gosts))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run := func(name string, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil {
				fault <- fmt.Errorf("run %s of the lab: %w", name, err)
				cancel()
			}
		})
	}
	run(Book, l.services[Book].serveHTTP(l.bookHandler()))
	run(Relay, l.services[Relay].serveHTTP(l.feeds[Relay].handler()))
	run(Jump, l.services[Jump].serveHTTP(l.feeds[Jump].handler()))
	run(Control, l.services[Control].serveHTTP(l.controlHandler()))
	run(Mail, l.serveMail)
	run(Relay, l.feeds[Relay].run)
	run(Jump, l.feeds[Jump].run)
	if s := l.services[Collector]; s != nil {
		run(Collector, s.serveHTTP(l.collectorHandler()))
		run(Collector, l.serveCollectorGRPC)
	}
	for _, g := range l.gosts {
		run("GOST "+g.spec.Name, g.run)
	}
	close(l.ready)
	<-ctx.Done()
	wg.Wait()
	close(fault)
	var all error
	for err := range fault {
		all = errors.Join(all, err)
	}
	return all
}
