package main

import (
	"encoding/json"
	"strings"
	"testing"

	"dunning/internal/pgtest"
	"dunning/internal/sandbox"
)

// TestR02_ADoubtIsSettled lets the mail server break off after it took a
// letter. Attention tells what was said, and a person settles it: as sent, once
// more with the same bytes, or anew.
func TestR02_ADoubtIsSettled(t *testing.T) {
	for _, tt := range []struct {
		says, how string
		arrives   int // mails in the end
		same      bool
	}{
		{"it arrived", "--sent", 1, true},
		{"once more, the same bytes", "--resend", 2, true},
		{"written anew", "--anew", 2, false},
		{"let it be", "--skip", 1, true},
	} {
		for _, database := range []string{"sqlite", "postgres"} {
			t.Run(database+"/"+tt.how, func(t *testing.T) {
				t.Parallel()
				url := "sqlite:dunning.db"
				if database == "postgres" {
					url = pgtest.Database(t)
				}
				w := newTown(t, url, 1)
				if _, err := w.box.Mail.AddFault(sandbox.MailFault{Phase: sandbox.AtAccepted, Do: sandbox.Drop, Times: 1}); err != nil {
					t.Fatal(err)
				}
				w.run("import")
				w.run(everyJob...)
				var list []concern
				if err := json.Unmarshal([]byte(w.run("attention", "--json")), &list); err != nil {
					t.Fatal(err)
				}
				if len(list) != 1 || list[0].Kind != "uncertain" || list[0].Letter == nil {
					t.Fatalf("attention says %+v", list)
				}
				said := strings.Join(list[0].Letter.Dialogue, "\n")
				if !strings.Contains(said, "> MAIL FROM") || !strings.Contains(said, "< 354") || !strings.Contains(said, "the final dot)\n< (") {
					t.Errorf("the dialogue is\n%s", said)
				}
				if text := w.run("attention"); !strings.Contains(text, list[0].Letter.MessageID) || !strings.Contains(text, "> MAIL FROM") {
					t.Errorf("on the terminal:\n%s", text)
				}
				w.run("settle", list[0].Invoice, tt.how, "--reason", "looked it up")
				w.run(everyJob...)
				w.run(everyJob...)
				mails := w.box.Mail.Mails()
				if len(mails) != tt.arrives {
					t.Fatalf("%s: %d mails arrived", tt.says, len(mails))
				}
				var raw []string
				for _, m := range mails {
					b, err := w.box.Mail.Raw(m.N)
					if err != nil {
						t.Fatal(err)
					}
					raw = append(raw, string(b))
					if m.MessageID != mails[0].MessageID {
						t.Errorf("%s: another Message-ID", tt.says)
					}
				}
				if tt.same && raw[0] != raw[len(raw)-1] {
					t.Errorf("%s: the bytes differ", tt.says)
				}
				if text := w.run("attention"); !strings.Contains(text, "nothing needs a person") {
					t.Errorf("%s: attention says\n%s", tt.says, text)
				}
			})
		}
	}
}
