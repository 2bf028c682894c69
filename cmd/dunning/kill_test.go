package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dunning/internal/pgtest"
	"dunning/internal/sandbox"
)

// A killing is how the program is treated.
type killing struct {
	database  string
	processes int // at once
	share     int // of all kills, in percent
}

// TestR02_Kills kills the real program at random moments while it works on due
// invoices: on SQLite, and on PostgreSQL one process and four at once. Now and
// then one is stopped until its leases are over, and goes on as if nothing had
// happened. Nothing arrives twice, nothing is lost: whatever did not certainly
// arrive is listed for a person.
//
// 200 kills over 1,600 invoices in all, or as many as DUNNING_KILLS says, over
// eight times as many. No kill leaves more letters in doubt than there are
// connections, and at most 2 % never arrive: those whose intent was on its way
// to the disk when the program that wanted to write the dot was killed.
func TestR02_Kills(t *testing.T) {
	kills := count(t, "DUNNING_KILLS", 200)
	var never, letters atomic.Int64
	var atOnce sync.WaitGroup // most of it is waiting for leases
	for _, k := range []killing{{"sqlite", 1, 35}, {"postgres", 1, 25}, {"postgres", 4, 40}} {
		atOnce.Go(func() {
			t.Run(fmt.Sprintf("%s-%d", k.database, k.processes), func(t *testing.T) {
				mine := max(4, kills*k.share/100)
				n := 8 * mine
				w := newTown(t, urlOf(t, k.database), n)
				w.run("job", "import")
				w.kill(mine, k.processes)
				w.finish(n)
				never.Add(int64(w.nothingTwiceNothingLost(n, mine)))
				letters.Add(int64(n))
			})
		})
	}
	atOnce.Wait()
	if never.Load()*50 > letters.Load() {
		t.Errorf("%d of %d letters never arrived and need a person: more than 2 %%", never.Load(), letters.Load())
	}
}

// TestR02_KillAtEverySyscall kills the program at the N-th call by which it
// writes to a file or a socket, or makes sure that what it wrote is on disk; for
// each N, until a run is no longer hit. DUNNING_SYSCALLS=all tries each N, else
// it is a sample.
func TestR02_KillAtEverySyscall(t *testing.T) {
	step := 9
	if os.Getenv("DUNNING_SYSCALLS") == "all" {
		step = 1
	}
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			const n = 400
			w := newTown(t, urlOf(t, database), n)
			w.run("job", "import")
			hits, last := 0, 0
			for at := 1; last == 0; at += step {
				inject := fmt.Sprintf("inject=write,pwrite64,fsync,fdatasync:signal=SIGKILL:when=%d", at)
				args := append([]string{"-f", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e", "trace=write,pwrite64,fsync,fdatasync", "-e", inject, "--"}, w.command(append(everyJob, "--limit", "1")...).Args...)
				out, err := exec.Command("strace", args...).CombinedOutput()
				x, failed := errors.AsType[*exec.ExitError](err)
				switch {
				case failed && killed(x):
					hits++
				case err != nil && (!failed || x.ExitCode() != exitAttention):
					t.Fatalf("%v\n%s", err, out)
				default:
					last = at
				}
			}
			t.Logf("%d runs were killed, at every %d. call; the run that should have been at call %d was not hit", hits, step, last)
			if hits < 5 {
				t.Error("hardly a run was hit: this proves nothing")
			}
			w.finish(n)
			w.nothingTwiceNothingLost(n, hits)
		})
	}
}

// killed reports whether a program died of SIGKILL; strace ends like the program
// it watched.
func killed(x *exec.ExitError) bool {
	status, ok := x.Sys().(syscall.WaitStatus)
	return ok && (status.Signaled() && status.Signal() == syscall.SIGKILL || status.ExitStatus() == 128+int(syscall.SIGKILL))
}

func urlOf(t *testing.T, database string) string {
	t.Helper()
	if database == "postgres" {
		return pgtest.Database(t)
	}
	return "sqlite:dunning.db"
}

// count returns the number in a variable of the environment.
func count(t *testing.T, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// kill starts so many processes at once and kills each, again and again, until
// so many were killed. The provider is slow, and so is the mail server to accept
// every other letter, so that there is work left and letters are under way; and
// the jobs come in any order, lest all links are made before the first letter.
func (w *town) kill(kills, processes int) {
	w.t.Helper()
	pause := sandbox.Pause(60 * time.Millisecond)
	if _, err := w.box.Pay.AddFault(sandbox.Fault{Kind: sandbox.Latency, Pause: pause}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.box.Mail.AddFault(sandbox.MailFault{Phase: sandbox.AtAccepted, Do: sandbox.Stall, Pause: pause, Probability: 0.5}); err != nil {
		w.t.Fatal(err)
	}
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(1, uint64(processes)))
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	for done := 0; done < kills; {
		var round sync.WaitGroup
		for range processes {
			round.Go(func() {
				first := 1 + draw(len(everyJob)-1)
				command := slices.Concat(everyJob[:1], everyJob[first:], everyJob[1:first])
				if w.one(command, time.Duration(60+draw(300))*time.Millisecond, draw(10) == 0) {
					mu.Lock()
					defer mu.Unlock()
					done++
				}
			})
		}
		round.Wait()
		if w.t.Failed() {
			return
		}
	}
	w.box.Pay.ClearFaults()
	w.box.Mail.ClearFaults()
}

// one starts one process and kills it after a while, or stops it until its
// leases are over and kills it later. It reports whether it was killed.
func (w *town) one(command []string, after time.Duration, stop bool) bool {
	cmd := w.command(command...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		w.t.Error(err)
		return false
	}
	timers := []*time.Timer{}
	if at := after; stop {
		timers = append(timers, time.AfterFunc(at, func() { _ = cmd.Process.Signal(syscall.SIGSTOP) }))
		after += 2500 * time.Millisecond // the lease is two seconds
		timers = append(timers, time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGCONT) }))
		after += 300 * time.Millisecond
	}
	timers = append(timers, time.AfterFunc(after, func() { _ = cmd.Process.Kill() }))
	err := cmd.Wait()
	for _, t := range timers {
		t.Stop()
	}
	x, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case ok && killed(x):
		return true
	case err != nil && (!ok || x.ExitCode() != exitAttention):
		w.t.Errorf("%v\n%s", err, out.String())
	}
	return false
}

