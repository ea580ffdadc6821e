package serve

import (
	"errors"
	"net/http"
	"runtime/debug"

	"github.com/sirupsen/logrus"
)

// maxRequestBody is plenty for two hundred names of experiments.
const maxRequestBody = 64 << 10

// protect wraps all that is served: headers for browsers, a limit on what a
// request may send, and recovery from panics.
func protect(next http.Handler, log logrus.FieldLogger) http.Handler {
	limited := http.MaxBytesHandler(next, maxRequestBody)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		// Nothing comes from elsewhere and nothing may frame the page; it frames
		// mails. No CORS headers: other sites' pages can't read what is served here.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "+
			"connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")

		tracked := &startedWriter{ResponseWriter: w}
		defer func() {
			what := recover()
			if what == nil {
				return
			}
			if err, ok := what.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(what)
			}
			log.WithFields(logrus.Fields{
				"method": r.Method, "path": clip(r.URL.Path, 200), "panic": what, "stack": string(debug.Stack()),
			}).Error("a request met a fault of ours; it was answered 500")
			if tracked.started {
				// Half an answer must not pass for a whole one.
				panic(http.ErrAbortHandler)
			}
			writeError(w, http.StatusInternalServerError, "a fault of ours; it is in the server's log")
		}()
		limited.ServeHTTP(tracked, r)
	})
}

// startedWriter notices when an answer has begun.
type startedWriter struct {
	http.ResponseWriter
	started bool
}

func (w *startedWriter) WriteHeader(status int) {
	w.started = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *startedWriter) Write(b []byte) (int, error) {
	w.started = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *startedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
