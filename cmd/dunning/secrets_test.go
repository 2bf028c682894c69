package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dunning/internal/pgtest"
	"dunning/internal/sandbox"
)

// TestR25_NoSecretGetsOut runs the real program through every fault that the
// payment provider, the mail server, the books, the configuration and the
// database can have, with a canary in every secret and in all that is said of
// customers. No log, no number, no answer to a probe, no event and no crash
// dump holds one, in any encoding.
func TestR25_NoSecretGetsOut(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			database := func(string) string { return "sqlite:dunning.db" }
			if kind == "postgres" {
				server := pgtest.Start(t, "fsync=off") // nothing crashes here
				database = func(name string) string { return server.Database(t, name, "") }
			}
			for _, part := range []struct {
				name string
				play func(*testing.T, string)
			}{
				{"provider", providerFaults},
				{"parrot", parrotRefuses},
				{"talker", parrotTalks},
				{"mail", mailFaults},
				{"books", wrongBooks},
				{"scheduler", schedulerWatched},
			} {
				t.Run(part.name, func(t *testing.T) {
					t.Parallel()
					part.play(t, database(part.name))
				})
			}
		})
	}
}

// providerFaults meets every fault that the sandbox's API knows, while links are
// made and looked at.
func providerFaults(t *testing.T, database string) {
	faults := []sandbox.Fault{
		{Kind: sandbox.Latency, Pause: sandbox.Pause(1200 * time.Millisecond)},
		{Kind: sandbox.LatencyAfter, Pause: sandbox.Pause(1200 * time.Millisecond)},
		{Kind: sandbox.DropBefore},
		{Kind: sandbox.DropAfter},
		{Kind: sandbox.Redirect, Value: "https://elsewhere.example/pay/" + url.PathEscape(keyCanary)},
		{Kind: sandbox.RevokedKey},
		{Kind: sandbox.NotFound},
		{Kind: sandbox.NotFound, Route: sandbox.CreateLink},
		{Kind: sandbox.UnknownStatus, Value: "for " + customerMail(1) + " with " + keyCanary},
		{Kind: sandbox.WrongAmount},
		{Kind: sandbox.Minimal},
		{Kind: sandbox.IgnorePeriod},
		{Kind: sandbox.HTMLBody},
		{Kind: sandbox.Truncated},
		{Kind: sandbox.Cut},
		{Kind: sandbox.Huge, Size: 2 << 20},
		{Kind: sandbox.Drip, Pause: sandbox.Pause(time.Millisecond)},
	}
	for _, status := range []int{400, 403, 404, 409, 422, 429, 500, 503} {
		faults = append(faults, sandbox.Fault{Kind: sandbox.Refuse, Status: status, RetryAfter: "60"})
	}
	for _, shape := range []sandbox.Shape{
		sandbox.ShapeObject, sandbox.ShapeText, sandbox.ShapeException, sandbox.ShapeMessage,
		sandbox.ShapeDetail, sandbox.ShapeHTML, sandbox.ShapePlain, sandbox.ShapeEmpty,
	} {
		faults = append(faults, sandbox.Fault{Kind: sandbox.ErrorShape, Value: string(shape)})
	}
	a := newAviary(t, database, sandbox.MailOptions{})
	a.owe(len(faults), "A")
	a.logs("set up", "job", "import", "create-links")
	a.owe(len(faults), "A", "B")
	a.logs("set up", "job", "import")
	a.later()
	for i, f := range faults {
		if f.Kind == sandbox.ErrorShape {
			a.fault(sandbox.Fault{Kind: sandbox.Refuse, Status: 400})
		}
		a.fault(f)
		before := len(a.box.Pay.Requests())
		a.logs(fmt.Sprintf("%+v", f), "job", "--account", account(i), "poll-links", "create-links")
		met := a.box.Pay.Requests()[before:]
		if !slices.ContainsFunc(met, func(r sandbox.Request) bool { return slices.Contains(r.Faults, f.Kind) }) {
			t.Errorf("%+v was not met: %+v", f, met)
		}
		a.box.Pay.ClearFaults()
	}
	a.shows("afterwards", "attention")
	a.shows("afterwards", "explain", "B008")
	a.shows("afterwards", "check", "--online")
	a.books()
}

func (a *aviary) fault(f sandbox.Fault) {
	a.t.Helper()
	if _, err := a.box.Pay.AddFault(f); err != nil {
		a.t.Fatal(err)
	}
}

