package mailer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"dunning/internal/discreet"
	"dunning/invoices"
)

// A Phase is how far a letter came.
type Phase string

// Phases, in order.
const (
	Checking Phase = "checking" // our own last look at the letter; nothing is connected
	Waiting  Phase = "waiting"  // for the rate limit or a free connection
	Connect  Phase = "connect"
	Greeting Phase = "greeting"
	Hello    Phase = "hello"
	Secure   Phase = "starttls"
	Login    Phase = "login"
	Mail     Phase = "mail"
	Rcpt     Phase = "rcpt"
	Data     Phase = "data"
	Body     Phase = "body"
	Commit   Phase = "commit"
	Dot      Phase = "dot"
)

// opens reports whether a phase is part of opening a connection: no letter is
// concerned yet.
func (at Phase) opens() bool {
	switch at {
	case Connect, Greeting, Hello, Secure, Login:
		return true
	}
	return false
}

// Our own reasons not to go on.
var (
	errNoTLS   = errors.New("the server offers no STARTTLS")
	errNoLogin = errors.New("the server offers no login that we know (PLAIN, LOGIN)")
	errClosed  = errors.New("the pool is closed")
	errStopped = errors.New("stopped")
)

// A refusal is a reply that ends a letter.
type refusal struct {
	reply
	whom string // which recipient, in words; empty: not about one
	copy bool   // the recipient gets a copy; the letter is to another
}

func (r refusal) Error() string {
	if r.whom == "" {
		return r.String()
	}
	return r.whom + ": " + r.String()
}

// A verdict is what a failure means.
type verdict struct {
	kind   invoices.Kind
	what   error // what happened, and what to do where a person must; or ErrServer, or ErrNoMailbox
	policy bool  // refused for a reason that may be ours; three in a row are
}

// judge says what it means that a letter ended at a phase with err, a refusal
// or something that is no reply. It is the whole table of outcomes: nothing
// else in this package decides on a kind.
//
// What the table leaves open is decided thus. A refusal of MAIL is about our
// sender address and halts, unless the letter is too large. A refusal of RCPT
// is about the mailbox only if it says so (5.1.x, 5.2.x, 5.4.x, or 550 and its
// like without a status code): it suppresses an address for good, so doubt
// must not. A refusal for want of a login or for relaying is about us and
// halts. A refusal in the middle of the text is one of the letter, as at DATA.
// Any other, such as 5.7.1, may be about either: the letter waits for a
// person and the address is kept, and Pool.fault halts at the third in a row.
// A full mailbox is emptied some day, and 552 at RCPT means "too many
// recipients" (RFC 5321, section 4.5.3.1.10): later.
func judge(at Phase, err error) verdict {
	var no refusal
	answered := errors.As(err, &no)
	switch {
	case at == Checking:
		return never("the letter is not fit to be sent")
	case at == Waiting:
		return later("the letter was not begun")
	case at == Dot && !answered:
		return verdict{invoices.Ambiguous, errors.New("the letter was handed over but its receipt was not confirmed; it may have arrived"), false}
	case errors.Is(err, errStopped):
		return later("we were stopped before the letter was complete")
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return halt("the mail server's certificate is not trusted; correct smtp.host, or let this machine trust its issuer")
	case (at == Connect || at == Secure) && !answered && noCommonTLS.MatchString(err.Error()):
		return halt("the mail server speaks no TLS that is safe (1.2 or newer); ask its administrator")
	case errors.Is(err, errNoTLS):
		return halt("letters are not sent in the clear; correct smtp.port and smtp.security")
	case errors.Is(err, errNoLogin):
		return halt("we cannot log in; correct smtp.port and smtp.security, or ask the mail server's administrator")
	case at == Secure && answered && no.class() == 5:
		return halt("the mail server refused STARTTLS; correct smtp.port and smtp.security")
	case at == Login && answered && no.class() == 5:
		return halt("the mail server refused our login; correct smtp.username and smtp.password")
	case at.opens():
		return verdict{invoices.Later, invoices.ErrServer, false}
	case !answered:
		return later("the conversation with the mail server broke off before the letter was complete")
	case no.class() == 4:
		return later("the mail server wants it later")
	case at == Dot:
		return never("the mail server refused the letter")
	case at != Rcpt && no.tooLarge():
		return never("the letter is too large for the mail server")
	case no.wantsLogin():
		return halt("the mail server wants a login or TLS first; correct smtp.security, smtp.username and smtp.password")
	case at == Mail:
		return halt("the mail server refused our sender address; correct mail.from, or ask its administrator")
	case no.aboutUs():
		return halt("the mail server does not let us send; correct smtp.username, smtp.password and smtp.port, or ask its administrator")
	case at == Rcpt && no.full():
		return later("the mailbox is full")
	case at == Rcpt && no.aboutMailbox() && no.copy:
		// The caller suppresses the main address on ErrNoMailbox.
		return never("the mail server refused a copy recipient; correct the cc of the customer or of the step")
	case at == Rcpt && no.aboutMailbox():
		return verdict{invoices.Never, invoices.ErrNoMailbox, false}
	default:
		return verdict{invoices.Never, errors.New("the mail server refused the letter by its rules"), true}
	}
}

