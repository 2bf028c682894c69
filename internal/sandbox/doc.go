// Package sandbox is a pretend world for the worker: a Cost+ that makes payment
// links, a mail server that keeps what it is given, and debtors who read their
// mail and pay, or do not. The demo, the tests and `dunning sandbox` run
// against it. It is strict where a wrong client should be caught, and it
// misbehaves on demand: every way in which the real services can fail a client
// can be asked for by a [Fault] or a [MailFault], by a Go call or over HTTP.
//
// Everything listens on loopback only, and webhooks go to loopback only.
//
// # What is not known of the real Cost+, and what is done here
//
//   - Whether merchant_order_id is unique is not documented. Here it is not: the
//     same request twice makes two links, so a client that repeats a POST shows.
//   - The status after 25 failed attempts: here it stays all_unsuccessful, and a
//     further attempt is refused.
//   - What expiry does to an attempt that is under way: here the link becomes
//     expired, the attempt stays processing and can fail but not succeed, unless
//     [LateCompletion] is asked for.
//   - Whether several attempts can be under way at once: here one.
//   - Whether expiry sends a webhook: here it does not, for it changes no order.
//   - Pagination of the list of orders: here the whole list comes at once.
//   - The form of the currencies answer: here an object of payment methods, each
//     with a list of currencies, as plugins of sister brands read it.
//   - Whether empty strings and other content types than JSON are refused: here
//     they are.
//   - Where the payer goes when no address to return to was given, or only one
//     that does not fit: here back to the payment page.
//   - Whether the documented default of 30 days is echoed: here it is, as P30D.
//
// # Time
//
// The sandbox reads no clock of its own. It lives in [Options.Now], plus what
// was added by [Sandbox.Advance], so that a demo can walk through months in a
// second. Only waits that a client would feel (latency, webhook retries) pass
// in real time.
package sandbox
