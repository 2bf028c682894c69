package mailer

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that no test leaves a goroutine behind: a connection that is
// given up takes its watchdog and its ear with it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
