// Package interest computes what a creditor may ask for late payment: interest
// by the day and a fixed compensation. It is printed in letters and never part
// of a claim.
//
// Everything is exact: amounts are minor units, rates are decimals, and there is
// one rounding, of the sum, half away from zero. Reference rates are known for
// the half-years in the table; later ones finance writes into the
// configuration. A rate that is not known is never guessed.
package interest

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
)

// A Rule says what may be asked.
type Rule struct {
	law   *law
	rate  Percent // without a law
	rates map[civil.Date]Percent
	fixed map[string]int64 // compensation without a law, minor units by currency
}

// Options say what a rule is made of: a law, or a rate.
type Options struct {
	Law          string                 // one of [Laws]; empty: Rate
	Rates        map[civil.Date]Percent // reference rates by the first day of their half-year, in place of or beside those known
	Rate         Percent                // a year, without a law
	Compensation map[string]int64       // minor units by currency, without a law
}

// New makes a rule. It refuses a law that it does not know, rates of days on
// which no half-year begins, and a law together with a rate of one's own.
func New(o Options) (*Rule, error) {
	r := &Rule{rate: o.Rate, rates: o.Rates, fixed: o.Compensation}
	if o.Law == "" {
		if o.Rate <= 0 || o.Rate > 100*one {
			return nil, errors.New("a rate is more than nothing and at most 100 % a year")
		}
		if len(o.Rates) > 0 {
			return nil, errors.New("reference rates belong to a law")
		}
		return r, nil
	}
	if o.Rate != 0 || len(o.Compensation) > 0 {
		return nil, errors.New("a law has its own rate and compensation")
	}
	for day, rate := range o.Rates {
		if day != halfYear(day) {
			return nil, fmt.Errorf("no half-year begins on %s; they begin on 1 January and 1 July", day)
		}
		if rate < -10*one || rate > 100*one {
			return nil, fmt.Errorf("the rate of %s is no reference rate", day)
		}
	}
	for i := range laws {
		if laws[i].name == o.Law {
			r.law = &laws[i]
			return r, nil
		}
	}
	return nil, fmt.Errorf("there is no law %q; there are %v", o.Law, Laws())
}

// Laws returns the names of the laws that are known.
func Laws() []string {
	var names []string
	for _, l := range laws {
		names = append(names, l.name)
	}
	return names
}

// A Claim is what may be asked for one invoice on one day.
type Claim struct {
	Interest     money.Amount
	Compensation money.Amount
	Days         int      // for which interest is counted
	Rates        []string // a year, oldest first, such as "10.15 %"
}

// ErrUnknown says that a reference rate is not known.
var ErrUnknown = errors.New("the reference rate is not known")

// On returns what may be asked on a day: simple interest on the open balance
// for every day after the due date up to that day, a year being 365 days. When
// parts of an invoice were paid is not known here, so interest is on what is
// open now and never too much. Before the invoice is late, and in a currency
// that the law is not about, there is nothing to ask.
func (r *Rule) On(open money.Amount, due, today civil.Date) (Claim, error) {
	none := Claim{Interest: money.Amount{Currency: open.Currency}, Compensation: money.Amount{Currency: open.Currency}}
	days := today.DaysSince(due)
	if due.IsZero() || days <= 0 || open.Minor <= 0 || r.law != nil && r.law.currency != open.Currency {
		return none, nil
	}
	claim := none
	claim.Days = days
	weighed := new(big.Int) // the sum of rate × days
	for from := due.AddDays(1); !from.After(today); {
		rate, until, err := r.rateFrom(due, from)
		if err != nil {
			return none, err
		}
		if until.IsZero() || until.After(today) {
			until = today.AddDays(1)
		}
		n := until.DaysSince(from)
		weighed.Add(weighed, new(big.Int).Mul(big.NewInt(int64(rate)), big.NewInt(int64(n))))
		if text := rate.String() + " %"; !slices.Contains(claim.Rates, text) {
			claim.Rates = append(claim.Rates, text)
		}
		from = until
	}
	minor, ok := rounded(weighed.Mul(weighed, big.NewInt(open.Minor)), 365*100*int64(one))
	if !ok {
		return none, fmt.Errorf("interest on %s for %d days is too large an amount", open, days)
	}
	claim.Interest.Minor = max(0, minor)
	claim.Compensation.Minor = r.compensation(open)
	return claim, nil
}

// rateFrom returns the rate that holds from a day on, and the day on which it
// may change; no day: never.
func (r *Rule) rateFrom(due, day civil.Date) (Percent, civil.Date, error) {
	if r.law == nil {
		return r.rate, civil.Date{}, nil
	}
	half, next := halfYear(day), civil.Date{}
	if r.law.fixed { // by the half-year in which interest began to run
		half = halfYear(due.AddDays(1))
	} else {
		next = nextHalf(half)
	}
	base, ok := r.reference(half)
	if !ok {
		return 0, next, fmt.Errorf("%w: %s of %s (%s)", ErrUnknown, r.law.reference, half, r.law.name)
	}
	return max(0, base+r.law.margin), next, nil
}

func (r *Rule) reference(half civil.Date) (Percent, bool) {
	if p, ok := r.rates[half]; ok {
		return p, true
	}
	p, ok := r.law.known[half]
	return p, ok
}

// Missing returns the first days of the half-years between two days, both
// included, whose reference rate is not known.
func (r *Rule) Missing(from, to civil.Date) []civil.Date {
	if r.law == nil {
		return nil
	}
	var missing []civil.Date
	for half := halfYear(from); !half.After(to); half = nextHalf(half) {
		if _, ok := r.reference(half); !ok {
			missing = append(missing, half)
		}
	}
	return missing
}

// Reference names the rate that the law is built on, for people who look it
// up; empty without a law.
func (r *Rule) Reference() string {
	if r.law == nil {
		return ""
	}
	return r.law.reference
}

// compensation returns the fixed sum for recovery costs.
func (r *Rule) compensation(open money.Amount) int64 {
	if r.law == nil {
		return r.fixed[open.Currency]
	}
	sum := int64(0)
	for _, t := range r.law.tiers {
		if open.Minor >= t.from {
			sum = t.sum
		}
	}
	return sum
}

// rounded divides, half away from zero. It reports whether the result fits.
func rounded(n *big.Int, by int64) (int64, bool) {
	d := big.NewInt(by)
	half := big.NewInt(by / 2)
	if n.Sign() < 0 {
		half.Neg(half)
	}
	q := new(big.Int).Quo(n.Add(n, half), d)
	return q.Int64(), q.IsInt64()
}

// halfYear returns the first day of the half-year of a day.
func halfYear(d civil.Date) civil.Date {
	if d.Month >= time.July {
		return civil.Date{Year: d.Year, Month: time.July, Day: 1}
	}
	return civil.Date{Year: d.Year, Month: time.January, Day: 1}
}

func nextHalf(half civil.Date) civil.Date {
	if half.Month == time.July {
		return civil.Date{Year: half.Year + 1, Month: time.January, Day: 1}
	}
	return civil.Date{Year: half.Year, Month: time.July, Day: 1}
}