// finish runs the jobs until it is noted of every letter that it was sent or is
// in doubt: what the killed processes held is free after their leases.
func (w *town) finish(n int) {
	w.t.Helper()
	for deadline := time.Now().Add(2*time.Minute + time.Duration(n)*20*time.Millisecond); time.Now().Before(deadline); {
		w.run(everyJob...)
		if w.noted() == n {
			return
		}
	}
}

// noted counts the invoices of which it is noted what became of their letter.
func (w *town) noted() (n int) {
	w.t.Helper()
	var list []struct {
		Last string `json:"last_step"`
	}
	if err := json.Unmarshal([]byte(w.run("invoices", "--json")), &list); err != nil {
		w.t.Fatal(err)
	}
	for _, i := range list {
		if i.Last == "request sent" || i.Last == "request uncertain" {
			n++
		}
	}
	return n
}

// missing lists the invoices about which no letter arrived and no person was
// asked.
func (w *town) missing(n int, doubts []concern) (lost []string) {
	doubt := map[string]bool{}
	for _, c := range doubts {
		doubt[c.Invoice] = true
	}
	_, customers, _ := w.count()
	for i := range n {
		number := fmt.Sprintf("INV-%05d", i)
		if customers[fmt.Sprintf("c%05d@customer.example", i)] == 0 && !doubt[number] {
			lost = append(lost, number)
		}
	}
	return lost
}

// doubts lists what the program says needs a person.
func (w *town) doubts() []concern {
	w.t.Helper()
	var list []concern
	if err := json.Unmarshal([]byte(w.run("attention", "--json")), &list); err != nil {
		w.t.Fatal(err)
	}
	return list
}

// nothingTwiceNothingLost returns how many letters never arrived; each of them
// is listed for a person.
func (w *town) nothingTwiceNothingLost(n, kills int) (never int) {
	w.t.Helper()
	ids, customers, _ := w.count()
	for id, k := range ids {
		if k > 1 {
			w.t.Errorf("the letter %s arrived %d times", id, k)
		}
	}
	for who, k := range customers {
		if k > 1 {
			w.t.Errorf("%s got %d letters", who, k)
		}
	}
	doubts := w.doubts()
	for _, c := range doubts {
		if c.Kind != "uncertain" {
			w.t.Errorf("needs a person for another reason: %+v", c)
		}
		if customers["c"+strings.TrimPrefix(c.Invoice, "INV-")+"@customer.example"] == 0 {
			never++
		}
	}
	for _, number := range w.missing(n, doubts) {
		w.t.Errorf("%s is lost: no letter, and no person was asked", number)
	}
	w.linksOnce()
	w.t.Logf("%d kills, %d invoices: %d letters arrived, %d in doubt, of which %d never arrived; %d links made", kills, n, len(customers), len(doubts), never, len(w.box.Pay.Links()))
	if len(doubts) > 8*kills {
		w.t.Errorf("%d letters in doubt, more than one for each of 8 connections a kill", len(doubts))
	}
	return never
}

// linksOnce checks that each invoice has one link that was mailed.
func (w *town) linksOnce() {
	w.t.Helper()
	mailed, links := map[string]map[string]bool{}, map[string]sandbox.LinkState{}
	for _, l := range w.box.Pay.Links() {
		links[l.PaymentURL] = l
	}
	address := regexp.MustCompile(regexp.QuoteMeta(w.box.URL()) + `/pay/[0-9a-f-]{36}/`)
	for _, m := range w.box.Mail.Mails() {
		text, err := w.box.Mail.Text(m.N)
		if err != nil {
			w.t.Fatal(err)
		}
		l, ok := links[address.FindString(text)]
		if !ok {
			w.t.Errorf("%s was mailed no link: %s", m.To[0], text)
			continue
		}
		number, _, _ := strings.Cut(l.MerchantOrderID, "-L")
		if mailed[number] == nil {
			mailed[number] = map[string]bool{}
		}
		mailed[number][l.ID] = true
		if who := "c" + strings.TrimPrefix(number, "INV-") + "@customer.example"; m.To[0] != who {
			w.t.Errorf("%s was mailed the link of %s", m.To[0], number)
		}
	}
	for number, links := range mailed {
		if len(links) != 1 {
			w.t.Errorf("%s was mailed %d links", number, len(links))
		}
	}
}
