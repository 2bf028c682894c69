package storetest

import (
	"errors"
	"fmt"
	"time"

	"dunning/internal/money"
	"dunning/internal/store"
	"dunning/invoices"
)

// guards are what keeps a mistake from becoming everybody's.
var guards = []check{
	{"R18_AStopHoldsForEveryClaim", stops},
	{"OneAlarmOfAKind", alarms},
	{"R07_APlanIsApprovedByItsName", plans},
	{"R07_TheGreatRunOfADayIsWhatIsUsual", peaks},
	{"R07_DueAccountsAreCountedWithoutALease", ahead},
	{"R08_ALoadThatLooksWrongIsNotTakenIn", suspicion},
	{"R08_ASourceInDoubtHoldsItsInvoices", doubts},
	{"R08_FreshnessIsTheAgeOfTheFile", ages},
	{"R19_AnAccountThatBreaksEveryClaimIsLeftAlone", breaks},
	{"R06_AStepKnowsSinceWhenItIsThere", rungs},
	{"R26_ADatabaseIsOfOneMode", modes},
	{"TheDatabaseKnowsWhatItRemembers", remembers},
	{"WantingTellsSinceWhenALetterIsDue", wanting},
}

func stops(b *bench) {
	a := b.debtor("INV-1")
	want(b, "stopped", a.Stopped, "")
	b.release(a, invoices.Decision{At: b.now.Add(time.Hour)})
	b.must(b.db.Pause(ctx, "Ada", "wrong amounts", b.now))
	b.must(b.db.Pause(ctx, "Ada", "once more", b.now))
	now, _ := b.lookup("INV-1")
	want(b, "stopped", now.Stopped, "wrong amounts (Ada)")
	closed, err := b.db.Resume(ctx, "Ada", "put right", b.now)
	b.must(err)
	want(b, "closed", closed, []invoices.Alarm{{Kind: invoices.AlarmPause, Detail: "wrong amounts (Ada)", At: b.now, Stops: true}})
	a = b.claim() // it is due, though it was to wait an hour
	want(b, "stopped", a.Stopped, "")
	closed, err = b.db.Resume(ctx, "Ada", "again", b.now)
	b.must(err)
	want(b, "closed again", len(closed), 0)
}

func alarms(b *bench) {
	b.open()
	al := invoices.Alarm{Kind: invoices.AlarmMail, Detail: "login refused", At: b.now}
	for i, fresh := range []bool{true, false} {
		raised, err := b.db.Raise(ctx, al)
		b.must(err)
		want(b, fmt.Sprint("raised ", i), raised, fresh)
	}
	list, err := b.db.Alarms(ctx)
	b.must(err)
	want(b, "alarms", list, []invoices.Alarm{al})
	for i, n := range []int{1, 0} {
		closed, err := b.db.Quiet(ctx, invoices.AlarmMail, "", "", "it works", b.now)
		b.must(err)
		want(b, fmt.Sprint("closed ", i), closed, n)
	}
	raised, err := b.db.Raise(ctx, al)
	b.must(err)
	want(b, "raised after it was closed", raised, true)
	closed, err := b.db.Closed(ctx, invoices.AlarmMail, "")
	b.must(err)
	want(b, "closed while one is open", closed, false)
	if _, err := b.db.Raise(ctx, invoices.Alarm{Kind: invoices.AlarmMail}); err == nil {
		b.Error("an alarm without a word was raised")
	}
}

func item(number, step string) invoices.Item {
	return invoices.Item{Invoice: number, Episode: 1, Step: step, Gen: 3, Amount: money.Amount{Minor: 12000, Currency: "EUR"}}
}

