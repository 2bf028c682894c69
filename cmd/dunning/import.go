package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"dunning/internal/config"
	"dunning/internal/source"
	"dunning/invoices"
	"dunning/jobs"
)

func (a *app) importCommand() *cobra.Command {
	var dry bool
	var from string
	cmd := &cobra.Command{
		Use:   "import [FILE...]",
		Short: "Take in invoices from CSV files, or from the configured sources",
		Long: `Take in invoices from CSV files, or, without a file, from the configured sources.
A file is taken in whole or not at all: every problem is told with line and
column, and nothing is stored until there is none.

The same file again changes nothing.`,
		Example: "  dunning import invoices.csv --dry-run\n  dunning import invoices.csv\n  dunning import",
		RunE: func(cmd *cobra.Command, files []string) error {
			w, err := a.open(cmd.Context(), acting)
			if err != nil {
				return err
			}
			defer w.close()
			sources, err := w.chosen(from, files)
			if err != nil {
				return err
			}
			return a.importAll(cmd.Context(), w, sources, dry, len(files) > 0)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what it would do")
	cmd.Flags().StringVar(&from, "source", "", "the configured source whose form the files have (default: the first)")
	return cmd
}

// chosen returns the sources to read: the configured ones, or the files given.
func (w *works) chosen(from string, files []string) ([]jobs.Source, error) {
	if len(files) == 0 {
		if len(w.cfg.Sources) == 0 {
			return nil, wrong("there is no source in the configuration; give a file, or add one under sources")
		}
		return w.sources(), nil
	}
	form := config.Source{Name: "import"}
	if len(w.cfg.Sources) > 0 {
		form = w.cfg.Sources[0]
	}
	if from != "" {
		found := false
		for _, s := range w.cfg.Sources {
			if s.Name == from {
				form, found = s, true
			}
		}
		if !found {
			return nil, wrong("there is no source %q in the configuration", from)
		}
	}
	var list []jobs.Source
	for _, f := range files {
		s := form
		s.CSV = f
		list = append(list, &csvSource{w: w, s: s, files: []string{f}})
	}
	return list, nil
}

func (a *app) importAll(ctx context.Context, w *works, sources []jobs.Source, dry, hand bool) error {
	reports := []invoices.Report{}
	report := func(r invoices.Report) { reports = append(reports, r) }
	var err error
	if dry {
		_, err = jobs.LoadAll(ctx, sources, dryLibrary{w}, report)
	} else {
		_, err = jobs.LoadAll(ctx, sources, library{w, hand}, report)
	}
	if a.json {
		if err := a.printJSON(reports); err != nil {
			return err
		}
	}
	vanished := 0
	for _, r := range reports {
		what := ""
		if dry {
			what = " (nothing was stored)"
		}
		a.say("%s: %d rows: %d added, %d changed, %d as before%s", r.File, r.Rows, r.Added, r.Changed, r.Unchanged, what)
		for _, n := range r.Vanished {
			a.say("  no longer listed: %s; no letter about it is sent until somebody decides", printable(n))
		}
		vanished += len(r.Vanished)
	}
	if err != nil {
		return &exit{exitFailed, fmt.Errorf("import:\n%s", told(err))}
	}
	if len(reports) == 0 {
		a.say("no source has a file to read")
	}
	if vanished > 0 {
		return &exit{code: exitAttention}
	}
	return nil
}

// told returns the text of an error with all that is wrong with what was read:
// whoever imports by hand has the file.
func told(err error) string {
	switch e := err.(type) {
	case invoices.Problems:
		return e.Told()
	case interface{ Unwrap() []error }:
		var lines []string
		for _, one := range e.Unwrap() {
			lines = append(lines, told(one))
		}
		return strings.Join(lines, "\n")
	}
	inner := errors.Unwrap(err)
	if inner == nil {
		return err.Error()
	}
	return strings.Replace(err.Error(), inner.Error(), told(inner), 1)
}

// library is the store as the import job sees it.
type library struct {
	w    *works
	hand bool // files are given by hand
}

func (l library) Import(ctx context.Context, load invoices.Load, dry bool) (invoices.Report, error) {
	return l.w.db.Import(ctx, load, l.w.cfg.Zone, dry)
}

// Doubt is for sources that are read again by themselves. A file given by hand
// that is wrong changes nothing.
func (l library) Doubt(ctx context.Context, source, why string) error {
	if l.hand {
		return nil
	}
	return l.w.db.Doubt(ctx, source, why, l.w.now())
}

// dryLibrary stores nothing.
type dryLibrary struct{ w *works }

func (l dryLibrary) Import(ctx context.Context, load invoices.Load, _ bool) (invoices.Report, error) {
	return l.w.db.Import(ctx, load, l.w.cfg.Zone, true)
}

func (dryLibrary) Doubt(context.Context, string, string) error { return nil }

// loadSources is the import job.
func (w *works) loadSources(ctx context.Context) (jobs.Tally, error) {
	return jobs.LoadAll(ctx, w.sources(), library{w: w}, func(r invoices.Report) {
		if r.Added+r.Changed+len(r.Vanished) > 0 {
			w.log.Info("imported", zap.String("source", r.Source), zap.String("file", filepath.Base(r.File)), zap.Int("rows", r.Rows), zap.Int("added", r.Added), zap.Int("changed", r.Changed), zap.Int("vanished", len(r.Vanished)))
		}
	})
}

// sources returns the configured ones.
func (w *works) sources() []jobs.Source {
	var list []jobs.Source
	for _, s := range w.cfg.Sources {
		list = append(list, &csvSource{w: w, s: s})
	}
	return list
}

// csvSource reads CSV files as the configuration says.
type csvSource struct {
	w     *works
	s     config.Source
	files []string // those given by hand; nil: those that match the pattern
}

func (c *csvSource) Name() string { return c.s.Name }

// Loads returns a load for each file, in order of name. A file is opened when
// its rows are read.
func (c *csvSource) Loads(context.Context) ([]invoices.Load, error) {
	files := c.files
	if files == nil {
		var err error
		if files, err = source.Files(c.s.CSV); err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("no file matches %s", c.s.CSV)
		}
	}
	o := source.Options{
		Full: c.s.Full, Columns: c.s.Columns, Delimiter: c.s.Delimiter, Decimal: c.s.Decimal, Dates: c.s.Dates,
		Languages: c.w.cfg.Mail.Languages,
		Note:      func(text string) { c.w.log.Info("source", zap.String("name", c.s.Name), zap.String("note", text)) },
	}
	for name := range c.w.cfg.Policies.ByName {
		o.Policies = append(o.Policies, name)
	}
	var loads []invoices.Load
	for _, f := range files {
		digest, err := source.Digest(f)
		if err != nil {
			return nil, err
		}
		written, err := os.Stat(f)
		if err != nil {
			return nil, err
		}
		loads = append(loads, invoices.Load{
			Source: c.s.Name, File: f, Digest: digest, At: c.w.now(), AsOf: written.ModTime(), Full: c.s.Full, Rows: source.ReadFile(f, digest, o),
		})
	}
	return loads, nil
}