// A parrot is a payment provider, or a proxy in front of it, that repeats what
// it was sent and what it knows, in every shape of an error and every encoding.
type parrot struct {
	calls  atomic.Int64
	status atomic.Int64 // of the answers
}

// cries are what a parrot says, of a request and its body.
var cries = []func(r *http.Request, body string) string{
	func(*http.Request, string) string { return "the key " + keyCanary + " is unknown" },
	func(*http.Request, string) string { return "the key " + url.QueryEscape(keyCanary) },
	func(*http.Request, string) string { return "the key " + url.PathEscape(keyCanary) },
	func(*http.Request, string) string { return "the key " + inJSON(keyCanary) },
	func(*http.Request, string) string { return "the key " + inJSON(inJSON(keyCanary)) },
	func(*http.Request, string) string { return fmt.Sprintf("the key %q", keyCanary) },
	func(*http.Request, string) string { return fmt.Sprintf("the key '%+q'", keyCanary+":") },
	func(*http.Request, string) string { return "the key " + html.EscapeString(keyCanary) },
	func(*http.Request, string) string { return "the key " + hex.EncodeToString([]byte(keyCanary)) },
	func(*http.Request, string) string {
		return "the key " + base64.StdEncoding.EncodeToString([]byte(keyCanary))
	},
	func(*http.Request, string) string {
		return "the key " + base64.RawURLEncoding.EncodeToString([]byte(keyCanary+":"))
	},
	func(r *http.Request, _ string) string { return "Authorization: " + r.Header.Get("Authorization") },
	func(_ *http.Request, body string) string { return body },
	func(_ *http.Request, body string) string { return inJSON(body) },
	func(_ *http.Request, body string) string { return sent(body).Customer.First + " is no first_name" },
	func(_ *http.Request, body string) string { return "last_name " + inJSON(sent(body).Customer.Last) },
	func(_ *http.Request, body string) string {
		return "no such person: " + sent(body).Customer.First + " " + sent(body).Customer.Last
	},
	func(_ *http.Request, body string) string { return "mail to " + sent(body).Customer.Mail },
	func(_ *http.Request, body string) string {
		return "mail to " + url.QueryEscape(sent(body).Customer.Mail)
	},
	func(_ *http.Request, body string) string {
		return "mail to " + strings.ReplaceAll(sent(body).Customer.Mail, "@", " at ")
	},
	func(_ *http.Request, body string) string { return "description: " + sent(body).Description },
	func(_ *http.Request, body string) string {
		return "description: " + html.EscapeString(sent(body).Description)
	},
	func(_ *http.Request, body string) string { return "webhook_url: " + sent(body).Webhook },
	func(_ *http.Request, body string) string { return "webhook_url: " + inJSON(sent(body).Webhook) },
	func(_ *http.Request, body string) string {
		return "webhook " + sent(body).Webhook[strings.LastIndexByte(sent(body).Webhook, '/')+1:]
	},
	func(*http.Request, string) string {
		return "see https://pay.example/pay/0f8fad5b-d9cb-469f-a165-70867728950e/"
	},
	func(*http.Request, string) string {
		return `see https:\/\/pay.example\/pay\/0f8fad5b-d9cb-469f-a165-70867728950e\/`
	},
	func(*http.Request, string) string {
		return "see pay.example/pay/0f8fad5b-d9cb-469f-a165-70867728950e"
	},
	func(*http.Request, string) string {
		return "see pay.example%2Fpay%2F0f8fad5b-d9cb-469f-a165-70867728950e"
	},
	func(*http.Request, string) string { return "mail to " + customerMail(7) },
}

// answers is how many answers a parrot has: every cry in three shapes.
var answers = 3 * len(cries)

// inJSON returns a text as it stands between the quotes of JSON.
func inJSON(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b[1 : len(b)-1])
}

// sent reads what the client asks for; of a GET, nothing.
func sent(body string) (r struct {
	Ref         string `json:"merchant_order_id"`
	Amount      int64  `json:"amount"`
	Description string `json:"description"`
	Webhook     string `json:"webhook_url"`
	Customer    struct {
		First string `json:"first_name"`
		Last  string `json:"last_name"`
		Mail  string `json:"email_address"`
	} `json:"customer"`
},
) {
	_ = json.Unmarshal([]byte(body), &r) // a GET has none
	return r
}

