package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestR24_Reload edits the configuration of a scheduler at work: a good one is
// taken over, a bad one changes nothing and is told, and what cannot change is
// refused.
func TestR24_Reload(t *testing.T) {
	w := newTown(t, "sqlite:dunning.db", 2)
	cmd, health, _, log := w.scheduler()
	eventually(t, "two letters", func() bool { return len(w.box.Mail.Mails()) == 2 })
	logged := func(text string, times int) func() bool {
		return func() bool { return strings.Count(log.String(), text) == times }
	}
	reloaded := func(value string) func() bool {
		return func() bool {
			_, text := get(t, health+"/metrics")
			return strings.Contains(text, "dunning_config_reload_success "+value)
		}
	}
	right := w.read("config.yaml")
	if !strings.Contains(right, "min_gap: 1 day") {
		t.Fatal("the configuration is another than this test knows")
	}
	w.write("config.yaml", strings.Replace(right, "min_gap: 1 day", "min_gap: 2 days", 1))
	eventually(t, "the edit is taken over by itself", logged("a new configuration was taken over", 1))
	eventually(t, "and jobs run by it", logged(`"msg":"started"`, 2))

	w.write("config.yaml", strings.Replace(right, "min_gap: 1 day", "min_gap: 2", 1))
	eventually(t, "a mistake is told", logged("is not right; the one before holds", 1))
	if !strings.Contains(log.String(), `sending.min_gap: \"2\" has no unit`) {
		t.Errorf("the log does not say what is wrong:\n%s", log)
	}
	eventually(t, "the metric says so", reloaded("0"))

	w.write("config.yaml", right)
	eventually(t, "the right one is taken over", logged("a new configuration was taken over", 2))
	eventually(t, "the metric says so", reloaded("1"))

	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is read again when it is told to", logged("it says the same", 1))

	w.write("config.yaml", strings.Replace(right, "dunning.db", "other.db", 1))
	eventually(t, "another database is refused", logged("database.url is another now", 1))
	w.write("config.yaml", right)
	eventually(t, "and all is well again", logged("it says the same", 2))
	if text := w.run("attention"); !strings.Contains(text, "nothing needs a person") {
		t.Errorf("attention: %s", text)
	}

	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, log)
	}
}
