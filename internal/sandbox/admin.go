package sandbox

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dunning/internal/period"
)

// handler routes the API, the payment page and the pages to look inside:
//
//	GET    /sandbox/            what is running
//	GET    /sandbox/clock       the time; POST {"advance":"PT36H"} or {"set":"2026-03-16T09:00:00Z"}
//	GET    /sandbox/latency     how long answers wait; POST {"latency":"20ms"}
//	GET    /sandbox/requests    the log, ?since=N for what came after entry N; DELETE forgets it
//	GET    /sandbox/links       every link, ?merchant_order_id=… for some
//	POST   /sandbox/links/{id}/{act}    pay, fail, process or cancel
//	GET    /sandbox/deliveries  webhooks; POST /sandbox/flush waits until they are delivered
//	GET    /sandbox/faults      faults in force; POST adds one or a list; DELETE clears them
//	GET    /sandbox/mails       accepted mails; GET /sandbox/mails/{n} is one as it was sent
//	GET    /sandbox/mails/faults        the same as /sandbox/faults, for the mail server
//	GET    /sandbox/cert.pem    the certificate of the mail server
func (s *Sandbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sandbox/{$}", s.showState)
	mux.HandleFunc("GET /sandbox/clock", s.showClock)
	mux.HandleFunc("POST /sandbox/clock", s.moveClock)
	mux.HandleFunc("GET /sandbox/latency", s.showLatency)
	mux.HandleFunc("POST /sandbox/latency", s.setLatency)
	mux.HandleFunc("GET /sandbox/requests", s.showRequests)
	mux.HandleFunc("DELETE /sandbox/requests", func(w http.ResponseWriter, _ *http.Request) {
		s.Pay.journal.clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /sandbox/links", s.showLinks)
	mux.HandleFunc("POST /sandbox/links/{id}/{act}", s.actOnLink)
	mux.HandleFunc("GET /sandbox/deliveries", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, http.StatusOK, s.Pay.Deliveries())
	})
	mux.HandleFunc("POST /sandbox/flush", s.flush)
	serveFaults(mux, "/sandbox/faults", s.Pay.AddFault, s.Pay.Faults, s.Pay.ClearFaults)
	serveFaults(mux, "/sandbox/mails/faults", s.Mail.AddFault, s.Mail.Faults, s.Mail.ClearFaults)
	mux.HandleFunc("GET /sandbox/mails", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, http.StatusOK, s.Mail.Mails())
	})
	mux.HandleFunc("GET /sandbox/mails/{n}", s.showMail)
	mux.HandleFunc("GET /sandbox/cert.pem", s.showCertificate)
	mux.HandleFunc("GET /pay/{id}/{$}", s.Pay.servePayer)
	mux.HandleFunc("POST /pay/{id}/{$}", s.Pay.servePayer)
	mux.HandleFunc("GET /pay/{id}", s.Pay.servePayer)
	mux.HandleFunc("POST /pay/{id}", s.Pay.servePayer)

	// A web page elsewhere must not drive the sandbox through a browser.
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !localHost(r.Host):
			http.Error(w, "the sandbox answers to loopback names only", http.StatusMisdirectedRequest)
		case strings.HasPrefix(r.URL.Path, "/v1/"):
			s.Pay.serveAPI(w, r) // no mux: it would redirect paths it thinks unclean
		default:
			guarded.ServeHTTP(w, r)
		}
	})
}

func localHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return host == "localhost" || isLoopback(host)
}

func tell(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", jsonKind)
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // the reader may have left
}

func complain(w http.ResponseWriter, status int, err error) {
	tell(w, status, map[string]string{"error": err.Error()})
}

// hear reads a small JSON body into v; unknown keys are refused.
func hear(w http.ResponseWriter, r *http.Request, v any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	return nil
}

func (s *Sandbox) showState(w http.ResponseWriter, _ *http.Request) {
	tell(w, http.StatusOK, map[string]any{
		"now": s.Now(), "url": s.url, "smtp": s.Mail.Addr(),
		"links": len(s.Pay.Links()), "mails": len(s.Mail.Mails()),
	})
}

func (s *Sandbox) showClock(w http.ResponseWriter, _ *http.Request) {
	tell(w, http.StatusOK, map[string]any{"now": s.Now()})
}

