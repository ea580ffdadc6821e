package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/telemetry"
)

func newServe() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until it gets SIGTERM or SIGINT; it then stops cleanly with exit
status 0. A second signal ends it at once. SIGHUP reopens the log file.

` + config.Help(),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, warnings, err := config.LoadEnv()
			printWarnings(cmd.ErrOrStderr(), warnings)
			if err != nil {
				return badSettings(err)
			}
			return serveWith(cmd.Context(), c, warnings, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

func printWarnings(w io.Writer, warnings []config.Warning) {
	for _, warning := range warnings {
		fmt.Fprintln(w, "warning:", warning)
	}
}

// badSettings lists every fault, one line each.
func badSettings(err error) error {
	return &failed{text: err.Error() + "\nstatus: nothing was started; \"status serve --help\" lists the settings"}
}

func serveWith(ctx context.Context, c *config.Config, warnings []config.Warning, stdout, stderr io.Writer) (err error) {
	log, warning := telemetry.NewLog(telemetry.LogOptions{
		Level: c.Log.Level, Text: c.Log.Format == config.FormatText, File: c.Log.File, Stdout: stdout, Stderr: stderr,
	})
	defer func() {
		if e := log.Close(); e != nil {
			err = errors.Join(err, failure(e))
		}
	}()
	texts := make([]string, 0, len(warnings)+1)
	for _, w := range warnings {
		texts = append(texts, w.String())
		log.WithField("setting", w.Variable).Warn(w.Text)
	}
	if warning != nil {
		texts = append(texts, warning.Error())
		log.Warn(warning)
	}

	defer reopenOnHangup(ctx, log)()

	server, err := app.New(ctx, app.Options{Config: c, Warnings: texts, Version: versionText(), Log: log})
	if err == nil {
		err = server.Run(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return nil // asked to stop while it was starting
	}
	if err != nil {
		if warning == nil && c.Log.File != config.LogStderr && c.Log.File != config.LogStdout {
			log.WithError(err).Error("ended") // where nobody reads stderr
		}
		return failure(err)
	}
	return nil
}

// reopenOnHangup reopens the log at each SIGHUP until it is stopped.
func reopenOnHangup(ctx context.Context, log *telemetry.Log) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
				if err := log.Reopen(); err != nil {
					log.Error(err)
				}
			}
		}
	})
	return func() {
		signal.Stop(hangup)
		cancel()
		listening.Wait()
	}
}
