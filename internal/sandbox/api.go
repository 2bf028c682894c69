package sandbox

import (
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"dunning/internal/money"
)

const largestRequest = 1 << 20

// routeOf says which call of the API a request makes, and about which id. Both
// slash forms are the same call.
func routeOf(method, path string) (Route, string) {
	path = strings.TrimSuffix(path, "/")
	if path == "/v1/paymentlinks" && method == http.MethodPost {
		return CreateLink, ""
	}
	if method != http.MethodGet {
		return noRoute, ""
	}
	switch path {
	case "/v1/orders":
		return ListOrders, ""
	case "/v1/merchants/self/projects/self/currencies":
		return Currencies, ""
	}
	for prefix, route := range map[string]Route{"/v1/paymentlinks/": ReadLink, "/v1/orders/": ReadOrder} {
		if id, ok := strings.CutPrefix(path, prefix); ok && id != "" && !strings.Contains(id, "/") {
			return route, id
		}
	}
	return noRoute, ""
}

// serveAPI answers everything under /v1/.
func (p *CostPlus) serveAPI(w http.ResponseWriter, r *http.Request) {
	route, id := routeOf(r.Method, r.URL.Path)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestRequest))
	if err != nil {
		p.log(r, route, body, answer{status: http.StatusRequestEntityTooLarge}, nil)
		http.Error(w, "the request could not be read: "+err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	met := p.faults.meet(route)
	if met.is(Latency) && !p.wait(time.Duration(met[onTime].Pause)) {
		panic(http.ErrAbortHandler)
	}
	if met.is(DropBefore) {
		p.log(r, route, body, answer{}, met)
		reset(w)
		return
	}
	var a answer
	if stop, stopped := met[onArrival]; stopped {
		a = arrivalAnswer(stop, met.shape())
	} else {
		a = p.work(r, route, id, body, met)
	}
	p.deliver(w, r, route, body, a, met)
}

// work does what a request asks for.
func (p *CostPlus) work(r *http.Request, route Route, id string, body []byte, met plan) answer {
	project, ok := p.authenticate(r)
	if !ok {
		return unauthorized().say(met.shape())
	}
	switch route {
	case CreateLink:
		return p.createLink(r, project, body, met)
	case ReadLink:
		return p.readLink(project, id, met)
	case ReadOrder:
		return p.readOrder(project, id, met)
	case ListOrders:
		return p.listOrders(project, r.URL.Query(), met)
	case Currencies:
		return p.currencies()
	}
	if strings.HasPrefix(r.URL.Path, "/v1/paymentlinks") || strings.HasPrefix(r.URL.Path, "/v1/orders") {
		return plainFailure(http.StatusMethodNotAllowed).say(met.shape())
	}
	return notFound("the requested URL").say(met.shape())
}

// authenticate wants the API key as the user name and an empty password.
func (p *CostPlus) authenticate(r *http.Request) (project string, ok bool) {
	key, password, ok := r.BasicAuth()
	if !ok || password != "" {
		return "", false
	}
	project, ok = p.projects[key]
	return project, ok
}

func (p *CostPlus) createLink(r *http.Request, project string, body []byte, met plan) answer {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != jsonKind {
		return invalid(refusal{"", "the content type is not " + jsonKind}).say(met.shape())
	}
	want, bad := readLinkRequest(body, p.clock.now())
	if !bad.ok() {
		return invalid(bad).say(met.shape())
	}
	if len(p.accepts) > 0 && !slices.Contains(p.accepts, want.Currency) {
		return invalid(refusal{"currency", "no active payment method takes " + want.Currency}).say(met.shape())
	}
	if met.is(IgnorePeriod) {
		ignorePeriod(&want)
	}
	l := p.add(project, want)
	a := p.linkAnswer(http.StatusCreated, l, met)
	a.link = l.id
	return a
}

func (p *CostPlus) readLink(project, id string, met plan) answer {
	_, l, ok := p.find(id)
	if !ok || l.project != project {
		return notFound("the payment link").say(met.shape())
	}
	return p.linkAnswer(http.StatusOK, l, met)
}

// linkAnswer shows a link, as far as the faults let it.
func (p *CostPlus) linkAnswer(status int, l *link, met plan) answer {
	p.mu.Lock()
	v := l.view(p.clock.now(), p.paymentURL(l.id))
	p.mu.Unlock()
	switch f := met[onContent]; f.Kind {
	case UnknownStatus:
		v["status"] = "on_hold"
		if f.Value != "" {
			v["status"] = f.Value
		}
	case WrongAmount:
		v["amount"] = l.want.Amount + 1
	case Minimal:
		maps.DeleteFunc(v, func(key string, _ any) bool { return key != "id" && key != "payment_url" })
	}
	return jsonAnswer(status, v)
}

func (p *CostPlus) readOrder(project, id string, met plan) answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, ok := p.orders[id]
	if !ok || o.link.project != project {
		return notFound("the order").say(met.shape())
	}
	return jsonAnswer(http.StatusOK, o.view())
}

func (p *CostPlus) listOrders(project string, query url.Values, met plan) answer {
	since, bad := instant(query, "created_since")
	until, worse := instant(query, "created_until")
	for _, wrong := range []refusal{bad, worse} {
		if !wrong.ok() {
			return invalid(wrong).say(met.shape())
		}
	}
	return jsonAnswer(http.StatusOK, p.ordersOf(project, since, until))
}

func instant(query url.Values, name string) (time.Time, refusal) {
	text := query.Get(name)
	if text == "" {
		return time.Time{}, refusal{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, refusal{name, fmt.Sprintf("%s is not a time of RFC 3339", cut(text))}
	}
	return t, refusal{}
}

// currencies answers what each payment method takes.
func (p *CostPlus) currencies() answer {
	accepted := p.accepts
	if len(accepted) == 0 {
		accepted = usualCurrencies()
	}
	methods := map[string]any{"credit-card": map[string]any{"currencies": accepted}}
	if slices.Contains(accepted, "EUR") {
		methods["ideal"] = map[string]any{"currencies": []string{"EUR"}}
	}
	return jsonAnswer(http.StatusOK, map[string]any{"payment_methods": methods})
}

// usualCurrencies are those of ISO 4217 that a shop is likely to ask for.
func usualCurrencies() []string {
	var known []string
	for _, code := range []string{"AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HUF", "JPY", "KWD", "NOK", "PLN", "SEK", "USD"} {
		if _, ok := money.Exponent(code); ok {
			known = append(known, code)
		}
	}
	return known
}

// wait lets real time pass; it reports false if the sandbox stops meanwhile.
// A client that leaves does not end it: the work it asked for is done anyway,
// as a real server would.
func (p *CostPlus) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.closing:
		return false
	}
}
