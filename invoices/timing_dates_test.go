package invoices

import (
	"testing"
	"time"

	"dunning/internal/calendar"
)

// TestR16_R17_DaysOfTheCalendar counts over the ends of Februaries, months,
// years and holidays.
func TestR16_R17_DaysOfTheCalendar(t *testing.T) {
	due, issue := When{Anchor: AfterDue}, When{Anchor: AfterIssue}
	days := func(w When, n int) When { w.Days = n; return w }
	working := func(w When, n int) When { w.Days, w.Working = n, true; return w }
	for _, tt := range []struct {
		says    string
		country string // its holidays, and no letters at weekends; empty: letters every day
		from    string // the date the step is counted from
		when    When
		leaves  string
	}{
		{"issued on 29 February, asked on the day of issue", "", "2028-02-29", days(issue, 0), "2028-02-29"},
		{"due on 29 February", "", "2028-02-29", days(due, 0), "2028-02-29"},
		{"a day later is 1 March", "", "2028-02-29", days(due, 1), "2028-03-01"},
		{"365 days after 29 February is 28 February: no year but this one has it", "", "2028-02-29", days(due, 365), "2029-02-28"},
		{"366 days after it is 1 March", "", "2028-02-29", days(due, 366), "2029-03-01"},
		{"365 days after 1 March 2027 is 29 February", "", "2027-03-01", days(due, 365), "2028-02-29"},
		{"three days before 1 March in a leap year", "", "2028-03-01", days(due, -3), "2028-02-27"},
		{"and in another", "", "2027-03-01", days(due, -3), "2027-02-26"},
		{"thirty days after the end of January are not a month", "", "2026-01-31", days(due, 30), "2026-03-02"},
		{"nor in a leap year", "", "2028-01-31", days(due, 30), "2028-03-01"},
		{"thirty days after the end of August are one", "", "2026-08-31", days(due, 30), "2026-09-30"},
		{"seven days from week 52 to week 53", "", "2026-12-24", days(due, 7), "2026-12-31"},
		{"and fourteen to week 1", "", "2026-12-24", days(due, 14), "2027-01-07"},
		{"29 December 2025 is in week 1 of 2026, and a day like any other", "", "2025-12-22", days(due, 7), "2025-12-29"},
		{"a Saturday moves to Monday, also before the due date", "nl", "2026-03-24", days(due, -3), "2026-03-23"},
		{"Good Friday moves behind Easter Monday", "nl", "2026-03-27", days(due, 7), "2026-04-07"},
		{"one working day over Easter", "nl", "2026-04-02", working(due, 1), "2026-04-07"},
		{"three working days before the day after Easter", "nl", "2026-04-07", working(due, -3), "2026-03-31"},
		{"five working days over Christmas", "nl", "2026-12-23", working(due, 5), "2026-12-31"},
		{"four working days over a Swedish turn of the year", "se", "2026-12-23", working(due, 4), "2027-01-04"},
		{"ten working days in the May of Luxembourg", "lu", "2025-04-30", working(due, 10), "2025-05-16"},
		{"no working day from a Sunday: it moves to Monday", "de", "2026-03-22", working(due, 0), "2026-03-23"},
		{"a working day from a Sunday is Monday too", "de", "2026-03-22", working(due, 1), "2026-03-23"},
		{"Christmas Eve is no day for letters in Poland since 2025", "pl", "2025-12-17", days(due, 7), "2025-12-29"},
		{"the substitute days of an English Christmas", "gb", "2027-12-20", days(due, 7), "2027-12-29"},
		{"a working day from 28 February is 29 February", "de", "2028-02-28", working(due, 1), "2028-02-29"},
	} {
		m := &moment{manners: manners{loc: amsterdam, window: Window{8 * 60, 17 * 60}, weekdays: everyDay}, from: day(tt.from), when: tt.when}
		p := m.policy(t, tt.when)
		if tt.country != "" {
			c, err := calendar.New(calendar.Options{Country: tt.country})
			if err != nil {
				t.Fatal(err)
			}
			p.Calendar = c
		}
		want := day(tt.leaves).At(8, 0, amsterdam)
		told, end := p.Alone().Forecast(m.account(), want.AddDate(-2, 0, 0), want.AddDate(0, 1, 0))
		if len(told) != 1 || !told[0].At.Equal(want) || end.Code != CodeFinished {
			t.Errorf("%s: %+v, want a letter at %v", tt.says, told, want)
		}
	}
}