func plans(b *bench) {
	a := b.debtor("INV-1")
	one := invoices.NewPlan("email-links", [][]invoices.Item{{item("INV-1", "request")}, {item("INV-2", "request")}}, 1, b.now)
	b.must(b.db.Propose(ctx, one))
	b.must(b.db.Propose(ctx, one))
	list, err := b.db.Alarms(ctx)
	b.must(err)
	want(b, "alarms", len(list), 1)
	b.release(a, invoices.Decision{At: b.now.Add(time.Hour), Code: invoices.CodeApproval})
	if _, err := b.db.Approve(ctx, "nothing", "Ada", b.now); !errors.Is(err, store.ErrUnknown) {
		b.Errorf("approving nothing: %v", err)
	}
	got, err := b.db.Approve(ctx, one.ID, "Ada", b.now)
	b.must(err)
	want(b, "letters", got.Letters, 2)
	list, err = b.db.Alarms(ctx)
	b.must(err)
	want(b, "alarms", len(list), 0)
	b.claim() // who waited for the approval is due

	approved, err := b.db.Approved(ctx, "email-links", b.now.Add(6*24*time.Hour))
	b.must(err)
	covers := invoices.Covers(approved...)
	other := item("INV-1", "request")
	other.Amount.Minor--
	for says, tt := range map[string]struct {
		items []invoices.Item
		want  bool
	}{
		"a letter of the plan":            {[]invoices.Item{item("INV-2", "request")}, true},
		"another step":                    {[]invoices.Item{item("INV-2", "firm")}, false},
		"another amount":                  {[]invoices.Item{other}, false},
		"a letter with one item too many": {[]invoices.Item{item("INV-2", "request"), item("INV-3", "request")}, false},
	} {
		want(b, says, covers(tt.items), tt.want)
	}
	late, err := b.db.Approved(ctx, "email-links", b.now.Add(8*24*time.Hour))
	b.must(err)
	want(b, "approved a week ago", len(late), 0)
	elsewhere, err := b.db.Approved(ctx, "send-reminders", b.now)
	b.must(err)
	want(b, "approved for another job", len(elsewhere), 0)
}

func peaks(b *bench) {
	b.open()
	ran := func(at time.Time, job string, letters int) {
		id, err := b.db.Started(ctx, job, at, at)
		b.must(err)
		b.must(b.db.Ended(ctx, id, at, map[string]int{"letters sent": letters}, nil))
	}
	for day := range 4 {
		at := b.now.AddDate(0, 0, day)
		ran(at, "email-links", 100+day)
		ran(at.Add(10*time.Minute), "email-links", 1)
		ran(at.Add(20*time.Minute), "email-links", 0)
		ran(at, "send-reminders", 7)
	}
	got, err := b.db.Peaks(ctx, "email-links", time.UTC, 3)
	b.must(err)
	want(b, "peaks", got, []int{103, 102, 101})
}

func ahead(b *bench) {
	b.due(5)
	for enough, n := range map[int]int{3: 3, 100: 5} {
		got, err := b.db.AtMost(ctx, b.query(), enough)
		b.must(err)
		want(b, "at most", got, n)
	}
	n := 0
	b.must(b.db.Due(ctx, b.query(), func(a invoices.Account) error {
		n += len(a.Invoices)
		return nil
	}))
	want(b, "due", n, 5)
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	want(b, "still to be claimed", len(list), 5)
	for _, a := range list {
		b.release(a, invoices.Decision{At: b.now.Add(time.Hour)})
	}
	got, err := b.db.AtMost(ctx, b.query(), 100)
	b.must(err)
	want(b, "at most, when none is due", got, 0)
}

// rows returns so many rows of so many accounts.
func rows(n int) []invoices.Row {
	var list []invoices.Row
	for i := range n {
		list = append(list, row(fmt.Sprint("c", i), fmt.Sprint("INV-", i)))
	}
	return list
}

