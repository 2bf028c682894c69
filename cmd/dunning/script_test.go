package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"dunning/internal/pgtest"
	"dunning/internal/sandbox"
)

// TestScripts plays testdata/script/*.txtar: command lines as people type them,
// on the real program, on both databases, against a sandbox of their own.
func TestScripts(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir: "testdata/script",
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					// approve approves what the last command asked to approve.
					"approve": func(ts *testscript.TestScript, _ bool, _ []string) {
						id := regexp.MustCompile(`dunning approve ([0-9a-f]{10})`).FindStringSubmatch(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
						if id == nil {
							ts.Fatalf("nothing is to be approved")
						}
						ts.Check(ts.Exec("dunning", "approve", id[1]))
					},
				},
				Setup: func(env *testscript.Env) error {
					url := "sqlite:dunning.db"
					if database == "postgres" {
						url = pgtest.Database(t)
					}
					box, err := sandbox.Start(sandbox.Options{Now: time.Now, Seed: 1})
					if err != nil {
						return err
					}
					env.Defer(func() {
						ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
						defer cancel()
						_ = box.Close(ctx)
					})
					host, port, err := net.SplitHostPort(box.Mail.Addr())
					if err != nil {
						return err
					}
					env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
					env.Setenv("DATABASE", url)
					env.Setenv("COSTPLUS", box.URL())
					env.Setenv("PAYMENT_HOST", strings.TrimPrefix(box.URL(), "http://"))
					env.Setenv("SMTP_HOST", host)
					env.Setenv("SMTP_PORT", port)
					env.Setenv("COSTPLUS_API_KEY", sandbox.DefaultKey)
					env.Setenv("TOMORROW", time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly))
					return nil
				},
			})
		})
	}
}