// noCommonTLS matches how crypto/tls says that the server and we have no
// version or cipher of TLS in common, which waiting does not mend. It has no
// types for that.
var noCommonTLS = regexp.MustCompile(`tls: (protocol version not supported|server selected unsupported protocol version|handshake failure|insufficient security level|server chose an unconfigured cipher suite)`)

// relaying matches how servers say that they do not pass our letters on.
var relaying = regexp.MustCompile(`(?i)\brelay(ing)?\b.{0,20}\b(denied|prohibited|refused|not (permitted|allowed))|\b(unable|not (permitted|allowed)|cannot|do not|don't) (to )?relay|\bclient host (rejected|\[)|\bsender address rejected|\bhelo command rejected`)

// wantsLogin reports whether a refusal is of those that RFC 3207, section 4,
// and RFC 4954, section 6, give to who did not do either.
func (r refusal) wantsLogin() bool {
	switch r.code {
	case 530, 534, 535, 538:
		return true
	}
	return false
}

// aboutUs reports whether a refusal would meet every letter.
func (r refusal) aboutUs() bool {
	if r.hasStatus("5.1.7", "5.1.8") { // the sender's address
		return true
	}
	return !r.hasStatus("5.1.", "5.2.") && relaying.MatchString(printable(r.said))
}

// aboutMailbox reports whether a refusal of RCPT says that this mailbox takes
// no letters.
func (r refusal) aboutMailbox() bool {
	switch status := r.enhanced(); {
	case status == "5.2.3": // the letter is too large for it
		return false
	case status != "" && status != "5.0.0":
		return r.hasStatus("5.1.", "5.2.", "5.4.")
	}
	switch r.code {
	case 501, 550, 551, 553, 556:
		return true
	}
	return false
}

func (r refusal) full() bool {
	return r.hasStatus("5.2.2") || r.code == 552 && r.enhanced() == ""
}

func (r refusal) tooLarge() bool {
	return r.code == 552 || r.hasStatus("5.3.4", "5.2.3")
}

// hasStatus reports whether the status code is one of these; "5.1." stands for
// all that begin so.
func (r refusal) hasStatus(codes ...string) bool {
	status := r.enhanced()
	return slices.ContainsFunc(codes, func(c string) bool {
		return status == c || strings.HasSuffix(c, ".") && strings.HasPrefix(status, c)
	})
}

// mostRefusals is after how many refusals by policy in a row, with no letter
// sent in between, they are taken to be about us.
const mostRefusals = 3

// fault makes an error of a failure: what judge says, and the server's words
// without addresses, links and secrets (R25). The letter, if there is one, was
// for the people of the envelope.
func (p *Pool) fault(at Phase, err error, e envelope) *invoices.Fault {
	v := judge(at, err)
	if v.policy && p.refusals.Add(1) >= mostRefusals {
		v = halt("the mail server refused letter after letter by its rules; ask its administrator why")
	}
	if p.redirect != "" && at == Rcpt && v.kind == invoices.Never {
		// Nobody else gets letters in test mode, and no customer is to blame.
		v = halt("the mail server refused the test recipient; correct mail.test_recipient")
	}
	said := errors.New(brief(p.discreet(err.Error(), e)))
	var no refusal
	switch _, theirs := errors.AsType[textproto.ProtocolError](err); {
	case errors.As(err, &no):
		said = errors.New(p.told(at, no, e))
	case theirs:
		said = errors.New(discreet.Quote(said.Error()))
	case errors.Is(err, errStopped): // its text is ours
		said = err
	}
	return &invoices.Fault{Kind: v.kind, Err: fmt.Errorf("%s, %s: %w: %w", p.host, at, v.what, said)}
}

// told returns a refusal with the server's words in quotes. At the login they
// may be the login, and are left out.
func (p *Pool) told(at Phase, no refusal, e envelope) string {
	status := strings.TrimSpace(fmt.Sprintf("%03d %s", no.code, no.enhanced()))
	if no.whom != "" {
		status = no.whom + ": " + status
	}
	words := strings.TrimSpace(strings.TrimPrefix(printable(no.said), no.enhanced()))
	if words == "" || at == Login {
		return status
	}
	return status + " " + discreet.Quote(brief(p.discreet(words, e)))
}

// discreet returns a text on one line without what it may repeat: our login,
// links, and addresses, also when only the part before the @ is said.
func (p *Pool) discreet(text string, e envelope) string {
	text = masked(printable(p.withhold(text)))
	for _, r := range e.to {
		local, _, _ := strings.Cut(r.address, "@")
		if len(local) < 3 { // it is not known from other words
			continue
		}
		alone := regexp.MustCompile(`(?i)(^|[^a-z0-9])` + regexp.QuoteMeta(local) + `($|[^a-z0-9])`)
		for range 2 { // two in a row share what stands between them
			text = alone.ReplaceAllString(text, "${1}(address)${2}")
		}
	}
	return text
}

func halt(words string) verdict {
	return verdict{kind: invoices.Halt, what: errors.New(words)}
}

func later(words string) verdict {
	return verdict{kind: invoices.Later, what: errors.New(words)}
}

func never(words string) verdict {
	return verdict{kind: invoices.Never, what: errors.New(words)}
}
