package invoices

import (
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
)

// TestR25_AProblemIsOneLine: whatever a source repeats in it.
func TestR25_AProblemIsOneLine(t *testing.T) {
	for _, row := range []struct {
		sentence string
		problem  Problem
		want     string
	}{
		{"all of it", Problem{File: "a.csv", Line: 3, Column: "total", What: `"x" is no amount`, Fix: "write it like 12.50"}, `a.csv:3: total: "x" is no amount; write it like 12.50`},
		{"of the line", Problem{File: "a.csv", Line: 3, What: "it is short"}, "a.csv:3: it is short"},
		{"of the file", Problem{File: "März.csv", What: "it is empty", Fix: "export it again"}, "März.csv: it is empty; export it again"},
		{"an escape sequence", Problem{File: "\x1b[2J.csv", What: "\x07\u009b31m"}, "\ufffd[2J.csv: \ufffd\ufffd31m"},
		{"lines", Problem{File: "a\nb.csv", Column: "c\r\nd", What: "e\u2028f"}, "a\ufffdb.csv: c\ufffd\ufffdd: e\ufffdf"},
		{"a turned reading direction", Problem{File: "a.csv", What: "\u202ex\u2066y"}, "a.csv: \ufffdx\ufffdy"},
		{"what is no text", Problem{File: "a.csv", What: "Caf\xe9"}, "a.csv: Caf\ufffd"},
	} {
		if got := row.problem.Error(); got != row.want {
			t.Errorf("%s: %q, want %q", row.sentence, got, row.want)
		}
	}
	many := Problems{{File: "a", What: "b\nc"}, {File: "d", What: "e"}}
	if got := many.Told(); strings.Count(got, "\n") != 1 {
		t.Errorf("two problems are told in the lines %q", got)
	}
}

// TestR20_ReviseTakesRowsOfAnySource: a row that no check has seen is never made
// to look collectible, and does not change what it does not speak of.
func TestR20_ReviseTakesRowsOfAnySource(t *testing.T) {
	now, today := time.Date(2026, 4, 1, 8, 0, 0, 0, time.UTC), civil.Date{Year: 2026, Month: 4, Day: 1}
	eur := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }
	for _, row := range []struct {
		sentence    string
		row         Row
		collectible bool
	}{
		{"something is owed", Row{Number: "1", Total: eur(100)}, true},
		{"nothing is", Row{Number: "1"}, false},
		{"a credit note", Row{Number: "1", Total: eur(-100)}, false},
		{"paid twice over", Row{Number: "1", Total: eur(100), Paid: 200}, false},
		{"paid and credited", Row{Number: "1", Total: eur(100), Paid: 50, Credited: 50}, false},
		{"a state with something hidden in it", Row{Number: "1", Total: eur(100), Status: "open\u200b"}, false},
		{"a state in other letters", Row{Number: "1", Total: eur(100), Status: "\u043epen"}, false},
		{"a state in capitals, which sources write small", Row{Number: "1", Total: eur(100), Status: "OPEN"}, false},
	} {
		inv, change := Revise(nil, row.row, now, today)
		if got := inv.collectible(); got != row.collectible || change != Added {
			t.Errorf("%s: collectible is %v, %s", row.sentence, got, change)
		}
		if again, change := Revise(&inv, row.row, now, today); change != Unchanged || again.Episode != inv.Episode {
			t.Errorf("%s: told again it is %s, episode %d", row.sentence, change, again.Episode)
		}
	}
}
