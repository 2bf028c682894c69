package invoices

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"
)

// zones returns the names of all time zones: those of tzdata's zone.tab, and
// those that are nowhere in particular.
func zones(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(text))
	if len(names) < 450 {
		t.Fatalf("only %d zones", len(names))
	}
	return names
}

// A moment is one question to Next: when does the step of an invoice leave?
type moment struct {
	manners
	when When
	from civil.Date // the due date or the date of issue, whichever counts
}

func (m *moment) String() string {
	return fmt.Sprintf("%s, window %v, %d days of the week, closed %v, blackout %v: %d days (working: %v, anchor %d) after %v",
		m.loc, m.window, len(m.weekdays), m.closed, m.blackout, m.when.Days, m.when.Working, m.when.Anchor, m.from)
}

// account returns a debtor whose invoice counts from the moment's date and has a
// link that outlives everything.
func (m *moment) account() Account {
	issued, due := m.from, plus(m.from, 30)
	if m.when.Anchor == AfterDue {
		issued, due = plus(m.from, -400), m.from
	}
	inv := invoice("INV-1", 12000, issued, due)
	inv.Links = []Link{{Gen: 1, Remote: "r1", State: New, Amount: inv.Open(), Key: "test:1a2b3c4d", Expires: at("2099-01-01 00:00"), Seen: at("2023-01-01 00:00")}}
	return Account{ID: "acme", Email: "a@example.com", Zone: m.loc, Invoices: []Invoice{inv}}
}

// verify compares Next and Forecast with the model.
func (m *moment) verify(t *testing.T, r *rand.Rand) {
	t.Helper()
	p, a := m.policy(t, m.when), m.account()
	first := m.first(m.due(m.from, m.when), time.Time{})
	told, _ := p.Alone().Forecast(a, first.Add(-200*time.Hour), first.Add(200*time.Hour))
	if len(told) != 1 || !told[0].Decision.Act.Sends() || !told[0].At.Equal(first) {
		t.Errorf("%v\n\tfirst possible at %v, Forecast says %+v", m, first.In(m.loc), told)
		return
	}
	m.unlinked(t, p, first)
	instants := []time.Time{first, first.Add(-time.Second), first.Add(-time.Minute)}
	for range 4 {
		instants = append(instants, first.Add(time.Duration(r.Int64N(int64(72*time.Hour)))-24*time.Hour))
	}
	for _, now := range instants {
		d := p.Next(seen(a, now), now)
		want := !now.Before(first) && m.open(now)
		date, reading := m.clock(now)
		switch {
		case d.Act.Sends() != want:
			t.Errorf("%v\n\tat %v, first possible at %v: Next says %s (%s), may it leave: %v", m, now.In(m.loc), first.In(m.loc), d.Act, d.Why, want)
		case want && !m.sends(date), want && (reading < m.window.From || reading >= m.window.To) && !m.wentBack(now):
			t.Errorf("%v\n\ta letter leaves at %v", m, now.In(m.loc))
		case want:
		case now.Before(first) && (!d.At.After(now) || d.At.After(first)):
			t.Errorf("%v\n\tat %v Next sleeps until %v, beyond %v", m, now.In(m.loc), d.At.In(m.loc), first.In(m.loc))
		case !now.Before(first) && !d.At.Equal(m.first(date, now)) && !m.skipped(d.At):
			t.Errorf("%v\n\tat %v Next waits until %v, want %v", m, now.In(m.loc), d.At.In(m.loc), m.first(date, now).In(m.loc))
		}
	}
}

// unlinked takes the link away: one is made a civil day ahead, which is 23 to
// 26 hours where clocks are set, and the letter leaves no later for it.
func (m *moment) unlinked(t *testing.T, p *Policy, first time.Time) {
	t.Helper()
	a := m.account()
	a.Invoices[0].Links = nil
	told, _ := p.Alone().Forecast(a, first.Add(-200*time.Hour), first.Add(200*time.Hour))
	if len(told) != 2 || told[0].Decision.Act != MakeLink || !told[1].At.Equal(first) {
		t.Errorf("%v\n\tfirst possible at %v, without a link Forecast says %+v", m, first.In(m.loc), told)
		return
	}
	made := told[0].At.In(m.loc)
	ahead := first.Sub(made)
	if ahead < 22*time.Hour || ahead > 26*time.Hour && !m.skipped(made) && !m.skipped(made.AddDate(0, 0, 1)) {
		t.Errorf("%v\n\tthe link is made %v before the letter", m, ahead)
	}
}

// skipped reports whether the clock skips the whole window on the date of an
// instant: Next may then look again at its edge, for nothing.
func (m *manners) skipped(t time.Time) bool {
	date, _ := m.clock(t)
	opens, _ := m.clock(m.first(date, time.Time{}))
	return m.sends(date) && opens != date
}

