package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"dunning/internal/config"
)

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "init",
		Short:   "Write a commented configuration to start from",
		Long:    "Write a commented configuration to start from. A file that is there already is never touched.",
		Example: "  dunning init\n  dunning --config /etc/dunning/config.yaml init",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			f, err := os.OpenFile(a.configPath, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
			if errors.Is(err, fs.ErrExist) {
				return wrong("%s is there already; it was not touched", a.configPath)
			}
			if err != nil {
				return failed(err)
			}
			_, err = f.WriteString(config.Example)
			if err := errors.Join(err, f.Close()); err != nil {
				return failed(fmt.Errorf("write %s: %w", a.configPath, err))
			}
			a.say("wrote %s; edit it, then: dunning check", a.configPath)
			return nil
		},
	}
}
