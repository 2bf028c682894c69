package costplus

import (
	"net/http"

	"dunning/invoices"
)

// call is one thing that can be asked of Cost+. It is the name metrics know it
// by.
type call string

const (
	create     call = "create"
	look       call = "look"
	order      call = "order"
	orders     call = "orders"
	currencies call = "currencies"
)

// doing says in errors what a call was about.
var doing = map[call]string{
	create:     "make payment link",
	look:       "look at payment link",
	order:      "read order",
	orders:     "list orders",
	currencies: "check API key",
}

// outcome is how far a call came.
type outcome int

const (
	senseless    outcome = iota + 1 // we would have asked for something impossible, and did not
	abandoned                       // the caller gave up before the first byte was written
	unsent                          // no byte of the request was written
	distrusted                      // the server's certificate is not to be trusted; no byte was written
	interrupted                     // the caller gave up after the request was written, at least in part
	silent                          // no whole answer in time
	broken                          // the connection ended without a whole answer
	answered                        // a status; see the rows
	unreadable                      // a 2xx that cannot be read, or is longer than we read
	contradicted                    // a 2xx that speaks of something else than was asked for
	skewed                          // a 2xx from a clock that is hours away from ours
)

// verdict is what an outcome means to the caller.
type verdict struct {
	kind   invoices.Kind
	about  error  // what the fault wraps, or nil
	says   string // what happened
	advice string // what to do; empty where waiting is all there is to do
}

// row is one line of the table. The statuses count for answered only.
type row struct {
	met          outcome
	from, to     int
	create, read invoices.Kind
	about        error
	says, advice string
}

const (
	checkKey  = "check costplus.api_key and costplus.mode"
	checkBase = "check costplus.base_url"
	checkData = "correct the invoice or the configuration"
)

// table maps every outcome of every call to a kind. The first row that fits
// counts. What fits none is ambiguous for create and later for read.
//
// A create that was sent and not clearly answered may have made a link, so it
// is ambiguous and never repeated as it is; it wraps ErrServer all the same, so
// that a run stops piling up doubtful links while Cost+ is down. Reading changes
// nothing and may always be repeated.
//
// A redirect halts a create too. It is no answer to the question; the address
// is wrong for every invoice alike, and if a proxy did pass the request on,
// nobody was shown the link.
var table = []row{
	{met: senseless, create: invoices.Never, read: invoices.Never, says: "not asked", advice: checkData},
	{met: abandoned, create: invoices.Later, read: invoices.Later, says: "given up before it was asked"},
	{met: unsent, create: invoices.Later, read: invoices.Later, about: invoices.ErrServer, says: "Cost+ cannot be reached, nothing was asked"},
	{met: distrusted, create: invoices.Halt, read: invoices.Halt, says: "the certificate of the server is not trusted, nothing was asked", advice: checkBase + ", the clock and the root certificates of this machine"},
	{met: interrupted, create: invoices.Ambiguous, read: invoices.Later, says: "given up while Cost+ was working on it"},
	{met: silent, create: invoices.Ambiguous, read: invoices.Later, about: invoices.ErrServer, says: "Cost+ did not answer in time"},
	{met: broken, create: invoices.Ambiguous, read: invoices.Later, about: invoices.ErrServer, says: "the connection to Cost+ ended before the answer"},
	{met: unreadable, create: invoices.Ambiguous, read: invoices.Later, says: "the answer of Cost+ cannot be read"},
	{met: contradicted, create: invoices.Never, read: invoices.Later, about: invoices.ErrAstray, says: "the answer of Cost+ does not fit what was asked"},
	{met: skewed, create: invoices.Ambiguous, read: invoices.Halt, says: "this machine's clock and that of Cost+ are hours apart", advice: "set this machine's clock right"},

	{met: answered, from: 300, to: 399, create: invoices.Halt, read: invoices.Halt, says: "Cost+ points to another address, which is never followed", advice: checkBase},
	{met: answered, from: 401, to: 401, create: invoices.Halt, read: invoices.Halt, says: "Cost+ does not accept the API key", advice: checkKey},
	{met: answered, from: 403, to: 403, create: invoices.Halt, read: invoices.Halt, says: "Cost+ does not allow this to the API key", advice: checkKey},
	{met: answered, from: 404, to: 404, create: invoices.Halt, read: invoices.Never, about: invoices.ErrNoLink, says: "Cost+ does not know it", advice: checkBase + ", costplus.api_key and costplus.mode"},
	{met: answered, from: 405, to: 405, create: invoices.Halt, read: invoices.Halt, says: "this address does not speak the payments API", advice: checkBase},
	{met: answered, from: 407, to: 407, create: invoices.Halt, read: invoices.Halt, says: "a proxy asks for a login", advice: "check HTTPS_PROXY"},
	{met: answered, from: 408, to: 408, create: invoices.Later, read: invoices.Later, says: "Cost+ did not get the whole request in time"}, // RFC 9110, 15.5.9: it was not processed
	{met: answered, from: 410, to: 410, create: invoices.Halt, read: invoices.Never, about: invoices.ErrNoLink, says: "Cost+ does not have it any more", advice: checkBase + ", costplus.api_key and costplus.mode"},
	{met: answered, from: 415, to: 415, create: invoices.Halt, read: invoices.Halt, says: "this address does not speak the payments API", advice: checkBase},
	{met: answered, from: 421, to: 421, create: invoices.Halt, read: invoices.Halt, says: "this address does not speak the payments API", advice: checkBase},
	{met: answered, from: 426, to: 426, create: invoices.Halt, read: invoices.Halt, says: "this address does not speak the payments API", advice: checkBase},
	{met: answered, from: 425, to: 425, create: invoices.Later, read: invoices.Later, says: "Cost+ asks for it again later"}, // RFC 8470: it was not processed
	{met: answered, from: 429, to: 429, create: invoices.Later, read: invoices.Later, says: "Cost+ asks for fewer requests", advice: "lower costplus.requests_per_second if this goes on"},
	{met: answered, from: 400, to: 499, create: invoices.Never, read: invoices.Never, says: "Cost+ refuses it", advice: checkData}, // 400, 409, 422 and whatever else
	{met: answered, from: 500, to: 599, create: invoices.Ambiguous, read: invoices.Later, about: invoices.ErrServer, says: "Cost+ has failed"},
}

// classify looks an outcome up. The status counts for answered only.
func classify(c call, met outcome, status int) verdict {
	v := verdict{kind: invoices.Later, says: "Cost+ answers with a status nobody knows"}
	if c == create {
		v.kind = invoices.Ambiguous
	}
	for _, r := range table {
		if r.met != met || met == answered && (status < r.from || status > r.to) {
			continue
		}
		v = verdict{kind: r.read, about: r.about, says: r.says, advice: r.advice}
		if c == create {
			v.kind = r.create
		}
		break
	}
	if v.kind == invoices.Ambiguous {
		v.advice = "whether the link was made is not known; nobody was shown it"
	}
	if v.about == invoices.ErrNoLink && c != look { // no link was asked for
		v.about = nil
	}
	return v
}

// good reports whether a status promises what was asked for.
func good(status int) bool {
	return status >= http.StatusOK && status < http.StatusMultipleChoices
}
