package main

import (
	"strings"
	"testing"
)

// TestDemo lives three weeks with a few customers: letters leave, some pay, and
// the books balance.
func TestDemo(t *testing.T) {
	w := newTown(t, "sqlite:unused.db", 1)
	text := w.run("demo", "--days", "21", "--invoices", "6", "--dir", w.dir+"/demo")
	if strings.Contains(text, "mails accepted       0") || !strings.Contains(text, "mails accepted") {
		t.Errorf("the demo sends no mail:\n%s", text)
	}
	if strings.Contains(text, "invoices paid        0") {
		t.Errorf("nobody pays in the demo:\n%s", text)
	}
}
