package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A form is a statement that is carried out for many rows at once: on
// PostgreSQL in one round trip, with an array for each argument, so that its
// text and its plan do not depend on how many rows there are; on SQLite, which
// has no round trips, prepared once and run row by row.
type form struct {
	verb  string   // UPDATE table SET …, DELETE FROM table, or INSERT INTO table (…)
	where string   // which row of the table it is, by key; empty for an INSERT
	tail  string   // what follows the rows of an INSERT
	types []column // of the arguments $1, $2, …
	exact bool     // every row must change exactly one of the table
	wrong func(row []any) string

	text  string // as this database is told
	order []int  // which argument each ? of the text is, from 0; nil: they are numbered
}

// column is the type of an argument in PostgreSQL.
type column struct {
	name string
	oid  uint32
}

var (
	text   = column{"text", 25}
	number = column{"bigint", 20}
	truth  = column{"boolean", 16}
	moment = column{"timestamptz", 1184}
	octets = column{"bytea", 17}
)

// columns repeats types, for readers of long lists.
func columns(lists ...[]column) []column { return slices.Concat(lists...) }

func times(n int, c column) []column { return slices.Repeat([]column{c}, n) }

var argument = regexp.MustCompile(`\$(\d+)`)

// arrays returns the arguments, of which so many others come before, as a table
// named v with columns p1, p2, ….
func (f *form) arrays(before int) string {
	in, out := make([]string, len(f.types)), make([]string, len(f.types))
	for i, c := range f.types {
		in[i], out[i] = fmt.Sprintf("$%d::%s[]", before+i+1, c.name), fmt.Sprintf("p%d", i+1)
	}
	return `unnest(` + strings.Join(in, ", ") + `) AS v (` + strings.Join(out, ", ") + `)`
}

func named(part string) string { return argument.ReplaceAllString(part, "v.p$1") }

// single returns the statement for one row, and which of its arguments each ?
// in it is. SQLite looks for the name of every numbered argument among those of
// all others.
func (f *form) single() (text string, order []int) {
	numbered := f.verb + ` WHERE ` + f.where
	if f.where == "" {
		numbered = f.verb + ` VALUES (` + placeholders(len(f.types)) + `) ` + f.tail
	}
	text = argument.ReplaceAllStringFunc(numbered, func(name string) string {
		n, _ := strconv.Atoi(name[1:]) // it is digits
		order = append(order, n-1)
		return "?"
	})
	return text, order
}

// inOrder returns the arguments of a row as the statement for one row asks for
// them.
func (f *form) inOrder(row []any) []any {
	in := make([]any, len(f.order))
	for i, n := range f.order {
		in[i] = row[n]
	}
	return in
}

// many returns the statement for rows in arrays, of whose arguments so many
// others come before.
func (f *form) many(before int) string {
	switch {
	case f.where == "":
		return f.verb + ` SELECT ` + named(placeholders(len(f.types))) + ` FROM ` + f.arrays(before) + ` ` + f.tail
	case strings.HasPrefix(f.verb, "DELETE"):
		return f.verb + ` USING ` + f.arrays(before) + ` WHERE ` + named(f.where)
	}
	return named(f.verb) + ` FROM ` + f.arrays(before) + ` WHERE ` + named(f.where)
}

// taking is many for a form of accounts. It leaves out rows which others hold,
// and returns the ids of those it changed.
func (f *form) taking(before int) string {
	return `WITH mine AS (
			SELECT ` + named(placeholders(len(f.types))) + ` FROM ` + f.arrays(before) + ` JOIN accounts a ON a.id = v.p1
			WHERE a.version = v.p2 AND a.lease_id = v.p3
			FOR UPDATE OF a SKIP LOCKED)
		` + named(f.verb) + ` FROM mine v WHERE ` + named(f.where) + ` RETURNING id`
}

// common are the forms of a transaction in which everything goes as it mostly
// does. PostgreSQL carries them out in one statement, because it is its round
// trips that a transaction takes its time with.
var common = [...]int{intended, ended, released, newLinks, seenLinks, newLetters, endedLetters, newSteps, endedSteps, newEvents}

