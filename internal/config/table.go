package config

import (
	"net/mail"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
)

// Groups, in the order of help and README.
const (
	groupServices = "Services"
	groupBooking  = "Booking"
	groupHealth   = "Health"
	groupEmail    = "Mail"
	groupServe    = "API and page"
	groupMetrics  = "Operators"
	groupObserver = "Observers"
	groupLog      = "Log, store and profile"
)

// Durations that are measured against other people's clocks and cadences have
// a floor that keeps a typing error from becoming a flood of requests.
const (
	ms     = time.Millisecond
	second = time.Second
	minute = time.Minute
	hour   = time.Hour
)

// Table is every setting there is, in the order they are shown and their faults
// are reported. It is to be read only.
var Table = slices.Concat(
	services("BOOK", "book", parseBasePath, func(c *Config) *Service { return &c.Book }),
	services("JUMP", "jump", parseCleanPath, func(c *Config) *Service { return &c.Jump }),
	services("RELAY", "relay", parseCleanPath, func(c *Config) *Service { return &c.Relay }),
	[]Setting{
		duration(Setting{Name: "RECONNECT_JUMP_EVERY", Group: groupServices, Default: "1d",
			Help: "Lifetime of the token for jump's feed. It is renewed before it ends, without a gap."},
			func(c *Config) *time.Duration { return &c.Reconnect.Jump }, lifetime),
		duration(Setting{Name: "RECONNECT_RELAY_EVERY", Group: groupServices, Default: "1d",
			Help: "The same for relay's feed."},
			func(c *Config) *time.Duration { return &c.Reconnect.Relay }, lifetime),
	},
	bookingRows, healthRows, emailRows, serveRows, metricsRows, observerRows, logRows,
)

var lifetime = limits[time.Duration]{lo: 5 * second, hi: 10 * year, why: "a token has to end some day"}

// services are the four rows book, jump and relay have alike.
func services(suffix, name string, parsePath func(string) (string, error), of func(*Config) *Service) []Setting {
	pathHelp := "Where " + name + " is served, e.g. /tenant/" + name + ". A slash at the end is dropped; the rest is the path of the token's audience."
	if name != "relay" {
		pathHelp += " Calls go to " + apiPath + " below it, unless it already ends so."
	}
	return []Setting{
		written(Setting{Name: "SCHEME_" + suffix, Group: groupServices, Type: "https or http", Default: "https",
			Help: "How " + name + " is reached."},
			func(c *Config) *string { return &of(c).Scheme }, parseScheme),
		written(Setting{Name: "HOST_" + suffix, Group: groupServices, Type: "host or host:port", Required: true,
			Help: "Where " + name + " is, e.g. app.example.org."},
			func(c *Config) *string { return &of(c).Host }, parseHost),
		basePath(Setting{Name: "BASEPATH_" + suffix, Group: groupServices, Help: pathHelp},
			func(c *Config) *string { return &of(c).BasePath }, parsePath),
		secret(Setting{Name: "SECRET_" + suffix, Group: groupServices, Required: true,
			Help: "HS256 key that " + name + " checks our tokens with."},
			func(c *Config) *Secret { return &of(c).Secret }),
	}
}

var bookingRows = []Setting{
	duration(Setting{Name: "QUERY_BOOK_EVERY", Group: groupBooking, Default: "15m",
		Help: "How often the manifest and the availability of every resource are read."},
		func(c *Config) *time.Duration { return &c.Booking.QueryEvery },
		limits[time.Duration]{lo: 100 * ms, hi: 30 * day, why: "what book forgets when it restarts is found only by asking"}),
	duration(Setting{Name: "TIMEOUT_BOOK", Group: groupBooking, Default: "5s",
		Help: "Patience with one call to book."},
		func(c *Config) *time.Duration { return &c.Booking.Timeout },
		limits[time.Duration]{lo: 10 * ms, hi: 10 * minute, why: "a call that hangs keeps others waiting"}),
	choice(Setting{Name: "BOOK_HOLDS", Group: groupBooking, Default: HoldsRespect,
		Help: "respect: a resource a person made unavailable stays so until a person makes it available. override: the streams alone decide."},
		func(c *Config) *string { return &c.Booking.Holds }, HoldsRespect, HoldsOverride),
}

