package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"dunning/internal/money"
	"dunning/internal/period"

	cryptorand "crypto/rand"

	"github.com/google/uuid"
)

// Errors of the payer's acts.
var (
	// ErrUnknownLink says that no link has this id.
	ErrUnknownLink = errors.New("there is no such payment link")
	// ErrUsedUp says that the link takes no payment: it is paid, expired,
	// out of attempts, or an attempt is already under way.
	ErrUsedUp = errors.New("the payment link takes no payment")
)

// CostPlus is the pretend payment provider. Its API is reached over HTTP; its
// methods are the side that the real one does not have: to pay, to look inside
// and to make it misbehave. All of it may be called at any time from anywhere.
type CostPlus struct {
	clock    *clock
	latency  latency
	faults   *faults
	journal  *journal
	hooks    *dispatcher
	projects map[string]string // API key → project id
	accepts  []string          // currencies; empty: all of ISO 4217
	closing  <-chan struct{}   // closed when the sandbox stops
	base     string            // URL of the server, set before it serves

	mu     sync.Mutex
	random io.Reader // of ids
	links  map[string]*link
	made   []*link // oldest first
	orders map[string]*order
}

func newCostPlus(o Options, c *clock, closing context.Context) *CostPlus {
	p := &CostPlus{
		clock: c, faults: newFaults(o.Seed), journal: &journal{limit: o.LogLimit},
		hooks:    newDispatcher(closing, c, clientOf(o.Network), o.RetryScale, o.LogLimit),
		projects: map[string]string{}, accepts: o.Currencies, closing: closing.Done(),
		random: cryptorand.Reader, links: map[string]*link{}, orders: map[string]*order{},
	}
	p.latency.Store(int64(o.Latency))
	for _, key := range o.APIKeys {
		p.projects[key] = uuid.NewSHA1(uuid.NameSpaceURL, []byte("project of "+key)).String()
	}
	if o.Seed != 0 {
		var seed [32]byte
		for i := range 8 {
			seed[i] = byte(o.Seed >> (8 * i))
		}
		p.random = rand.NewChaCha8(seed)
	}
	return p
}

// newID names a link or an order. The caller holds mu.
func (p *CostPlus) newID() string {
	id, err := uuid.NewRandomFromReader(p.random)
	if err != nil { // neither source of randomness fails
		panic(fmt.Sprintf("sandbox: no random bytes: %v", err))
	}
	return id.String()
}

// add makes a link.
func (p *CostPlus) add(project string, want linkRequest) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.now()
	l := &link{
		id: p.newID(), project: project, want: want, period: want.LifeText,
		created: now, modified: now, expires: want.Life.AddTo(now),
	}
	p.links[l.id] = l
	p.made = append(p.made, l)
	return l
}

// paymentURL is where the customer pays.
func (p *CostPlus) paymentURL(id string) string { return p.base + "/pay/" + id + "/" }

// Pay pays a link: the attempt under way succeeds, or a new one is made and
// succeeds. It returns the id of the order. An expired link can be paid only
// under the fault [LateCompletion].
func (p *CostPlus) Pay(linkID string) (orderID string, err error) {
	return p.act(linkID, orderCompleted)
}

// Fail lets the attempt under way fail, or makes one that fails.
func (p *CostPlus) Fail(linkID string) (orderID string, err error) {
	return p.act(linkID, orderError)
}

// Cancel lets the customer break off the attempt under way, or one that is
// made for it.
func (p *CostPlus) Cancel(linkID string) (orderID string, err error) {
	return p.act(linkID, orderCancelled)
}

// Process begins an attempt and leaves it under way, as a bank transfer does.
func (p *CostPlus) Process(linkID string) (orderID string, err error) {
	return p.act(linkID, orderProcessing)
}

// act brings an attempt of a link into a status and tells the link's webhook.
func (p *CostPlus) act(linkID, status string) (string, error) {
	p.mu.Lock()
	l, o, err := p.attempt(linkID, status)
	if err != nil {
		p.mu.Unlock()
		return "", err
	}
	now := p.clock.now()
	o.status, o.modified, l.modified = status, now, now
	if status == orderCompleted {
		l.completed = now
	}
	p.mu.Unlock()

	if l.want.WebhookURL != "" {
		p.hooks.send(l.want.WebhookURL, l.project, o.id)
	}
	return o.id, nil
}

