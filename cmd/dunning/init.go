package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"dunning/internal/config"
)

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "init",
		Short:   "Write a commented configuration to start from",
		Long:    "Write a commented configuration to start from, and beside it the schema by which\neditors complete it. A file that is there already is never touched.",
		Example: "  dunning init\n  dunning --config /etc/dunning/config.yaml init",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := create(a.configPath, []byte(config.Example)); err != nil {
				return err
			}
			schema := filepath.Join(filepath.Dir(a.configPath), "config.schema.json")
			if err := create(schema, config.Schema()); err != nil {
				a.say("%v", err)
			}
			a.say("wrote %s; edit it, then: dunning check", a.configPath)
			return nil
		},
	}
}

// create writes a file that is not there yet.
func create(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return wrong("%s is there already; it was not touched", name)
	}
	if err != nil {
		return failed(err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return failed(fmt.Errorf("write %s: %w", name, err))
	}
	return nil
}
