package telemetry

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"
	"gopkg.in/natefinch/lumberjack.v2"
)

// Limits of a log file. A lab's disk was once filled by a status server's log:
// with these it takes at most 120 MB before compression, whatever is logged.
const (
	maxLogMegabytes = 20
	maxLogBackups   = 5
)

// LogOptions say what is logged, and where to.
type LogOptions struct {
	Level logrus.Level
	Text  bool   // one readable line an entry; else one JSON object
	File  string // a path; "stdout" or "stderr"
	// Stdout and Stderr are the process's own.
	Stdout, Stderr io.Writer
}

// Log is a logger and the file behind it, if there is one.
type Log struct {
	*logrus.Logger
	file *lumberjack.Logger
}

// NewLog opens the log. A file that can't be opened is no reason not to watch a
// laboratory: the log goes to stderr then, and warning says why and what to do.
func NewLog(o LogOptions) (log *Log, warning error) {
	l := &Log{Logger: logrus.New()}
	l.SetLevel(o.Level)
	l.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	if o.Text {
		l.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.RFC3339})
	}
	switch o.File {
	case "stdout":
		l.SetOutput(o.Stdout)
	case "", "stderr":
		l.SetOutput(o.Stderr)
	default:
		if err := writable(o.File); err != nil {
			l.SetOutput(o.Stderr)
			return l, fmt.Errorf("logging to stderr, as the log file can't be opened: %w; "+
				"create its folder for the server's user (LogsDirectory=status in the unit), or set STATUS_LOG_FILE=stderr", err)
		}
		l.file = &lumberjack.Logger{Filename: o.File, MaxSize: maxLogMegabytes, MaxBackups: maxLogBackups, Compress: true}
		l.SetOutput(l.file)
	}
	return l, nil
}

// writable finds out whether the file can be appended to, making its folder where
// that is all that is missing.
func writable(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	return f.Close()
}

// Reopen closes the log file, and the next entry opens it again: for whoever has
// just moved it away.
func (l *Log) Reopen() error {
	if l.file == nil {
		return nil
	}
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("reopening the log file: %w", err)
	}
	if err := writable(l.file.Filename); err != nil { // makes it, with our mode
		return fmt.Errorf("reopening the log file: %w", err)
	}
	return nil
}

// Close writes what is left.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("closing the log file: %w", err)
	}
	return nil
}