var window = limits[time.Duration]{lo: ms, hi: 30 * day, why: "a fault would be told too late to matter"}

var healthRows = []Setting{
	duration(Setting{Name: "HEALTH_LAST_ACTIVE", Group: groupHealth, Default: "10s", Aliases: []string{"HEALTH_LAST"},
		Help: "A stream is ok if it has sent something within this time. Let experiments send heartbeats more often."},
		func(c *Config) *time.Duration { return &c.Health.LastActive }, window),
	duration(Setting{Name: "HEALTH_LAST_CHECKED", Group: groupHealth, Default: "30s",
		Help: "Relay and jump are believed while their last report is no older. Where they report too seldom for it, 2.5 of their periods are used."},
		func(c *Config) *time.Duration { return &c.Health.LastChecked }, window),
	duration(Setting{Name: "HEALTH_STARTUP", Group: groupHealth, Default: "1m",
		Help: "Grace of a new experiment, and of all after a source came back, before a fault is told."},
		func(c *Config) *time.Duration { return &c.Health.Startup },
		limits[time.Duration]{lo: ms, hi: day, off: true, why: "no fault is told while experiments are starting"}),
	count(Setting{Name: "HEALTH_EVENTS", Group: groupHealth, Default: "100",
		Help: "Newest events kept of each experiment."},
		func(c *Config) *int { return &c.Health.Events },
		limits[int]{lo: 1, hi: 100_000, why: "the store keeps that many of each experiment"}),
	duration(Setting{Name: "HEALTH_LOG_EVERY", Group: groupHealth, Default: "10m",
		Help: "One log entry with the overall status."},
		func(c *Config) *time.Duration { return &c.Health.LogEvery },
		limits[time.Duration]{lo: 100 * ms, hi: year, why: "that is never; the entry is what shows the server alive in its log"}),
	count(Setting{Name: "HEALTH_FLAP_EVENTS", Group: groupHealth, Default: "5",
		Help: "An experiment with this many events within STATUS_HEALTH_FLAP_WINDOW is flapping: told once, then quiet until it settles. 0 turns this off."},
		func(c *Config) *int { return &c.Health.FlapEvents },
		limits[int]{lo: 2, hi: 10_000, off: true, why: "it would never be reached; 0 turns it off"}),
	duration(Setting{Name: "HEALTH_FLAP_WINDOW", Group: groupHealth, Default: "10m",
		Help: "See STATUS_HEALTH_FLAP_EVENTS. 0 turns this off."},
		func(c *Config) *time.Duration { return &c.Health.FlapWindow },
		limits[time.Duration]{lo: ms, hi: 30 * day, off: true, why: "an experiment would count as flapping that long"}),
	count(Setting{Name: "HEALTH_CONFIRM_DOWN", Group: groupHealth, Default: "1",
		Help: "Checks in a row before a stream is taken as not ok."},
		func(c *Config) *int { return &c.Health.ConfirmDown }, checks),
	count(Setting{Name: "HEALTH_CONFIRM_UP", Group: groupHealth, Default: "1",
		Help: "Checks in a row before it is taken as ok again."},
		func(c *Config) *int { return &c.Health.ConfirmUp }, checks),
}

var checks = limits[int]{lo: 1, hi: 1000, why: "at a check a minute that is most of a day"}

