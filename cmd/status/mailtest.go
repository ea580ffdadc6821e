package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/notify"
)

func newMailTest() *cobra.Command {
	return &cobra.Command{
		Use:   "mail-test",
		Short: "Send one test mail and print the talk with the mail server",
		Long: `Send one test mail to all recipients and print the talk with the mail server, with
secrets masked, the TLS version, the Message-ID and the answer for each recipient.
Exit status 1 if any recipient is refused.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, warnings, err := config.LoadEnv()
			printWarnings(cmd.ErrOrStderr(), warnings)
			if err != nil {
				return badSettings(err)
			}
			if on, missing := c.Email.Enabled(); !on {
				return failure(errors.New("mail is off: set " + strings.Join(missing, " ")))
			}
			renderer, err := notify.NewRenderer(app.RendererOptions(c))
			if err != nil {
				return failure(err)
			}
			sender, err := notify.NewSMTP(app.SMTPOptions(c, app.Options{}))
			if err != nil {
				return failure(err)
			}
			mail, err := renderer.RenderTest(notify.NewID(c.Email.HELO), time.Now())
			if err != nil {
				return failure(fmt.Errorf("make the test mail: %w", err))
			}
			if err := sender.Talk(cmd.Context(), cmd.OutOrStdout(), mail); err != nil {
				return failure(err)
			}
			return nil
		},
	}
}
