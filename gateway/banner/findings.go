package banner

import (
	"time"

	"relais.example/routing/directory"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
)

// Findings is what the gateway found out about a message.
type Findings struct {
	Message   string // tells messages apart, for the mark
	Reference request.Reference
	Verdict   verdict.Verdict

	Signer      *directory.ContactPoint // nil: nobody signed
	Party       string                  // the signer's Party, in English
	Fingerprint string                  // of the signing certificate
	Covered     Covered
	Protected   []string // header fields that are signed
	Addressed   Addressed
	SignedAt    time.Time
	Age         time.Duration // on arrival
	Freshness   Freshness
	Algorithm   string // of the signing key
	Hash        string
	Health      []Health
	Expires     time.Time // of the certificate, zero for never

	Encrypted bool
	Cipher    string

	Kinds          []request.Kind
	Emergency      Emergency
	Deadlines      []request.Deadline // soonest first
	Related        request.Reference
	Evidence       string // an encoded header value
	Articles       string
	TheirReference string // an encoded header value

	Warnings []Warning
	Digest   string // SHA-256 of the message as it came, in hex
	Attached bool   // the message as it came is attached
}

// Covered says how much of the message one signature covers.
type Covered string

// Values of Covered.
const (
	CoveredWhole Covered = "whole"
	CoveredNone  Covered = "none"
)

// Addressed says whom the signer named as recipient.
type Addressed string

// Values of Addressed.
const (
	AddressedByKey    Addressed = "us-by-key"    // the signature names our certificate (RFC 9580, 5.2.3.36)
	AddressedByHeader Addressed = "us-by-header" // the signed To or Cc names us
	AddressedOthers   Addressed = "others"       // only others are named
	AddressedUnstated Addressed = "unstated"     // nothing that is signed names a recipient
)

// Freshness compares the time of signing with the time of arrival.
type Freshness string

// Values of Freshness.
const (
	Fresh  Freshness = "fresh"  // within the window of the policy
	Old    Freshness = "old"    // before it
	Future Freshness = "future" // later than clocks may differ
)

// Health is something to know about the signing certificate.
type Health string

// Values of Health.
const (
	HealthOK      Health = "ok"
	HealthExpires Health = "expires-soon"         // within [ExpiresSoon]
	HealthWeak    Health = "weak-self-signatures" // held together by SHA-1
)

// ExpiresSoon is how long before its end a certificate is said to expire soon.
const ExpiresSoon = 60 * 24 * time.Hour

// Emergency says what the message says of danger.
type Emergency string

// Values of Emergency; "" is none.
const (
	EmergencyClaimed   Emergency = "claimed"   // danger to life or safety
	EmergencyMentioned Emergency = "mentioned" // the word is used, no danger was recognised
)

// Warning is something in the message that a reader must know. N counts it.
type Warning struct {
	Code WarningCode
	N    int
}

// WarningCode names a warning. It is stable: staff filter on it.
type WarningCode string

// Warnings.
const (
	WarnImitation   WarningCode = "imitation"      // the sender wrote what looks like a note or a header field of the gateway
	WarnRenamed     WarningCode = "renamed"        // lines that began like header fields of the gateway were renamed
	WarnFromDiffers WarningCode = "from-differs"   // the unprotected From says something else
	WarnRemote      WarningCode = "remote-content" // the HTML loads from the network
	WarnNotLooked   WarningCode = "not-looked-at"  // mails attached within mails, encoded too many times

	WarnNotAParty  WarningCode = "not-a-party"        // one of the two is no Party to the Convention at this time
	WarnNotInForce WarningCode = "basis-not-in-force" // the Second Protocol does not bind both at this time
	WarnReserved   WarningCode = "reserved"           // our Party does not apply the article (SAP 7.9.a)
)

// WarningCodes lists all warnings.
func WarningCodes() []WarningCode {
	return []WarningCode{WarnImitation, WarnRenamed, WarnFromDiffers, WarnRemote, WarnNotLooked, WarnNotAParty, WarnNotInForce, WarnReserved}
}