var serveRows = []Setting{
	port(Setting{Name: "PORT_SERVE", Group: groupServe, Default: "3007",
		Help: "Port of the API and the page, on all addresses."},
		func(c *Config) *int { return &c.Serve.Port }),
	fills(Setting{Name: "LISTEN", Group: groupServe, Type: "host:port, unix:/path, systemd or systemd:NAME", Worked: "all addresses at STATUS_PORT_SERVE",
		Help: "Where the API and the page are served, in place of STATUS_PORT_SERVE. systemd: a socket unit has opened it; NAME is its FileDescriptorName."},
		func(c *Config) *Listen { return &c.Serve.Listen }, parseListen, Listen.String),
	choice(Setting{Name: "API_READ", Group: groupServe, Default: ReadOpen,
		Help: "open: anybody may read. token: reading takes a token too."},
		func(c *Config) *string { return &c.Serve.Read }, ReadOpen, ReadToken),
	secret(Setting{Name: "SECRET_STATUS", Group: groupServe,
		Help: "HS256 key of the tokens that may change something; without it nothing can be changed."},
		func(c *Config) *Secret { return &c.Serve.Secret }),
}

var metricsRows = []Setting{
	fills(Setting{Name: "ADMIN_LISTEN", Group: groupMetrics, Type: "host:port, https://host:port, http://host:port, unix:/path or systemd:NAME", Worked: "beside the API",
		Help: "Where /metrics, /_status, /_metrics and /debug are served. A host:port alone speaks TLS where STATUS_ADMIN_TLS_CERT is set."},
		func(c *Config) *Listen { return &c.Admin.Listen }, parseAdminListen, Listen.String),
	written(Setting{Name: "ADMIN_TLS_CERT", Group: groupMetrics, Type: "path", Help: "PEM file with the certificate of STATUS_ADMIN_LISTEN, and what leads to its root. Read again on SIGHUP."},
		func(c *Config) *string { return &c.Admin.Cert }, parseFile),
	written(Setting{Name: "ADMIN_TLS_KEY", Group: groupMetrics, Type: "path", Help: "PEM file with its key."},
		func(c *Config) *string { return &c.Admin.Key }, parseFile),
	written(Setting{Name: "ADMIN_CLIENT_CA", Group: groupMetrics, Type: "path", Help: "PEM file with whom clients' certificates there must be signed by. Without it they need none."},
		func(c *Config) *string { return &c.Admin.ClientCA }, parseFile),
	boolean(Setting{Name: "SHUTDOWN", Group: groupMetrics, Default: "false",
		Help: "Let POST /_shutdown stop the server. It takes an admin token, or a connection from this machine."},
		func(c *Config) *bool { return &c.Admin.Shutdown }),
	written(Setting{Name: "METRICS_PREFIX", Group: groupMetrics, Type: "name", Default: "status",
		Help: "First part of the names in /_metrics and in what is pushed."},
		func(c *Config) *string { return &c.Metrics.Prefix }, parseMetricPrefix),
	boolean(Setting{Name: "METRICS_PER_EXPERIMENT", Group: groupMetrics, Default: "true",
		Help: "Show series for each experiment, resource and stream."},
		func(c *Config) *bool { return &c.Metrics.PerExperiment }),
	written(Setting{Name: "METRICS_GRAPHITE", Group: groupMetrics, Type: "host:port", Help: "Push all figures to Graphite's plaintext port there."},
		func(c *Config) *string { return &c.Metrics.Graphite }, parseHostPort),
	written(Setting{Name: "METRICS_URL", Group: groupMetrics, Type: "https:// or http:// address", Help: "Push all figures there, as JSON by POST."},
		func(c *Config) *string { return &c.Metrics.URL }, parseURL),
	duration(Setting{Name: "METRICS_INTERVAL", Group: groupMetrics, Default: "30s", Help: "Between these pushes. 0: only what STATUS_METRICS_POLICY_FILE asks for is pushed."},
		func(c *Config) *time.Duration { return &c.Metrics.Interval },
		limits[time.Duration]{lo: second, hi: day, off: true, why: "0 turns it off"}),
	written(Setting{Name: "METRICS_POLICY_FILE", Group: groupMetrics, Type: "path",
		Help: "JSON file that says which figures of connections are pushed where and how often. Read again on SIGHUP."},
		func(c *Config) *string { return &c.Metrics.PolicyFile }, parseFile),
}

