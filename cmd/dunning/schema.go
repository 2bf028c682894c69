package main

import (
	"github.com/spf13/cobra"

	"dunning/internal/config"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of config.yaml, for editors",
		Long: `Print the JSON Schema of config.yaml. Editors with a YAML language server complete
names and mark mistakes while you type when the file begins with

  # yaml-language-server: $schema=config.schema.json

and this schema lies beside it; dunning init writes both.`,
		Example: "  dunning schema > config.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.Schema())
			return failed(err)
		},
	}
}