// TestR04_StepsThatMeetOnOneDayAreOneLetter: three steps of one long weekend
// leave as one letter on the day after it, and the two others are named.
func TestR04_StepsThatMeetOnOneDayAreOneLetter(t *testing.T) {
	m := &moment{manners: manners{loc: amsterdam, window: Window{8 * 60, 17 * 60}}, from: day("2026-04-03")}
	p := m.policy(t, When{})
	c, err := calendar.New(calendar.Options{Country: "nl"})
	if err != nil {
		t.Fatal(err)
	}
	p.Calendar = c
	p.Steps = []Step{
		{Name: "friday", When: When{Days: 0}, Template: "friendly"},
		{Name: "sunday", When: When{Days: 2}, Template: "friendly"},
		{Name: "monday", When: When{Days: 3}, Template: "friendly"},
	}
	told, end := p.Alone().Forecast(m.account(), at("2026-04-01 00:00"), at("2026-06-01 00:00"))
	if len(told) != 1 || !told[0].At.Equal(at("2026-04-07 08:00")) || told[0].Decision.Items[0].Step != "monday" || len(told[0].Decision.Skips) != 2 || end.Code != CodeFinished {
		t.Errorf("%+v, then %+v", told, end)
	}
}

// TestR23_TheLadderFollowsTheDueDate tells by one invoice what a moved due date
// does to steps that were sent, are due, and are not.
func TestR23_TheLadderFollowsTheDueDate(t *testing.T) {
	const told = "2026-04-10 10:00" // request and friendly were sent; due was 1 April
	for _, tt := range []struct {
		says    string
		due     string
		letters string
	}{
		{"a due date that stays leaves the ladder alone", "2026-04-01", "2026-04-22 08:00 firm|2026-05-01 08:00 final"},
		{"earlier: what follows the letter stays, what follows the date comes sooner", "2026-03-28", "2026-04-22 08:00 firm|2026-04-27 08:00 final"},
		{"later, but not past today: the same episode, and the date moves what counts from it", "2026-04-09", "2026-04-22 08:00 firm|2026-05-11 08:00 final"},
		{"past today: a new episode, and the ladder begins before the new date", "2026-04-20", "2026-04-17 08:00 upcoming|2026-04-27 08:00 friendly|2026-05-11 08:00 firm|2026-05-20 08:00 final"},
		{"past today, with a step whose new time has passed already: that one is skipped", "2026-04-11", "2026-04-20 08:00 friendly|2026-05-04 08:00 firm|2026-05-11 08:00 final"},
	} {
		p := quiet()
		p.Link.Poll = 1e6 * time.Hour
		a := debtor(func(_ *Account, inv *Invoice) {
			inv.Links[0].Expires = at("2099-01-01 00:00")
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "friendly", Result: Sent, Gen: 1, At: at("2026-04-08 08:00")})
		})
		a.Letters = []Letter{{ID: "l1", State: Sent, At: at("2026-04-08 08:00")}}
		a = seen(a, at(told))
		inv := &a.Invoices[0]
		row := Row{Number: inv.Number, Total: inv.Total, IssuedOn: inv.IssuedOn, DueOn: day(tt.due)}
		*inv, _ = Revise(inv, row, at(told), day("2026-04-10"))
		list, _ := p.Alone().Forecast(a, at(told), at("2026-08-01 00:00"))
		got := ""
		for _, f := range list {
			got += "|" + f.At.In(amsterdam).Format("2006-01-02 15:04 ") + f.Decision.Items[0].Step
		}
		if got != "|"+tt.letters {
			t.Errorf("%s\n\tgot  %s\n\twant |%s", tt.says, got, tt.letters)
		}
	}
}
