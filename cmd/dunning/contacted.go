package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dunning/internal/civil"
	"dunning/internal/store"
)

// channels are the ways in which people speak to customers.
var channels = []string{"phone", "letter", "visit", "mail", "other"}

func (a *app) contactedCommand() *cobra.Command {
	var channel, on, note, by string
	cmd := &cobra.Command{
		Use:   "contacted CUSTOMER",
		Short: "Note that you spoke to a customer yourself, which counts like a letter",
		Long: `Note that you spoke to a customer yourself. It counts like a letter: the next one
leaves sending.min_gap later, and it is one of sending.max_per_week.`,
		Example: `  dunning contacted ACME --by phone
  dunning contacted ACME --by letter --on 2026-04-02 --note "sent by registered post"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(channels, channel) {
				return wrong("--by %q: write %s", channel, strings.Join(channels, ", "))
			}
			return a.decide(cmd.Context(), func(w *works) (string, error) {
				c := store.Contact{At: w.now(), Channel: channel, By: by, Note: note}
				said := "noted"
				if on != "" {
					d, err := civil.Parse(on)
					if err != nil {
						return "", wrong("--on: %v", err)
					}
					today := civil.Of(w.now().In(w.cfg.Zone))
					if days := today.DaysSince(d); days < 0 || days > 366 {
						return "", wrong("--on %s: a day of the last year, today at the latest", d)
					}
					if d != today {
						c.At = d.At(12, 0, w.cfg.Zone)
					}
				}
				return said, w.db.Contacted(cmd.Context(), args[0], c, w.now())
			})
		},
	}
	cmd.Flags().StringVar(&channel, "by", "", strings.Join(channels, ", "))
	cmd.Flags().StringVar(&on, "on", "", "the day, such as 2026-04-02 (default: today)")
	cmd.Flags().StringVar(&note, "note", "", "what was said, for the books")
	cmd.Flags().StringVar(&by, "who", whoami(), "who spoke to them")
	_ = cmd.MarkFlagRequired("by")
	return cmd
}