// swift is that statement. It returns how many rows each form changed. All its
// parts see the tables as they were before, so none may depend on another.
func swift(list *[forms]form) string {
	var parts, counts []string
	before := 0
	for _, i := range common {
		f := &list[i]
		part := f.many(before) + ` RETURNING 1`
		if i <= released {
			part = f.taking(before)
		}
		parts = append(parts, fmt.Sprintf("c%d AS (%s)", i, part))
		counts = append(counts, fmt.Sprintf("(SELECT COUNT(*) FROM c%d)", i))
		before += len(f.types)
	}
	return `WITH ` + strings.Join(parts, ",\n") + ` SELECT ` + strings.Join(counts, ", ")
}

// known is what each connection of the carrier has read once: the common forms,
// and of PostgreSQL's [swift].
type known struct {
	run   [forms]*sql.Stmt
	take  [released + 1]*sql.Stmt
	swift *sql.Stmt
}

// prepare has the carrier read the forms, unless that was done, or would be
// forgotten by a pooler before PostgreSQL.
func (s *Store) prepare(ctx context.Context) (*known, error) {
	if s.on.way != nil && s.on.way.pooled {
		return nil, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.ready != nil {
		return s.ready, nil
	}
	r := &known{}
	read := func(text string, into **sql.Stmt) (err error) {
		*into, err = s.carrier.PrepareContext(ctx, text)
		return err
	}
	for _, i := range common {
		if err := read(s.forms[i].text, &r.run[i]); err != nil {
			return nil, err
		}
	}
	if !s.on.oneWriter {
		for i := range r.take {
			if err := read(s.forms[i].taking(0), &r.take[i]); err != nil {
				return nil, err
			}
		}
		if err := read(s.swift, &r.swift); err != nil {
			return nil, err
		}
	}
	s.ready = r
	return r, nil
}

// run carries a form out for some rows and returns how many it changed.
func (t *tx) run(form int, rows [][]any) (int, error) {
	f, ctx := &t.s.forms[form], t.ctx
	if t.s.on.oneWriter { // there is nothing to cut, and a context that can end costs a goroutine a row
		ctx = context.WithoutCancel(ctx)
	}
	exec := func(in []any) (int, error) {
		if t.ready == nil || t.ready.run[form] == nil {
			return changed(t.ExecContext(ctx, f.text, in...))
		}
		return changed(t.StmtContext(ctx, t.ready.run[form]).ExecContext(ctx, in...))
	}
	if !t.s.on.oneWriter {
		in, err := f.pack(nil, rows)
		if err != nil {
			return 0, err
		}
		return exec(in)
	}
	sum := 0
	for _, row := range rows {
		n, err := exec(f.inOrder(row))
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// query runs a statement that returns rows, which may have been read before.
func (t *tx) query(text string, read *sql.Stmt, in []any) (*sql.Rows, error) {
	if read == nil {
		return t.QueryContext(t.ctx, text, in...)
	}
	return t.StmtContext(t.ctx, read).QueryContext(t.ctx, in...)
}

// taken carries a form of accounts out for those that nobody else holds, and
// returns their ids.
func (t *tx) taken(form int, accounts [][]any) (ids []string, err error) {
	f := &t.s.forms[form]
	if t.s.on.oneWriter {
		for _, row := range accounts {
			n, err := t.run(form, [][]any{row})
			if err != nil {
				return nil, err
			}
			if n == 1 {
				ids = append(ids, row[0].(string))
			}
		}
		return ids, nil
	}
	in, err := f.pack(nil, accounts)
	if err != nil {
		return nil, err
	}
	var read *sql.Stmt
	if t.ready != nil {
		read = t.ready.take[form]
	}
	rows, err := t.query(f.taking(0), read, in)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// errOdd says that a transaction is not one in which everything goes as it
// mostly does.
var errOdd = errors.New("something is not as it mostly is")

// swiftly writes the rows of accounts and a sheet in one statement, or returns
// [errOdd]; what was written must then be undone.
func (t *tx) swiftly(w *sheet) error {
	for i, rows := range w.rows {
		if len(rows) > 0 && !slices.Contains(common[:], i) {
			return errOdd
		}
	}
	var in []any
	for _, i := range common {
		var err error
		if in, err = t.s.forms[i].pack(in, w.rows[i]); err != nil {
			return err
		}
	}
	var read *sql.Stmt
	if t.ready != nil {
		read = t.ready.swift
	}
	rows, err := t.query(t.s.swift, read, in)
	if err != nil {
		return err
	}
	defer rows.Close()
	var counts [len(common)]int
	into := make([]any, len(common))
	for i := range counts {
		into[i] = &counts[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
	}
	for i, n := range counts {
		if n != len(w.rows[common[i]]) {
			return errors.Join(errOdd, rows.Err())
		}
	}
	t.proof = w.proof
	return rows.Err()
}

// pack turns rows into one array for each argument, as PostgreSQL sends and
// receives them in binary: the number of dimensions, whether there are NULLs,
// the type of the elements, their number, the index of the first; then each
// with its length.
func (f *form) pack(in []any, rows [][]any) ([]any, error) {
	for i, c := range f.types {
		b := make([]byte, 20, 20+len(rows)*24)
		order := binary.BigEndian
		order.PutUint32(b, 1)
		order.PutUint32(b[8:], c.oid)
		order.PutUint32(b[12:], uint32(len(rows)))
		order.PutUint32(b[16:], 1)
		for _, row := range rows {
			v, err := plainValue(row[i])
			if err != nil {
				return nil, err
			}
			if v == nil {
				order.PutUint32(b[4:], 1)
				b = order.AppendUint32(b, 1<<32-1)
				continue
			}
			if b, err = c.append(b, v); err != nil {
				return nil, fmt.Errorf("argument %d: %w", i+1, err)
			}
		}
		in = append(in, b)
	}
	return in, nil
}

func plainValue(v any) (driver.Value, error) {
	if w, ok := v.(driver.Valuer); ok {
		return w.Value()
	}
	return v, nil
}

// epoch is what PostgreSQL counts microseconds from.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// append appends an element of an array with its length.
func (c column) append(b []byte, v driver.Value) ([]byte, error) {
	order := binary.BigEndian
	switch v := v.(type) {
	case string:
		if c == text {
			return append(order.AppendUint32(b, uint32(len(v))), v...), nil
		}
	case []byte:
		if c == octets {
			return append(order.AppendUint32(b, uint32(len(v))), v...), nil
		}
	case int:
		if c == number {
			return order.AppendUint64(order.AppendUint32(b, 8), uint64(v)), nil
		}
	case int64:
		if c == number {
			return order.AppendUint64(order.AppendUint32(b, 8), uint64(v)), nil
		}
	case bool:
		if c == truth {
			b = order.AppendUint32(b, 1)
			if v {
				return append(b, 1), nil
			}
			return append(b, 0), nil
		}
	case time.Time:
		if c == moment {
			return order.AppendUint64(order.AppendUint32(b, 8), uint64(v.Sub(epoch).Microseconds())), nil
		}
	}
	return b, fmt.Errorf("a %T is no %s", v, c.name)
}

// A sheet gathers the rows that a transaction is to write, form by form.
type sheet struct {
	s     *Store
	rows  [forms][][]any
	proof string // the id of the last event
}

func (w *sheet) add(form int, row ...any) { w.rows[form] = append(w.rows[form], row) }

// note adds events. Who acts is the store's actor unless an event says so.
func (w *sheet) note(events ...Event) {
	config := *w.s.config.Load()
	for _, e := range events {
		if e.Actor == "" {
			e.Actor = w.s.actor
		}
		w.proof = newID()
		w.add(newEvents, w.proof, at(e.At), e.Actor, e.Kind, orNull(e.Account), orNull(e.Invoice), orNull(e.Letter), e.Detail, config)
	}
}

// put writes the sheet, in the order of the forms, in which no row comes
// before one that it refers to or would collide with.
func (t *tx) put(w *sheet) error {
	for i, rows := range w.rows {
		if len(rows) == 0 {
			continue
		}
		f := &t.s.forms[i]
		n, err := t.run(i, rows)
		if err == nil && f.exact && n != len(rows) {
			err = fmt.Errorf("%d of %d rows were there to be changed", n, len(rows))
		}
		if err != nil && f.wrong != nil && (f.exact || isDuplicate(err)) {
			return fmt.Errorf("%s: %w", f.wrong(rows[0]), err)
		}
		if err != nil {
			return err
		}
	}
	if w.proof != "" {
		t.proof = w.proof
	}
	return nil
}
