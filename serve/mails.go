package serve

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/go-openapi/runtime"
	"github.com/go-openapi/runtime/middleware"

	"labstatus/serve/restapi/operations"
)

func (a *api) listMails(params operations.ListMailsParams) middleware.Responder {
	r := params.HTTPRequest
	page, next, err := a.opts.Mails(r.Context(), int(*params.Limit), valueOf(params.Cursor))
	if err != nil {
		return a.pageFailed("mails", err)
	}
	return varied(a.answer(r, mailPage(page, next, a.admins.includes(r))))
}

func (a *api) getMail(params operations.GetMailParams) middleware.Responder {
	r := params.HTTPRequest
	m, err := a.opts.Mail(r.Context(), params.ID)
	switch {
	case errors.Is(err, ErrUnknownMail):
		return refuse(http.StatusNotFound, noMail)
	case err != nil:
		return a.storeFailed("a mail", err)
	}
	parts, err := readMail(m.Raw)
	if err != nil {
		a.opts.Log.WithError(err).WithField("mail", m.ID).Error("a mail that was kept can't be shown")
		return refuse(http.StatusInternalServerError, "a fault of ours; it is in the server's log")
	}
	whole := a.admins.includes(r)
	html := "mail.html?id=" + url.QueryEscape(m.ID)
	if whole || a.opts.ReadAuth != nil {
		html += "&ticket=" + a.tickets.issue(m.ID, whole, time.Now())
	}
	return varied(a.answer(r, mailText(&m, parts, html, whole)))
}

const noMail = "there is no such mail, or it is no longer kept"

// varied says to caches that the answer depends on who asks.
func varied(next middleware.Responder) middleware.Responder {
	return middleware.ResponderFunc(func(w http.ResponseWriter, p runtime.Producer) {
		w.Header().Add("Vary", "Authorization")
		next.WriteResponse(w, p)
	})
}

// mailFrame serves the HTML part of a mail to be framed by the page: a document of
// its own, that can run nothing and load nothing.
type mailFrame struct {
	opts    *Options
	admins  *admins
	tickets *tickets
}

func (f *mailFrame) serve(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	id := query.Get("id")
	whole, good := f.tickets.admits(id, query.Get("ticket"), time.Now())
	if !good {
		w.Header().Add("Vary", "Authorization")
		if refusal := f.opts.readerRefused(r); refusal != nil {
			writeRefusal(w, refusal)
			return
		}
		whole = f.admins.includes(r)
	}
	m, err := f.opts.Mail(r.Context(), id)
	switch {
	case errors.Is(err, ErrUnknownMail):
		writeError(w, http.StatusNotFound, noMail)
		return
	case err != nil:
		if !errors.Is(err, context.Canceled) {
			f.opts.Log.WithError(err).Error("a mail could not be read for a request")
		}
		writeError(w, http.StatusServiceUnavailable, "the mail can't be read from the store at the moment; try again later")
		return
	}
	parts, err := readMail(m.Raw)
	if err != nil {
		f.opts.Log.WithError(err).WithField("mail", m.ID).Error("a mail that was kept can't be shown")
		writeError(w, http.StatusInternalServerError, "a fault of ours; it is in the server's log")
		return
	}
	if parts.html == "" {
		writeError(w, http.StatusNotFound, "this mail has no HTML part")
		return
	}
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'")
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	newBody("text/html; charset=utf-8", []byte(unmasked(parts.html, whole))).serve(w, r)
}
