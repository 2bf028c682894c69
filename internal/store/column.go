package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"dunning/internal/civil"
	"dunning/invoices"
)

// instant is a column of TIMESTAMPTZ. NULL is the zero time.
type instant struct{ time.Time }

func at(t time.Time) instant { return instant{micro(t)} }

// micro returns the instant as the databases keep it: UTC, microseconds.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (t instant) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil
	}
	return micro(t.Time), nil
}

func (t *instant) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		t.Time = time.Time{}
		return nil
	case time.Time:
		t.Time = v.UTC()
		return nil
	case string: // SQLite, where a column has lost its type, as in MIN(at)
		read, err := time.Parse("2006-01-02 15:04:05.999999999-07:00", v)
		t.Time = read.UTC()
		return err
	}
	return fmt.Errorf("a %T is no instant", v)
}

// day is a column of DATE. NULL is no date.
type day struct{ civil.Date }

func (d day) Value() (driver.Value, error) {
	if d.IsZero() {
		return nil, nil
	}
	return d.String(), nil
}

func (d *day) Scan(v any) (err error) {
	switch v := v.(type) {
	case nil:
		d.Date = civil.Date{}
	case time.Time:
		d.Date = civil.Of(v)
	case string:
		d.Date, err = civil.Parse(v)
	default:
		err = fmt.Errorf("a %T is no date", v)
	}
	return err
}

// words is a column with a JSON array of strings.
type words []string

func (w words) Value() (driver.Value, error) {
	if w == nil {
		w = words{}
	}
	return marshal(w)
}

func (w *words) Scan(v any) error {
	var read []string
	if err := unmarshal(v, &read); err != nil {
		return err
	}
	*w = nil
	if len(read) > 0 {
		*w = read
	}
	return nil
}

// items is a column with the items of a letter as JSON.
type items []invoices.Item

type item struct {
	Invoice  string `json:"invoice"`
	Episode  int    `json:"episode"`
	Step     string `json:"step"`
	Gen      int    `json:"gen"`
	Minor    int64  `json:"minor"`
	Currency string `json:"currency"`
}

func (its items) Value() (driver.Value, error) {
	rows := make([]item, len(its))
	for i, it := range its {
		rows[i] = item{it.Invoice, it.Episode, it.Step, it.Gen, it.Amount.Minor, it.Amount.Currency}
	}
	return marshal(rows)
}

func (its *items) Scan(v any) error {
	var rows []item
	if err := unmarshal(v, &rows); err != nil {
		return err
	}
	*its = nil
	for _, r := range rows {
		it := invoices.Item{Invoice: r.Invoice, Episode: r.Episode, Step: r.Step, Gen: r.Gen}
		it.Amount.Minor, it.Amount.Currency = r.Minor, r.Currency
		*its = append(*its, it)
	}
	return nil
}

// approvals is a column with what a person approved of, as JSON.
type approvals []invoices.Approval

type approval struct {
	Episode  int       `json:"episode"`
	Step     string    `json:"step"`
	Minor    int64     `json:"minor"`
	Currency string    `json:"currency"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
}

func (as approvals) Value() (driver.Value, error) {
	rows := make([]approval, len(as))
	for i, a := range as {
		rows[i] = approval{a.Episode, a.Step, a.Amount.Minor, a.Amount.Currency, micro(a.At), a.By}
	}
	return marshal(rows)
}

func (as *approvals) Scan(v any) error {
	var rows []approval
	if err := unmarshal(v, &rows); err != nil {
		return err
	}
	*as = nil
	for _, r := range rows {
		a := invoices.Approval{Episode: r.Episode, Step: r.Step, At: r.At, By: r.By}
		a.Amount.Minor, a.Amount.Currency = r.Minor, r.Currency
		*as = append(*as, a)
	}
	return nil
}

// instants is a column with a JSON array of instants.
type instants []time.Time

func (ts instants) Value() (driver.Value, error) {
	rows := make([]time.Time, len(ts))
	for i, t := range ts {
		rows[i] = micro(t)
	}
	return marshal(rows)
}

func (ts *instants) Scan(v any) error {
	var rows []time.Time
	if err := unmarshal(v, &rows); err != nil {
		return err
	}
	*ts = nil
	if len(rows) > 0 {
		*ts = rows
	}
	return nil
}

func marshal(v any) (driver.Value, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func unmarshal(v, to any) error {
	switch v := v.(type) {
	case string:
		return json.Unmarshal([]byte(v), to)
	case []byte:
		return json.Unmarshal(v, to)
	}
	return fmt.Errorf("a %T is no JSON", v)
}

// orNull stores no text as NULL, where that is what keys need.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
