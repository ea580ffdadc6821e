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
status 0. A second signal ends it at once. SIGHUP reopens the log file, and reads
STATUS_ADMIN_TLS_CERT, its key, STATUS_ADMIN_CLIENT_CA and STATUS_METRICS_POLICY_FILE
again.

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

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // from now on: it would end us while we start
	defer signal.Stop(hangup)

	server, err := app.New(ctx, app.Options{Config: c, Warnings: texts, Version: versionText(), Log: log})
	if err == nil {
		stop := reloadOn(ctx, hangup, func() {
			for _, err := range []error{log.Reopen(), server.Reload()} {
				if err != nil {
					log.Error(err)
				}
			}
		})
		err = server.Run(ctx)
		stop()
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

// reloadOn reloads at each signal until it is stopped.
func reloadOn(ctx context.Context, signals <-chan os.Signal, reload func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				reload()
			}
		}
	})
	return func() {
		cancel()
		listening.Wait()
	}
}
