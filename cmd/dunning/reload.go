package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"go.uber.org/zap"

	"dunning/internal/config"
	"dunning/invoices"
)

// glance is how often the files of the configuration are looked at. Looking at
// what they hold works where notices of the file system do not: over links,
// mounted secrets and network drives. Some small files every few seconds cost
// nothing.
const glance = 3 * time.Second

// watch reads the configuration again when its files change, or on SIGHUP, and
// hands over what comes of it, until ctx ends.
func (a *app) watch(ctx context.Context, h *house, next chan<- *works) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	tick := time.NewTicker(glance)
	defer tick.Stop()
	w := h.now.Load()
	seen := a.files(w.cfg)
	for {
		asked := false
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			asked = true
		case <-tick.C:
		}
		now := a.files(w.cfg)
		if now == seen && !asked {
			continue
		}
		over, err := a.takeOver(ctx, w)
		switch {
		case errors.Is(err, errAgain): // the database was away: try at the next glance
			continue
		case err != nil:
			seen = now
			w.refuse(ctx, err)
			continue
		}
		seen = now
		w.accept(ctx)
		if over == nil {
			w.log.Info("the configuration was read again; it says the same")
			continue
		}
		seen = a.files(over.cfg)
		select {
		case next <- over:
			w = over // which the house may not know yet
		case <-ctx.Done():
			over.post.Close()
			return nil
		}
	}
}

// errAgain says that a configuration is right, and could not be taken over now.
var errAgain = errors.New("try again")

// takeOver makes works of the configuration as it is now, on the database of
// those there are. It returns nil when it says the same.
func (a *app) takeOver(ctx context.Context, w *works) (*works, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	old := w.cfg
	for _, fixed := range []struct {
		name     string
		was, now string
	}{
		{"database.url", old.Database.URL.Reveal(), cfg.Database.URL.Reveal()},
		{"database.mark", old.Database.Mark, cfg.Database.Mark},
		{"costplus.mode", old.CostPlus.Mode, cfg.CostPlus.Mode},
		{"costplus.webhook_url", old.CostPlus.WebhookURL, cfg.CostPlus.WebhookURL},
		{"web.listen", old.Web.Listen, cfg.Web.Listen},
		{"web.webhook_listen", old.Web.WebhookListen, cfg.Web.WebhookListen},
	} {
		if fixed.was != fixed.now {
			return nil, fmt.Errorf("%s is another now; that is taken over only when the scheduler is started again, and nothing else of the edit before", fixed.name)
		}
	}
	over := &works{cfg: cfg, now: w.now, log: w.log, db: w.db, meters: w.meters}
	if over.letters, err = compile(cfg); err != nil {
		return nil, err
	}
	stamp, was := stampOf(cfg, over.letters), stampOf(old, w.letters)
	if stamp == was && w.sameSecrets(cfg) {
		return nil, nil
	}
	if err := over.key(); err != nil {
		return nil, err
	}
	if err := over.equip(); err != nil {
		return nil, err
	}
	w.db.Under(stamp)
	if err := w.db.Rungs(ctx, cfg.Policies.ByName, w.now(), true); err != nil {
		w.db.Under(was)
		over.post.Close()
		w.log.Warn("a new configuration could not be taken over yet", zap.Error(err))
		return nil, errAgain
	}
	w.log.Info("a new configuration was taken over", zap.String("before", was), zap.String("now", stamp))
	return over, nil
}

// wake has every account looked at again by the configuration of works that have
// taken over, as soon as the database lets it. Until ctx ends nothing else would
// work without it either.
func (w *works) wake(ctx context.Context) {
	stamp := stampOf(w.cfg, w.letters)
	for ctx.Err() == nil {
		err := w.db.Wake(ctx, stamp, w.now())
		if err == nil {
			return
		}
		w.log.Warn("a new configuration waits for the database", zap.Error(err))
		select {
		case <-ctx.Done():
		case <-time.After(glance):
		}
	}
}

// sameSecrets reports whether what the hash of a configuration leaves out is
// the same.
func (w *works) sameSecrets(cfg *config.Config) bool {
	return w.cfg.CostPlus.APIKey == cfg.CostPlus.APIKey && w.cfg.SMTP.Password == cfg.SMTP.Password &&
		slices.Equal(w.cfg.Mail.DKIM, cfg.Mail.DKIM)
}

// refuse tells of a configuration that is not right; the one before holds (R24).
func (w *works) refuse(ctx context.Context, err error) {
	w.meters.Reloaded(false)
	w.log.Error("the configuration was edited and is not right; the one before holds", zap.Error(err))
	_, alarm := w.db.Raise(ctx, invoices.Alarm{
		Kind: invoices.AlarmConfig, At: w.now(),
		Detail: "the configuration was edited and is not taken over; the one before holds: dunning check tells why",
	})
	if alarm != nil && ctx.Err() == nil {
		w.log.Warn("note that the configuration is not right", zap.Error(alarm))
	}
}

// accept notes that the configuration as it is now is the one in use.
func (w *works) accept(ctx context.Context) {
	w.meters.Reloaded(true)
	if _, err := w.db.Quiet(ctx, invoices.AlarmConfig, "", "", "the configuration is right again", w.now()); err != nil && ctx.Err() == nil {
		w.log.Warn("note that the configuration is right", zap.Error(err))
	}
}

// files digests all that the configuration is made of: its own file, those that
// it names, and the letters. What cannot be read is part of it, too.
func (a *app) files(cfg *config.Config) string {
	sum := sha256.New()
	add := func(name string) {
		text, err := config.ReadFile(name)
		fmt.Fprintf(sum, "%q %d %v\n", name, len(text), err != nil)
		sum.Write(text) // never fails
	}
	add(a.configPath)
	for _, name := range cfg.Files {
		add(name)
	}
	if cfg.Templates.Dir != "" {
		err := filepath.WalkDir(cfg.Templates.Dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				add(path)
			}
			return nil
		})
		fmt.Fprintln(sum, err != nil)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