var observerRows = []Setting{
	written(Setting{Name: "OBSERVERS", Group: groupObserver, Type: "absolute path",
		Help: "JSON file of the observers that are told how everything is. More can be set while running."},
		func(c *Config) *string { return &c.Observer.File }, parseAbsolute),
	fills(Setting{Name: "OBSERVER_LISTEN", Group: groupObserver, Type: "host:port, unix:/path or systemd:NAME",
		Help: "Where GOSTs report to us over HTTP, at /observer. Not set: nowhere."},
		func(c *Config) *Listen { return &c.Observer.Listen }, parseListen, Listen.String),
	fills(Setting{Name: "OBSERVER_GRPC_LISTEN", Group: groupObserver, Type: "host:port, unix:/path or systemd:NAME",
		Help: "The same over gRPC."},
		func(c *Config) *Listen { return &c.Observer.GRPCListen }, parseListen, Listen.String),
	confidential(written(Setting{Name: "OBSERVER_TOKENS", Group: groupObserver, Type: "absolute path",
		Help: "File of the tokens, one a line, that reports to us need. Required where they are listened for."},
		func(c *Config) *string { return &c.Observer.Tokens }, parseTokensFile)),
	written(Setting{Name: "OBSERVER_MAP", Group: groupObserver, Type: "rules split by ;, or @/path",
		Help: "Which reported services and clients belong to which experiment. @/path: a file with a rule a line."},
		func(c *Config) *string { return &c.Observer.Map }, parseObserverMap),
	duration(Setting{Name: "OBSERVER_PERIOD", Group: groupObserver, Default: "5s",
		Help: "How often the GOSTs report."},
		func(c *Config) *time.Duration { return &c.Observer.Period },
		limits[time.Duration]{lo: second, hi: hour, why: "what a tunnel reports so seldom says little of how it is now"}),
}

var emailRows = []Setting{
	fills(Setting{Name: "EMAIL_FROM", Group: groupEmail, Type: "address",
		Help: "Sender, e.g. Lab Status <status@example.org>. Mail is off unless sender, recipients and host are set, and a password where STATUS_EMAIL_AUTH_TYPE needs one."},
		func(c *Config) *mail.Address { return &c.Email.From }, parseAddress, showAddress),
	addresses(Setting{Name: "EMAIL_TO", Group: groupEmail, Help: "Recipients."},
		func(c *Config) *[]mail.Address { return &c.Email.To }),
	addresses(Setting{Name: "EMAIL_CC", Group: groupEmail, Help: "Recipients of a copy."},
		func(c *Config) *[]mail.Address { return &c.Email.CC }),
	written(Setting{Name: "EMAIL_HOST", Group: groupEmail, Type: "host", Help: "Mail server."},
		func(c *Config) *string { return &c.Email.Host }, parseMailHost),
	port(Setting{Name: "EMAIL_PORT", Group: groupEmail, Default: "587", Help: "Its port."},
		func(c *Config) *int { return &c.Email.Port }),
	choice(Setting{Name: "EMAIL_TLS", Group: groupEmail, Default: TLSAuto,
		Help: "auto: implicit TLS on port 465; elsewhere STARTTLS, required when a password is sent off this machine and used where offered otherwise. Certificates are verified, but by opportunistic, and by auto where no password leaves this machine."},
		func(c *Config) *string { return &c.Email.TLS }, TLSAuto, TLSRequired, TLSImplicit, TLSOpportunistic, TLSNone),
	choice(Setting{Name: "EMAIL_AUTH_TYPE", Group: groupEmail, Default: AuthNone,
		Help: "How to log in at the mail server. auto takes the best it offers."},
		func(c *Config) *string { return &c.Email.AuthType },
		AuthNone, AuthPlain, AuthLogin, AuthCRAMMD5, AuthSCRAM256, AuthXOAuth2, AuthAuto),
	text(Setting{Name: "EMAIL_USER", Group: groupEmail, Worked: "the address in STATUS_EMAIL_FROM",
		Help: "User to log in as."},
		func(c *Config) *string { return &c.Email.User }),
	secret(Setting{Name: "EMAIL_PASSWORD", Group: groupEmail,
		Help: "Password, or the access token for xoauth2. Needed unless STATUS_EMAIL_AUTH_TYPE is none or auto."},
		func(c *Config) *Secret { return &c.Email.Password }),
	written(Setting{Name: "EMAIL_HELO", Group: groupEmail, Type: "host name", Worked: "this host's name",
		Help: "What we call ourselves to the mail server. Many refuse localhost."},
		func(c *Config) *string { return &c.Email.HELO }, parseHELO),
	text(Setting{Name: "EMAIL_SUBJECT", Group: groupEmail, Help: "First words of every subject, e.g. the lab's name."},
		func(c *Config) *string { return &c.Email.Subject }),
	text(Setting{Name: "EMAIL_LINK", Group: groupEmail, Help: "Link to the status page, last in every mail, as given."},
		func(c *Config) *string { return &c.Email.Link }),
	duration(Setting{Name: "EMAIL_GROUP_WAIT", Group: groupEmail, Default: "0s",
		Help: "How long the first event is held so that what belongs together is told in one mail. What is undone meanwhile is not told."},
		func(c *Config) *time.Duration { return &c.Email.GroupWait },
		limits[time.Duration]{lo: ms, hi: day, off: true, why: "news that old helps nobody"}),
	duration(Setting{Name: "EMAIL_REMIND_EVERY", Group: groupEmail, Default: "0s",
		Help: "Remind of what is still wrong, and acknowledged or silenced by nobody, this long after the last mail that told of a problem, and again and again. 0: never."},
		func(c *Config) *time.Duration { return &c.Email.Remind },
		limits[time.Duration]{lo: second, hi: 30 * day, off: true, why: "0 turns it off"}),
}