func (s *Sandbox) moveClock(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Advance *period.Period `json:"advance"`
		Set     *time.Time     `json:"set"`
	}
	err := hear(w, r, &ask)
	switch {
	case err != nil:
	case ask.Advance != nil && ask.Set == nil:
		_, err = s.Advance(*ask.Advance)
	case ask.Set != nil && ask.Advance == nil:
		_, err = s.SetClock(*ask.Set)
	default:
		err = errors.New(`write {"advance":"PT36H"} or {"set":"2026-03-16T09:00:00Z"}`)
	}
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	s.showClock(w, r)
}

func (s *Sandbox) showLatency(w http.ResponseWriter, _ *http.Request) {
	tell(w, http.StatusOK, map[string]any{"latency": Pause(s.Pay.latency.now())})
}

func (s *Sandbox) setLatency(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Latency *Pause `json:"latency"`
	}
	err := hear(w, r, &ask)
	switch {
	case err != nil:
	case ask.Latency == nil:
		err = errors.New(`write {"latency":"20ms"}`)
	default:
		err = s.SetLatency(time.Duration(*ask.Latency))
	}
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	s.showLatency(w, r)
}

func (s *Sandbox) showRequests(w http.ResponseWriter, r *http.Request) {
	since := 0
	if text := r.URL.Query().Get("since"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			complain(w, http.StatusBadRequest, fmt.Errorf("since is %s; it is the number of an entry", cut(text)))
			return
		}
		since = n
	}
	tell(w, http.StatusOK, s.Pay.journal.since(since))
}

func (s *Sandbox) showLinks(w http.ResponseWriter, r *http.Request) {
	wanted, some := r.URL.Query().Get("merchant_order_id"), r.URL.Query().Has("merchant_order_id")
	links := []LinkState{}
	for _, l := range s.Pay.Links() {
		if !some || l.MerchantOrderID == wanted {
			links = append(links, l)
		}
	}
	tell(w, http.StatusOK, links)
}

func (s *Sandbox) actOnLink(w http.ResponseWriter, r *http.Request) {
	act, known := s.Pay.acts()[r.PathValue("act")]
	if !known {
		complain(w, http.StatusNotFound, errors.New("there are the acts pay, fail, process and cancel"))
		return
	}
	orderID, err := act(r.PathValue("id"))
	switch {
	case errors.Is(err, ErrUnknownLink):
		complain(w, http.StatusNotFound, err)
	case err != nil:
		complain(w, http.StatusConflict, err)
	default:
		tell(w, http.StatusOK, map[string]string{"order_id": orderID})
	}
}

func (s *Sandbox) flush(w http.ResponseWriter, r *http.Request) {
	if err := s.Pay.Flush(r.Context()); err != nil {
		complain(w, http.StatusServiceUnavailable, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sandbox) showMail(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		complain(w, http.StatusNotFound, ErrNoMail)
		return
	}
	raw, err := s.Mail.Raw(n)
	if err != nil {
		complain(w, http.StatusNotFound, err)
		return
	}
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(raw) // the reader may have left
}

func (s *Sandbox) showCertificate(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-pem-file")
	pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: s.Mail.Certificate().Raw}) // the reader may have left
}

// serveFaults serves one list of faults.
func serveFaults[F any](mux *http.ServeMux, path string, add func(F) (F, error), list func() []F, forget func()) {
	show := func(w http.ResponseWriter, _ *http.Request) { tell(w, http.StatusOK, list()) }
	mux.HandleFunc("GET "+path, show)
	mux.HandleFunc("DELETE "+path, func(w http.ResponseWriter, r *http.Request) {
		forget()
		show(w, r)
	})
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		asked, err := readFaults[F](w, r)
		if err != nil {
			complain(w, http.StatusBadRequest, err)
			return
		}
		added := make([]F, 0, len(asked))
		for _, f := range asked {
			given, err := add(f)
			if err != nil {
				complain(w, http.StatusBadRequest, err)
				return
			}
			added = append(added, given)
		}
		tell(w, http.StatusCreated, added)
	})
}

// readFaults reads one fault or a list of them.
func readFaults[F any](w http.ResponseWriter, r *http.Request) ([]F, error) {
	var raw json.RawMessage
	if err := hear(w, r, &raw); err != nil {
		return nil, err
	}
	if len(raw) == 0 || raw[0] != '[' {
		raw = append(append(json.RawMessage{'['}, raw...), ']')
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var list []F
	if err := decoder.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the faults: %w", err)
	}
	return list, nil
}
