package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"dunning/internal/money"
	"dunning/internal/sheet"
)

// A cell is a text, a whole number, or an amount.
type cell struct {
	text    string
	number  int
	counted bool
	amount  money.Amount
}

func number(n int) cell { return cell{number: n, counted: true} }

// String writes the cell for people, and in CSV.
func (c cell) String() string {
	switch {
	case c.counted:
		return strconv.Itoa(c.number)
	case c.amount.Currency != "":
		return c.amount.Decimal()
	}
	return c.text
}

// A sheetOf is a report: a title, a header and rows.
type sheetOf struct {
	name, title string
	head        []string
	rows        [][]cell
}

// deliver writes a report in a format, into a file or to the terminal.
func (a *app) deliver(s *sheetOf, format, out string, force bool) error {
	if format == "table" && out == "" {
		a.say("%s", s.title)
		rows := make([][]string, len(s.rows))
		for i, r := range s.rows {
			for _, c := range r {
				rows[i] = append(rows[i], c.String())
			}
		}
		a.grid(s.head, rows)
		if len(rows) == 0 {
			a.say("there is nothing to report")
		}
		return nil
	}
	text, err := s.encode(format)
	if err != nil {
		return failed(err)
	}
	if out == "" {
		_, err := a.stdout.Write(text)
		return failed(err)
	}
	if err := place(out, text, force); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "wrote %s\n", out)
	return nil
}

// place writes a file in one step: nobody ever sees half of it.
func place(name string, text []byte, force bool) error {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) && !force {
		return wrong("%s is there already; it was not touched (--force replaces it)", name)
	}
	if err := os.WriteFile(name+".part", text, 0o640); err != nil {
		return failed(err)
	}
	if err := os.Rename(name+".part", name); err != nil {
		return failed(errors.Join(err, os.Remove(name+".part")))
	}
	return nil
}

func (s *sheetOf) encode(format string) ([]byte, error) {
	switch format {
	case "json":
		return s.json()
	case "xlsx":
		return s.xlsx()
	}
	text := sheet.AppendLine([]byte("\ufeff"), s.head)
	for _, r := range s.rows {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = c.String()
		}
		text = sheet.AppendLine(text, cells)
	}
	return text, nil
}

// json has amounts as minor units and as decimals.
func (s *sheetOf) json() ([]byte, error) {
	rows := make([]map[string]any, len(s.rows))
	for i, r := range s.rows {
		rows[i] = map[string]any{}
		for j, c := range r {
			switch {
			case c.counted:
				rows[i][s.head[j]] = c.number
			case c.amount.Currency != "":
				rows[i][s.head[j]] = map[string]any{"minor": c.amount.Minor, "decimal": c.amount.Decimal(), "currency": c.amount.Currency}
			default:
				rows[i][s.head[j]] = c.text
			}
		}
	}
	text, err := json.MarshalIndent(map[string]any{"report": s.name, "title": s.title, "rows": rows}, "", "  ")
	return append(text, '\n'), err
}

// xlsx has numbers as numbers, and amounts with the decimals of their currency.
func (s *sheetOf) xlsx() ([]byte, error) {
	rows := make([][]sheet.Value, len(s.rows))
	for i, r := range s.rows {
		for _, c := range r {
			v := sheet.Value{Text: c.text}
			switch {
			case c.counted:
				v.Number = c.String()
			case c.amount.Currency != "":
				v.Number = c.amount.Decimal()
				v.Decimals, _ = money.Exponent(c.amount.Currency)
			}
			rows[i] = append(rows[i], v)
		}
	}
	return sheet.Workbook(s.name, s.head, rows)
}