var logRows = []Setting{
	logLevel(Setting{Name: "LOG_LEVEL", Group: groupLog, Default: "warn", Help: "Least severity that is logged."},
		func(c *Config) *logrus.Level { return &c.Log.Level }),
	choice(Setting{Name: "LOG_FORMAT", Group: groupLog, Default: FormatJSON, Help: "Form of a log line."},
		func(c *Config) *string { return &c.Log.Format }, FormatJSON, FormatText),
	written(Setting{Name: "LOG_FILE", Group: groupLog, Type: "path, stdout or stderr", Default: "/var/log/status/status.log",
		Help: "Where the log goes. A file is reopened on SIGHUP and rotated by size; one that can't be opened is warned of, and stderr used."},
		func(c *Config) *string { return &c.Log.File }, parseLogFile),
	fills(Setting{Name: "STORE", Group: groupLog, Type: "path or memory", Default: "/var/lib/status/status.db",
		Help: "SQLite file that keeps state, events and mail over a restart; memory keeps nothing. Under systemd, status.db in $STATE_DIRECTORY is the default."},
		func(c *Config) *Store { return &c.Store }, parseStore, Store.String),
	duration(Setting{Name: "HISTORY_KEEP", Group: groupLog, Default: "90d",
		Help: "How long it is kept when each experiment was well, for uptimes and bars."},
		func(c *Config) *time.Duration { return &c.Health.History },
		limits[time.Duration]{lo: day, hi: 10 * year, why: "the store would only grow"}),
	boolean(Setting{Name: "PROFILE", Group: groupLog, Default: "false", Help: "Serve pprof: on loopback at STATUS_PORT_PROFILE, and on STATUS_ADMIN_LISTEN to this machine and admins."},
		func(c *Config) *bool { return &c.Profile.On }),
	port(Setting{Name: "PORT_PROFILE", Group: groupLog, Default: "6061", Help: "Port of pprof."},
		func(c *Config) *int { return &c.Profile.Port }),
}
