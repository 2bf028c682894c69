package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/store"
	"dunning/invoices"
)

// TestStories plays testdata/stories/*.txt on the real store. A story is a
// calendar that somebody from finance can read: each line is a moment and what
// happens then. Lines with mail, why, links, incident and step are what must
// come out; a mail that no line names fails the story.
func TestStories(t *testing.T) {
	tell(t, "testdata/stories/*.txt", 11, func(*world) {})
}

// TestGuards plays testdata/guards/*.txt: stories about mistakes that would
// concern everybody at once. Runs are kept in the books, and the guards look
// before each of them.
func TestGuards(t *testing.T) {
	tell(t, "testdata/guards/*.txt", 14, func(w *world) {
		w.guarded = true
		w.rules.ByName["standard"].Link.Poll = 25 * time.Hour // looks are rare, runs are many
	})
}

func tell(t *testing.T, pattern string, least int, prepare func(*world)) {
	files, _ := filepath.Glob(pattern)
	if len(files) < least {
		t.Fatalf("only %d stories", len(files))
	}
	for _, file := range files {
		for _, db := range databases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+db.name, func(t *testing.T) {
				t.Parallel()
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				w := newWorld(t, db, "2026-01-01 00:00")
				prepare(w)
				(&story{file: file, world: w}).play(string(text))
			})
		}
	}
}

type story struct {
	*world
	file string
	told int // mails already accounted for
}

func (s *story) play(text string) {
	text, skipped := s.configure(text)
	for n, line := range strings.Split(text, "\n") {
		n += skipped
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		fail := func(format string, args ...any) {
			s.t.Helper()
			s.t.Fatalf("%s:%d: %s\n\t%s\nmails:\n%s", s.file, n+1, line, fmt.Sprintf(format, args...), s.mails())
		}
		if len(f) < 3 {
			fail("write: date time what")
		}
		s.until(clock(s.t, f[0]+" "+f[1]))
		s.line(f[2:], fail)
	}
	if s.told != len(s.outbox) {
		s.t.Fatalf("%s: mails that are not in the story:\n%s", s.file, s.mails())
	}
}

// line plays one line.
func (s *story) line(f []string, fail func(string, ...any)) {
	s.t.Helper()
	arg := func(i int) string {
		if i >= len(f) {
			fail("a word is missing")
		}
		return f[i]
	}
	switch f[0] {
	case "invoice": // invoice INV-1 of acme 120.00 issued 2026-03-02 due 2026-04-01
		s.owe(arg(1), arg(3), arg(4), arg(6), arg(8), func(row *invoices.Row) { s.described(row, f[9:], fail) })
	case "books": // books INV-1 paid 120.00 | total 100.00 | due 2026-05-01 | status void
		s.revise(s.books[arg(1)], arg(2), arg(3), fail)
		s.tell(arg(1))
	case "pays": // pays INV-1 [link 1]: by the newest link, or that one
		s.act(f, func(l *invoices.Link) { l.State = invoices.Completed })
	case "starts": // starts paying INV-1
		s.act(f[1:], func(l *invoices.Link) { l.State = invoices.Trying })
	case "fails": // fails INV-1 25
		n, err := strconv.Atoi(arg(2))
		if err != nil {
			fail("%v", err)
		}
		s.act(f[:2], func(l *invoices.Link) { l.State, l.Attempts = invoices.Rejected, l.Attempts+n })
	case "webhook": // a rumour: it only makes us forget what we knew
		_, inv := s.lookup(arg(1))
		for _, l := range inv.Links {
			if _, err := s.db.Rumour(context.Background(), l.Hook, s.now); err != nil {
				fail("%v", err)
			}
		}
	case "key": // key swapped | key refused | key restored
		s.forgets, s.keyErr = arg(1) == "swapped", nil
		if arg(1) == "refused" {
			s.keyErr = &invoices.Fault{Kind: invoices.Halt, Err: errors.New("401: the API key is refused")}
		}
	case "server": // server down | server up
		s.server(arg(1), fail)
	case "off": // off until 2026-04-04 03:00
		s.now = clock(s.t, arg(2)+" "+arg(3))
		s.scan()
	case "hold":
		if err := s.db.Hold(context.Background(), store.Target{Invoice: arg(1)}, invoices.Hold{Reason: arg(2), By: "Ada"}, s.now); err != nil {
			fail("%v", err)
		}
	case "release":
		if err := s.db.Lift(context.Background(), store.Target{Invoice: arg(1)}, "Ada", "story", s.now); err != nil {
			fail("%v", err)
		}
	default:
		if !s.guards(f, arg, fail) && !s.ladders(f, arg, fail) {
			s.check(f, fail)
		}
	}
}

