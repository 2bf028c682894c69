package sandbox

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A Fault makes the API misbehave. The zero values of its limits mean: on every
// route, every time, until cleared.
//
// Faults are looked at in the order in which they were added. A request meets
// at most one that changes the clock of the call, one that stops it before the
// work, one that changes what the answer says, and one that spoils the answer
// on its way; a fault that found its place taken is not used up.
//
// Mind that a Go client repeats a GET by itself when a reused connection is
// dropped: one dropped GET may show as two requests and no error.
type Fault struct {
	ID   int       `json:"id,omitempty"` // given by the sandbox
	Kind FaultKind `json:"kind"`

	Route       Route   `json:"route,omitempty"`       // empty: every route of the API
	Times       int     `json:"times,omitempty"`       // the next so many requests; 0: until cleared
	Probability float64 `json:"probability,omitempty"` // of meeting a request; 0: always

	Status     int    `json:"status,omitempty"`      // for Refuse and RefuseAfter
	RetryAfter string `json:"retry_after,omitempty"` // a header, sent as written
	Pause      Pause  `json:"pause,omitempty"`       // for Latency, LatencyAfter and Drip
	Size       int    `json:"size,omitempty"`        // bytes of padding for Huge; 0: 8 MiB
	Value      string `json:"value,omitempty"`       // see the kinds
}

// FaultKind says how the API misbehaves.
type FaultKind string

// Kinds of faults. "The work" is the making of the link.
const (
	Latency      FaultKind = "latency"       // wait Pause, then do the work, even if the client has left
	LatencyAfter FaultKind = "latency_after" // do the work, then wait Pause before the answer

	DropBefore FaultKind = "drop_before" // reset the connection; no work was done
	Refuse     FaultKind = "refuse"      // answer Status, with RetryAfter if set; no work was done
	Redirect   FaultKind = "redirect"    // 301 to Value; no work was done
	RevokedKey FaultKind = "revoked_key" // 401; no work was done
	NotFound   FaultKind = "not_found"   // 404, on ReadLink unless Route says otherwise; no work was done

	UnknownStatus FaultKind = "unknown_status" // the link's status reads Value, or "on_hold"
	WrongAmount   FaultKind = "wrong_amount"   // the link's amount is one too high
	Minimal       FaultKind = "minimal"        // the answer has nothing but id and payment_url
	IgnorePeriod  FaultKind = "ignore_period"  // the link is made to live for P30D, whatever was asked

	DropAfter   FaultKind = "drop_after"   // do the work, then reset the connection
	RefuseAfter FaultKind = "refuse_after" // do the work, then answer Status
	HTMLBody    FaultKind = "html_body"    // the right status with a page for a body
	Truncated   FaultKind = "truncated"    // half the JSON, as if it were all
	Cut         FaultKind = "cut"          // half the JSON, then the connection ends
	Huge        FaultKind = "huge"         // the right answer, swollen by Size bytes
	Drip        FaultKind = "drip"         // the right answer, 16 bytes at a time, Pause between

	LateCompletion FaultKind = "late_completion" // an expired link can still be paid; a payer meets it, not a request
	ErrorShape     FaultKind = "error_shape"     // errors come in the Shape named by Value
)

// A Route is one call of the API.
type Route string

// Routes.
const (
	CreateLink Route = "create"
	ReadLink   Route = "get"
	ReadOrder  Route = "order"
	ListOrders Route = "orders"
	Currencies Route = "currencies"
	payerRoute Route = "pay"
	noRoute    Route = "unknown"
)

var routes = []Route{CreateLink, ReadLink, ReadOrder, ListOrders, Currencies}

// A Pause is a stretch of real time, written as "250ms" or "2s" in JSON.
type Pause time.Duration

// MarshalText writes the pause as "250ms".
func (p Pause) MarshalText() ([]byte, error) { return []byte(time.Duration(p).String()), nil }

// UnmarshalText reads what [time.ParseDuration] reads.
func (p *Pause) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("pause %s: write it like 250ms or 2s", cut(string(text)))
	}
	*p = Pause(d)
	return nil
}

// A stage is the place in the life of a request where a fault acts. One
// request meets at most one fault of each.
type stage int

const (
	onTime stage = iota
	onArrival
	onContent
	onAnswer
	onPayer
	onShape
)

var stages = map[FaultKind]stage{
	Latency: onTime, LatencyAfter: onTime,
	DropBefore: onArrival, Refuse: onArrival, Redirect: onArrival, RevokedKey: onArrival, NotFound: onArrival,
	UnknownStatus: onContent, WrongAmount: onContent, Minimal: onContent, IgnorePeriod: onContent,
	DropAfter: onAnswer, RefuseAfter: onAnswer, HTMLBody: onAnswer, Truncated: onAnswer,
	Cut: onAnswer, Huge: onAnswer, Drip: onAnswer,
	LateCompletion: onPayer, ErrorShape: onShape,
}

// Bounds of what a fault may ask for.
const (
	longestPause = 15 * time.Minute
	largestBody  = 1 << 30
	usualSwell   = 8 << 20
	usualPause   = 100 * time.Millisecond
)

