package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
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

	many, one string // as PostgreSQL and SQLite are told
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

// arrays returns the arguments as a table named v with columns p1, p2, ….
func (f *form) arrays() string {
	in, out := make([]string, len(f.types)), make([]string, len(f.types))
	for i, c := range f.types {
		in[i], out[i] = fmt.Sprintf("$%d::%s[]", i+1, c.name), fmt.Sprintf("p%d", i+1)
	}
	return `unnest(` + strings.Join(in, ", ") + `) AS v (` + strings.Join(out, ", ") + `)`
}

func named(part string) string { return argument.ReplaceAllString(part, "v.p$1") }

// build writes the statement down.
func (f *form) build() {
	switch {
	case f.where == "":
		row := placeholders(len(f.types))
		f.one = f.verb + ` VALUES (` + row + `) ` + f.tail
		f.many = f.verb + ` SELECT ` + named(row) + ` FROM ` + f.arrays() + ` ` + f.tail
	case strings.HasPrefix(f.verb, "DELETE"):
		f.one = f.verb + ` WHERE ` + f.where
		f.many = f.verb + ` USING ` + f.arrays() + ` WHERE ` + named(f.where)
	default:
		f.one = f.verb + ` WHERE ` + f.where
		f.many = named(f.verb) + ` FROM ` + f.arrays() + ` WHERE ` + named(f.where)
	}
}

// known is the forms as statements that each connection of the carrier has read
// once, and as PostgreSQL takes accounts.
type known struct{ run, take [forms]*sql.Stmt }

// prepare has the carrier read the forms, unless that was done, or would be
// forgotten by a pooler before PostgreSQL.
func (s *Store) prepare(ctx context.Context) error {
	if s.ready != nil || s.on.way != nil && s.on.way.pooled {
		return nil
	}
	r := &known{}
	for i := range s.forms {
		f, err := &s.forms[i], error(nil)
		text := f.many
		if s.on.oneWriter {
			text = f.one
		}
		if r.run[i], err = s.carrier.PrepareContext(ctx, text); err != nil {
			return err
		}
		if i > released || s.on.oneWriter {
			continue
		}
		if r.take[i], err = s.carrier.PrepareContext(ctx, f.taking()); err != nil {
			return err
		}
	}
	s.ready = r
	return nil
}

// run carries a form out for some rows and returns how many it changed.
func (t *tx) run(form int, rows [][]any) (int, error) {
	f, ctx := &t.s.forms[form], t.ctx
	if t.s.on.oneWriter { // there is nothing to cut, and a context that can end costs a goroutine a row
		ctx = context.WithoutCancel(ctx)
	}
	exec := func(query string, in []any) (sql.Result, error) {
		if t.ready == nil {
			return t.ExecContext(t.ctx, query, in...)
		}
		return t.StmtContext(ctx, t.ready.run[form]).ExecContext(ctx, in...)
	}
	if !t.s.on.oneWriter {
		in, err := f.pack(rows)
		if err != nil {
			return 0, err
		}
		return changed(exec(f.many, in))
	}
	sum := 0
	for _, row := range rows {
		n, err := changed(exec(f.one, row))
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// taking carries a form of accounts out for those that nobody else holds, and
// returns their ids.
func (t *tx) taking(form int, accounts [][]any) (ids []string, err error) {
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
	in, err := f.pack(accounts)
	if err != nil {
		return nil, err
	}
	if t.ready == nil {
		return ids, t.SelectContext(t.ctx, &ids, f.taking(), in...)
	}
	rows, err := t.StmtContext(t.ctx, t.ready.take[form]).QueryContext(t.ctx, in...)
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

// pack turns rows into one array for each argument, as PostgreSQL sends and
// receives them in binary: the number of dimensions, whether there are NULLs,
// the type of the elements, their number, the index of the first; then each
// with its length.
func (f *form) pack(rows [][]any) ([]any, error) {
	in := make([]any, len(f.types))
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
		in[i] = b
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
