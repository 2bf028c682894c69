package invoices

import (
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
)

// A Letter is one mail to one account about one or more invoices. Its id is
// derived from its step keys and the installation's salt, so the same mail
// always has the same name and cannot exist twice.
type Letter struct {
	ID       string
	Try      int // counts the times it was started, from 1
	Account  string
	Template string
	Language string
	Thread   string // id of the first letter about its first invoice, so that mail programs show them together; empty: this is it
	Single   bool   // the first letter of one invoice; it does not pace the others
	Items    []Item
	From     string // who writes; empty: the installation
	ReplyTo  string // where answers go; empty: the installation's
	To       []string
	CC       []string
	State    Result
	At       time.Time // when State was reached
	Reply    string    // the receiving server's last words
	Dialogue string    // of a letter that did not end well, a line for each thing said; may be empty

	Text
	MessageID string // without angle brackets; derived from ID
	Raw       []byte // the exact bytes given to the mail server, CRLF line ends
	Digest    string // SHA-256 of Raw, hexadecimal
}

// An Item is one invoice's place on the ladder, as told in a letter.
type Item struct {
	Invoice string
	Episode int
	Step    string
	Gen     int          // the link generation whose URL the letter carries
	Amount  money.Amount // the open balance the letter names
}

// A Skip is a step that will never be sent, and why.
type Skip struct {
	Invoice string
	Episode int
	Step    string
	Why     string
}

// A Text is what a letter says, in one language, and the files that go with it.
type Text struct {
	Subject, HTML, Plain string
	Files                []File
}

// A File goes with a letter.
type File struct {
	Name string // as the customer sees it, without a folder
	Type string // RFC 2046, such as application/pdf
	Body []byte
}

// A Draft is a letter as decided, before it has words.
type Draft struct {
	Template string // name of the template: request, upcoming, friendly, firm, final, new_link, failed_attempt, broken_promise …
	Language string // BCP 47
	Zone     *time.Location
	Today    civil.Date // in Zone
	Customer string     // the debtor's name
	Country  string
	Lines    []Line         // at least one
	Totals   []money.Amount // the sum per currency, in order of currency
	Bank     []BankDetails  // where to pay without the link, of the currencies of Totals; may be empty
	From     string         // who writes, with or without a name; empty: the installation
	Test     bool           // the installation is in test mode: say so
}

// BankDetails says where to pay in one currency.
type BankDetails struct {
	Currency string   // ISO 4217
	Lines    []string // as finance wrote them: name, IBAN, BIC …
}

// A Line is one invoice in a Draft.
type Line struct {
	Number      string
	Description string
	IssuedOn    civil.Date
	DueOn       civil.Date
	Total       money.Amount
	Open        money.Amount
	DaysLate    int // calendar days past due; negative before
	URL         string
	Until       time.Time // when the link expires, in Draft.Zone; zero: unknown

	// What the law or the contract allows for late payment. It is printed and
	// never part of Open, of Totals or of the link; zero: none.
	Interest     money.Amount
	Compensation money.Amount
	Rates        []string // of the interest, a year: "10.15 %", oldest first

	Promised   money.Amount // what the customer said they would pay; zero: nothing
	PromisedOn civil.Date   // and by when
}