func suspicion(b *bench) {
	b.open()
	full := func(n int) invoices.Load {
		l := b.load(rows(n)...)
		l.Full, l.Digest = true, fmt.Sprintf("%064d", b.loads)
		return l
	}
	for _, tt := range []struct {
		says string
		rows int
		odd  bool
	}{
		{"the first load is what it is", 40, false},
		{"half is a busy week of payments", 20, false},
		{"twice as many rows", 40, true},
		{"not quite twice as many", 39, false},
		{"less than half", 19, true},
		{"fewer, but not so few", 21, false},
		{"a handful less", 12, false},
		{"ten rows more or less are never odd", 3, false},
	} {
		b.wait(time.Minute)
		before, err := b.db.Sources(ctx)
		b.must(err)
		report, err := b.db.Import(ctx, full(tt.rows), nil, false)
		var s *invoices.Suspicion
		if odd := errors.As(err, &s); odd != tt.odd || !odd && err != nil {
			b.Fatalf("%s: %v", tt.says, err)
		}
		if !tt.odd {
			want(b, tt.says, report.Rows, tt.rows)
			continue
		}
		after, err := b.db.Sources(ctx)
		b.must(err)
		want(b, "nothing was taken in", after, before)
	}
	b.must(func() error { _, err := b.db.Import(ctx, full(40), nil, true); return ignore(err) }()) // a dry run asks too

	l := full(40)
	_, err := b.db.Import(ctx, l, nil, false)
	var s *invoices.Suspicion
	if !errors.As(err, &s) {
		b.Fatalf("thirteen times as many rows: %v", err)
	}
	source, err := b.db.Trust(ctx, s.ID, "Ada", b.now)
	b.must(err)
	want(b, "source", source, "erp")
	_, err = b.db.Import(ctx, full(50), nil, false)
	if !errors.As(err, &s) {
		b.Fatalf("another load than the approved one: %v", err)
	}
	l.Rows = all(rows(40)...)
	_, err = b.db.Import(ctx, l, nil, false)
	b.must(err)
	if _, err := b.db.Trust(ctx, s.ID, "Ada", b.now); !errors.Is(err, store.ErrUnknown) {
		b.Errorf("approving a load that is none any more: %v", err)
	}
}

func ignore(err error) error {
	var s *invoices.Suspicion
	if errors.As(err, &s) {
		return nil
	}
	return errors.Join(errors.New("a load that looks wrong was accepted"), err)
}

func doubts(b *bench) {
	a := b.debtor("INV-1")
	b.must(b.db.Doubt(ctx, "erp", "", b.now))
	b.must(b.db.Doubt(ctx, "erp", "books.csv:3: total: \"x\" is no amount", b.now))
	start := b.started(a, "letter-1", "request", "INV-1")
	if _, err := b.db.Begin(ctx, a, start); !errors.Is(err, invoices.ErrStale) {
		b.Errorf("a letter decided upon before the doubt: %v, want ErrStale", err)
	}
	b.release(a, invoices.Decision{At: b.now.Add(time.Hour)})
	a = b.claim()
	want(b, "doubt", a.Invoices[0].Doubt, "books.csv:3: total: \"x\" is no amount")
	list, err := b.db.Alarms(ctx)
	b.must(err)
	want(b, "alarms", len(list), 1)
	b.release(a, invoices.Decision{})
	b.must(b.db.Doubt(ctx, "erp", "", b.now))
	a = b.claim()
	want(b, "doubt", a.Invoices[0].Doubt, "")
	list, err = b.db.Alarms(ctx)
	b.must(err)
	want(b, "alarms", len(list), 0)
}

func ages(b *bench) {
	b.open()
	l := b.load(row("acme", "INV-1"))
	l.AsOf = b.now.Add(-30 * time.Hour)
	_, err := b.db.Import(ctx, l, nil, false)
	b.must(err)
	_, inv := b.lookup("INV-1")
	want(b, "known", inv.Known, b.now.Add(-30*time.Hour))
	l.Rows, l.At = all(row("acme", "INV-1")), b.now.Add(time.Hour)
	_, err = b.db.Import(ctx, l, nil, false)
	b.must(err)
	_, inv = b.lookup("INV-1")
	want(b, "reading the same old file again makes nothing fresher", inv.Known, b.now.Add(-30*time.Hour))
	l.Rows, l.AsOf = all(row("acme", "INV-1")), b.now
	_, err = b.db.Import(ctx, l, nil, false)
	b.must(err)
	_, inv = b.lookup("INV-1")
	want(b, "the same rows, written anew", inv.Known, b.now)
}

