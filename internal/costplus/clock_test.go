package costplus

import (
	"net/http"
	"testing"
	"time"

	"dunning/invoices"
)

// TestAWrongClockHalts: no letter leaves without a look at its link, so none
// leaves while our clock and that of Cost+ are hours apart.
func TestAWrongClockHalts(t *testing.T) {
	for _, row := range []struct {
		says   string
		theirs string
		halts  bool
	}{
		{"the same time", today.Format(http.TimeFormat), false},
		{"a few minutes apart", today.Add(-20 * time.Minute).Format(http.TimeFormat), false},
		{"we are ten years ahead", today.AddDate(-10, 0, 0).Format(http.TimeFormat), true},
		{"we are two hours behind", today.Add(2 * time.Hour).Format(http.TimeFormat), true},
		{"no date at all", "", false},
		{"a date that is none", "yesterday", false},
	} {
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = []string{row.theirs}
			_, _ = w.Write([]byte(fresh))
		})
		c.dated = true
		_, err := ask(c, "look")
		if row.halts {
			checkFault(t, err, want{kind: invoices.Halt})
		} else if err != nil {
			t.Errorf("%s: %v", row.says, err)
		}
		if _, err := ask(c, "create"); err != nil { // a link that was made is never thrown away
			t.Errorf("%s: create: %v", row.says, err)
		}
		c.dated = false
		if _, err := ask(c, "look"); err != nil {
			t.Errorf("%s, a sandbox: %v", row.says, err)
		}
	}
}
