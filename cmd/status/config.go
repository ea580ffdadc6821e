package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"labstatus/internal/app"
	"labstatus/internal/book"
	"labstatus/internal/config"
	"labstatus/internal/jump"
	"labstatus/internal/notify"
	"labstatus/internal/relay"
	"labstatus/internal/store"
)

// checkTimeout bounds each of the checks that talk to a service.
const checkTimeout = 15 * time.Second

// feedOpened is all that can be said without waiting for a frame, which may be a
// minute away.
const feedOpened = "access granted, feed opened (whether reports come is seen within a minute or two of serving)"

func newConfig() *cobra.Command {
	var check, offline bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the effective settings and where each came from, or check them",
		Long: `Print the effective settings and where each came from; secrets are shown as ***.

With --check, only say whether they are right, and reach book, relay, jump and the
mail server once (not with --offline). Exit status 1 where anything is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, warnings, err := config.LoadEnv()
			printWarnings(cmd.ErrOrStderr(), warnings)
			if err != nil {
				return badSettings(err)
			}
			if check {
				if err := app.CheckObserverFiles(c); err != nil {
					return badSettings(err)
				}
			}
			switch {
			case check && offline:
				fmt.Fprintln(cmd.OutOrStdout(), "settings: ok (nothing was reached)")
				return nil
			case check:
				return checkServices(cmd.Context(), c, cmd.OutOrStdout())
			case offline:
				return failure(fmt.Errorf("--offline goes with --check"))
			}
			fmt.Fprint(cmd.OutOrStdout(), c.Explain())
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "validate, and reach every service once")
	cmd.Flags().BoolVar(&offline, "offline", false, "with --check: reach nothing")
	return cmd
}

// checkServices reaches every service once and says what it found, a line each.
func checkServices(ctx context.Context, c *config.Config, out io.Writer) error {
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	o := app.Options{Config: c, Log: quiet}
	fmt.Fprintln(out, "settings: ok")
	wrong := 0
	report := func(name string, what func(context.Context) (string, error)) {
		if ctx.Err() != nil {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		found, err := what(ctx)
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return
		case err != nil:
			wrong++
			fmt.Fprintf(out, "%s: FAILED: %v\n", name, err)
		default:
			fmt.Fprintf(out, "%s: ok, %s\n", name, found)
		}
	}
	report("store", func(ctx context.Context) (string, error) { return checkStore(ctx, c) })
	report("book", func(ctx context.Context) (string, error) {
		client, err := app.BookClient(c, o)
		if err != nil {
			return "", err
		}
		defer client.Close()
		found, err := book.Check(ctx, client)
		parts := []string{fmt.Sprintf("%d resources of %d experiments", found.Resources, found.Experiments)}
		for _, w := range found.Warnings {
			parts = append(parts, "warning: "+w)
		}
		return strings.Join(parts, "; "), err
	})
	report("relay", func(ctx context.Context) (string, error) {
		return feedOpened, relay.New(app.RelayOptions(c, o, 0)).Check(ctx)
	})
	report("jump", func(ctx context.Context) (string, error) {
		return feedOpened, jump.New(app.JumpOptions(c, o, 0)).Check(ctx)
	})
	if on, missing := c.Email.Enabled(); on {
		report("mail", func(ctx context.Context) (string, error) { return checkMail(ctx, c, o) })
	} else {
		fmt.Fprintf(out, "mail: off, missing: %s\n", strings.Join(missing, " "))
	}
	if ctx.Err() != nil {
		return failure(errors.New("interrupted"))
	}
	if wrong > 0 {
		return failure(fmt.Errorf("%d of the checks failed", wrong))
	}
	return nil
}

// checkMail goes as far as a mail server lets us without sending anything.
func checkMail(ctx context.Context, c *config.Config, o app.Options) (string, error) {
	sender, err := notify.NewSMTP(app.SMTPOptions(c, o))
	if err != nil {
		return "", err
	}
	session, err := sender.Open(ctx)
	if err != nil {
		return "", err
	}
	if err := session.Close(ctx); err != nil {
		return "", fmt.Errorf("end the talk: %w", err)
	}
	return "greeted" + map[bool]string{true: " and authenticated"}[c.Email.AuthType != config.AuthNone] +
		"; status mail-test sends a mail", nil
}

// checkStore opens the store as the server would.
func checkStore(ctx context.Context, c *config.Config) (string, error) {
	if c.Store.Memory {
		return "in memory: nothing is kept over a restart", nil
	}
	file, err := store.Open(ctx, c.Store.Path, store.Options{})
	switch {
	case errors.Is(err, store.ErrServed):
		return "in use by a running server", nil
	case err != nil:
		return "", fmt.Errorf("the server would keep its state in memory: %w", err)
	}
	return c.Store.Path, file.Close()
}
