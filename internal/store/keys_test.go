package store

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"dunning/internal/pgtest"
)

// TestFormsReadByKey: what is written for many accounts at once finds its rows by
// the key of their table, also where PostgreSQL knows nothing of the tables or
// takes them for empty. An index of rows that are in some state is a
// wrong way to them: what was in that state once is in it until it is cleared
// away.
func TestFormsReadByKey(t *testing.T) {
	server := pgtest.Start(t, "fsync=off", "autovacuum=off")
	for i, with := range []struct {
		says          string
		rows          int
		before, after []string
	}{
		{"a new database", 0, nil, nil},
		{"rows that came after the statistics", 10_000, []string{`ANALYZE`}, nil},
		{"statistics of today", 10_000, nil, []string{`ANALYZE`}},
	} {
		t.Run(with.says, func(t *testing.T) {
			s, err := Open(t.Context(), Options{URL: server.Database(t, fmt.Sprint("keys", i), ""), Actor: "test", Migrate: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			run(t, s, with.before...)
			if with.rows > 0 {
				fill(t, s, filling{accounts: with.rows, linked: true, due: `i`, act: `'look'`})
			}
			run(t, s, with.after...)
			for form := range s.forms {
				f := &s.forms[form]
				readsByKey(t, s, f.text, len(f.types), form == freedSteps)
				if form <= released {
					readsByKey(t, s, f.taking(0), len(f.types), false)
				}
			}
			n := 0
			for _, form := range common {
				n += len(s.forms[form].types)
			}
			readsByKey(t, s, s.swift, n, false)
		})
	}
}

var reads = regexp.MustCompile(`(?:Seq Scan|Bitmap\w* (?:Heap|Index) Scan|Index (?:Only )?Scan using (\w+)) on (\w+)`)

// readsByKey reports each way of a statement to a table that is not its key.
func readsByKey(t *testing.T, s *Store, text string, arguments int, byLetter bool) {
	t.Helper()
	conn, err := s.carrier.Connx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, do := range []string{`DEALLOCATE ALL`, `PREPARE it AS ` + text} {
		if _, err := conn.ExecContext(t.Context(), do); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	var plan []string
	nulls := strings.TrimSuffix(strings.Repeat("NULL, ", arguments), ", ")
	if err := conn.SelectContext(t.Context(), &plan, `EXPLAIN (COSTS OFF) EXECUTE it (`+nulls+`)`); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, found := range reads.FindAllStringSubmatch(strings.Join(plan, "\n"), -1) {
		if key := found[1]; !strings.HasSuffix(key, "_pkey") && !(byLetter && key == "steps_letter") {
			t.Errorf("%s\nof\n%s", found[0], strings.Join(plan, "\n"))
		}
	}
}