func breaks(b *bench) {
	b.open()
	b.tell(row("guilty", "INV-1"), row("near", "INV-2"))
	claim := func(wanted ...string) []invoices.Account {
		b.Helper()
		q := b.query()
		q.Alone = true
		list, err := b.db.Claim(ctx, q)
		b.must(err)
		want(b, "claimed", ids(list), wanted)
		b.wait(2 * time.Minute) // and the worker is gone
		return list
	}
	claim("guilty", "near")
	claim("guilty", "near")
	b.tell(row("new", "INV-3"))
	claim("new") // those who were claimed in vain twice come after all others,
	b.tell(row("new", "INV-3"))
	claim("new")
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	want(b, "claimed by who has others", ids(list), nil)
	one := claim("guilty") // and alone
	want(b, "claims before this one", one[0].Claims, 2)
	for range invoices.MaxClaims - 3 {
		claim("guilty")
	}
	list = claim("near")
	b.release(list[0], invoices.Decision{At: b.now.Add(time.Hour)})
	a, _ := b.lookup("INV-2")
	want(b, "claims of one that was only near", a.Claims, 0)
	for range invoices.MaxClaims - 2 {
		claim("new")
	}
	claim()
	a, _ = b.lookup("INV-1")
	want(b, "claims", a.Claims, invoices.MaxClaims)
	st, err := b.db.Stats(ctx, b.now)
	b.must(err)
	want(b, "broken", st.Broken, 2)

	b.must(b.db.Lift(ctx, store.Target{Account: "guilty"}, "Ada", "mended", b.now))
	a = claim("guilty")[0]
	a = b.begin(a, b.wanted(a.Find("INV-1"), 1, 12000))
	want(b, "claims after something was begun", a.Claims, 0)
}

func rungs(b *bench) {
	b.open()
	ladder := func(names ...string) map[string]*invoices.Policy {
		p := &invoices.Policy{}
		for _, n := range names {
			p.Steps = append(p.Steps, invoices.Step{Name: n})
		}
		return map[string]*invoices.Policy{"standard": p}
	}
	since := func(ps map[string]*invoices.Policy) (list []time.Time) {
		for _, s := range ps["standard"].Steps {
			list = append(list, s.Since)
		}
		return list
	}
	first := ladder("request", "firm")
	b.must(b.db.Rungs(ctx, first, b.now, true))
	want(b, "at the beginning", since(first), []time.Time{{}, {}})
	more := ladder("request", "friendly", "firm")
	b.must(b.db.Rungs(ctx, more, b.now.Add(time.Hour), false))
	want(b, "only looked at", since(more), []time.Time{{}, b.now.Add(time.Hour), {}})
	b.must(b.db.Rungs(ctx, more, b.now.Add(2*time.Hour), true))
	b.must(b.db.Rungs(ctx, more, b.now.Add(3*time.Hour), true))
	want(b, "added", since(more), []time.Time{{}, b.now.Add(2 * time.Hour), {}})
}

func modes(b *bench) {
	a := b.debtor("INV-1")
	for _, tt := range []struct{ asked, bound string }{{"test", "test"}, {"test", "test"}, {"live", "live"}} {
		bound, err := b.db.Bind(ctx, tt.asked)
		b.must(err)
		want(b, "bound while nothing was done", bound, tt.bound)
	}
	b.begin(a, b.wanted(a.Find("INV-1"), 1, 12000))
	bound, err := b.db.Bind(ctx, "test")
	b.must(err)
	want(b, "bound once a link was wanted", bound, "live")
}

func remembers(b *bench) {
	b.open()
	b.tell(row("acme", "INV-1"))
	id, err := b.db.Newest(ctx)
	b.must(err)
	for event, known := range map[string]bool{id: true, "00000000-0000-7000-8000-000000000000": false} {
		got, err := b.db.Remembers(ctx, event)
		b.must(err)
		want(b, "remembers "+event, got, known)
	}
	_, err = b.db.Started(ctx, "poll-links", b.now, b.now)
	b.must(err)
	latest, err := b.db.Latest(ctx)
	b.must(err)
	want(b, "latest", latest, b.now)
	_, err = b.db.Clock(ctx)
	b.must(err)
}

func wanting(b *bench) {
	a := b.debtor("INV-1")
	since := func() time.Time {
		since, _, err := b.db.Wanting(ctx)
		b.must(err)
		return since
	}
	want(b, "before anybody looked", since(), time.Time{})
	first := b.now
	for range 3 { // run after run cannot send it
		b.release(a, invoices.Decision{Act: invoices.Email})
		want(b, "since", since(), first)
		b.wait(time.Hour)
		a = b.claim()
	}
	b.release(a, invoices.Decision{At: b.now.Add(time.Hour), Code: invoices.CodePolite})
	want(b, "since, at night", since(), first)
	b.wait(time.Hour)
	a = b.claim()
	b.release(a, invoices.Decision{At: b.now.Add(time.Hour), Code: invoices.CodeWaiting})
	want(b, "when it waits again", since(), time.Time{})
}
