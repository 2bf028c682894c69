package sandbox

import (
	"net/http"
	"sync"
	"time"
)

// A Request is one request that reached the API or the payment page. The API
// key is not kept.
type Request struct {
	N      int         `json:"n"` // counts from 1
	Time   time.Time   `json:"time"`
	Route  Route       `json:"route"`
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Query  string      `json:"query,omitempty"`
	Body   string      `json:"body,omitempty"`
	Status int         `json:"status"`         // answered; 0: the connection was reset instead
	Link   string      `json:"link,omitempty"` // id of the link that was made, if one was
	Faults []FaultKind `json:"faults,omitempty"`
}

// A journal keeps what happened, at most limit entries of it; 0 is no limit.
type journal struct {
	limit int

	mu   sync.Mutex
	last int
	list []Request
}

func (j *journal) add(r Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	r.N = j.last
	j.list = keepLast(append(j.list, r), j.limit)
}

// since returns the entries after the n-th, oldest first.
func (j *journal) since(n int) []Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := []Request{}
	for _, r := range newest(j.list, j.limit) {
		if r.N > n {
			list = append(list, r)
		}
	}
	return list
}

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = nil
}

// keepLast forgets the oldest entries beyond the limit; 0 is no limit. It moves
// memory only when the list has grown to twice that: read it by newest.
func keepLast[T any](list []T, limit int) []T {
	if limit == 0 || len(list) < 2*limit {
		return list
	}
	return append([]T(nil), list[len(list)-limit:]...)
}

// newest returns the last limit entries; 0 is no limit.
func newest[T any](list []T, limit int) []T {
	if limit == 0 || len(list) <= limit {
		return list
	}
	return list[len(list)-limit:]
}

// log notes a request and how it is answered.
func (p *CostPlus) log(r *http.Request, route Route, body []byte, a answer, met plan) {
	p.journal.add(Request{
		Time: p.clock.now(), Route: route, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Body: string(body), Status: a.status, Link: a.link, Faults: met.kinds(),
	})
}
