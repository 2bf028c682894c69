package sandbox

import "time"

// Link statuses, as Cost+ documents them.
const (
	statusNew        = "new"
	statusProcessing = "processing"
	statusRejected   = "all_unsuccessful"
	statusCompleted  = "completed"
	statusExpired    = "expired"
)

// Order statuses. An order is one attempt to pay a link.
const (
	orderProcessing = "processing"
	orderCompleted  = "completed"
	orderError      = "error"
	orderCancelled  = "cancelled"
)

// maxAttempts is the number of attempts after which a link is dead.
const maxAttempts = 25

// A link is one payment link. Its status is not stored: it follows from its
// orders and the clock.
type link struct {
	id        string
	project   string
	want      linkRequest
	period    string // as echoed
	created   time.Time
	modified  time.Time
	expires   time.Time
	completed time.Time // zero until paid
	orders    []*order  // oldest first
}

// An order is one attempt to pay a link.
type order struct {
	id       string
	link     *link
	status   string
	created  time.Time
	modified time.Time
}

func (l *link) status(now time.Time) string {
	switch {
	case !l.completed.IsZero():
		return statusCompleted
	case !now.Before(l.expires):
		return statusExpired
	case l.underWay() != nil:
		return statusProcessing
	case len(l.orders) > 0:
		return statusRejected
	}
	return statusNew
}

// underWay returns the attempt that is processing, or nil.
func (l *link) underWay() *order {
	for _, o := range l.orders {
		if o.status == orderProcessing {
			return o
		}
	}
	return nil
}

// reason is the server's word on the status; empty while there is none.
func (l *link) reason(now time.Time) string {
	switch l.status(now) {
	case statusExpired:
		return "The payment link has expired."
	case statusRejected:
		if len(l.orders) >= maxAttempts {
			return "The maximum number of payment attempts was reached."
		}
		return "The last payment attempt was not successful."
	}
	return ""
}

// byStatus returns the ids of the attempts per order status, as the API does.
func (l *link) byStatus() map[string][]string {
	ids := map[string][]string{}
	for _, o := range l.orders {
		ids[o.status] = append(ids[o.status], o.id)
	}
	return ids
}

// paidBy returns the id of the order that completed the link, or "".
func (l *link) paidBy() string {
	for _, o := range l.orders {
		if o.status == orderCompleted {
			return o.id
		}
	}
	return ""
}

// The API writes time stamps in two forms, within one object.
func stampZ(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func stampOffset(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000-07:00") }

// view returns the link as the API shows it. Keys without a value are absent.
func (l *link) view(now time.Time, paymentURL string) map[string]any {
	v := map[string]any{
		"id":                l.id,
		"merchant_order_id": l.want.MerchantOrderID,
		"amount":            l.want.Amount,
		"currency":          l.want.Currency,
		"expiration_period": l.period,
		"payment_url":       paymentURL,
		"status":            l.status(now),
		"orders":            l.byStatus(),
		"created":           stampZ(l.created),
		"modified":          stampOffset(l.modified),
	}
	if l.want.Description != "" {
		v["description"] = l.want.Description
	}
	if why := l.reason(now); why != "" {
		v["reason"] = why
	}
	if l.want.Customer != nil {
		v["customer"] = l.want.Customer
	}
	if !l.completed.IsZero() {
		v["completed"] = stampOffset(l.completed)
		v["completed_order_id"] = l.paidBy()
	}
	return v
}

// view returns the order as the API shows it.
func (o *order) view() map[string]any {
	v := map[string]any{
		"id":                      o.id,
		"project_id":              o.link.project,
		"related_payment_link_id": o.link.id,
		"merchant_order_id":       o.link.want.MerchantOrderID,
		"amount":                  o.link.want.Amount,
		"currency":                o.link.want.Currency,
		"status":                  o.status,
		"created":                 stampOffset(o.created),
		"modified":                stampOffset(o.modified),
	}
	if o.link.want.Description != "" {
		v["description"] = o.link.want.Description
	}
	if o.status == orderCompleted {
		v["completed"] = stampOffset(o.modified)
	}
	return v
}
