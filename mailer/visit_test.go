package mailer

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// A visit is one conversation.
type visit struct {
	f       *faulty
	line    line
	conn    net.Conn // line, or TLS over it
	in      *bufio.Reader
	sound   bool // nothing goes wrong, or no more
	secured bool
}

// goesWrong reports whether it is time.
func (v *visit) goesWrong(at place) bool { return !v.sound && v.f.at == at }

// say gives the usual answer at a place, or does what goes wrong there. It
// reports what was said, and whether the conversation goes on.
func (v *visit) say(at place, usual string) (said string, goesOn bool) {
	usual = strings.ReplaceAll(usual, "\n", "\r\n") + "\r\n"
	if !v.goesWrong(at) {
		return usual, v.write(usual)
	}
	v.sound = true
	defer close(v.f.struck)
	return v.strike(at, usual)
}

func (v *visit) strike(at place, usual string) (said string, goesOn bool) {
	code := usual[:3]
	switch v.f.fault {
	case hangsUp:
		return "", false
	case resets:
		v.line.Reset()
		return "", false
	case saysLater:
		return "451", v.write("451 4.3.0 not now\r\n")
	case leaves:
		v.write("421 4.3.2 closing\r\n")
		return "421", false
	case refuses:
		said, known := no[at]
		if !known {
			said = "554 5.3.2 no service"
		}
		return said, v.write(said + "\r\n")
	case keepsMum:
		v.listen(at)
		return "", false
	case babbles:
		v.write("\x00\xff\x16\x03\x1b[2J!\r\n")
		v.listen(at)
		return "", false
	case drones:
		return usual, v.write(code + "-" + strings.Repeat("x", 3000) + "\r\n" + usual)
	case rambles:
		for v.write(code + "-and another thing\r\n") {
		}
		return "", false
	case drips:
		for v.write(code[:1]) {
			select {
			case <-time.After(time.Minute):
			case <-v.f.release:
				return "", false
			}
		}
		return "", false
	case wavers:
		v.write(code + "-yes\r\n599 no\r\n")
		v.listen(at)
		return "", false
	case breaksOff:
		v.write(usual[:5])
		return "", false
	case echoes:
		return usual, v.write(usual + usual)
	case stutters:
		for i := range len(usual) {
			if !v.write(usual[i : i+1]) {
				return "", false
			}
		}
		return usual, true
	}
	panic("no such fault: " + v.f.fault)
}

// listen hears the client out and says nothing. In the text it does not even
// do that.
func (v *visit) listen(at place) {
	if at == inText {
		<-v.f.release
		return
	}
	_, _ = io.Copy(io.Discard, v.in)
}

func (v *visit) write(text string) bool {
	_, err := io.WriteString(v.conn, text)
	return err == nil
}

func (v *visit) serve() {
	if v.goesWrong(atConnect) {
		v.sound = true
		close(v.f.struck)
		return
	}
	if _, ok := v.say(atGreeting, "220 mail.example ready"); !ok {
		return
	}
	begun, waits := false, false // MAIL was accepted, RCPT was
	for {
		command, err := v.in.ReadString('\n')
		if err != nil {
			return
		}
		if !v.secured {
			v.f.mu.Lock()
			v.f.clear = append(v.f.clear, strings.TrimSpace(command))
			v.f.mu.Unlock()
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(command), " ")
		said, ok := "", true
		switch verb {
		case "EHLO":
			ok = v.hello()
		case "STARTTLS":
			if said, ok = v.say(atSecure, "220 go on"); ok && strings.HasPrefix(said, "220") {
				ok = v.secure()
			}
		case "AUTH":
			_, ok = v.say(atLogin, "235 2.7.0 welcome")
		case "MAIL":
			said, ok = v.say(atMail, "250 2.1.0 ok")
			begun, waits = strings.HasPrefix(said, "2"), false
		case "RCPT":
			said, ok = v.rcpt(begun)
			waits = waits || strings.HasPrefix(said, "2")
		case "DATA":
			if !waits {
				ok = v.write("503 5.5.1 no valid recipients\r\n")
			} else if said, ok = v.say(atData, "354 go on"); ok && strings.HasPrefix(said, "354") {
				ok = v.text()
			}
		case "RSET":
			_, ok = v.say(atReset, "250 2.0.0 ok")
			begun, waits = false, false
		case "QUIT":
			_, _ = v.say(atQuit, "221 2.0.0 bye")
			return
		default: // HELO, and "*", which gives a login up
			ok = v.write("250 mail.example\r\n")
		}
		if !ok {
			return
		}
	}
}

