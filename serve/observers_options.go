package serve

import "time"

// ObserverSpec is how an observer is told. Encoded to JSON it is what the file of
// STATUS_OBSERVERS has for one.
type ObserverSpec struct {
	Name    string `json:"name"`
	Type    string `json:"type,omitempty"` // http or grpc; empty: as the address shows
	Address string `json:"address"`
	// Token is never answered: readers get *** where there is one. A *** that is handed
	// to ChangeObserver means that the token stays as it is.
	Token        string       `json:"token,omitempty"`
	TLS          *ObserverTLS `json:"tls,omitempty"`     // nil: not said
	Timeout      string       `json:"timeout,omitempty"` // as 5s; empty: the default
	Period       string       `json:"period,omitempty"`  // as 5s; empty: the default
	ResetTraffic bool         `json:"reset_traffic,omitempty"`
}

// ObserverTLS is how an observer's certificate is checked.
type ObserverTLS struct {
	ServerName string `json:"server_name,omitempty"`
	Insecure   bool   `json:"insecure,omitempty"`
	CA         string `json:"ca,omitempty"` // PEM
}

// ObserverInfo is an observer and how telling it goes.
type ObserverInfo struct {
	Spec  ObserverSpec // Address whole: who may not change it gets it without path and query
	Fixed bool         // from the file of STATUS_OBSERVERS

	LastTry      time.Time // zero: none since the start
	LastOK       time.Time // zero: never
	FailingSince time.Time // zero: the latest report was acknowledged, or there was none
	LastErr      string    // of the latest failure; no secrets
	LastErrAt    time.Time

	Pending       int       // events that wait to be acknowledged
	OldestPending time.Time // zero: none

	Reports, Failures, Events, Dropped uint64 // since the start

	KeepErr string // why what is pending can't be kept; empty: it can
}

// ObservedInfo is a service, or a client of one, that is reported to us.
type ObservedInfo struct {
	Source, Kind, Service, Client string // Client empty: the service itself
	Experiment                    string // whose it is; empty: nobody's
	Required                      bool

	State   string // running, ready, failed or closed; empty: it has not said
	Message string // the source's words
	Since   time.Time

	TotalConns, CurrentConns, InputBytes, OutputBytes, TotalErrs uint64
	Counted                                                      time.Time // when figures last came; zero: never
	LastAt                                                       time.Time // when anything last came

	Restarts, Repeats uint64
	Incremental       bool // its bytes look like increments, though nobody said so
}

// ObserverInInfo is what was done with the reports that came, since the start.
type ObserverInInfo struct {
	Addresses []string // where reports are listened to

	Reports, Repeats, Events, Unknown uint64
	Refused                           map[string]uint64 // reports, by reason

	Sources, Subjects int // known now

	KeepErr string // why what is known can't be kept; empty: it can
}
