package request

import "slices"

// Reply codes say what an answer is (CONV 27.7, 29.6, 30; the vocabulary has
// no treaty form).
var (
	// waitingCodes ask the requester something; the request stays open.
	waitingCodes = []string{"NEED_INFO", "NEED_TRANSLATION", "FORMAL_CONFIRMATION_REQUIRED", "CONDITIONS", "PRES_WARNING", "CONFIDENTIALITY_NOT_POSSIBLE"}
	// interimCodes tell something without answering the request.
	interimCodes = []string{"ACK_RECEIVED", "ACK_UNVERIFIED", "POSTPONED"}
)

// The reply codes that the gateway itself acts on.
const (
	CodeAckReceived = "ACK_RECEIVED"
	CodePreserved   = "PRESERVED"
	CodeExtended    = "EXTENDED"
)

// CodeWaits reports whether a reply with that code asks the requester
// something before work can go on.
func CodeWaits(code string) bool { return slices.Contains(waitingCodes, code) }

// CodeFinal reports whether a reply with that code answers the request. A
// reply without a code does.
func CodeFinal(code string) bool {
	return !CodeWaits(code) && !slices.Contains(interimCodes, code)
}
