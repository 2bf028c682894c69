package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"dunning/internal/config"
	"dunning/internal/store"
	"dunning/invoices"
)

// A shift is what an edit of the configuration does to one letter of one
// invoice.
type shift struct {
	Kind    string    `json:"kind"` // appears, vanishes, moves, changes
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Invoice string    `json:"invoice"`
	Step    string    `json:"step"`
	Before  time.Time `json:"before,omitzero"`
	After   time.Time `json:"after,omitzero"`
	What    string    `json:"what,omitempty"`
}

// against says what an edit of the configuration changes: both are asked what
// they would do with the same accounts.
func (a *app) against(ctx context.Context, old string, o forecastOptions) error {
	text, err := config.ReadFile(old)
	if err != nil {
		return wrong("%s cannot be read: %v", old, err)
	}
	before, err := config.Parse(old, text, os.LookupEnv, config.ReadFile)
	if err != nil {
		return &exit{exitUsage, fmt.Errorf("%s is not right; nothing was compared\n%w", old, err)}
	}
	w, err := a.open(ctx, reading)
	if err != nil {
		return err
	}
	defer w.close()
	for _, p := range before.Policies.ByName {
		p.Key.Own = w.links.Fingerprint()
	}
	now := w.now()
	if err := w.db.Rungs(ctx, before.Policies.ByName, now, false); err != nil {
		return failed(err)
	}
	counts := map[string]int{}
	shifts := []shift{}
	err = w.db.Walk(ctx, store.Filter{Account: o.account, Invoice: o.invoice}, now, func(acc invoices.Account) error {
		was := letters(before.Policies, acc, now, o.span)
		is := letters(w.cfg.Policies, acc, now, o.span)
		for _, s := range compare(was, is) {
			s.Account, s.Name = acc.ID, acc.Name
			counts[s.Kind]++
			shifts = append(shifts, s)
		}
		return nil
	})
	if err != nil {
		return failed(err)
	}
	if a.json || o.format == "json" {
		if err := a.printJSON(shifts); err != nil {
			return err
		}
	} else {
		a.printShifts(shifts, counts, w.cfg.Zone, o)
	}
	if len(shifts) > 0 {
		return &exit{code: exitApproval}
	}
	return nil
}

func (a *app) printShifts(shifts []shift, counts map[string]int, zone *time.Location, o forecastOptions) {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.In(zone).Format("Mon 2006-01-02 15:04")
	}
	head := []string{"letter", "customer", "name", "invoice", "step", "before", "after", "what"}
	var rows [][]string
	for _, s := range shifts {
		rows = append(rows, []string{s.Kind, s.Account, s.Name, s.Invoice, s.Step, at(s.Before), at(s.After), s.What})
	}
	sum := fmt.Sprintf("In the next %d days %d letters appear, %d vanish, %d move and %d change, if nobody pays.",
		int(o.span/(24*time.Hour)), counts["appears"], counts["vanishes"], counts["moves"], counts["changes"])
	if o.format != "markdown" {
		a.grid(head, rows)
		a.say("%s", sum)
		return
	}
	fmt.Fprintf(a.stdout, "### What this does to letters\n\n%s\n", sum)
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(a.stdout, "\n| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, r := range rows {
		fmt.Fprint(a.stdout, markdownRow(r))
	}
}

// foretold is one invoice in one letter of a forecast.
type foretold struct {
	key invoices.Item // without amount and generation
	at  time.Time
	d   invoices.Decision
}

// letters returns the letters that a configuration would send.
func letters(ps *invoices.Policies, acc invoices.Account, now time.Time, span time.Duration) []foretold {
	var list []foretold
	forecast, _ := ps.Forecast(acc, now, now.Add(span))
	for _, f := range forecast {
		for _, it := range f.Decision.Items {
			list = append(list, foretold{invoices.Item{Invoice: it.Invoice, Episode: it.Episode, Step: it.Step}, f.At, f.Decision})
		}
	}
	return list
}

// compare says what is another letter, in order of time.
func compare(before, after []foretold) []shift {
	old := map[invoices.Item]foretold{}
	for _, t := range before {
		old[t.key] = t
	}
	var shifts []shift
	for _, t := range after {
		was, there := old[t.key]
		delete(old, t.key)
		s := shift{Invoice: t.key.Invoice, Step: t.key.Step, After: t.at}
		switch {
		case !there:
			s.Kind = "appears"
		case !was.at.Equal(t.at):
			s.Kind, s.Before, s.What = "moves", was.at, another(was.d, t.d)
		case another(was.d, t.d) != "":
			s.Kind, s.Before, s.What = "changes", was.at, another(was.d, t.d)
		default:
			continue
		}
		shifts = append(shifts, s)
	}
	for _, t := range before {
		if _, gone := old[t.key]; gone {
			shifts = append(shifts, shift{Kind: "vanishes", Invoice: t.key.Invoice, Step: t.key.Step, Before: t.at})
		}
	}
	return shifts
}

// another says how a letter differs although it is of the same step.
func another(a, b invoices.Decision) string {
	var parts []string
	note := func(what, was, is string) {
		if was != is {
			parts = append(parts, fmt.Sprintf("%s %q, was %q", what, is, was))
		}
	}
	note("template", a.Template, b.Template)
	note("from", a.From, b.From)
	note("reply_to", a.ReplyTo, b.ReplyTo)
	note("cc", strings.Join(a.CC, " "), strings.Join(b.CC, " "))
	note("attach", fmt.Sprint(a.Attach), fmt.Sprint(b.Attach))
	if len(a.Items) != len(b.Items) {
		parts = append(parts, fmt.Sprintf("%d invoices in it, were %d", len(b.Items), len(a.Items)))
	}
	return strings.Join(parts, "; ")
}
