// Package web is what the worker serves: calls from Cost+, health, numbers.
//
// A call from Cost+ is not signed and says nothing that could be believed
// (no status, no amount, no link). So it is taken as a rumour: somebody says
// that something happened to the link with this path. All that follows is that
// the link is asked about sooner than it would have been; the answer of the
// API is the truth, and polling finds it also when no call ever comes. That is
// why a forged, repeated or lost call does no harm, and why every call is
// answered with 200.
//
// Nothing here writes what it was sent into a log or an answer.
package web