// check refuses a fault that could not do what it says.
func (f Fault) check() error {
	stage, known := stages[f.Kind]
	switch {
	case !known:
		return fmt.Errorf("fault: there is no kind %s", cut(string(f.Kind)))
	case f.Route != "" && !slices.Contains(routes, f.Route):
		return fmt.Errorf("fault %s: there is no route %s; there are %v", f.Kind, cut(string(f.Route)), routes)
	case f.Route != "" && stage == onPayer:
		return fmt.Errorf("fault %s: it is met by payers, on no route of the API", f.Kind)
	case f.Times < 0:
		return fmt.Errorf("fault %s: times is %d; it counts requests, or is 0 for all", f.Kind, f.Times)
	case !(f.Probability >= 0 && f.Probability <= 1):
		return fmt.Errorf("fault %s: probability is %v; it lies between 0 and 1", f.Kind, f.Probability)
	case f.Pause < 0 || time.Duration(f.Pause) > longestPause:
		return fmt.Errorf("fault %s: pause is %s; it lies between 0 and %s", f.Kind, time.Duration(f.Pause), longestPause)
	case f.Size < 0 || f.Size > largestBody:
		return fmt.Errorf("fault %s: size is %d; it lies between 0 and %d", f.Kind, f.Size, largestBody)
	case (f.Kind == Refuse || f.Kind == RefuseAfter) && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("fault %s: status is %d; it lies between 400 and 599", f.Kind, f.Status)
	case f.Kind == ErrorShape && !shapes[Shape(f.Value)]:
		return fmt.Errorf("fault %s: there is no shape %s", f.Kind, cut(f.Value))
	}
	return nil
}

// A plan is the faults that one request meets, by stage.
type plan map[stage]Fault

func (p plan) is(kind FaultKind) bool { return p[stages[kind]].Kind == kind }

func (p plan) shape() Shape { return Shape(p[onShape].Value) }

// kinds names the faults for the log.
func (p plan) kinds() []FaultKind {
	var kinds []FaultKind
	for s := onTime; s <= onShape; s++ {
		if f, met := p[s]; met {
			kinds = append(kinds, f.Kind)
		}
	}
	return kinds
}

// faults are the faults in force.
type faults struct {
	mu    sync.Mutex
	dice  *rand.Rand
	last  int
	list  []Fault
	spare map[int]int // fault id → requests it may still meet, if limited
}

func newFaults(seed uint64) *faults {
	return &faults{dice: rand.New(rand.NewPCG(seed, 1)), spare: map[int]int{}}
}

func (fs *faults) add(f Fault) (Fault, error) {
	if err := f.check(); err != nil {
		return Fault{}, err
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.last++
	f.ID = fs.last
	fs.list = append(fs.list, f)
	if f.Times > 0 {
		fs.spare[f.ID] = f.Times
	}
	return f, nil
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
	clear(fs.spare)
}

// inForce returns the faults that can still be met; Times is what is left.
func (fs *faults) inForce() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	list := append([]Fault{}, fs.list...)
	for i := range list {
		list[i].Times = fs.spare[list[i].ID]
	}
	return list
}

// meet draws the faults for one request and uses them up. Faults that replace
// the work leave the later stages alone.
func (fs *faults) meet(route Route) plan {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	p := plan{}
	if route == payerRoute {
		fs.draw(p, route, onPayer)
		return p
	}
	fs.draw(p, route, onTime)
	fs.draw(p, route, onShape)
	fs.draw(p, route, onArrival)
	if _, stopped := p[onArrival]; !stopped {
		fs.draw(p, route, onContent)
		fs.draw(p, route, onAnswer)
	}
	return p
}

// concerns reports whether the fault could show on a route.
func (f Fault) concerns(route Route) bool {
	switch {
	case f.Route != "" && f.Route != route:
		return false
	case f.Kind == IgnorePeriod:
		return route == CreateLink
	case stages[f.Kind] == onContent:
		return route == CreateLink || route == ReadLink
	case f.Kind == NotFound && f.Route == "":
		return route == ReadLink
	}
	return true
}

// draw puts the first fault of a stage that is met into the plan.
func (fs *faults) draw(p plan, route Route, at stage) {
	for i, f := range fs.list {
		if stages[f.Kind] != at || !f.concerns(route) {
			continue
		}
		if f.Probability > 0 && fs.dice.Float64() >= f.Probability {
			continue
		}
		p[at] = f
		if f.Times > 0 {
			if fs.spare[f.ID]--; fs.spare[f.ID] == 0 {
				delete(fs.spare, f.ID)
				fs.list = slices.Delete(fs.list, i, i+1)
			}
		}
		return
	}
}

// arrivalAnswer is the answer of a fault that stops a request before the work.
func arrivalAnswer(f Fault, shape Shape) answer {
	var a answer
	switch f.Kind {
	case RevokedKey:
		a = unauthorized().say(shape)
	case NotFound:
		a = notFound("the payment link").say(shape)
	case Redirect:
		a = answer{status: http.StatusMovedPermanently, header: http.Header{}}
		a.header.Set("Location", f.Value)
	default:
		a = refused(f, shape)
	}
	return a
}

// refused answers the status a fault asks for.
func refused(f Fault, shape Shape) answer {
	a := plainFailure(f.Status).say(shape)
	if f.RetryAfter != "" {
		a.header = http.Header{}
		a.header.Set("Retry-After", f.RetryAfter)
	}
	return a
}