var squawks = []func(text string) (kind string, body any){
	func(text string) (string, any) {
		return "application/json", map[string]any{"error": map[string]any{"status": 400, "type": "ValidationError", "value": text, "property_path": "customer"}}
	},
	func(text string) (string, any) {
		return "application/json", map[string]any{"error": map[string]any{"status": "400", "value": "", "message": text, "property_path": text}}
	},
	func(text string) (string, any) {
		return "application/json", map[string]any{"error": "werkzeug.exceptions.BadRequest", "message": text}
	},
	func(text string) (string, any) { return "application/json", map[string]any{"error": text} },
	func(text string) (string, any) { return "application/json", map[string]any{"detail": text} },
	func(text string) (string, any) {
		return "text/html", "<html><head><title>" + html.EscapeString(text) + "</title></head></html>"
	},
	func(text string) (string, any) { return "text/plain", text },
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	n := int(p.calls.Add(1)) - 1
	cry := cries[n%len(cries)](r, string(b))
	kind, body := squawks[(n+n/len(cries))%len(squawks)](cry)
	status := int(p.status.Load())
	if status < 300 { // it did what was asked, and talks
		asked := sent(string(b))
		id := strings.Trim(strings.TrimPrefix(r.URL.Path, "/v1/paymentlinks"), "/")
		if id == "" {
			id = fmt.Sprintf("talk-%d", n)
		}
		kind, body = "application/json", map[string]any{
			"id": id, "merchant_order_id": asked.Ref, "amount": asked.Amount, "currency": "EUR", "status": "new",
			"payment_url": "http://" + r.Host + "/pay/" + id, "reason": cry, "created": cry, "expiration_period": cry,
		}
		if odd := []string{"", "status", "merchant_order_id", "currency", "payment_url", "amount", "id"}[(n+n/len(cries))%7]; odd != "" {
			body.(map[string]any)[odd] = cry
		}
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Location", "https://elsewhere.example/?"+url.QueryEscape(cry))
	w.WriteHeader(status)
	if text, plain := body.(string); plain {
		_, _ = io.WriteString(w, text) // the client may have left
		return
	}
	_ = json.NewEncoder(w).Encode(body) // the client may have left
}

// parrotRefuses is told by a parrot that it cannot have what it asks for: links,
// what became of them, and whether the key is good.
func parrotRefuses(t *testing.T, database string) {
	a, p := newParrot(t, database)
	for _, status := range []int{301, 401, 403, 404, 407, 408, 500, 503} { // most end the run
		p.status.Store(int64(status))
		a.later()
		a.logs(fmt.Sprint("a parrot says ", status), "job", "poll-links", "create-links", "poll-links", "create-links")
		a.shows(fmt.Sprint("a parrot says ", status), "check", "--online")
	}
	a.parrot(p, http.StatusUnprocessableEntity)
	a.shows("afterwards", "attention")
	a.books()
}

// parrotTalks gets what it asks for, and more words than it wants.
func parrotTalks(t *testing.T, database string) {
	a, p := newParrot(t, database)
	a.parrot(p, http.StatusOK)
	a.shows("afterwards", "attention")
	a.books()
}

// newParrot makes an aviary whose provider is a parrot. For every answer
// there is a customer with a link, and with another invoice without one.
func newParrot(t *testing.T, database string) (*aviary, *parrot) {
	p := &parrot{}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	a := newAviary(t, database, sandbox.MailOptions{})
	n := answers
	a.owe(n, "A")
	a.logs("set up", "job", "import", "create-links")
	a.owe(n, "A", "B")
	a.logs("set up", "job", "import")
	a.edit(`base_url: "`+a.box.URL()+`"`, `base_url: "`+server.URL+`"`)
	a.edit(`payment_hosts: [`, `payment_hosts: ["`+strings.TrimPrefix(server.URL, "http://")+`", pay.example, `)
	return a, p
}

// parrot lets every customer's links be looked at and made once, by a parrot
// that gives every call another answer.
func (a *aviary) parrot(p *parrot, status int) {
	a.t.Helper()
	p.status.Store(int64(status))
	a.later()
	for _, job := range []string{"poll-links", "create-links"} {
		p.calls.Store(0)
		out := a.logs(fmt.Sprint("a parrot says ", status), "job", job)
		if calls, all := int(p.calls.Load()), answers; calls < all {
			a.t.Errorf("%s: the parrot was asked %d times; it has %d answers\n%.2000s", job, calls, all, out)
		}
	}
}
