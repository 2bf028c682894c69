package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dunning/internal/config"
	"dunning/internal/pgtest"
	"dunning/internal/sandbox"
	"dunning/internal/store"
	"dunning/invoices"
	"dunning/jobs"
	"dunning/mailer"
)

// setting matches a value of the configuration in the examples: what follows a
// colon, up to what ends it.
var setting = regexp.MustCompile(`(?m)^(\s*(?:- )?[a-z_-]+: *)([^\s{\[#|>][^#\n]*?)( *(?:#.*)?)$|([{,] *[a-z_]+: *)("[^"\n]*"|[^\s"{}\[\],][^{}\[\],\n]*)`)

// TestR25_ReferencesAnywhere puts a reference to a secret in place of every
// value of the example configuration, one after the other, and the secret itself
// in place of those that are secret. No message repeats it, wrong as the value
// may be there.
func TestR25_ReferencesAnywhere(t *testing.T) {
	text, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	env := func(name string) (string, bool) { return keyCanary, name != "UNSET" }
	read := func(path string) ([]byte, error) {
		if strings.HasSuffix(path, "absent") {
			return nil, os.ErrNotExist
		}
		return []byte(smtpCanary + "\n"), nil
	}
	tried, wrong := 0, 0
	for _, at := range setting.FindAllSubmatchIndex(text, -1) {
		from, to := at[4], at[5]
		if from < 0 {
			from, to = at[10], at[11]
		}
		for _, value := range []string{`"${CANARY}"`, `"${file:canary}"`, `"5 ${CANARY} days"`, `"https://me:${CANARY}@host/${file:canary}"`} {
			changed := slices.Concat(text[:from], []byte(value), text[to:])
			_, err := config.Parse("config.yaml", changed, env, read)
			tried++
			if err == nil {
				continue
			}
			wrong++
			if found := sung(err.Error(), secretWords); len(found) > 0 {
				t.Errorf("%s for %s gives away %q:\n%v", value, text[from:to], found, err)
			}
		}
	}
	t.Logf("%d values were tried, %d were wrong", tried, wrong)
	if tried < 200 || wrong < tried/2 {
		t.Errorf("%d values were tried and %d were wrong: the test proves little", tried, wrong)
	}
}

// TestR25_SecretsWrittenOut: secrets that stand in the configuration itself,
// with mistakes around them.
func TestR25_SecretsWrittenOut(t *testing.T) {
	a := newAviary(t, "sqlite:dunning.db", sandbox.MailOptions{})
	good := a.read("config.yaml")
	key, password := `'siskinkey"%+/&<1>'`, `"finchword%+/ p"`
	for _, row := range []struct{ says, old, new string }{
		{"a key with a colon in it", `"${COSTPLUS_API_KEY}"`, `"siskinkey:1"`},
		{"a key and a typing mistake in its name", `api_key: "${COSTPLUS_API_KEY}"`, `apikey: ` + key},
		{"a password without its name", `password: "${file:smtp.secret}"`, password},
		{"a typing mistake in the name of the password", `password: "${file:smtp.secret}"`, `pasword: ` + password},
		{"another name for the password", `password: "${file:smtp.secret}"`, `pw: ` + password},
		{"a password and no user", `username: billing, password: "${file:smtp.secret}"`, `password: ` + password},
		{"a quote that is not closed", `password: "${file:smtp.secret}"`, `password: "finchword`},
		{"a reference that is not closed", `password: "${file:smtp.secret}"`, `password: "${finchword"`},
		{"a file that is not there", `${file:smtp.secret}`, `${file:secrets/absent}`},
		{"a variable that is not there", `${COSTPLUS_API_KEY}`, `${COSTPLUS_KEY}`},
		{"a key of the mail server's relay as another section", `timezone: UTC`, "timezone: UTC\ndkim: {private_key: \"-----BEGIN PRIVATE KEY-----" + dkimCanary + "\"}"},
		{"a database of no kind", `url: "sqlite:dunning.db"`, `url: "mysql://me:linnetword@host/db"`},
		{"a password with an @ and a slash in it", `url: "sqlite:dunning.db"`, `url: "postgres://me:linnetword%zz@host/db"`},
		{"settings in the manner of libpq", `url: "sqlite:dunning.db"`, `url: "host=localhost password=linnetword"`},
		{"sslmode is unknown", `url: "sqlite:dunning.db"`, `url: "postgres://me:${DB_PASSWORD}@127.0.0.1:1/db?sslmode=maybe"`},
		{"the URL holds the password twice", `url: "sqlite:dunning.db"`, `url: "postgres://me:${DB_PASSWORD}@127.0.0.1:1/db?password=linnetword&sslmode=disable"`},
		{"an address with a login", `base_url: "` + a.box.URL() + `"`, `base_url: "https://siskinkey:finchword@api.example"`},
		{"a payment host with a login", `payment_hosts: [`, `payment_hosts: ["siskinkey:finchword@host", `},
	} {
		if !strings.Contains(good, row.old) {
			t.Fatalf("the configuration has no %q", row.old)
		}
		a.write("config.yaml", strings.Replace(good, row.old, row.new, 1))
		for _, args := range [][]string{{"check"}, {"check", "--online"}, {"job", "import"}, {"run"}, {"attention"}} {
			a.logs(row.says, args...)
		}
	}
}

