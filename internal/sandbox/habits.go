package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dunning/internal/money"
)

// Habit is what a debtor does about bills.
type Habit string

// Habits. A debtor whose link turns out to be used up tries again when a later
// letter carries another one.
const (
	NeverPays              Habit = "never pays"
	PaysAtOnce             Habit = "pays at once"                           // within a day of the first letter
	PaysSlowly             Habit = "pays by slow bank transfer"             // at once, but it takes three days
	PaysAfterTwoReminders  Habit = "pays after the second reminder"         // within a day of the third letter
	PaysAtFourthTry        Habit = "fails three times and then pays"        // hours apart
	PaysRenewedLink        Habit = "lets the link expire and pays the next" // within a day of a letter with another link
	PaysBeforeNextReminder Habit = "pays the day before the next reminder"  // see DebtorOptions.NextReminder
)

// A button is one of the payment page.
type button string

const (
	pressPay     button = "pay"
	pressFail    button = "fail"
	pressProcess button = "process"
)

const (
	failuresBeforePaying        = 3
	lettersBeforePaying         = 3 // the first one and two reminders
	slowTransfer                = 72 * time.Hour
	soonest, latest             = 10 * time.Minute, 20 * time.Hour // of an answer to a letter
	soonestTry, latestTry       = time.Hour, 6 * time.Hour         // between attempts
	aDay                        = 24 * time.Hour
	patienceWithPage            = 30 * time.Second // real time
	largestPage           int64 = 1 << 20
)

// plan decides what a debtor does about a letter that just came.
func (d *Debtors) plan(b *bill) {
	if !b.next.IsZero() || b.debtor.Habit == NeverPays {
		return
	}
	if b.stuck {
		if b.renewed {
			b.stuck = false
			b.next = b.last.Add(d.between(soonest, latest, b, "again"))
		}
		return
	}
	first := b.letters == 1
	reply := b.last.Add(d.between(soonest, latest, b, "reply"))
	switch habit := b.debtor.Habit; {
	case habit == PaysAtOnce && first,
		habit == PaysAfterTwoReminders && b.letters >= lettersBeforePaying,
		habit == PaysRenewedLink && b.renewed:
		b.todo, b.next = pressPay, reply
	case habit == PaysSlowly && first:
		b.todo, b.next = pressProcess, reply
	case habit == PaysAtFourthTry && first:
		b.todo, b.next = pressFail, reply
	case habit == PaysBeforeNextReminder && first:
		b.todo, b.next = pressPay, d.opt.NextReminder(b.number, b.letters, b.last).Add(-aDay)
		if b.next.Before(b.last) {
			b.next = b.last
		}
	}
}

// perform presses the planned button and plans what follows from it.
func (d *Debtors) perform(ctx context.Context, b *bill, now time.Time) (Act, error) {
	at := b.next
	ended, err := d.press(ctx, b.url, b.todo)
	if err != nil {
		b.next = now.Add(time.Hour)
		return Act{}, err
	}
	b.next = time.Time{}
	if ended {
		b.stuck = true
		if b.todo != pressFail {
			b.todo = pressPay
		}
		return b.act(FoundEnded, at), nil
	}
	switch b.todo {
	case pressFail:
		b.tries++
		b.todo = pressFail
		if b.tries >= failuresBeforePaying {
			b.todo = pressPay
		}
		b.next = at.Add(d.between(soonestTry, latestTry, b, "try "+strconv.Itoa(b.tries)))
		return b.act(Failed, at), nil
	case pressProcess:
		b.tries++
		b.todo, b.next = pressPay, at.Add(slowTransfer)
		return b.act(Began, at), nil
	}
	if b.debtor.Habit != PaysSlowly { // whose attempt was counted when it began
		b.tries++
	}
	b.paid = true
	return b.act(Paid, at), nil
}

// between draws a stretch of time for an occasion, to the minute.
func (d *Debtors) between(low, high time.Duration, b *bill, occasion string) time.Duration {
	minutes := uint64((high - low) / time.Minute)
	lot := d.lot(strings.ToLower(b.debtor.Address), b.number, occasion)
	return low + time.Duration(lot%(minutes+1))*time.Minute
}

// lot draws a number that depends on the seed and the words alone.
func (d *Debtors) lot(words ...string) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q", d.seed, words))
	return binary.LittleEndian.Uint64(sum[:])
}

// An offer is what a payment page says.
type offer struct {
	url       string
	reference string
	amount    money.Amount
}

var pageForm = regexp.MustCompile(`data-reference="([^"]*)" data-amount="([0-9]+)" data-currency="([A-Z]{3})"`)

// look opens a payment page.
func (d *Debtors) look(ctx context.Context, page string) (offer, error) {
	status, body, err := d.call(ctx, http.MethodGet, page, nil)
	if err != nil {
		return offer{}, err
	}
	if status != http.StatusOK {
		return offer{}, fmt.Errorf("the payment page answers %d", status)
	}
	m := pageForm.FindStringSubmatch(body)
	if m == nil {
		return offer{}, errors.New("the payment page does not say what it is for")
	}
	minor, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil {
		return offer{}, fmt.Errorf("the payment page's amount: %w", err)
	}
	return offer{page, html.UnescapeString(m[1]), money.Amount{Minor: minor, Currency: m[3]}}, nil
}

// press presses a button of a payment page; ended means that the link takes no
// payment any more.
func (d *Debtors) press(ctx context.Context, page string, b button) (ended bool, err error) {
	status, _, err := d.call(ctx, http.MethodPost, page, url.Values{"act": {string(b)}})
	switch {
	case err != nil:
		return false, err
	case status == http.StatusConflict:
		return true, nil
	case status != http.StatusSeeOther:
		return false, fmt.Errorf("the payment page answers %d", status)
	}
	return false, nil
}

func (d *Debtors) call(ctx context.Context, method, page string, form url.Values) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, patienceWithPage)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, page, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close() // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, largestPage))
	return resp.StatusCode, string(body), err
}
