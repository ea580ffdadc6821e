// Package telemetry is how the server tells of itself: its log, the connections
// it opens and accepts, how long each stage of them takes, and figures of the
// laboratory for Prometheus.
//
//   - [NewLog] makes the log; cmd/status owns it and hands out loggers.
//   - [Tracker] makes every dialer and listener, each under a name. What they do is
//     counted there, once, and every figure of a connection is a view of that count.
//   - [Stages] times dns, tcp, tls, upgrade and http by name, and reports them as a
//     file of named policies says.
//   - [Metrics] shows the laboratory as the latest snapshot has it. It is read when
//     somebody scrapes, so the loop pays next to nothing for it.
//   - [Notifier] speaks to systemd.
//   - [Debug] shows live connections and recent dials to people on this machine.
//
// It never decides what is worth telling, keeps no state of the laboratory,
// registers nothing in a global registry and imports nothing of ours but the words
// of health. A label holds a name from the settings, an experiment's name or the name
// of what reports to us, never an address, a secret or free text. internal/app makes
// the parts and registers them; statusport serves what they know.
package telemetry