// TestR25_DatabasesThatFail: a database that refuses, that is not there, that is
// no database, and one that goes away in the middle.
func TestR25_DatabasesThatFail(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	right := server.Database(t, "good", "")
	a := newAviary(t, right, sandbox.MailOptions{})
	good := a.read("config.yaml")
	a.owe(8, "A")
	a.write("nodatabase.db", strings.Repeat("siskinkey finchword goldcrest ", 100))
	if err := os.Mkdir(filepath.Join(a.dir, "folder.db"), 0o755); err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprint("127.0.0.1:", server.Port())
	for _, row := range []struct{ says, url string }{
		{"the password is wrong", "postgres://dunning:${DB_PASSWORD}@" + at + "/good?sslmode=disable"},
		{"the user does not exist", "postgres://somebody:${DB_PASSWORD}@" + at + "/good?sslmode=disable"},
		{"the database does not exist", strings.Replace(right, "/good", "/absent", 1)},
		{"the server speaks no TLS", strings.Replace(right, "sslmode=disable", "sslmode=require", 1)},
		{"nobody listens", "postgres://dunning:${DB_PASSWORD}@" + freeAddress(t) + "/good?sslmode=disable"},
		{"the host has no address", "postgres://dunning:${DB_PASSWORD}@nowhere.invalid/good?sslmode=disable"},
		{"a setting that the server does not know", right + "&finch_word=1"},
		{"the server repeats the password", "postgres://dunning:${DB_PASSWORD}@" + parrotDatabase(t) + "/good?sslmode=disable"},
		{"a file that is no database", "sqlite:nodatabase.db"},
		{"a folder", "sqlite:folder.db"},
		{"a folder that is not there", "sqlite:nofolder/dunning.db"},
	} {
		a.write("config.yaml", strings.Replace(good, right, row.url, 1))
		for _, args := range [][]string{{"check", "--online"}, {"run"}} {
			if out := a.logs(row.says, args...); !strings.Contains(out, "exit status") {
				t.Errorf("%s: dunning %v did not fail:\n%s", row.says, args, out)
			}
		}
	}
	a.write("config.yaml", good)
	a.logs("set up", "job", "import", "create-links")
	if _, err := a.box.Mail.AddFault(sandbox.MailFault{Phase: sandbox.AtAccepted, Do: sandbox.Stall, Pause: sandbox.Pause(500 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	log := &safeBuffer{}
	cmd := a.start("job", "email-links")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	eventually(t, "letters wait for the answer to their dot", func() bool { return len(a.box.Mail.Mails()) > 0 })
	if err := server.Crash(); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if err == nil {
		t.Error("the job did not fail although its database was gone")
	}
	a.quiet("the database is gone", fmt.Sprint(log, err))
}

// parrotDatabase answers every login with an error that repeats the password,
// which it asks for in the clear.
func parrotDatabase(t *testing.T) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // it was closed
			}
			go func() {
				defer c.Close()
				b := make([]byte, 4096)
				if _, err := c.Read(b); err != nil { // who it is
					return
				}
				_, _ = c.Write([]byte("R\x00\x00\x00\x08\x00\x00\x00\x03")) // AuthenticationCleartextPassword
				n, err := c.Read(b)
				if err != nil || n < 6 {
					return
				}
				fields := "SFATAL\x00C28P01\x00Mpassword authentication failed for " + string(b[5:n-1]) + "\x00\x00"
				_, _ = c.Write(append([]byte{'E', 0, 0, 0, byte(len(fields) + 4)}, fields...))
			}()
		}
	}()
	return l.Addr().String()
}

