// Package jobs is the hands: it claims accounts that are due, does what the
// policy says, and records what happened.
//
// A job is a name and the acts it may perform; there is one loop for all of
// them ([Worker.Chase]): claim, decide, commit the intent, act, commit the
// fact, decide again, until the policy says "wait until t". A decision that the
// job may not carry out is left in the account's row for the job that may. So
// no job waits for another, nothing is handed over in memory, and a crash at
// any point leaves rows that the next decision reads like any others.
package jobs

import (
	"fmt"
	"slices"
	"strings"

	"dunning/invoices"
)

// A Job is a name and the acts it may perform.
type Job struct {
	Name string
	Does string // for help
	May  []invoices.Act
}

// Import is the job that loads the sources; it acts on rows, not on accounts.
const Import = "import"

// All is every job, in the order in which a scan runs them.
var All = []Job{
	{Import, "load the sources", nil},
	{"poll-links", "ask Cost+ about every link that is not final", []invoices.Act{invoices.Check}},
	{"create-links", "make the payment links that steps will need", []invoices.Act{invoices.MakeLink}},
	{"renew-links", "replace links that ended unpaid", []invoices.Act{invoices.Check, invoices.RenewLink}},
	{"email-links", "send the first letter of each invoice", []invoices.Act{invoices.Check, invoices.MakeLink, invoices.Email, invoices.Again}},
	{"send-reminders", "send the reminders", []invoices.Act{invoices.Check, invoices.MakeLink, invoices.RenewLink, invoices.Remind, invoices.Again}},
}

// Find returns the job with a name.
func Find(name string) (Job, error) {
	i := slices.IndexFunc(All, func(j Job) bool { return j.Name == name })
	if i < 0 {
		return Job{}, fmt.Errorf("there is no job %q; the jobs are %s", name, strings.Join(Names(), ", "))
	}
	return All[i], nil
}

// Names returns the names of all jobs, in the order in which a scan runs them.
func Names() []string {
	names := make([]string, len(All))
	for i, j := range All {
		names[i] = j.Name
	}
	return names
}

// sends reports whether the job may send letters of a kind.
func (j Job) sends(act invoices.Act) bool { return slices.Contains(j.May, act) }
