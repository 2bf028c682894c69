package main

import (
	"github.com/spf13/cobra"

	"dunning/internal/store"
)

func (a *app) migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to the schema of this version",
		Long: `Bring the database to the schema of this version. run, job and import do this by
themselves; this is for those who want it done apart, with other rights. Any
number of processes may do it at once.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			db, err := store.Open(cmd.Context(), store.Options{URL: cfg.Database.URL.Reveal(), Actor: whoami(), Migrate: true})
			if err != nil {
				return failed(err)
			}
			defer db.Close()
			_, version, err := db.Migrate(cmd.Context()) // a second time: it only tells
			if err != nil {
				return failed(err)
			}
			if a.json {
				return a.printJSON(map[string]int64{"schema": version})
			}
			a.say("the schema is at version %d", version)
			return nil
		},
	}
}
