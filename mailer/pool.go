package mailer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dunning/invoices"
)

// Send carries a composed letter to the mail server. It calls commit once,
// after the last byte of the text and before the final dot, and returns the
// server's reply to the dot, at most 500 bytes.
//
// If commit fails, the connection is dropped, nothing was sent, and commit's
// error is returned as it is. Every other error is an *invoices.Fault; only
// one of kind Ambiguous leaves open whether the letter arrived. Send itself
// tries nothing twice, except that a connection which died while it was idle
// is replaced once, before the server has seen any of the letter.
//
// A server that speaks or hangs up before the dot ends the letter, and the
// error is of another kind than Ambiguous even if commit had been called.
//
// When ctx ends before the dot is written, nothing is sent. Afterwards the
// reply is waited for, for as long as Timeouts.Dot; when ctx ends meanwhile the
// wait is given up and the letter is in doubt. So a caller that stops in good
// order lets ctx live on for a while. In test mode a letter that was composed for
// anybody but the test recipient is refused (R26).
func (p *Pool) Send(ctx context.Context, l invoices.Letter, commit func(context.Context) error) (string, error) {
	e, err := p.envelope(l)
	if err != nil {
		return "", p.fail(&stop{at: Checking, err: err}, e, 0)
	}
	if err := p.enter(ctx); err != nil {
		return "", p.fail(&stop{at: Waiting, err: err}, e, 0)
	}
	defer p.leave()
	return p.send(ctx, e, commit)
}

// send carries a letter on a connection from the pool, and puts that back.
func (p *Pool) send(ctx context.Context, e envelope, commit func(context.Context) error) (string, error) {
	s, opened := p.reuse(), 0
	defer func() { p.put(s) }() // also when commit panics
	for {
		if s == nil {
			var end *stop
			opened++
			if s, end = p.open(ctx); end != nil {
				return "", p.fail(end, e, opened)
			}
		}
		last, end := s.carry(ctx, e, p.o.Timeouts, commit)
		switch {
		case end == nil:
			s.fresh = false
			p.refusals.Store(0)
			p.ended(Outcome{Phase: Dot, Code: last.code, Opened: opened})
			return withoutLinks(p.withhold(last.String())), nil
		case end.stale && ctx.Err() == nil:
			p.put(s)
			s = nil
		default:
			s.fresh = false
			end.said = s.dialogue()
			return "", p.fail(end, e, opened)
		}
	}
}

// fail makes the error that Send returns, and tells the hook.
func (p *Pool) fail(end *stop, e envelope, opened int) error {
	err := end.err
	if end.at != Commit {
		f := p.fault(end.at, end.err, e)
		f.Dialogue = end.said
		err = f
	}
	var no refusal
	_ = errors.As(end.err, &no)
	p.ended(Outcome{Phase: end.at, Code: no.code, Opened: opened, Err: err})
	return err
}

// envelope takes a last look at a letter, which may come from a database, and
// addresses it.
func (p *Pool) envelope(l invoices.Letter) (envelope, error) {
	e := envelope{from: p.from.Address, raw: l.Raw}
	if err := checkBytes(l.Raw); err != nil {
		return e, err
	}
	if digest(l.Raw) != l.Digest {
		return e, errors.New("its bytes are not those that were composed")
	}
	to, cc, err := unique(l.To, l.CC)
	if err != nil {
		return e, err
	}
	if len(to) == 0 {
		return e, errors.New("it has no recipient")
	}
	if p.redirect != "" && (len(to) != 1 || to[0] != p.redirect || len(cc) != 0) {
		return e, errors.New("it was composed for customers, and in test mode only the test recipient gets letters")
	}
	for i, address := range to {
		e.to = append(e.to, recipient{address, numbered("recipient", i, len(to)), false})
	}
	for i, address := range cc {
		e.to = append(e.to, recipient{address, numbered("copy recipient", i, len(cc)), true})
	}
	return e, nil
}

// numbered names a recipient without its address, which errors must not hold.
func numbered(what string, i, n int) string {
	if n == 1 {
		return what
	}
	return fmt.Sprintf("%s %d of %d", what, i+1, n)
}

// Check connects, agrees on TLS, logs in and says goodbye. Its error is the
// *invoices.Fault that Send would return.
func (p *Pool) Check(ctx context.Context) error {
	if err := p.enter(ctx); err != nil {
		return p.fault(Waiting, err, envelope{})
	}
	defer p.leave()
	s, end := p.open(ctx)
	if end != nil {
		return p.fault(end.at, end.err, envelope{})
	}
	s.quit()
	return nil
}

// Close says goodbye on the idle connections and closes them. It does not wait
// for letters under way; their connections are closed when they end. After it
// nothing is sent.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	for _, s := range p.idle {
		s.expiry.Stop()
		p.leaving.Go(s.quit)
	}
	p.idle = nil
	p.mu.Unlock()
	p.leaving.Wait()
}

// enter waits for the rate limit and for a free place.
func (p *Pool) enter(ctx context.Context) error {
	if err := p.pace.Wait(ctx); err != nil {
		return fmt.Errorf("%w: the rate limit: %w", errStopped, err)
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return stopped(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.leave()
		return errClosed
	}
	return nil
}

func (p *Pool) leave() { <-p.slots }

// reuse takes the connection that was used last, or none.
func (p *Pool) reuse() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	s := p.idle[n-1]
	p.idle = p.idle[:n-1]
	s.expiry.Stop()
	return s
}

// put gives a connection back, or drops it when it is not sound.
func (p *Pool) put(s *session) {
	if s == nil {
		return
	}
	if !s.sound {
		s.wire.cut(errClosed)
		return
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		s.quit()
		return
	}
	if s.expiry == nil {
		s.expiry = time.AfterFunc(p.o.IdleClose, func() { p.expire(s) })
	} else {
		s.expiry.Reset(p.o.IdleClose)
	}
	p.idle = append(p.idle, s)
	p.mu.Unlock()
}

// expire closes a connection that is still idle.
func (p *Pool) expire(s *session) {
	p.mu.Lock()
	for i, other := range p.idle {
		if other == s {
			p.idle = append(p.idle[:i:i], p.idle[i+1:]...)
			p.leaving.Go(s.quit)
			break
		}
	}
	p.mu.Unlock()
}
