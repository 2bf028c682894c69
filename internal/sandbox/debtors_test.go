package sandbox

import (
	"fmt"
	"net/smtp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// village is a sandbox with debtors, and a collector who writes to them.
type village struct {
	*world
	story []string
}

func settle(t *testing.T, o DebtorOptions, seed uint64) *village {
	t.Helper()
	return &village{world: begin(t, Options{Seed: seed, Debtors: o})}
}

// bill makes a payment link of 121 euro and returns its payment URL.
func (v *village) bill(ref, life string) string {
	v.t.Helper()
	id := v.link(`{"merchant_order_id":"` + ref + `","amount":12100,"currency":"EUR","expiration_period":"` + life + `"}`)
	return v.URL() + "/pay/" + id + "/"
}

// write mails URLs to an address, by real SMTP.
func (v *village) write(to string, urls ...string) {
	v.t.Helper()
	text := "Please pay:\r\n"
	for _, u := range urls { // soft line breaks, as quoted-printable has them
		text += "  <" + u[:30] + "=\r\n" + u[30:] + ">\r\n"
	}
	mail := "Subject: bill\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + text
	if err := smtp.SendMail(v.Mail.Addr(), nil, "finance@example.com", []string{to}, []byte(mail)); err != nil {
		v.t.Fatal(err)
	}
}

// until lets the debtors live, from act to act, up to a time.
func (v *village) until(end time.Time) {
	v.t.Helper()
	for {
		next := v.Debtors.NextAt()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(v.Now()) {
			v.watch.wind(next)
		}
		acts, err := v.Debtors.Act(v.t.Context(), v.Now())
		if err != nil {
			v.t.Fatal(err)
		}
		for _, a := range acts {
			v.story = append(v.story, fmt.Sprintf("%s %s", a.Time.Format("Jan 2"), a))
		}
	}
	v.watch.wind(end)
}

func day(n int) time.Time { return monday.AddDate(0, 0, n) }

func TestHabits(t *testing.T) {
	const who = "jan@example.com"
	// Everybody gets the same: a bill on day 0, reminders on days 7, 14 and
	// 28; the link lives 20 days, and the last letter carries a new one.
	for _, row := range []struct {
		habit Habit
		want  []string // what happens; a day may be the one named or the next
	}{
		{NeverPays, nil},
		{PaysAtOnce, []string{
			"day 0 paid", "day 7 was written to about a bill already paid",
			"day 14 was written to about a bill already paid", "day 28 was written to about a bill already paid",
		}},
		{PaysSlowly, []string{
			"day 0 began a bank transfer", "day 3 paid", "day 7 was written to about a bill already paid",
			"day 14 was written to about a bill already paid", "day 28 was written to about a bill already paid",
		}},
		{PaysAfterTwoReminders, []string{"day 14 paid", "day 28 was written to about a bill already paid"}},
		{PaysAtFourthTry, []string{
			"day 0 tried to pay in vain", "day 0 tried to pay in vain", "day 0 tried to pay in vain", "day 0 paid",
			"day 7 was written to about a bill already paid", "day 14 was written to about a bill already paid",
			"day 28 was written to about a bill already paid",
		}},
		{PaysRenewedLink, []string{"day 28 paid"}},
		{PaysBeforeNextReminder, []string{
			"day 6 paid", "day 7 was written to about a bill already paid",
			"day 14 was written to about a bill already paid", "day 28 was written to about a bill already paid",
		}},
	} {
		t.Run(string(row.habit), func(t *testing.T) {
			v := settle(t, DebtorOptions{Debtors: []Debtor{{Address: who, Name: "Jan", Habit: row.habit}}}, 3)
			url := v.bill("INV-7-L1", "P20D")
			for _, letter := range []int{0, 7, 14, 28} {
				v.until(day(letter))
				if letter == 28 {
					url = v.bill("INV-7-L2", "P20D")
				}
				v.write(strings.ToUpper(who), url)
			}
			v.until(day(60))
			checkStory(t, row.want, v.story)
			var paid int
			for _, l := range v.Pay.Links() {
				if l.Status == "completed" {
					paid++
				}
			}
			if wanted := slices.ContainsFunc(row.want, func(s string) bool { return strings.HasSuffix(s, " paid") }); (paid == 1) != wanted {
				t.Errorf("%d links are paid", paid)
			}
			if next := v.Debtors.NextAt(); !next.IsZero() {
				t.Errorf("something is still planned, for %s", next)
			}
		})
	}
}

// checkStory compares deeds and days; a deed may fall on the day after.
func checkStory(t *testing.T, want, got []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("the story has %d lines, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i, line := range want {
		var n int
		if _, err := fmt.Sscanf(line, "day %d", &n); err != nil {
			t.Fatal(err)
		}
		_, deed, _ := strings.Cut(strings.TrimPrefix(line, "day "), " ")
		text := " Jan " + deed + ": EUR 121.00 for INV-7"
		if !strings.HasPrefix(got[i], day(n).Format("Jan 2")+text) && !strings.HasPrefix(got[i], day(n+1).Format("Jan 2")+text) {
			t.Errorf("line %d: %q; want %q, or a day later", i+1, got[i], line)
		}
	}
}

func TestSeveralBillsInOneLetter(t *testing.T) {
	v := settle(t, DebtorOptions{Others: []Habit{PaysAtOnce}}, 1)
	a, b := v.bill("A-1", "P30D"), v.bill("A-2", "P30D")
	v.write("anna@example.com", a, b, a)
	v.until(day(2))
	if len(v.story) != 2 || v.story[0][7:] == v.story[1][7:] {
		t.Errorf("two bills, each paid once:\n%s", strings.Join(v.story, "\n"))
	}
}

func TestUsedUpLinkIsPaidByTheNext(t *testing.T) {
	v := settle(t, DebtorOptions{
		Debtors:      []Debtor{{Address: "bo@example.com", Name: "Bo", Habit: PaysBeforeNextReminder}},
		NextReminder: func(string, int, time.Time) time.Time { return day(11) },
	}, 1)
	v.write("bo@example.com", v.bill("B-1-L1", "P5D"))
	v.until(day(12))
	if len(v.story) != 1 || v.story[0] != "Mar 26 Bo found the link used up: EUR 121.00 for B-1" {
		t.Fatalf("the story: %q", v.story)
	}
	v.write("bo@example.com", v.bill("B-1-L2", "P5D"))
	v.until(day(14))
	if len(v.story) != 2 || !strings.Contains(v.story[1], "Bo paid: EUR 121.00 for B-1") {
		t.Errorf("the story: %q", v.story)
	}
}

func TestStrangersAndOtherMail(t *testing.T) {
	v := settle(t, DebtorOptions{Debtors: []Debtor{{Address: "jan@example.com", Habit: PaysAtOnce}}}, 1)
	v.write("stranger@example.com", v.bill("A-1", "P30D"))
	v.write("jan@example.com") // without any link
	v.write("jan@example.com", "https://evil.example.com/pay/00000000-0000-4000-8000-000000000000/")
	v.until(day(3))
	if len(v.story) != 0 {
		t.Errorf("the story: %q", v.story)
	}
}

func TestDebtorsTryAgainAfterTrouble(t *testing.T) {
	v := settle(t, DebtorOptions{Debtors: []Debtor{{Address: "jan@example.com", Habit: PaysAtOnce}}}, 1)
	unknown := v.URL() + "/pay/00000000-0000-4000-8000-000000000000/"
	v.write("jan@example.com", unknown)
	if _, err := v.Debtors.Act(t.Context(), monday); err == nil {
		t.Error("a payment page that is not there is no trouble")
	}
	if next := v.Debtors.NextAt(); !next.Equal(monday.Add(15 * time.Minute)) {
		t.Errorf("the letter is opened again at %s", next)
	}
	if _, err := v.Debtors.Act(t.Context(), monday); err != nil {
		t.Errorf("it was opened again too early: %v", err)
	}
}

func TestDebtorsAreDeterministic(t *testing.T) {
	run := func(seed uint64) []string {
		v := settle(t, DebtorOptions{Others: []Habit{PaysAtOnce, PaysAtFourthTry, NeverPays, PaysAfterTwoReminders}}, seed)
		for i := range 12 {
			v.write(fmt.Sprintf("c%d@example.com", i), v.bill(fmt.Sprintf("C-%d", i), "P30D"))
		}
		var lines []string
		for next := v.Debtors.NextAt(); !next.IsZero(); next = v.Debtors.NextAt() {
			if next.After(v.Now()) {
				v.watch.wind(next)
			}
			acts, err := v.Debtors.Act(t.Context(), v.Now())
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range acts {
				lines = append(lines, a.Time.Format(time.RFC3339)+" "+a.String())
			}
		}
		return lines
	}
	a, b, c := run(5), run(5), run(6)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("one seed, two stories:\n%s", diff)
	}
	if slices.Equal(a, c) {
		t.Error("two seeds, one story")
	}
	if !slices.IsSorted(a) || len(a) < 6 {
		t.Errorf("the story is out of order or short:\n%s", strings.Join(a, "\n"))
	}
}
