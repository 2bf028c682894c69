package sandbox

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"time"
)

// payerPage is what the customer sees. The data attributes are for debtors,
// who read the page as text.
var payerPage = template.Must(template.New("payer").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Payment (sandbox)</title></head>
<body>
<h1>Pay {{.Amount}}</h1>
<p id="link" data-reference="{{.Link.MerchantOrderID}}" data-amount="{{.Link.Amount}}" data-currency="{{.Link.Currency}}" data-status="{{.Link.Status}}">
Reference {{.Link.MerchantOrderID}}{{with .Link.Description}}: {{.}}{{end}}</p>
<p>Status: {{.Link.Status}}, {{.Link.Attempts}} attempts. Payable until {{.Until}}.</p>
{{with .Notice}}<p role="alert">{{.}}</p>{{end}}
{{if .Open}}<form method="post">
<button name="act" value="pay">Pay</button>
<button name="act" value="fail">Let it fail</button>
<button name="act" value="process">Leave it processing</button>
<button name="act" value="cancel">Cancel</button>
</form>{{end}}
<p>This is a sandbox. No money moves.</p>
</body>
</html>
`))

// acts are what a payer can do, by the name of the button.
func (p *CostPlus) acts() map[string]func(linkID string) (orderID string, err error) {
	return map[string]func(string) (string, error){
		"pay": p.Pay, "fail": p.Fail, "process": p.Process, "cancel": p.Cancel,
	}
}

// servePayer shows the payment page (GET) and acts for the payer (POST).
func (p *CostPlus) servePayer(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if r.Method == http.MethodPost {
		p.servePayerAct(w, r, id)
		return
	}
	p.showLink(w, r, id, http.StatusOK, "")
}

func (p *CostPlus) servePayerAct(w http.ResponseWriter, r *http.Request, id string) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	act, ok := p.acts()[r.PostFormValue("act")]
	if !ok {
		p.showLink(w, r, id, http.StatusBadRequest, "The button is unknown. Use act=pay, fail, process or cancel.")
		return
	}
	orderID, err := act(id)
	switch {
	case errors.Is(err, ErrUsedUp):
		p.showLink(w, r, id, http.StatusConflict, err.Error())
		return
	case err != nil:
		p.showLink(w, r, id, http.StatusNotFound, err.Error())
		return
	}
	p.log(r, payerRoute, []byte(r.PostForm.Encode()), answer{status: http.StatusSeeOther}, nil)
	w.Header().Set("Location", p.wayBack(id, orderID))
	w.WriteHeader(http.StatusSeeOther)
}

// showLink writes the payment page, or that there is none.
func (p *CostPlus) showLink(w http.ResponseWriter, r *http.Request, id string, status int, notice string) {
	state, _, ok := p.find(id)
	if !ok {
		status = http.StatusNotFound
	}
	p.log(r, payerRoute, []byte(r.PostForm.Encode()), answer{status: status}, nil)
	if !ok {
		http.Error(w, ErrUnknownLink.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	view := struct {
		Link   LinkState
		Amount string
		Until  string
		Notice string
		Open   bool
	}{
		state, state.Money().String(), state.Expires.Format(time.RFC1123), notice,
		state.Status != statusCompleted,
	}
	payerPage.Execute(w, view) // the reader may have left
}

// wayBack is where the payer's browser goes after an act: cancelled, expired
// and error go to failure_url if both addresses were given, everything else to
// return_url, each with order_id and project_id appended.
func (p *CostPlus) wayBack(linkID, orderID string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.orders[orderID]
	want, failed := o.link.want, o.status == orderError || o.status == orderCancelled
	target := want.ReturnURL
	if failed && want.FailureURL != "" {
		target = want.FailureURL
	}
	u, err := url.Parse(target)
	if target == "" || err != nil {
		return p.paymentURL(linkID)
	}
	added := url.Values{"order_id": {orderID}, "project_id": {o.link.project}}.Encode()
	if u.RawQuery != "" {
		added = u.RawQuery + "&" + added
	}
	u.RawQuery = added
	return u.String()
}
