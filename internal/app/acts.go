package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"labstatus/internal/book"
	"labstatus/internal/health"
	"labstatus/internal/notify"
	"labstatus/internal/store"
	"labstatus/serve"
)

// act has the engine take in what a person did.
func (a *App) act(ctx context.Context, act health.Act) error {
	err := a.loop.ask(ctx, act)
	if no, is := errors.AsType[*refused](err); is {
		return &serve.ActError{Status: http.StatusConflict, Message: no.why}
	}
	if err != nil {
		return &serve.ActError{Status: http.StatusServiceUnavailable, Message: "not taken in: " + err.Error()}
	}
	return nil
}

// hold has book take resources off booking for a person's reason, or without one
// put them back as far as their streams allow. What book did is known to the engine
// before the act is, so that it never opens what has just been taken off.
func (a *App) hold(ctx context.Context, name string, resources []string, by, reason string) error {
	act := health.Act{Kind: health.ActHold, By: by, Experiment: name, Text: reason}
	words := health.HoldReason(reason, by)
	if reason == "" {
		act.Kind = health.ActRelease
		words = health.OwnReason + " given back by " + by + ", its streams decide"
	}
	tell := func(in health.Input) { a.loop.post(ctx, in) }
	var done []string
	var failed []error
	for _, resource := range resources {
		if err := a.keeper.Set(ctx, resource, false, words, tell); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", resource, err))
			continue
		}
		done = append(done, resource)
	}
	if len(done) == 0 {
		return bookRefused(failed, "nothing was changed")
	}
	act.At = time.Now()
	if err := a.act(ctx, act); err != nil {
		return err
	}
	if len(failed) > 0 {
		return bookRefused(failed, "done for "+strings.Join(done, ", ")+" alone")
	}
	return nil
}

func bookRefused(failed []error, so string) error {
	err := errors.Join(failed...)
	status := http.StatusBadGateway
	if errors.Is(err, book.ErrUnknownResource) {
		status = http.StatusConflict
	}
	return &serve.ActError{Status: status, Message: "book did not do it, " + so + ": " + strings.ReplaceAll(err.Error(), "\n", "; ")}
}

// testMail queues a mail that says only that mail works.
func (a *App) testMail(ctx context.Context, by string) (id string, recipients int, err error) {
	if a.outbox == nil {
		return "", 0, &serve.ActError{Status: http.StatusConflict, Message: "mail is off: these settings are missing: " + strings.Join(a.mailOff, " ")}
	}
	now := time.Now()
	mail, err := a.renderer.RenderTest(notify.NewID(a.o.Config.Email.HELO), now)
	if err != nil {
		return "", 0, fmt.Errorf("make a test mail: %w", err)
	}
	if err := a.store.Commit(ctx, store.Commit{At: now, Mails: []*health.Mail{&mail}}); err != nil {
		return "", 0, fmt.Errorf("queue a test mail: %w", err)
	}
	a.outbox.Wake()
	return mail.ID, len(mail.Recipients), a.act(ctx, health.Act{At: now, Kind: health.ActTestMail, By: by})
}
