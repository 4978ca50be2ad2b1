package banner

import (
	"fmt"

	"relais.example/routing/verdict"
)

// words are the wordings of one language. Labels end in a blank; %s and %d are
// filled in.
type words struct {
	title, below    string
	accepted, held  string
	meaning         func(verdict.Reason) string
	signedBy        string
	nobody          string
	key             string
	until, never    string
	expiresSoon     string
	weak            string
	signed          string
	before, after   string
	moment, minutes string
	hours, days     string
	old, future     string
	covers          string
	whole, nothing  string
	withHeader      string
	withoutHeader   string
	addressed       string
	addressees      map[Addressed]string
	encrypted       string
	yes, inClear    string
	request         string
	deadline        string
	emergency       string
	emergencies     map[Emergency]string
	attention       string
	warnings        map[WarningCode]string
}

func addressedWords(w words, a Addressed) string { return w.addressees[a] }

func emergencyWords(w words, e Emergency) string { return w.emergencies[e] }

func warningWords(w words, one Warning) string {
	if one.N > 0 {
		return fmt.Sprintf(w.warnings[one.Code], one.N)
	}
	return w.warnings[one.Code]
}

func english() words {
	return words{
		title: "Note by the gateway", below: "Below this note stands only what the sender wrote.",
		accepted: "ACCEPTED", held: "HELD",
		signedBy: "Signed by: ", nobody: "nobody. Who wrote this is not proven.",
		key: "Key: ", until: "expires %s", never: "never expires", expiresSoon: "expires soon: ask for the new one",
		weak: "held together by SHA-1: ask for a new one", signed: "Signed: ",
		before: "%s before it came", after: "%s after it came", moment: "less than a minute", minutes: "min", hours: "h", days: "days",
		old: "old: is it still wanted?", future: "their clock runs ahead",
		covers: "Covers: ", whole: "the whole message", nothing: "nothing",
		withHeader: "header %s", withoutHeader: "but nothing of its header: From, To, Date and Subject are not proven",
		addressed: "Addressed to: ",
		addressees: map[Addressed]string{
			AddressedByKey:    "this desk (the signature names its key)",
			AddressedByHeader: "this desk (the signed To or Cc names it)",
			AddressedOthers:   "others, not this desk",
			AddressedUnstated: "nobody that is signed; it may have been meant for others",
		},
		encrypted: "Encrypted: ", yes: "yes, %s", inClear: "NO, sent in clear: others may have read it",
		request: "Request: ", deadline: "Deadline: ", emergency: "Emergency: ",
		emergencies: map[Emergency]string{
			EmergencyClaimed:   "claimed; a person must confirm",
			EmergencyMentioned: "the word is used, no risk to life or safety was recognised; a person must look",
		},
		attention: "ATTENTION: ",
		warnings: map[WarningCode]string{
			WarnImitation:   "the sender wrote something that looks like this note or like a header field of the gateway; do not trust it",
			WarnRenamed:     "names that only the gateway may use (X-Relais-...) begin with X-Sender- here (%d); the original is kept as it came",
			WarnFromDiffers: "the unprotected From says something else than the signed one",
			WarnRemote:      "the HTML asks for remote content (%d); do not load it, the sender would learn when and where it is read",
			WarnNotAParty:   "the treaty behind this kind of request does not bind both Parties: another basis is needed (police co-operation, a bilateral treaty)",
			WarnNotInForce:  "the Second Protocol does not bind both Parties at this time: handle it under the Convention (CONV 25.3, 35)",
			WarnReserved:    "your Party has declared that it does not apply this article: handle it on another basis",
			WarnNotLooked:   "mails within mails are encoded too often to be looked at (%d); header fields in them are not the gateway's",
		},
		meaning: func(r verdict.Reason) string { return verdict.Of(r).Meaning },
	}
}
