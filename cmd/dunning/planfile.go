package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"dunning/internal/config"
	"dunning/internal/money"
	"dunning/internal/store"
	"dunning/invoices"
	"dunning/jobs"
)

// A planFile is a plan that a person can look at, keep and carry out: letters by
// id, with a digest of what each says.
type planFile struct {
	ID      string        `json:"id"` // made from the letters; another list is another plan
	At      time.Time     `json:"made_at"`
	Config  string        `json:"config"` // what decided and what is said: configuration and letters
	Letters []plannedMail `json:"letters"`
}

type plannedMail struct {
	Letter   string        `json:"letter"`
	At       time.Time     `json:"at"`
	Account  string        `json:"account"`
	Template string        `json:"template"`
	Text     string        `json:"text"` // digest of what it says, but for its payment links
	Items    []plannedItem `json:"items"`
}

type plannedItem struct {
	Invoice  string `json:"invoice"`
	Episode  int    `json:"episode"`
	Step     string `json:"step"`
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// announce adds a letter. One that cannot be written would not be sent either,
// and is left out.
func (p *planFile) announce(w *works, f invoices.Forecast) error {
	worker := jobs.Worker{
		Policies: w.cfg.Policies, Texts: w.letters, Salt: w.db.Salt(), Language: w.cfg.Mail.Language,
		Test: w.cfg.CostPlus.Mode == "test", Bank: w.cfg.Mail.Bank,
	}
	told, err := worker.Announce(f.Account, f.Decision, f.At)
	if err != nil {
		return fmt.Errorf("the letter about %s cannot be written: %w", f.Decision.Items[0].Invoice, err)
	}
	m := plannedMail{Letter: told.ID, At: f.At, Account: told.Account, Template: told.Template, Text: told.Text}
	for _, it := range told.Items {
		m.Items = append(m.Items, plannedItem{it.Invoice, it.Episode, it.Step, it.Amount.Decimal(), it.Amount.Currency})
	}
	p.Letters = append(p.Letters, m)
	return nil
}

// digest names the plan by what it holds.
func (p *planFile) digest() (string, error) {
	text, err := json.Marshal(p.Letters)
	sum := sha256.Sum256(append([]byte(p.Config+"\n"), text...))
	return hex.EncodeToString(sum[:])[:10], err
}

// write writes the plan into a file that is not there yet.
func (p *planFile) write(name string) error {
	var err error
	if p.ID, err = p.digest(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return wrong("there is a %s already; it was not touched", name)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Close())
}

// plan returns the plan of a file, or one that a run proposed, by its id.
func (w *works) plan(ctx context.Context, name string) (*invoices.Plan, error) {
	text, err := os.ReadFile(filepath.Clean(name))
	if errors.Is(err, fs.ErrNotExist) {
		p, err := w.db.Plan(ctx, name)
		if errors.Is(err, store.ErrUnknown) {
			return nil, wrong("there is no plan %s: neither a file of this name nor one that a run proposed", name)
		}
		return &p, failed(err)
	}
	if err != nil {
		return nil, failed(err)
	}
	if len(text) > 64*config.LargestFile {
		return nil, wrong("%s: %v", name, errNoPlan)
	}
	var f planFile
	if err := json.Unmarshal(text, &f); err != nil || f.ID == "" {
		return nil, wrong("%s: %v", name, errNoPlan)
	}
	if id, err := f.digest(); err != nil || id != f.ID {
		return nil, wrong("%s was changed after it was made; make it anew with: dunning plan --out FILE", name)
	}
	p := &invoices.Plan{ID: f.ID, At: f.At, Letters: len(f.Letters), Texts: map[string]string{}}
	for _, l := range f.Letters {
		p.Texts[l.Letter] = l.Text
		for _, it := range l.Items {
			amount, err := money.Parse(it.Amount, it.Currency)
			if err != nil {
				return nil, wrong("%s: %v", name, err)
			}
			p.Items = append(p.Items, invoices.Item{Invoice: it.Invoice, Episode: it.Episode, Step: it.Step, Amount: amount})
		}
	}
	return p, nil
}