// attempt returns the order that an act is about: the one under way, or a new
// one. The caller holds mu.
func (p *CostPlus) attempt(linkID, status string) (*link, *order, error) {
	l, ok := p.links[linkID]
	if !ok {
		return nil, nil, fmt.Errorf("%w: %s", ErrUnknownLink, cut(linkID))
	}
	now, o := p.clock.now(), l.underWay()
	switch is := l.status(now); {
	case is == statusCompleted:
		return nil, nil, fmt.Errorf("%w: it has been paid", ErrUsedUp)
	case o != nil && status == orderProcessing:
		return nil, nil, fmt.Errorf("%w: an attempt is under way", ErrUsedUp)
	case is == statusExpired && o != nil && status != orderCompleted:
		return l, o, nil
	case is == statusExpired && !p.faults.meet(payerRoute).is(LateCompletion):
		return nil, nil, fmt.Errorf("%w: it has expired", ErrUsedUp)
	case o != nil:
		return l, o, nil
	case len(l.orders) >= maxAttempts:
		return nil, nil, fmt.Errorf("%w: all %d attempts are used", ErrUsedUp, maxAttempts)
	}
	o = &order{id: p.newID(), link: l, created: now}
	l.orders = append(l.orders, o)
	p.orders[o.id] = o
	return l, o, nil
}

// AddFault makes the API misbehave from now on and returns the fault with the
// id it was given. It refuses a fault that makes no sense.
func (p *CostPlus) AddFault(f Fault) (Fault, error) { return p.faults.add(f) }

// Faults returns the faults in force; their Times are what is left of them.
func (p *CostPlus) Faults() []Fault { return p.faults.inForce() }

// ClearFaults makes the API behave again.
func (p *CostPlus) ClearFaults() { p.faults.clear() }

// Requests returns the log of requests, oldest first.
func (p *CostPlus) Requests() []Request { return p.journal.since(0) }

// Deliveries returns the log of webhook deliveries, oldest first.
func (p *CostPlus) Deliveries() []Delivery { return p.hooks.deliveries() }

// Flush waits until no webhook is being delivered or waits for another try.
func (p *CostPlus) Flush(ctx context.Context) error { return p.hooks.flush(ctx) }

// A LinkState is one payment link as the sandbox knows it.
type LinkState struct {
	ID              string              `json:"id"`
	Project         string              `json:"project_id"`
	MerchantOrderID string              `json:"merchant_order_id"`
	Amount          int64               `json:"amount"` // minor units
	Currency        string              `json:"currency"`
	Description     string              `json:"description,omitempty"`
	Status          string              `json:"status"`
	PaymentURL      string              `json:"payment_url"`
	Created         time.Time           `json:"created"`
	Expires         time.Time           `json:"expires"`
	Completed       time.Time           `json:"completed,omitzero"`
	Attempts        int                 `json:"attempts"`
	Orders          map[string][]string `json:"orders"` // order status → ids
}

// Money returns what the link asks for.
func (s LinkState) Money() money.Amount { return money.Amount{Minor: s.Amount, Currency: s.Currency} }

// Links returns every link ever made, of every key, oldest first.
func (p *CostPlus) Links() []LinkState {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.now()
	states := make([]LinkState, 0, len(p.made))
	for _, l := range p.made {
		states = append(states, p.state(l, now))
	}
	return states
}

func (p *CostPlus) state(l *link, now time.Time) LinkState {
	return LinkState{
		ID: l.id, Project: l.project, MerchantOrderID: l.want.MerchantOrderID,
		Amount: l.want.Amount, Currency: l.want.Currency, Description: l.want.Description,
		Status: l.status(now), PaymentURL: p.paymentURL(l.id),
		Created: l.created, Expires: l.expires, Completed: l.completed,
		Attempts: len(l.orders), Orders: l.byStatus(),
	}
}

// find returns a link's state, if there is such a link.
func (p *CostPlus) find(id string) (LinkState, *link, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.links[id]
	if !ok {
		return LinkState{}, nil, false
	}
	return p.state(l, p.clock.now()), l, true
}

// ordersOf returns the orders of a project that were made in [since, until),
// as the API shows them, oldest first. A zero bound is none.
func (p *CostPlus) ordersOf(project string, since, until time.Time) []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []*order
	for _, o := range p.orders {
		if o.link.project == project && !o.created.Before(since) && (until.IsZero() || o.created.Before(until)) {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b *order) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.id, b.id))
	})
	views := make([]map[string]any, 0, len(found))
	for _, o := range found {
		views = append(views, o.view())
	}
	return views
}

// ignorePeriod is what some test environments do to the period asked for.
func ignorePeriod(want *linkRequest) {
	want.LifeText, want.Life = defaultLife, period.Period{Days: 30}
}
