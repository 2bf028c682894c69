package costplus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"

	"dunning/internal/money"
)

// Order is one attempt to pay. A webhook names an order; Link says to which
// payment link it belongs. An order proves nothing: ask for the link.
type Order struct {
	ID        string
	Link      string       // id of the payment link; empty if it was not made by one
	Ref       string       // merchant_order_id
	Amount    money.Amount // zero if Cost+ did not say
	Status    string       // Cost+'s word, cleaned
	Reason    string
	Created   time.Time // zero if Cost+ did not say
	Completed time.Time // zero until it is completed
}

// Order asks for one order.
func (c *Client) Order(ctx context.Context, id string) (Order, error) {
	if !isID(id) {
		return Order{}, c.never(order, "%q is not the id of an order", cut(id, 40))
	}
	var got Order
	err := c.ask(ctx, question{call: order, path: "/v1/orders/" + id + "/"}, func(answer []byte) *trouble {
		read, err := c.readOrder(answer)
		if err != nil {
			return &trouble{met: unreadable, detail: err.Error()}
		}
		if read.ID != id {
			return &trouble{met: contradicted, detail: fmt.Sprintf("asked for order %s, got %s", id, read.ID)}
		}
		got = read
		return nil
	})
	return got, err
}

// Orders asks for the orders created since one instant and until another; a
// zero one is left open. Whether Cost+ pages long lists is not documented, so
// the span should be short: an answer of more than 1 MiB is a fault, never a
// part of the list.
func (c *Client) Orders(ctx context.Context, since, until time.Time) ([]Order, error) {
	if !since.IsZero() && !until.IsZero() && !until.After(since) {
		return nil, c.never(orders, "until %s is not after since %s", until.UTC().Format(time.RFC3339), since.UTC().Format(time.RFC3339))
	}
	query := url.Values{}
	if !since.IsZero() {
		query.Set("created_since", since.UTC().Format(time.RFC3339))
	}
	if !until.IsZero() {
		query.Set("created_until", until.UTC().Format(time.RFC3339))
	}
	path := "/v1/orders/"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var got []Order
	err := c.ask(ctx, question{call: orders, path: path}, func(answer []byte) *trouble {
		var list []json.RawMessage
		if json.Unmarshal(answer, &list) != nil || list == nil {
			return &trouble{met: unreadable, detail: "it is not a list"}
		}
		got = make([]Order, 0, len(list))
		for i, one := range list {
			read, err := c.readOrder(one)
			if err != nil {
				got = nil
				return &trouble{met: unreadable, detail: fmt.Sprintf("order %d of %d: %v", i+1, len(list), err)}
			}
			got = append(got, read)
		}
		return nil
	})
	return got, err
}

func (c *Client) readOrder(body []byte) (Order, error) {
	o, err := readObject(body)
	if err != nil {
		return Order{}, err
	}
	read := Order{
		ID: o.word("id"), Link: o.word("related_payment_link_id"),
		Ref:    cut(c.clean(o.word("merchant_order_id")), longestRef),
		Status: cut(c.clean(o.word("status")), longestState),
		Reason: cut(c.clean(o.word("reason")), longestWords),
	}
	if !isID(read.ID) {
		return Order{}, errNoID
	}
	if read.Link != "" && !isID(read.Link) {
		return Order{}, errors.New("its related_payment_link_id is no id")
	}
	minor, err := o.whole("amount")
	if err != nil {
		return Order{}, err
	}
	if currency := o.word("currency"); currencyForm.MatchString(currency) && o.has("amount") {
		read.Amount = money.Amount{Minor: minor, Currency: currency}
	}
	if read.Created, err = o.instant("created"); err != nil {
		return Order{}, err
	}
	read.Completed, err = o.instant("completed")
	return read, err
}

var currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)

// CheckKey asks whether the API key is accepted, and returns the currencies in
// which it can be paid, sorted. None means that no payment method is active.
// The call is known from Cost+'s own plugins only; a 404 says nothing about the
// key.
func (c *Client) CheckKey(ctx context.Context) ([]string, error) {
	var usable []string
	err := c.ask(ctx, question{call: currencies, path: "/v1/merchants/self/projects/self/currencies"}, func(answer []byte) *trouble {
		var list struct {
			Methods map[string]struct {
				Currencies []string `json:"currencies"`
			} `json:"payment_methods"`
		}
		if json.Unmarshal(answer, &list) != nil || list.Methods == nil {
			return &trouble{met: unreadable, detail: "it does not list payment methods"}
		}
		usable = []string{}
		for _, method := range list.Methods {
			usable = append(usable, method.Currencies...)
		}
		usable = slices.DeleteFunc(usable, func(code string) bool { return !currencyForm.MatchString(code) })
		slices.Sort(usable)
		usable = slices.Compact(usable)
		return nil
	})
	return usable, err
}