// check proves one line that says what must be.
func (s *story) check(f []string, fail func(string, ...any)) {
	s.t.Helper()
	switch rest := strings.Join(f[1:], " "); f[0] {
	case "mail":
		if s.told == len(s.outbox) {
			fail("no mail; the policy says: %s", s.why(f[1]))
		}
		l := s.outbox[s.told]
		if got := items(l); got != rest || !l.At.Equal(s.now) {
			fail("got %q at %s", got, s.stamp(l.At))
		}
		s.told++
	case "mails": // mails 60: so many at this moment
		n, err := strconv.Atoi(f[1])
		if err != nil {
			fail("%v", err)
		}
		for range n {
			if s.told == len(s.outbox) || !s.outbox[s.told].At.Equal(s.now) {
				fail("%d mails so far", len(s.outbox))
			}
			s.told++
		}
	case "alarm": // alarm silence: it is open; alarm none: none is
		s.alarm(f[1], fail)
	case "why":
		if got := s.why(f[1]); got != strings.Join(f[2:], " ") {
			fail("got %q", got)
		}
	case "links": // links INV-1 2: so many were ever made at the provider
		n := 0
		for _, o := range s.created {
			if strings.HasPrefix(o.Ref, f[1]+"-L") {
				n++
			}
		}
		if strconv.Itoa(n) != f[2] {
			fail("%d links were made", n)
		}
	case "carries": // carries INV-1 link 2: the last mail told of that link
		_, inv := s.lookup(f[1])
		gen, err := strconv.Atoi(f[3])
		if err != nil || inv.Link(gen) == nil || !strings.Contains(string(s.outbox[s.told-1].Raw), inv.Link(gen).URL+"\n") {
			fail("the mail says:\n%s", s.outbox[s.told-1].Raw)
		}
	case "names": // names INV-1 100.00: the last mail told that amount
		if !strings.Contains(string(s.outbox[s.told-1].Raw), f[1]+" EUR "+f[2]+" ") {
			fail("the mail says:\n%s", s.outbox[s.told-1].Raw)
		}
	case "incident":
		all, err := s.db.Incidents(context.Background())
		if err != nil {
			fail("%v", err)
		}
		for _, in := range all {
			if in.Invoice == f[1] && string(in.Kind) == f[2] {
				return
			}
		}
		fail("no such incident; there are %v", all)
	case "step": // step INV-1 friendly skipped
		_, inv := s.lookup(f[1])
		for _, o := range inv.Steps {
			if o.Step == f[2] && o.Episode == inv.Episode {
				if string(o.Result) != f[3] {
					fail("it is %s", o.Result)
				}
				return
			}
		}
		fail("it has no outcome")
	default:
		fail("unknown verb")
	}
}

func (s *story) revise(row *invoices.Row, what, value string, fail func(string, ...any)) {
	s.t.Helper()
	amount := func() money.Amount {
		m, err := money.Parse(value, row.Total.Currency)
		if err != nil {
			fail("%v", err)
		}
		return m
	}
	switch what {
	case "paid":
		row.Paid = amount().Minor
	case "credited":
		row.Credited = amount().Minor
	case "total":
		row.Total = amount()
	case "status":
		row.Status = invoices.Status(value)
	case "due":
		d, err := civil.Parse(value)
		if err != nil {
			fail("%v", err)
		}
		row.DueOn = d
	default:
		fail("the books know no %q", what)
	}
}

// act does something to a link at the provider: the newest of an invoice, or
// the generation named.
func (s *story) act(f []string, do func(*invoices.Link)) {
	s.t.Helper()
	_, inv := s.lookup(f[1])
	link := inv.Links[len(inv.Links)-1]
	if len(f) > 3 {
		gen, err := strconv.Atoi(f[3])
		if err != nil {
			s.t.Fatal(err)
		}
		link = *inv.Link(gen)
	}
	do(s.links[link.Remote])
}
