package jobs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"
	"dunning/internal/config"
	"dunning/internal/money"
	"dunning/internal/store"
	"dunning/invoices"
	"dunning/jobs"
)

// TestLadders plays testdata/ladders/*.txt: stories that begin with what finance
// wrote into config.yaml, up to the line ---. The rest of a configuration, which
// is the same for all, stands below.
func TestLadders(t *testing.T) {
	tell(t, "testdata/ladders/*.txt", 15, func(*world) {})
}

const configured = `
database: {url: "sqlite:x.db"}
costplus: {mode: test, api_key: key}
smtp: {host: localhost, security: none}
mail: {from: "Example BV <billing@example.com>", test_recipient: finance@example.com}
timezone: Europe/Amsterdam
`

// configure takes the story's own configuration, and returns the rest of it.
func (s *story) configure(text string) (rest string, lines int) {
	s.t.Helper()
	head, rest, ours := strings.Cut(text, "\n---\n")
	if !ours {
		return text, 0
	}
	c, err := config.Parse("config.yaml", []byte(configured+head+"\n"), nil, func(string) ([]byte, error) { return []byte("x"), nil })
	if err != nil {
		s.t.Fatal(err)
	}
	s.rules = c.Policies
	if !strings.Contains(head, "poll:") { // looks are rare, and the days many
		for _, p := range s.rules.ByName {
			p.Link.Poll = 25 * time.Hour
		}
	}
	if strings.Contains(head, "\njobs:") {
		s.table = jobs.Timetable{}
		for name, line := range c.Jobs {
			s.table[name] = line
		}
	}
	s.careful = strings.Contains(head, "# live")
	return rest, strings.Count(head, "\n") + 2
}

// ladders plays what people do, and what an invoice has besides amounts and
// dates. It reports whether it knows the verb.
func (s *story) ladders(f []string, arg func(int) string, fail func(string, ...any)) bool {
	s.t.Helper()
	ctx := context.Background()
	var err error
	switch f[0] {
	case "promise": // promise INV-1 120.00 by 2026-04-10 | promise INV-1 withdrawn
		_, inv := s.lookup(arg(1))
		if arg(2) == "withdrawn" {
			_, err = s.db.Unpromise(ctx, arg(1), "Ada", "story", s.now)
			break
		}
		m, e1 := money.Parse(arg(2), inv.Total.Currency)
		on, e2 := civil.Parse(arg(4))
		err = errors.Join(e1, e2, s.db.Promise(ctx, arg(1), invoices.Promise{Amount: m.Minor, On: on, Open: inv.Open().Minor, At: s.now, By: "Ada"}, "", s.now))
	case "contacted": // contacted acme
		err = s.db.Contacted(ctx, arg(1), store.Contact{At: s.now, Channel: "phone", By: "Ada"}, s.now)
	case "yes": // yes INV-1: to the letter that waits
		a, inv := s.lookup(arg(1))
		yes, waits := s.rules.Awaits(&a, inv, s.now)
		if !waits {
			fail("nothing waits; the policy says: %s", s.why(arg(1)))
		}
		yes.By = "Ada"
		err = s.db.Agree(ctx, arg(1), yes, s.now)
	case "broken": // broken INV-1: its promise is listed as broken; whole INV-1: it is not
		a, inv := s.lookup(arg(1))
		if !s.rules.PromiseBroken(&a, inv, s.now) {
			fail("the promise is not broken")
		}
	case "whole":
		a, inv := s.lookup(arg(1))
		if s.rules.PromiseBroken(&a, inv, s.now) {
			fail("the promise is broken")
		}
	case "from": // from legal@example.com: who wrote the last mail
		if got := s.outbox[s.told-1].From; !strings.Contains(got, arg(1)) {
			fail("it is from %q", got)
		}
	case "copy": // copy sales@example.com: among those of the last mail
		if got := s.outbox[s.told-1].CC; !slices.Contains(got, arg(1)) {
			fail("copies go to %q", got)
		}
	case "attached": // attached terms.pdf
		if !slices.ContainsFunc(s.outbox[s.told-1].Files, func(f invoices.File) bool { return f.Name == arg(1) }) {
			fail("there are %d files", len(s.outbox[s.told-1].Files))
		}
	default:
		return false
	}
	if err != nil {
		fail("%v", err)
	}
	return true
}

// described sets what an invoice has besides amounts and dates:
// … currency GBP tags vip,retail policy gentle country BE zone Asia/Tokyo.
func (s *story) described(row *invoices.Row, f []string, fail func(string, ...any)) {
	s.t.Helper()
	for i := 0; i+1 < len(f); i += 2 {
		switch value := f[i+1]; f[i] {
		case "currency":
			row.Total.Currency = value
		case "tags":
			row.Tags = strings.Split(value, ",")
		case "policy":
			row.Policy = value
		case "country":
			row.Customer.Country = value
		case "zone":
			row.Customer.Zone = value
		case "language":
			row.Customer.Language = value
		default:
			fail("an invoice has no %q", f[i])
		}
	}
	if len(f)%2 != 0 {
		fail("a word is missing")
	}
}
