package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/serve"
)

func newToken() *cobra.Command {
	var subject, life string
	var scopes []string
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a bearer token for this server's API",
		Long: `Make a bearer token for this server's API, signed with STATUS_SECRET_STATUS, and print
it. Scopes: status:read to read where STATUS_API_READ=token, status:admin to also
change things. Use it as: curl -H "Authorization: Bearer $(status token)" …`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lifetime, err := config.ParseDuration(life)
			if err != nil || lifetime <= 0 {
				return failure(fmt.Errorf("--life %q: a duration such as 8h or 30d is wanted", life))
			}
			c, err := config.LoadOnly(os.LookupEnv, "SECRET_STATUS", "EMAIL_LINK")
			if err != nil {
				return badSettings(err)
			}
			if !c.Serve.Secret.IsSet() {
				return failure(errors.New("STATUS_SECRET_STATUS is not set: it is the key that the server checks tokens with"))
			}
			token, err := serve.MintToken(c.Serve.Secret.Reveal(), app.Audience(c), subject, scopes, lifetime.Round(time.Second))
			if err != nil {
				return failure(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), token)
			return nil
		},
	}
	cmd.Flags().StringVar(&subject, "subject", "maintainer", "who the token is for; shown with what is done with it")
	cmd.Flags().StringSliceVar(&scopes, "scope", []string{serve.ScopeRead}, "what it allows: status:read, status:admin")
	cmd.Flags().StringVar(&life, "life", "8h", "how long it is valid, e.g. 8h or 30d")
	return cmd
}