// around returns a moment whose step falls due about a date, with manners made
// up at random.
func around(r *rand.Rand, loc *time.Location, d civil.Date, w Window) *moment {
	m := &moment{manners: manners{loc: loc, window: w, weekdays: pick(r, everyDay, everyDay, mondayToFriday, everyDay[2:4])}}
	if r.IntN(3) == 0 {
		m.closed = []civil.Date{plus(d, r.IntN(3)), plus(d, 3+r.IntN(3))}
	}
	if r.IntN(4) == 0 {
		from := plus(d, r.IntN(3)-1)
		m.blackout = []Days{{from, plus(from, r.IntN(3))}}
	}
	m.when = When{Anchor: pick(r, AfterDue, AfterIssue), Days: pick(r, -30, -3, 0, 1, 7, 14, 30, 45), Working: r.IntN(4) == 0}
	if m.when.Anchor == AfterIssue && m.when.Days < 0 {
		m.when.Days = -m.when.Days
	}
	if m.from = plus(d, -m.when.Days); m.when.Working {
		m.from = plus(d, -m.when.Days*7/len(m.weekdays))
	}
	return m
}

// TestR16_R17_EveryZoneEveryChange asks Next about steps that fall due when the
// clocks are set, in every time zone from 2024 to 2032, and about others: it
// must agree with the naive model to the minute.
func TestR16_R17_EveryZoneEveryChange(t *testing.T) {
	for i, name := range zones(t) {
		r := rand.New(rand.NewPCG(uint64(i), 16))
		loc := mustZone(name)
		dates := changes(loc)
		for range 3 {
			dates = append(dates, plus(day("2024-01-10"), r.IntN(3270)))
		}
		for _, d := range dates {
			if everything() {
				for _, w := range windows {
					for n := -1; n <= 1; n++ {
						around(r, loc, plus(d, n), w).verify(t, r)
					}
				}
				continue
			}
			around(r, loc, plus(d, r.IntN(3)-1), pick(r, windows...)).verify(t, r)
		}
		if t.Failed() {
			t.Fatalf("the zone is %s", name)
		}
	}
}

// awkward zones, and what is awkward about them.
var awkward = map[string]string{
	"Pacific/Kiritimati":  "fourteen hours ahead of UTC",
	"Pacific/Apia":        "was a day behind until 2011",
	"Pacific/Honolulu":    "ten hours behind UTC",
	"Australia/Lord_Howe": "sets its clock by half an hour",
	"Africa/Casablanca":   "sets its clock back for Ramadan",
	"Africa/El_Aaiun":     "sets its clock back for Ramadan",
	"Antarctica/Troll":    "sets its clock by two hours",
	"Asia/Gaza":           "sets its clock around Ramadan, up to four times a year",
	"Africa/Cairo":        "sets its clock forward at midnight, and back at midnight to the day before",
	"Europe/Dublin":       "has summer as its standard time",
	"America/Havana":      "has days that begin at 01:00",
	"America/Santiago":    "has days that begin at 01:00, and days that end at 23:00 twice",
	"Asia/Beirut":         "has days that begin at 01:00",
	"Atlantic/Azores":     "has days that begin at 01:00",
	"America/Nuuk":        "skips the last hour of a day",
	"Pacific/Chatham":     "is three quarters of an hour off, and sets its clock at 02:45",
	"Europe/Brussels":     "is where 02:30 is skipped and doubled",
	"Asia/Kathmandu":      "is three quarters of an hour off",
	"Pacific/Niue":        "eleven hours behind UTC",
}

// TestR16_NoDayIsLostOrEarly walks a step over the days of nine years where
// days are awkward: it leaves on its own civil day, at the opening of the
// window, or when the day begins if that is later.
func TestR16_NoDayIsLostOrEarly(t *testing.T) {
	for name, why := range awkward {
		loc := mustZone(name)
		var near []civil.Date
		for _, d := range changes(loc) {
			near = append(near, plus(d, -1), d, plus(d, 1))
		}
		for d := day("2024-01-01"); d.Year < 2033; {
			near = append(near, d)
			if d = plus(d, 11); everything() {
				d = plus(d, -10)
			}
		}
		for _, w := range []Window{{8 * 60, 17 * 60}, {0, 24 * 60}} {
			m := &moment{manners: manners{loc: loc, window: w, weekdays: everyDay}, when: When{Days: 7}}
			p := m.policy(t, m.when)
			for _, d := range near {
				m.from = plus(d, -7)
				noon := time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC)
				told, _ := p.Alone().Forecast(m.account(), noon.Add(-100*time.Hour), noon.Add(100*time.Hour))
				if len(told) != 1 || !told[0].Decision.Act.Sends() {
					t.Fatalf("%s, which %s: due on %v, Forecast says %+v", name, why, d, told)
				}
				on, reading := m.clock(told[0].At)
				before, earlier := m.clock(told[0].At.Add(-time.Second))
				opens := reading == w.From || before != d && reading > w.From
				if on != d || !opens || before == d && earlier >= w.From {
					t.Fatalf("%s, which %s: due on %v, window %v, it leaves at %v", name, why, d, w, told[0].At.In(loc))
				}
			}
		}
	}
}
