// Package telemetry sets up how the server tells of itself: its log, and where
// that is written.
//
// It never decides what is worth telling, keeps no state of the laboratory and
// imports nothing of ours but the words of health. cmd/status makes the log;
// everybody else is handed a logger.
package telemetry
