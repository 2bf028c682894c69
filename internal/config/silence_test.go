package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"
	"dunning/internal/schedule"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// lines is the smallest configuration with cron lines and manners of its own.
func lines(t *testing.T, zone, sending, jobs string) *Config {
	t.Helper()
	text := strings.Replace(readRight(t, "smallest"), "timezone: UTC", "timezone: "+zone+"\nsending: {"+sending+"}\njobs: {"+jobs+"}", 1)
	return mustParse(t, text)
}

func location(t interface{ Fatal(...any) }, name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestR17_SilencesOfTheJobsThatSend(t *testing.T) {
	for _, c := range []struct {
		says, zone, sending, jobs, customer string
		want                                []string
	}{
		{says: "office hours here are no hours of a sending window in Hawaii", zone: "Europe/Amsterdam", customer: "Pacific/Honolulu", want: []string{
			"email-links */10 8-17 * * mon-fri: Pacific/Honolulu from 2026-01-01 until never, open here 19:00-04:00",
			"send-reminders */15 8-17 * * mon-fri: Pacific/Honolulu from 2026-01-01 until never, open here 19:00-04:00",
		}},
		{says: "one hour of the day in common is enough", zone: "Europe/Amsterdam", customer: "Asia/Tokyo"},
		{says: "in Alaska they meet only in the weeks between the changes of the clock there and here", zone: "Europe/Amsterdam", customer: "America/Anchorage", want: []string{
			"email-links */10 8-17 * * mon-fri: America/Anchorage from 2026-03-30 until 2026-10-26, open here 18:00-03:00",
			"send-reminders */15 8-17 * * mon-fri: America/Anchorage from 2026-03-30 until 2026-10-26, open here 18:00-03:00",
		}},
		{says: "a job that is off is left alone", zone: "Europe/Amsterdam", jobs: "email-links: off, send-reminders: off", customer: "Pacific/Honolulu"},
		{says: "a job that runs by day and night finds every window", zone: "Europe/Amsterdam", jobs: `email-links: "*/10 * * * *"`, customer: "Pacific/Honolulu", want: []string{
			"send-reminders */15 8-17 * * mon-fri: Pacific/Honolulu from 2026-01-01 until never, open here 19:00-04:00",
		}},
		{says: "Monday morning in Kiritimati is Sunday evening here", zone: "UTC", sending: "days: [mon]", jobs: `email-links: "*/10 8-17 * * mon", send-reminders: "*/10 * * * sun,mon"`, customer: "Pacific/Kiritimati", want: []string{
			"email-links */10 8-17 * * mon: Pacific/Kiritimati from 2026-01-05 until never, open here 18:00-03:00",
		}},
		{says: "once a month is too seldom for letters that may be two weeks late", zone: "UTC", jobs: `send-reminders: "0 9 1 * *"`, sending: "days: [mon, tue, wed, thu, fri, sat, sun]", customer: "UTC", want: []string{
			"send-reminders 0 9 1 * *: UTC from 2026-01-02 until 2026-02-01, open here 08:00-17:00",
		}},
		{says: "but not for letters that may be thirty days late, which is what they wait", zone: "UTC", jobs: `send-reminders: "0 9 1 * *"`, sending: "days: [mon, tue, wed, thu, fri, sat, sun], max_lateness: 30 days", customer: "UTC"},
		{says: "a window until midnight is open until then", zone: "UTC", sending: `window: "20:00-24:00"`, jobs: `email-links: "59 23 * * *", send-reminders: "59 23 * * *"`, customer: "UTC"},
		{says: "a run at the minute in which the window closes is too late, as here in winter", zone: "Europe/Amsterdam", jobs: `email-links: "0 9 * * *", send-reminders: "59 8 * * *"`, customer: "Asia/Kolkata", sending: `window: "08:00-13:30"`, want: []string{
			"email-links 0 9 * * *: Asia/Kolkata from 2026-10-26 until 2027-03-29, open here 03:30-09:00",
		}},
	} {
		t.Run(c.says, func(t *testing.T) {
			var got []string
			for _, s := range lines(t, c.zone, c.sending, c.jobs).Silences(location(t, c.customer), civil.Date{Year: 2026, Month: time.January, Day: 1}) {
				until := "never"
				if !s.Until.IsZero() {
					until = s.Until.String()
				}
				got = append(got, fmt.Sprintf("%s %s: %v from %v until %s, open here %s-%s", s.Job, s.Line, s.Zone, s.First, until, s.Open.Format("15:04"), s.Shut.Format("15:04")))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestR17_ByDayAndNightEveryoneIsReached: what the warning advises helps
// wherever the customer is.
func TestR17_ByDayAndNightEveryoneIsReached(t *testing.T) {
	c := lines(t, "Europe/Amsterdam", "", `email-links: "*/10 * * * *", send-reminders: "*/15 * * * *"`)
	for _, name := range zones {
		for _, s := range c.Silences(location(t, name), civil.Date{Year: 2026, Month: time.January, Day: 1}) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestR17_OpeningsAgreeWithEveryRun compares with a list of all runs, read on
// the customer's clock. No zone changes its clock inside of these windows.
func TestR17_OpeningsAgreeWithEveryRun(t *testing.T) {
	p := right(t, "factory").Policies.ByName[standard]
	rapid.Check(t, func(t *rapid.T) {
		zone := location(t, rapid.SampledFrom([]string{
			"Europe/Amsterdam", "Pacific/Honolulu", "America/Anchorage", "Asia/Kolkata", "Pacific/Kiritimati",
			"Pacific/Apia", "Australia/Lord_Howe", "America/Havana", "Africa/Casablanca", "Asia/Kathmandu",
		}).Draw(t, "zone"))
		line, err := schedule.Parse(rapid.SampledFrom([]string{
			"*/10 8-17 * * mon-fri", "*/15 * * * *", "0 9 * * *", "59 23 * * *", "30 2 * * *", "7 * * * *",
			"0 8 1 * *", "0 12 29 2 *", "@every 7h", "* 20-22 * * *", "0 0 * * sun",
		}).Draw(t, "line"), location(t, rapid.SampledFrom([]string{"UTC", "Europe/Amsterdam", "America/Los_Angeles", "Asia/Tokyo"}).Draw(t, "here")))
		if err != nil {
			t.Fatal(err)
		}
		manners := *p
		manners.Window.From = rapid.IntRange(6*60, 20*60).Draw(t, "from")
		manners.Window.To = rapid.IntRange(manners.Window.From+1, 24*60).Draw(t, "to")
		first := civil.Date{Year: 2026, Month: time.January, Day: 1}.AddDays(rapid.IntRange(0, 1400).Draw(t, "day"))
		const days = 40

		want := map[civil.Date]bool{}
		for i := range days {
			if d := first.AddDays(i); manners.Calendar.Working(d) {
				want[d] = false
			}
		}
		end := first.AddDays(days + 2).Start(time.UTC)
		for run := line.Next(first.AddDays(-2).Start(time.UTC)); !run.IsZero() && run.Before(end); run = line.Next(run) {
			there := run.In(zone)
			minute := there.Hour()*60 + there.Minute()
			if _, sends := want[civil.Of(there)]; sends && minute >= manners.Window.From && minute < manners.Window.To {
				want[civil.Of(there)] = true
			}
		}
		got := map[civil.Date]bool{}
		for d, runs := range openings(line, manners, zone, first, days) {
			got[d] = runs
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-runs +openings):\n%s", diff)
		}
	})
}
