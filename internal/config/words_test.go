package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dunning/invoices"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	for _, is := range []struct {
		sentence, word string
		known          []string
		want           string
	}{
		{"a letter is missing", "polices", []string{"policies", "policy_rules"}, "policies"},
		{"two letters are swapped", "tset", []string{"test", "live"}, "test"},
		{"capitals mean the same", "EUR", []string{"eur"}, "eur"},
		{"a hyphen means an underscore", "reply-to", []string{"reply_to", "from"}, "reply_to"},
		{"the nearest of two", "frim", []string{"firm", "from"}, "firm"},
		{"another word altogether", "production", []string{"test", "live"}, ""},
		{"two letters are too few to guess", "uk", []string{"us", "dk"}, ""},
		{"nothing is near nothing", "", []string{"a"}, ""},
		{"nobody mistypes a page", strings.Repeat("x", 1000), []string{"x"}, ""},
	} {
		if got := nearest(is.word, is.known); got != is.want {
			t.Errorf("%s: %q is near %q, not %q", is.sentence, is.word, is.want, got)
		}
	}
}

func TestDistanceIsAMeasure(t *testing.T) {
	word := rapid.StringMatching(`[abc]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) || d < max(len(a), len(b))-min(len(a), len(b)) {
			t.Fatalf("from %q to %q: %d, back %d", a, b, d, distance(b, a))
		}
	})
}

// withLadder returns the smallest configuration with other steps.
func withLadder(t *testing.T, whens ...string) string {
	t.Helper()
	var steps []string
	for i, w := range whens {
		steps = append(steps, fmt.Sprintf("{name: s%d, when: %q, template: request}", i, w))
	}
	text := readRight(t, "smallest")
	old := "[{name: request, when: on issue date, template: request}]"
	if !strings.Contains(text, old) {
		t.Fatal("the smallest configuration has another ladder now")
	}
	return strings.Replace(text, old, "["+strings.Join(steps, ", ")+"]", 1)
}

func TestR24_When(t *testing.T) {
	for _, is := range []struct {
		text string
		want invoices.When
	}{
		{"on issue date", invoices.When{Anchor: invoices.AfterIssue}},
		{"on the issue date", invoices.When{Anchor: invoices.AfterIssue}},
		{"on due date", invoices.When{}},
		{"1 day before due", invoices.When{Days: -1}},
		{"1 days before due", invoices.When{Days: -1}},
		{"3 days before the due date", invoices.When{Days: -3}},
		{"2 weeks before due", invoices.When{Days: -14}},
		{"3 working days before due", invoices.When{Days: -3, Working: true}},
		{"7 days after due", invoices.When{Days: 7}},
		{"7  days after   due", invoices.When{Days: 7}},
		{"1 week after due date", invoices.When{Days: 7}},
		{"1 working day after due", invoices.When{Days: 1, Working: true}},
		{"10 days after issue date", invoices.When{Anchor: invoices.AfterIssue, Days: 10}},
	} {
		c, err := Parse("config.yaml", []byte(withLadder(t, is.text)), environment, files)
		if err != nil {
			t.Errorf("%q is refused: %v", is.text, err)
			continue
		}
		if diff := cmp.Diff(is.want, c.Policies.ByName["standard"].Steps[0].When); diff != "" {
			t.Errorf("%q (-want +got):\n%s", is.text, diff)
		}
	}
	for _, text := range []string{
		"", "due", "7", "+7", "-7", "7 days", "7days after due", "7 days after", "7.5 days after due", "-7 days after due", "+7 days after due",
		"7 Days after due", "1000 days after due", "a week after due", "7 days after Due", "7 days since due", "٧ days after due",
		"0 days before due", "7 days before previous", "on previous", "7 days after due; 9 days after due", "1 year after due",
	} {
		if _, err := Parse("config.yaml", []byte(withLadder(t, text)), environment, files); err == nil {
			t.Errorf("%q was taken for a time", text)
		} else if !strings.Contains(err.Error(), "steps[0].when: ") {
			t.Errorf("%q: the mistake is not told at its place: %v", text, err)
		}
	}
}

// Of two steps that count from the due date, the earlier comes first or the
// ladder is refused; there is no third way.
func TestR24_StepsOutOfOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		days := rapid.SliceOfNDistinct(rapid.IntRange(1, 60), 2, 5, rapid.ID[int]).Draw(rt, "days")
		var whens []string
		for _, d := range days {
			whens = append(whens, fmt.Sprintf("%d days after due", d*4)) // further apart than min_gap
		}
		_, err := Parse("config.yaml", []byte(withLadder(t, whens...)), environment, files)
		if inOrder := slices.IsSorted(days); inOrder != (err == nil) {
			rt.Fatalf("%v: %v", whens, err)
		}
	})
}

func TestR24_LinkOutlivesTheLadderIfNoneIsMadeAgain(t *testing.T) {
	base := withLadder(t, "on issue date", "10 days after due")
	for _, is := range []struct {
		sentence, link string
		want           bool
	}{
		{"40 days to the last step, one of lead, three to spare: 44 are enough", "{expires_after: P44D, on_expiry: leave}", true},
		{"43 are not", "{expires_after: P43D, on_expiry: leave}", false},
		{"they are if a new one is made for the next step", "{expires_after: P43D, on_expiry: next_step}", true},
		{"or is made and mailed", "{expires_after: P10D, on_expiry: mail}", true},
		{"unless a link is dying when it is mailed", "{expires_after: P4D, on_expiry: mail}", false},
		{"which a shorter min_life allows", "{expires_after: P4D, min_life: 1 day}", true},
		{"or a shorter lead", "{expires_after: P4D, lead: 1 hour}", true},
	} {
		text := strings.Replace(base, "currencies: [EUR]", "currencies: [EUR]\n    link: "+is.link, 1)
		if _, err := Parse("config.yaml", []byte(text), environment, files); (err == nil) != is.want {
			t.Errorf("%s: %v", is.sentence, err)
		}
	}
}

func TestProblemsAreInTheOrderOfTheFile(t *testing.T) {
	_, err := Parse("config.yaml", []byte("workers: x\ntimezone: y\nweb: z\ndatabase: {lease: 1}\n"), environment, files)
	var problems Problems
	if !errors.As(err, &problems) || len(problems) < 5 {
		t.Fatalf("got %v", err)
	}
	if !slices.IsSortedFunc(problems, func(a, b *Problem) int { return (a.Line-b.Line)*1000 + a.Column - b.Column }) {
		t.Errorf("out of order:\n%v", err)
	}
}

func TestProblemShowsItsLine(t *testing.T) {
	for _, is := range []struct {
		sentence string
		p        Problem
		want     string
	}{
		{"the caret stands under the place", Problem{File: "c.yaml", Line: 41, Column: 5, Path: "a.b", What: "wrong", Source: "  b: x", before: 5}, "c.yaml:41:5: a.b: wrong\n   41 |   b: x\n      |      ^"},
		{"tabs stay tabs, so that it does", Problem{File: "c.yaml", Line: 1, Column: 2, What: "wrong", Source: "\tb", before: 1}, "c.yaml:1:2: wrong\n    1 | \tb\n      | \t^"},
		{"letters are counted, not bytes", Problem{File: "c.yaml", Line: 1, Column: 4, What: "wrong", Source: "é: x", before: 3}, "c.yaml:1:4: wrong\n    1 | é: x\n      |    ^"},
		{"an empty line is not shown", Problem{File: "c.yaml", Line: 1, Column: 1, What: "wrong"}, "c.yaml:1:1: wrong"},
		{"of a long line the part around the place", Problem{File: "c.yaml", Line: 1, Column: 501, What: "wrong", Source: strings.Repeat("a", 500) + "X" + strings.Repeat("b", 500), before: 500}, "c.yaml:1:501: wrong\n    1 | " + strings.Repeat("a", 80) + "X" + strings.Repeat("b", 79) + "\n      | " + strings.Repeat(" ", 80) + "^"},
	} {
		if diff := cmp.Diff(is.want, is.p.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", is.sentence, diff)
		}
	}
}
