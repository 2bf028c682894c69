package main

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dunning/internal/sandbox"
)

// mailFaults meets every fault in every phase of a conversation with the mail
// server, which repeats what it was told as real ones do.
func mailFaults(t *testing.T, database string) {
	a := newAviary(t, database, sandbox.MailOptions{})
	var faults []sandbox.MailFault
	all := []sandbox.MailPhase{
		sandbox.AtConnect, sandbox.AtGreeting, sandbox.AtHello, sandbox.AtAuth, sandbox.AtMail, sandbox.AtRcpt,
		sandbox.AtData, sandbox.AtBody, sandbox.AtDot, sandbox.AtAccepted, sandbox.AtReset, sandbox.AtQuit,
	}
	for _, phase := range all {
		faults = append(faults, sandbox.MailFault{Phase: phase, Do: sandbox.Drop})
		if phase == sandbox.AtConnect {
			continue
		}
		pause := 30 * time.Millisecond
		if phase == sandbox.AtDot || phase == sandbox.AtAccepted {
			pause = 1100 * time.Millisecond // longer than we wait
		}
		faults = append(faults, sandbox.MailFault{Phase: phase, Do: sandbox.Stall, Pause: sandbox.Pause(pause)})
		if phase == sandbox.AtBody || phase == sandbox.AtAccepted {
			continue
		}
		for i, what := range slices.Sorted(maps.Keys(mailCries)) {
			if (i+len(faults))%2 == 0 { // the next phase says it
				continue
			}
			code := []int{421, 450, 550}[(i+len(faults))%3]
			faults = append(faults, sandbox.MailFault{Phase: phase, Do: sandbox.Reply, Code: code, Text: what})
		}
	}
	a.owe(len(faults), "A")
	a.logs("set up", "job", "import", "create-links")
	urls := map[string]string{}
	for _, l := range a.box.Pay.Links() {
		number, _, _ := strings.Cut(l.MerchantOrderID, "-L")
		urls[number] = l.PaymentURL
	}
	for i, f := range faults {
		if cry := mailCries[f.Text]; cry != nil {
			f.Text = cry(i, urls[fmt.Sprintf("A%03d", i)])
		}
		if _, err := a.box.Mail.AddFault(f); err != nil {
			t.Fatal(err)
		}
		a.logs(fmt.Sprintf("%+v", f), "job", "--account", account(i), "email-links")
		a.box.Mail.ClearFaults()
		if i%16 == 0 { // letters refused in a row stop all letters
			a.shows("go on", "resume", "--reason", "test")
		}
	}
	if err := a.box.Mail.Down(); err != nil {
		t.Fatal(err)
	}
	a.logs("nobody listens", "job", "email-links")
	a.shows("nobody listens", "check", "--online")
	if err := a.box.Mail.Up(); err != nil {
		t.Fatal(err)
	}
	a.write("smtp.secret", "finchword but wrong\n")
	a.shows("a wrong password", "check", "--online")
	a.logs("a wrong password", "job", "email-links")
	a.shows("afterwards", "attention")
	a.shows("afterwards", "explain", "A003")
	if events := a.books(); events < 2*len(faults) {
		t.Errorf("only %d events: the faults were not met", events)
	}
}

// mailCries are what mail servers say back, of the i-th customer and the link
// in the letter.
var mailCries = map[string]func(i int, link string) string{
	"the address as most servers write it": func(i int, _ string) string {
		return fmt.Sprintf("5.1.1 <%s>: Recipient address rejected: User unknown in virtual mailbox table", customerMail(i))
	},
	"the address in other ways": func(i int, _ string) string {
		local, domain, _ := strings.Cut(customerMail(i), "@")
		return fmt.Sprintf("5.1.1 %s... User unknown; see https://support.example/?to=%s%%40%s, %s at %s, srs0=x=%s=%s@example.com", local, local, domain, local, domain, domain, local)
	},
	"a link that a filter did not like": func(_ int, link string) string {
		return fmt.Sprintf("5.7.1 URL %s or %s is listed; %s", link, strings.TrimPrefix(link, "http://"), strings.ReplaceAll(link, "/", "%2F"))
	},
	"the text of the letter": func(i int, _ string) string {
		return fmt.Sprintf("5.7.1 spam: Dear %s, %s", customerName(i), invoiceText(i))
	},
	"the login": func(int, string) string {
		return "5.7.8 bad login billing/" + smtpCanary
	},
	"the login as it was sent": func(int, string) string {
		return "5.7.8 bad: " + base64.StdEncoding.EncodeToString([]byte("\x00billing\x00"+smtpCanary)) + " " + base64.StdEncoding.EncodeToString([]byte(smtpCanary))
	},
	"the login in quotes": func(int, string) string {
		return fmt.Sprintf("5.7.8 bad: %q or %s", smtpCanary, inJSON(smtpCanary))
	},
}

