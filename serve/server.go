package serve

import (
	stdlog "log"
	"net/http"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// answerWithin is enough for ten thousand reports over a slow line.
const answerWithin = time.Minute

// NewServer makes the HTTP server of handler, with a limit on everything a
// client could draw out. What net/http itself has to say, such as a broken TLS
// handshake, goes to log at level debug: it is about clients, not about us. The
// caller listens, serves and shuts down.
func NewServer(handler http.Handler, log logrus.FieldLogger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      answerWithin,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          stdlog.New(debugWriter{log}, "", 0),
	}
}

type debugWriter struct{ log logrus.FieldLogger }

func (w debugWriter) Write(line []byte) (int, error) {
	w.log.Debug("http: " + strings.TrimSpace(string(line)))
	return len(line), nil
}
