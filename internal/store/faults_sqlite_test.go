package store_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// newFileYard makes a yard with a database of SQLite: there is no connection to
// break, but a disk.
func newFileYard(t *testing.T) *yard {
	t.Helper()
	return fileYard(t, filepath.Join(t.TempDir(), "dunning.db"))
}

func fileYard(t *testing.T, path string) *yard {
	t.Helper()
	y := &yard{T: t, url: "sqlite:" + path}
	y.clean = y.open(y.url, 2)
	y.through = y.open(y.url, 2)
	var err error
	y.direct, err = sqlx.Open("sqlite", "file:"+path+"?mode=ro")
	y.must(err)
	t.Cleanup(func() { y.must(y.direct.Close()) })
	return y
}

func (w *world) booksOfSQLite() books {
	w.Helper()
	all := books{}
	for table, without := range chance {
		var columns []string
		w.must(w.direct.SelectContext(w.Context(), &columns, `SELECT name FROM pragma_table_info($1) ORDER BY name`, table))
		columns = slices.DeleteFunc(columns, func(c string) bool { return slices.Contains(strings.Split(strings.Trim(without, "{}"), ","), c) })
		if table == "accounts" {
			columns = append(columns, `lease_id <> ''`)
		}
		rows, err := w.direct.QueryxContext(w.Context(), `SELECT `+strings.Join(columns, ", ")+` FROM `+table)
		w.must(err)
		for rows.Next() {
			values, err := rows.SliceScan()
			w.must(err)
			var row strings.Builder
			for i, c := range columns {
				fmt.Fprintf(&row, `"%s": %v, `, c, values[i])
			}
			if strings.Contains(row.String(), w.mark) {
				all[table] = append(all[table], strings.ReplaceAll(row.String(), w.mark, "#"))
			}
		}
		w.must(rows.Err())
		slices.Sort(all[table])
	}
	return all
}