// wrongBooks reads lists of invoices with something wrong in them. People who
// read one by hand are shown what stands there; the job that runs unattended
// says where it stands.
func wrongBooks(t *testing.T, database string) {
	a := newAviary(t, database, sandbox.MailOptions{})
	good := csvRow("A000", 0)
	a.write("inbox/invoices.csv", csvHeader+good)
	a.logs("set up", "job", "import")
	for _, row := range []struct{ says, text string }{
		{"an address without a dot in its domain", csvHeader + strings.Replace(good, "dunnock.example", "dunnock", 1)},
		{"an address with a name", csvHeader + strings.Replace(good, customerMail(0), customerName(0)+" <"+customerMail(0)+">", 1)},
		{"a name with a line feed that hides", csvHeader + strings.Replace(good, "Goldcrest0", "Goldcrest0\u202e", 1)},
		{"a description with a bell in it", csvHeader + strings.Replace(good, "Nightjartext0", "Nightjartext0\a", 1)},
		{"a name that is too long", csvHeader + strings.Replace(good, "Goldcrest0", strings.Repeat("Goldcrest0 ", 30), 1)},
		{"no header", good},
		{"a header with a name of ours missing", strings.Replace(csvHeader, "total", "amount", 1) + good},
		{"cells that moved to the right", csvHeader + strings.Replace(good, "A000,", "A000,,", 1)},
		{"cells that moved to the left", csvHeader + strings.Replace(good, "C000,", "", 1)},
		{"one customer told in two ways", csvHeader + good + strings.Replace(strings.Replace(good, "A000", "A001", 1), "Goldcrest0", "Goldcrest1", 1)},
		{"a description where the status is", strings.Replace(csvHeader, "description", "currency", 1) + good},
		{"a description where the language is", strings.Replace(csvHeader, "description", "language", 1) + good},
		{"a description where the policy is", strings.Replace(csvHeader, "description", "policy", 1) + good},
		{"a description where the date is", strings.Replace(strings.Replace(csvHeader, "due_on", "extra", 1), "description", "due_on", 1) + good},
		{"an address where the amount is", strings.Replace(strings.Replace(csvHeader, "total", "extra", 1), "description", "total", 1) + strings.Replace(good, "Nightjar", customerMail(0), 1)},
		{"a quote that is never closed", csvHeader + strings.Replace(good, csvCell(invoiceText(0)), `"`+invoiceText(0), 1)},
		{"what is not UTF-8", csvHeader + strings.Replace(good, "Nightjartext0", "Nightjartext0\xff", 1)},
		{"a column nobody knows", strings.Replace(csvHeader, "description", "remark", 1) + good},
	} {
		a.write("inbox/invoices.csv", row.text)
		if out := a.logs(row.says, "job", "import"); strings.Contains(out, "import: source") && !strings.Contains(out, "invoices.csv") {
			t.Errorf("%s: the log does not say which file is wrong:\n%s", row.says, out)
		}
		a.shows(row.says, "import", "--dry-run")
		a.shows(row.says, "import", filepath.Join(a.dir, "inbox/invoices.csv"))
	}
	a.shows("afterwards", "attention")
	a.books()
}