// babbling is a port of the worker whose own fault quotes a customer.
type babbling struct{ jobs.Texts }

func (babbling) Write(d invoices.Draft) (invoices.Text, error) {
	panic(fmt.Errorf("%s owes for %s: %s", d.Customer, d.Lines[0].Description, d.Lines[0].URL))
}

// TestR25_Panics: what panics may hold anything; its type and the place are
// logged, whether it happens to a customer's account or outside of any.
func TestR25_Panics(t *testing.T) {
	a := newAviary(t, "sqlite:dunning.db", sandbox.MailOptions{})
	a.owe(1, "A")
	a.logs("set up", "job", "import", "create-links")
	t.Setenv("COSTPLUS_API_KEY", keyCanary)
	var log safeBuffer
	program := &app{stdout: &log, stderr: &log, now: time.Now, configPath: filepath.Join(a.dir, "config.yaml")}
	w, err := program.open(t.Context(), acting)
	if err != nil {
		t.Fatal(err)
	}
	w.worker.Texts = babbling{w.letters}
	job, err := jobs.Find("email-links")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.roster.Run(t.Context(), jobs.Order{Job: job}, time.Now()); err == nil {
		t.Error("a panic is no error")
	} else {
		a.quiet("the error of the run", err.Error())
	}
	w.roster.Load = func(context.Context) (jobs.Tally, error) { panic(errors.New(customerName(0) + " " + keyCanary)) }
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := w.run(ctx, nil)
		ended <- err
	}()
	eventually(t, "the job has panicked", func() bool { return strings.Contains(log.String(), "a job panicked") })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.close()
	text := log.String()
	for _, want := range []string{"this is a bug", "babbling.Write", "a job panicked", "*errors.errorString"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q:\n%s", want, text)
		}
	}
	a.quiet("the log", text)
	a.books()
}

// TestR25_Options: what holds a secret in memory shows it to no way of printing,
// and what refuses a secret does not repeat it.
func TestR25_Options(t *testing.T) {
	key := "-----BEGIN PRIVATE KEY-----\n" + dkimCanary + "\n-----END PRIVATE KEY-----\n"
	o := mailer.Options{
		Host: "127.0.0.1", Security: mailer.None, From: "billing@example.com", Now: time.Now,
		Username: "billing", Password: smtpCanary,
	}
	pool, err := mailer.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	o.DKIM = []mailer.DKIMKey{{Domain: "example.com", Selector: "s", PEM: []byte(key)}}
	_, wrong := mailer.New(o)
	if wrong == nil {
		t.Error("a key that is none was taken")
	}
	_, gone := store.Open(t.Context(), store.Options{URL: "postgres://me:linnetword%zz@host/db"})
	for _, v := range []any{o, &o, pool, o.DKIM, o.DKIM[0], wrong, gone} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if found := sung(fmt.Sprintf(verb, v), secretWords); len(found) > 0 {
				t.Errorf("%T in %s gives away %q", v, verb, found)
			}
		}
	}
}
