package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"dunning/internal/sandbox"
)

func (a *app) sandboxCommand() *cobra.Command {
	var listen, smtp, mails, key string
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve a pretend Cost+ and a mail sink on this machine, to try things with",
		Long: `Serve a pretend Cost+ and a mail server that keeps every mail, both on loopback
only, until interrupted. Point costplus.base_url and smtp.host and port of a
configuration in test mode at them.

Its payment pages let you pay, fail and cancel by hand; POST /sandbox/clock
turns its clock, POST /sandbox/faults makes it misbehave.`,
		Example: "  dunning sandbox --listen 127.0.0.1:8090 --smtp 127.0.0.1:2525 --mails mails",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := sandbox.Start(sandbox.Options{
				Listen: listen, Now: a.now, APIKeys: []string{key}, LogLimit: 100_000,
				Mail: sandbox.MailOptions{Listen: smtp, Dir: mails},
			})
			if err != nil {
				return &exit{exitUsage, err}
			}
			a.say("Cost+     %s   (API key %s)", s.URL(), key)
			a.say("SMTP      %s   (no TLS, no login)", s.Mail.Addr())
			a.say("mails     %s, and %s/sandbox/mails", mails, s.URL())
			a.say("look in   %s/sandbox/links and %s/sandbox/requests", s.URL(), s.URL())
			a.say("stop with Ctrl-C")
			<-cmd.Context().Done()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), 10*time.Second)
			defer cancel()
			return failed(s.Close(ctx))
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8090", "address of the pretend Cost+")
	cmd.Flags().StringVar(&smtp, "smtp", "127.0.0.1:2525", "address of the mail sink")
	cmd.Flags().StringVar(&mails, "mails", "mails", "folder for the mails; empty: keep them in memory")
	cmd.Flags().StringVar(&key, "key", sandbox.DefaultKey, "the API key that is let in")
	return cmd
}
