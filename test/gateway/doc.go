// Package gateway runs the real relais program for tests: it builds it, writes
// an installation with two desks and two contact points outside, starts and
// kills it, and speaks to it as senders, staff and administrators do.
//
// Every gateway is looked over at the end of its test: nothing of what was
// written in a message may stand in the log, in the journal, in Redis or in
// any file of the gateway, and the journal's chain must be whole.
package gateway
