package config

import (
	"net"
	"net/mail"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"
)

// Accepted words of the settings that are a choice.
const (
	AuthNone     = "none"
	AuthPlain    = "plain"
	AuthLogin    = "login"
	AuthCRAMMD5  = "cram-md5"
	AuthSCRAM256 = "scram-sha-256"
	AuthXOAuth2  = "xoauth2" // the password is the access token
	AuthAuto     = "auto"    // the best the server offers, none without a password

	TLSAuto          = "auto"
	TLSRequired      = "required"
	TLSImplicit      = "implicit"
	TLSOpportunistic = "opportunistic"
	TLSNone          = "none"

	ReadOpen  = "open"
	ReadToken = "token"

	HoldsRespect  = "respect"
	HoldsOverride = "override"

	FormatJSON = "json"
	FormatText = "text"

	LogStdout = "stdout"
	LogStderr = "stderr"
)

// Config is every setting of the server, validated. It is a value to read: the
// parts are handed to the packages they belong to at start and never change.
type Config struct {
	Book, Jump, Relay Service

	Email     Email
	Health    Health
	Log       Log
	Serve     Serve
	Admin     Admin
	Metrics   Metrics
	Observer  Observer
	Profile   Profile
	Booking   Booking
	Reconnect Reconnect
	Store     Store

	// sources says where each setting came from, by its name in Table; what is
	// not listed is the default. For Explain.
	sources map[string]string
}

// Health tunes the engine; HEALTH.md's words.
type Health struct {
	LastActive  time.Duration // a stream that sent nothing for longer is not ok
	LastChecked time.Duration // a source without a frame for longer is not fresh
	History     time.Duration // how long it is kept when each experiment was well
	LogEvery    time.Duration // between log entries with the overall status
	Startup     time.Duration // grace of a new experiment; 0 for none
	FlapWindow  time.Duration // see Flapping
	Events      int           // kept per experiment
	FlapEvents  int           // see Flapping
	ConfirmDown int           // checks in a row before a stream is not ok
	ConfirmUp   int           // checks in a row before it is ok again
}

// Flapping reports whether flapping is looked for: either of the two settings
// at 0 turns it off.
func (h Health) Flapping() bool { return h.FlapEvents > 0 && h.FlapWindow > 0 }

// Log says what is logged and where to.
type Log struct {
	Level  logrus.Level
	Format string // FormatJSON or FormatText
	File   string // a path, LogStdout or LogStderr
}

// Serve is the API and page.
type Serve struct {
	Port   int    // all addresses, unless STATUS_LISTEN says otherwise
	Listen Listen // always filled: made from Port where not set
	Read   string // who may read: ReadOpen or ReadToken
	Secret Secret // HS256 key of admin tokens; without it nothing can be changed
}

// Listen says where something is served.
type Listen struct {
	Network string // "tcp", "unix", or "systemd" for a socket that systemd has opened
	Address string // host:port, a path, or the socket's name; empty: the only one passed on
	Scheme  string // "https" or "http" where one was given; else empty
}

// IsSet says whether it says anything.
func (l Listen) IsSet() bool { return l.Network != "" }

// String is the form the setting is written in.
func (l Listen) String() string {
	switch {
	case l.Network == "systemd" && l.Address == "":
		return "systemd"
	case l.Network == "unix", l.Network == "systemd":
		return l.Network + ":" + l.Address
	case l.Scheme != "":
		return l.Scheme + "://" + l.Address
	}
	return l.Address
}

// Admin is the port for operators' tools: condition, figures and profiles. Where
// Listen is not set they are served beside the API.
type Admin struct {
	Listen    Listen
	Cert, Key string // PEM files; empty: no TLS
	ClientCA  string // PEM file of who signs the clients' certificates; empty: clients need none
	Shutdown  bool   // the server can be stopped over HTTP
}

// Encrypted says whether TLS is spoken at Listen.
func (a Admin) Encrypted() bool {
	return a.Listen.Network == "tcp" && (a.Listen.Scheme == "https" || a.Listen.Scheme == "" && a.Cert != "")
}

// Metrics says which figures of the server itself are shown, and pushed to whom.
type Metrics struct {
	Prefix        string        // first part of their names
	PerExperiment bool          // also series for each experiment, resource and stream
	Graphite      string        // host:port; empty: nothing is pushed there
	URL           string        // gets JSON by POST; empty: nobody does
	Interval      time.Duration // between pushes of everything; 0: only what the policies ask for
	PolicyFile    string        // JSON; empty: no policies
}

// Observer is GOST's observer protocol, both ways: whom we tell how we are, and
// where GOSTs report to us. What the files and the map hold isn't looked at here.
type Observer struct {
	File               string        // JSON: whom we tell from the start; empty: nobody
	Listen, GRPCListen Listen        // where reports are taken, over HTTP and gRPC; not set: nowhere
	Tokens             string        // file of the tokens that reports need; set where either is
	Map                string        // rules split by ;, or @ and the path of a file with a rule a line
	Period             time.Duration // at which the GOSTs report
}

// Listens says whether reports are taken anywhere.
func (o Observer) Listens() bool { return o.Listen.IsSet() || o.GRPCListen.IsSet() }

// Profile is the pprof listener.
type Profile struct {
	On   bool
	Port int
}

// Address is on loopback, always: profiles hold memory.
func (p Profile) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port)) }

// Booking is how book is asked and written; its address is Config.Book.
type Booking struct {
	QueryEvery time.Duration // between looks at the manifest
	Timeout    time.Duration // of one call
	Holds      string        // HoldsRespect or HoldsOverride
}

// Reconnect is the lifetime of our tokens, after which the feed is renewed.
type Reconnect struct{ Jump, Relay time.Duration }

// Store is where state is kept.
type Store struct {
	Memory bool   // keep nothing over a restart
	Path   string // of the SQLite file; empty with Memory
}

// String is the form the setting is written in.
func (s Store) String() string {
	if s.Memory {
		return "memory"
	}
	return s.Path
}

// Email is how and to whom mail is sent.
type Email struct {
	AuthType  string // AuthNone, …
	TLS       string // TLSAuto, …
	From      mail.Address
	To, CC    []mail.Address // no address twice
	Host      string         // without port or brackets
	Port      int
	User      string
	Password  Secret
	Link      string // as given, perhaps without a scheme
	Subject   string
	HELO      string // may be empty when this host has no usable name
	GroupWait time.Duration
	Remind    time.Duration // between reminders of what is still wrong; 0: none
}

// NeedsPassword reports whether the chosen authentication can't do without.
func (e Email) NeedsPassword() bool { return e.AuthType != AuthNone && e.AuthType != AuthAuto }

// Enabled reports whether mail can be sent and, if not, the full names of the
// variables that are missing.
func (e Email) Enabled() (ok bool, missing []string) {
	need := func(is bool, name string) {
		if !is {
			missing = append(missing, Prefix+name)
		}
	}
	need(e.From.Address != "", "EMAIL_FROM")
	need(len(e.To) > 0, "EMAIL_TO")
	need(e.Host != "", "EMAIL_HOST")
	need(e.Password.IsSet() || !e.NeedsPassword(), "EMAIL_PASSWORD")
	return len(missing) == 0, missing
}