// schedulerWatched lets the scheduler run into faults, asks it for its health
// and its numbers, and kills it with a signal on which Go writes the stacks of
// everything that was under way: letters, calls, transactions.
func schedulerWatched(t *testing.T, database string) {
	const n = 40
	a := newAviary(t, database, sandbox.MailOptions{})
	a.owe(n, "A")
	for _, f := range []sandbox.Fault{
		{Kind: sandbox.Refuse, Status: 422, Probability: 0.2}, {Kind: sandbox.HTMLBody, Probability: 0.2},
	} {
		a.fault(f)
	}
	for _, f := range []sandbox.MailFault{
		{Phase: sandbox.AtRcpt, Do: sandbox.Reply, Code: 450, Text: "4.1.1 <" + customerMail(3) + "> later", Recipient: customerMail(3)},
		{Phase: sandbox.AtRcpt, Do: sandbox.Reply, Code: 550, Text: "5.1.1 <" + customerMail(4) + "> unknown", Recipient: customerMail(4)},
		{Phase: sandbox.AtAccepted, Do: sandbox.Stall, Pause: sandbox.Pause(5 * time.Second)},
	} {
		if _, err := a.box.Mail.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	a.edit("timeout: 1 second}\nmail", "timeout: 60 seconds}\nmail")
	log := &safeBuffer{}
	cmd := a.start("run")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	eventually(t, "letters wait for the answer to their dot", func() bool { return len(a.box.Mail.Mails()) >= 4 })
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		code, text := get(t, "http://"+a.health+path)
		if code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
		a.quiet(path, text)
	}
	for _, l := range a.box.Pay.Links()[:3] {
		if _, err := a.box.Pay.Pay(l.ID); err != nil { // webhooks are called
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/costplus/" + strings.Repeat("Z", 26), "/" + strings.ReplaceAll(customerMail(1), "@", "%40"), "/costplus/x?key=siskinkey"} {
		if code, _ := get(t, "http://"+a.hooks+path); code != http.StatusOK {
			t.Errorf("a forged call to %s: %d", path, code)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it ends with 2, as Go does
	text := log.String()
	for _, want := range []string{"SIGQUIT", "goroutine ", "mailer.(*session).dot", `"msg":"try failed"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the crash dump lacks %q: nothing was under way\n%s", want, text)
		}
	}
	a.quiet("log and crash dump", text)
	a.books()
}

// TestR25_MailServerCertificates: TLS that cannot be had tells nothing of the
// login that was not given.
func TestR25_MailServerCertificates(t *testing.T) {
	a := newAviary(t, "sqlite:dunning.db", sandbox.MailOptions{Security: sandbox.StartTLS})
	a.owe(3, "A")
	a.edit("security: none", "security: starttls")
	a.logs("the certificate is not trusted", "job", "import", "create-links", "email-links")
	a.shows("the certificate is not trusted", "check", "--online")
	a.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.box.Mail.Certificate().Raw})))
	a.edit("security: starttls", "security: starttls, ca_file: ca.pem")
	for _, f := range []sandbox.MailFault{
		{Phase: sandbox.AtStartTLS, Do: sandbox.Drop},
		{Phase: sandbox.AtStartTLS, Do: sandbox.Reply, Code: 454, Text: "4.7.0 " + smtpCanary},
		{Phase: sandbox.AtStartTLS, Do: sandbox.Reply, Code: 554, Text: "5.7.0 " + customerMail(0)},
		{Phase: sandbox.AtAuth, Do: sandbox.Reply, Code: 535, Text: "5.7.8 " + base64.StdEncoding.EncodeToString([]byte(smtpCanary))},
	} {
		if _, err := a.box.Mail.AddFault(f); err != nil {
			t.Fatal(err)
		}
		a.logs(fmt.Sprintf("%+v", f), "job", "email-links")
		a.shows(fmt.Sprintf("%+v", f), "check", "--online")
		a.box.Mail.ClearFaults()
	}
	a.logs("all is well", "job", "email-links")
	if n := len(a.box.Mail.Mails()); n != 3 {
		t.Errorf("%d letters arrived; want 3", n)
	}
	a.books()
}

// TestR25_ProxyPassword: the password of a proxy, which Go reads from the
// environment, stays out of what is said about the proxy.
func TestR25_ProxyPassword(t *testing.T) {
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Proxy-Authenticate", r.Header.Get("Proxy-Authorization"))
		http.Error(w, "407 "+r.Header.Get("Proxy-Authorization"), http.StatusProxyAuthRequired)
	})}
	go func() { _ = server.Serve(refusing) }()
	t.Cleanup(func() { _ = server.Close() })
	a := newAviary(t, "sqlite:dunning.db", sandbox.MailOptions{})
	a.owe(4, "A")
	a.logs("set up", "job", "import")
	a.edit(`base_url: "`+a.box.URL()+`"`, `base_url: "https://api.elsewhere.example"`)
	for i, proxy := range []string{
		"http://user:" + proxyCanary + "@" + refusing.Addr().String(),
		"http://user:" + proxyCanary + "@" + freeAddress(t),
		"http://user:" + proxyCanary + "%zz@127.0.0.1:1",
		"socks5://user:" + proxyCanary + "@" + freeAddress(t),
	} {
		a.env = append(a.env, "HTTPS_PROXY="+proxy)
		a.shows(proxy, "check", "--online")
		if out := a.logs(proxy, "job", "--account", account(i), "create-links"); !strings.Contains(out, "make payment link") {
			t.Errorf("%s was not met:\n%s", proxy, out)
		}
	}
	a.books()
}
