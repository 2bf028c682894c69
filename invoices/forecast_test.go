package invoices

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestForecast walks the standard ladder on the calendar: the whole life of
// one invoice nobody pays.
func TestForecast(t *testing.T) {
	p := standard()
	a := Account{ID: "acme", Email: "a@example.com", Invoices: []Invoice{invoice("INV-1", 12000, day("2026-03-02"), day("2026-04-01"))}}
	told, end := p.Alone().Forecast(a, at("2026-03-02 03:00"), at("2026-09-01 00:00"))
	var b strings.Builder
	for _, f := range told {
		fmt.Fprintf(&b, "%s %s", f.At.In(amsterdam).Format("Mon 2006-01-02 15:04"), f.Decision.Act)
		for _, it := range f.Decision.Items {
			fmt.Fprintf(&b, " %s", it.Step)
		}
		for _, s := range f.Decision.Skips {
			fmt.Fprintf(&b, ", skips %s", s.Step)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%s\n", end.Why)
	// The first link would die two days after the step "upcoming": too soon to
	// be mailed (R11), too live to be replaced (R10). So that step waits for it.
	want := `Mon 2026-03-02 03:00 make_link
Mon 2026-03-02 08:00 email request
Wed 2026-04-01 03:00 renew_link
Wed 2026-04-01 08:00 remind upcoming
Wed 2026-04-08 08:00 remind friendly
Wed 2026-04-22 08:00 remind firm
Fri 2026-05-01 03:00 renew_link
Fri 2026-05-01 08:00 remind final
Sun 2026-05-31 03:00 renew_link
Mon 2026-06-01 08:00 remind new_link-4
its link was renewed 3 times
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("the ladder (-want +got):\n%s", diff)
	}
}
