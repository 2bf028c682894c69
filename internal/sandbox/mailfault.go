package sandbox

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// A MailFault makes the mail server misbehave in one phase of a conversation.
// The zero values of its limits mean: for everybody, every time, until
// cleared. The first fault in force that fits is met.
type MailFault struct {
	ID    int       `json:"id,omitempty"` // given by the sandbox
	Phase MailPhase `json:"phase"`
	Do    MailTrick `json:"do"`

	Code  int    `json:"code,omitempty"`  // of Reply: 400 to 599
	Text  string `json:"text,omitempty"`  // of Reply, with an enhanced code if one is wanted; empty: a plain one
	Pause Pause  `json:"pause,omitempty"` // of Stall, in real time

	Recipient   string  `json:"recipient,omitempty"`   // only mail to this address; from AtRcpt on
	Times       int     `json:"times,omitempty"`       // the next so many; 0: until cleared
	Probability float64 `json:"probability,omitempty"` // 0: always
}

// MailTrick is what a fault does.
type MailTrick string

// Tricks.
const (
	Drop  MailTrick = "drop"  // reset the connection
	Reply MailTrick = "reply" // answer Code and Text instead of what was asked
	Stall MailTrick = "stall" // keep silent for Pause, then go on as if nothing were
)

// MailPhase is a moment in an SMTP conversation.
type MailPhase string

// Phases, in their order.
const (
	AtConnect  MailPhase = "connect"  // the connection was accepted; Drop only. See also [MailSink.Down].
	AtGreeting MailPhase = "greeting" // in place of 220
	AtHello    MailPhase = "hello"    // EHLO or HELO
	AtStartTLS MailPhase = "starttls"
	AtAuth     MailPhase = "auth"
	AtMail     MailPhase = "mail"
	AtRcpt     MailPhase = "rcpt"
	AtData     MailPhase = "data"     // the command
	AtBody     MailPhase = "body"     // after the first line of the message; not Reply
	AtDot      MailPhase = "dot"      // the whole message was read; unless it stalls it is not accepted
	AtAccepted MailPhase = "accepted" // the message is kept, 250 is not yet written; not Reply
	AtReset    MailPhase = "reset"    // RSET
	AtQuit     MailPhase = "quit"
)

var phases = []MailPhase{
	AtConnect, AtGreeting, AtHello, AtStartTLS, AtAuth, AtMail, AtRcpt,
	AtData, AtBody, AtDot, AtAccepted, AtReset, AtQuit,
}

// phaseOf is the phase that a command belongs to.
var phaseOf = map[string]MailPhase{
	"EHLO": AtHello, "HELO": AtHello, "STARTTLS": AtStartTLS, "AUTH": AtAuth, "MAIL": AtMail,
	"RCPT": AtRcpt, "DATA": AtData, "RSET": AtReset, "QUIT": AtQuit,
}

// check refuses a fault that could not do what it says.
func (f MailFault) check() error {
	index := slices.Index(phases, f.Phase)
	named := index >= slices.Index(phases, AtRcpt) && index <= slices.Index(phases, AtAccepted)
	switch {
	case index < 0:
		return fmt.Errorf("mail fault: there is no phase %s; there are %v", cut(string(f.Phase)), phases)
	case f.Do != Drop && f.Do != Reply && f.Do != Stall:
		return fmt.Errorf("mail fault at %s: there is no trick %s; there are drop, reply and stall", f.Phase, cut(string(f.Do)))
	case f.Do != Drop && f.Phase == AtConnect, f.Do == Reply && (f.Phase == AtBody || f.Phase == AtAccepted):
		return fmt.Errorf("mail fault at %s: %s makes no sense there", f.Phase, f.Do)
	case f.Do == Reply && (f.Code < 400 || f.Code > 599):
		return fmt.Errorf("mail fault at %s: the code is %d; it lies between 400 and 599", f.Phase, f.Code)
	case strings.ContainsAny(f.Text, "\r\n"):
		return fmt.Errorf("mail fault at %s: the text has more than one line", f.Phase)
	case f.Do == Stall && (f.Pause <= 0 || time.Duration(f.Pause) > longestPause):
		return fmt.Errorf("mail fault at %s: pause is %s; it lies between 0 and %s", f.Phase, time.Duration(f.Pause), longestPause)
	case f.Recipient != "" && !named:
		return fmt.Errorf("mail fault at %s: no recipient is known in this phase", f.Phase)
	case f.Times < 0:
		return fmt.Errorf("mail fault at %s: times is %d; it counts, or is 0 for all", f.Phase, f.Times)
	case !(f.Probability >= 0 && f.Probability <= 1):
		return fmt.Errorf("mail fault at %s: probability is %v; it lies between 0 and 1", f.Phase, f.Probability)
	}
	return nil
}

// line is the reply as it goes over the wire.
func (f MailFault) line() string {
	text := f.Text
	if text == "" {
		text = fmt.Sprintf("%d.0.0 The sandbox was asked to say so", f.Code/100)
	}
	return fmt.Sprintf("%d %s\r\n", f.Code, text)
}

// mailFaults are the faults in force.
type mailFaults struct {
	mu    sync.Mutex
	dice  *rand.Rand
	last  int
	list  []MailFault
	spare map[int]int
}

func newMailFaults(seed uint64) *mailFaults {
	return &mailFaults{dice: rand.New(rand.NewPCG(seed, 2)), spare: map[int]int{}}
}

func (fs *mailFaults) add(f MailFault) (MailFault, error) {
	if err := f.check(); err != nil {
		return MailFault{}, err
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

func (fs *mailFaults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
	clear(fs.spare)
}

func (fs *mailFaults) inForce() []MailFault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	list := append([]MailFault{}, fs.list...)
	for i := range list {
		list[i].Times = fs.spare[list[i].ID]
	}
	return list
}

// meet returns the fault that a phase of a conversation meets, and uses it up.
func (fs *mailFaults) meet(phase MailPhase, recipients ...string) (MailFault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.list {
		concerns := func(to string) bool { return strings.EqualFold(to, f.Recipient) }
		if f.Phase != phase || f.Recipient != "" && !slices.ContainsFunc(recipients, concerns) {
			continue
		}
		if f.Probability > 0 && fs.dice.Float64() >= f.Probability {
			continue
		}
		if f.Times > 0 {
			if fs.spare[f.ID]--; fs.spare[f.ID] == 0 {
				delete(fs.spare, f.ID)
				fs.list = slices.Delete(fs.list, i, i+1)
			}
		}
		return f, true
	}
	return MailFault{}, false
}