func (v *visit) hello() bool {
	at, lines := atHello, []string{"250-mail.example", "250-SIZE 1000000"}
	if v.f.pipelining {
		lines = append(lines, "250-PIPELINING")
	}
	if v.secured {
		at, lines = atHello2, append(lines, "250 AUTH PLAIN")
	} else {
		lines = append(lines, "250 STARTTLS")
	}
	_, ok := v.say(at, strings.Join(lines, "\n"))
	return ok
}

// secure agrees on TLS. What goes wrong here goes wrong behind the first bytes
// of the client's.
func (v *visit) secure() bool {
	conn := net.Conn(v.line)
	if v.goesWrong(atHandshake) {
		if _, err := v.in.Peek(20); err != nil {
			return false
		}
		if v.f.fault != stutters {
			_, ok := v.say(atHandshake, "\x16\x03\x03\x7f\xff")
			if ok {
				v.listen(atHandshake)
			}
			return false
		}
		v.sound, conn = true, &stutterer{v.line}
		close(v.f.struck)
	}
	// The client's first bytes may be in the buffer already.
	secured := tls.Server(&ahead{Conn: conn, in: v.in}, v.f.tls)
	if secured.Handshake() != nil {
		return false
	}
	v.conn, v.in, v.secured = secured, bufio.NewReader(secured), true
	return true
}

// ahead reads from a buffer over the connection.
type ahead struct {
	net.Conn
	in *bufio.Reader
}

func (a *ahead) Read(b []byte) (int, error) { return a.in.Read(b) }

// A stutterer writes single bytes.
type stutterer struct{ net.Conn }

func (s *stutterer) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := s.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func (v *visit) rcpt(begun bool) (said string, ok bool) {
	switch {
	case !begun:
		return "503", v.write("503 5.5.1 need MAIL\r\n")
	case v.goesWrong(atReset): // so that there is something to reset
		return "550", v.write("550 5.1.1 no such user\r\n")
	}
	return v.say(atRcpt, "250 2.1.5 ok")
}

// text reads a text up to the dot and answers that.
func (v *visit) text() bool {
	var text bytes.Buffer
	if before := map[place]int{inText: 20_000, afterText: v.f.expected}[v.f.at]; before > 0 && v.goesWrong(v.f.at) {
		if _, err := io.CopyN(&text, v.in, int64(before)); err != nil {
			return false
		}
		if v.f.at == afterText {
			<-v.f.committing
		}
		_, ok := v.say(v.f.at, "250 2.0.0 queued before it came")
		if ok && v.f.at == inText { // and reads no further
			<-v.f.release
			return false
		}
		if !ok {
			return false
		}
	}
	for !bytes.HasSuffix(text.Bytes(), []byte("\r\n.\r\n")) {
		part, err := v.in.ReadBytes('\n')
		if err != nil {
			return false
		}
		text.Write(part)
	}
	letter := strings.ReplaceAll("\r\n"+strings.TrimSuffix(text.String(), ".\r\n"), "\r\n.", "\r\n")[2:]
	v.f.mu.Lock()
	v.f.dots++
	v.f.mu.Unlock()
	refused := v.goesWrong(atDot) && slices.Contains([]fault{saysLater, leaves, refuses}, v.f.fault)
	if !refused {
		v.f.mu.Lock()
		v.f.taken = append(v.f.taken, letter)
		v.f.mu.Unlock()
	}
	if _, ok := v.say(atDot, "250 2.0.0 queued as 4711"); !ok {
		return false
	}
	if v.goesWrong(afterDot) {
		select { // until the client has read that
		case <-time.After(time.Second):
		case <-v.f.release:
			return false
		}
		_, ok := v.say(afterDot, "250 2.0.0 queued once more")
		return ok
	}
	return true
}
