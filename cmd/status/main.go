package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // maintenance names places; not every host knows them

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for its signals; the exit status is 0 where all
// went well, 1 where it didn't and 2 where the command was not understood.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if failure, ok := errors.AsType[*failed](err); ok { // said already, in its own words
		if failure.text != "" {
			fmt.Fprintln(stderr, failure.text)
		}
		return 1
	}
	fmt.Fprintf(stderr, "status: %v\nTry: status --help\n", err)
	return 2
}

// failed is an error of a command that was understood.
type failed struct{ text string }

func (f *failed) Error() string { return f.text }

func failure(err error) error { return &failed{text: "status: " + err.Error()} }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "status",
		Short: "Watch a remote laboratory, keep its bookings right, tell its maintainers",
		Long: `status watches a remote laboratory: it reads what relay and jump say of every
experiment, decides which are well, opens and closes their bookings in book, and
tells the maintainers by mail, page and API.

Settings come from environment variables that begin with STATUS_; "status serve
--help" lists them. To see it all at work without a laboratory: status demo`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newServe(), newDemo(), newConfig(), newMailTest(), newToken(), newVersion())
	return root
}
