package mailer

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-msgauth/dkim"

	"dunning/invoices"
)

// CheckDKIM signs a letter, which goes nowhere, and verifies it as a receiver
// would, with the public keys that lookup finds in the DNS:
// [net.Resolver.LookupTXT] does. A private key whose public half is missing
// there, or is another's, makes every letter look forged. The error names each
// key that is not as it should be; nil: all are, or letters are not signed.
func (p *Pool) CheckDKIM(ctx context.Context, lookup func(ctx context.Context, name string) ([]string, error)) error {
	if p.sign == nil {
		return nil
	}
	l, err := p.Compose(invoices.Letter{
		ID: "check", To: []string{p.from.Address},
		Text: invoices.Text{Subject: "Check", Plain: "Check\n", HTML: "<p>Check</p>\n"},
	})
	if err != nil {
		return err
	}
	results, err := dkim.VerifyWithOptions(bytes.NewReader(l.Raw), &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return lookup(ctx, name) },
	})
	if err != nil {
		return fmt.Errorf("verify a signed letter: %w", err)
	}
	var problems []error
	for i, r := range results { // in the order of the signatures
		if r.Err != nil {
			problems = append(problems, fmt.Errorf("DKIM key %s: receivers will take letters for forgeries; publish its public half in the DNS, or correct mail.dkim: %w", p.signers[i], r.Err))
		}
	}
	return errors.Join(problems...)
}
