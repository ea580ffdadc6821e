// Package statusport shows the server's own condition to the tools that operators
// already have: /_status and /_metrics as ghostunnel's status port words them,
// /metrics for Prometheus and OpenMetrics, and behind settings pprof and
// /_shutdown. The same figures can be pushed, as JSON to a URL and as lines to
// Graphite.
//
// Of what ghostunnel does these are left out on purpose: checks that every request
// makes anew (they are cached here), counters and percentiles that call themselves
// gauges and histograms, an order and a content type that are left to chance, and a
// port that closes before the server has drained. Times are in seconds.
//
// It counts nothing, decides nothing of the laboratory and knows no other package
// of ours: what it shows is handed in. internal/app makes a [Port], mounts it, and
// tells it what the server is doing.
package statusport
