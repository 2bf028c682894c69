// Package costplus asks Cost+ for payment links and for what became of them.
//
// Cost+ has no idempotency key and no way to cancel a link: a request that is
// repeated makes a second link that stays payable. So the one thing that
// matters here, beside the answers themselves, is to say truthfully what is
// known after a call that went wrong. Every outcome, from a name that does not
// resolve to a page of HTML with status 200, has one row in one table
// (classify.go), which says for making and for reading apart whether the call
// may be repeated. Nothing is repeated in here: not by this package, and not by
// net/http behind its back.
//
// "Surely not sent" is not guessed from the text of an error. The bytes written
// to the connection are counted, and a call that wrote none was not sent.
//
// What Cost+ answers is outside input. Bodies are bounded, ids are checked
// before they become part of a path, a payment URL is accepted only on a listed
// host, and what is quoted from an answer is stripped of control characters,
// links, e-mail addresses and the API key, for it ends up in logs and on
// screens (rule R25).
package costplus
