package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"dunning/internal/sheet"
)

// planned is one line of a plan: one invoice in one letter, another act, or an
// invoice that waits for a person.
type planned struct {
	At       time.Time `json:"at"`
	Account  string    `json:"account"`
	Name     string    `json:"name"`
	Act      string    `json:"act"`
	Invoice  string    `json:"invoice"`
	Step     string    `json:"step,omitempty"`
	Template string    `json:"template,omitempty"`
	Amount   string    `json:"amount,omitempty"`
	Why      string    `json:"why"`
	Person   bool      `json:"person,omitempty"`
	Until    time.Time `json:"until,omitzero"`
}

// what names the act in words.
func (l *planned) what() string {
	if l.Person {
		return "needs a person"
	}
	return strings.ReplaceAll(l.Act, "_", " ")
}

// formats are the ways in which a plan can be printed.
var formats = []string{"table", "csv", "json", "ics", "markdown"}

// An agenda writes lines as they come, in one of the formats; a table needs
// them all, to know how wide its columns are.
type agenda struct {
	a      *app
	format string
	zone   *time.Location
	out    *bufio.Writer
	rows   [][]string
	cal    *ics.Calendar
	lines  int
	stamp  time.Time
}

var agendaHead = []string{"when", "what", "customer", "name", "invoice", "step", "open", "why"}

func (a *app) newAgenda(format string, zone *time.Location, now time.Time) *agenda {
	g := &agenda{a: a, format: format, zone: zone, out: bufio.NewWriter(a.stdout), stamp: now}
	switch {
	case a.json:
		g.format = "json"
	case format == "":
		g.format = "table"
	}
	switch g.format {
	case "csv":
		g.write(string(sheet.AppendLine(nil, agendaHead)))
	case "markdown":
		g.write("| " + strings.Join(agendaHead, " | ") + " |\n|" + strings.Repeat(" --- |", len(agendaHead)) + "\n")
	case "ics":
		g.cal = ics.NewCalendar()
		g.cal.SetProductId("-//dunning//plan//EN")
	}
	return g
}

func (g *agenda) write(text string) { _, _ = g.out.WriteString(text) } // Flush tells

// cells returns a line for people.
func (g *agenda) cells(l *planned) []string {
	return []string{l.At.In(g.zone).Format("Mon 2006-01-02 15:04"), l.what(), l.Account, l.Name, l.Invoice, l.Step, l.Amount, l.Why}
}

// add prints one line, or keeps it for the table.
func (g *agenda) add(l planned) error {
	g.lines++
	switch g.format {
	case "csv":
		g.write(string(sheet.AppendLine(nil, g.cells(&l))))
	case "markdown":
		g.write(markdownRow(g.cells(&l)))
	case "json":
		text, err := json.Marshal(l)
		if err != nil {
			return err
		}
		before := ",\n  "
		if g.lines == 1 {
			before = "[\n  "
		}
		g.write(before + string(text))
	case "ics":
		g.event(&l)
	default:
		g.rows = append(g.rows, g.cells(&l))
	}
	return nil
}

// markdownRow writes cells of a table, in which nothing is markup.
func markdownRow(cells []string) string {
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "`", "'", "*", `\*`, "_", `\_`, "[", `\[`)
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = escape.Replace(printable(c))
	}
	return "| " + strings.Join(out, " | ") + " |\n"
}

// event adds a letter to the calendar (RFC 5545); only letters are appointments.
func (g *agenda) event(l *planned) {
	if l.Act != "send" {
		return
	}
	e := g.cal.AddEvent(fmt.Sprintf("%s-%s-%s@dunning", l.Invoice, l.Step, l.At.UTC().Format("20060102")))
	e.SetDtStampTime(g.stamp)
	e.SetStartAt(l.At)
	e.SetEndAt(l.At.Add(15 * time.Minute))
	e.SetSummary(printable(fmt.Sprintf("%s: %s %s %s", l.Step, l.Name, l.Invoice, l.Amount)))
	e.SetDescription(printable(l.Why))
}

// end prints what is left.
func (g *agenda) end() error {
	switch g.format {
	case "json":
		if g.lines == 0 {
			g.write("[")
		}
		g.write("\n]\n")
	case "ics":
		g.write(g.cal.Serialize())
	case "table":
		g.a.grid(agendaHead, g.rows)
	}
	return g.out.Flush()
}

// quiet reports whether the format is for programs: nothing else is printed.
func (g *agenda) quiet() bool { return g.format != "table" && g.format != "markdown" }

// tell writes a line for people below the plan.
func (g *agenda) tell(format string, args ...any) {
	if !g.quiet() {
		fmt.Fprintf(io.Writer(g.a.stdout), format+"\n", args...)
	}
}
