// Package verdict holds the closed set of reason codes: why a message was
// accepted, quarantined or rejected. The same codes stand in SMTP replies,
// IMAP headers and keywords, metrics, the journal and docs/reason-codes.md.
package verdict

import "fmt"

// Action is what the gateway does with a message.
type Action string

// The three actions.
const (
	Accept     Action = "accept"     // routed to the desk's inbox
	Quarantine Action = "quarantine" // answered 250, held until a person releases it
	Reject     Action = "reject"     // refused in the SMTP session; nothing is kept but a line in the journal
)

// ParseAction returns the Action named s.
func ParseAction(s string) (Action, error) {
	switch a := Action(s); a {
	case Accept, Quarantine, Reject:
		return a, nil
	}
	return "", fmt.Errorf("unknown action %q: use accept, quarantine or reject", s)
}

// Reason is a stable code. It never changes its meaning once released.
type Reason string

// Accepted.
const (
	OK        Reason = "ok"        // every row of the policy table holds
	Duplicate Reason = "duplicate" // the same message resent by an MTA; answered 250 again, stored once
)

// Signed by a listed contact point, but something else is off. Also what a
// listed address sent encrypted without a signature. A person must look.
const (
	NotEncrypted    Reason = "not-encrypted"    // signed by a listed certificate, sent in clear
	OldSignature    Reason = "old-signature"    // made before the window (72 h), up to a year ago
	FutureSignature Reason = "future-signature" // made later than our clock allows
	NotBound        Reason = "not-bound"        // nothing signed names a recipient
	FromNotListed   Reason = "from-not-listed"  // the signed From is no listed address of anybody
	KeyInCoolDown   Reason = "key-in-cool-down" // an emergency, signed with a certificate too new to count for one
	UnsignedListed  Reason = "unsigned-listed"  // encrypted, unsigned, From a listed address
)

// Says nothing about the sender: our own programs could not read it.
const (
	Unreadable Reason = "unreadable" // a parser broke or took too long; held with its original
)

// Cannot be tied to a contact point of the Directory, or is not what it claims.
const (
	CannotOpen      Reason = "cannot-open"        // the one answer for everything that fails to decrypt
	PlainUnsigned   Reason = "plain-unsigned"     // neither encrypted nor signed
	Unsigned        Reason = "unsigned"           // encrypted but unsigned, From not listed
	UnknownKey      Reason = "unknown-key"        // signed by a certificate that is not in the Directory
	BadSignature    Reason = "bad-signature"      // the signature does not match the content
	Altered         Reason = "altered-in-transit" // the signature fits what was sent, not what came
	PartlySigned    Reason = "partly-signed"      // the signature does not cover everything shown
	WeakSignature   Reason = "weak-signature"     // hash or key algorithm below the policy
	KeyExpired      Reason = "key-expired"        // certificate expired when signed or now
	KeyRevoked      Reason = "key-revoked"        // certificate revoked
	KeyNotYetValid  Reason = "key-not-yet-valid"  // signed before the certificate existed
	KeyUnusable     Reason = "key-unusable"       // certificate too weak or not allowed to sign
	Impersonated    Reason = "impersonated"       // From belongs to another contact point than the signer
	AmbiguousSender Reason = "ambiguous-sender"   // From missing, repeated, or not one single address
	NotForUs        Reason = "not-for-us"         // what was signed names other recipients
	Replayed        Reason = "replayed"           // a signature seen before, in another envelope
	TooOld          Reason = "too-old"            // signed more than a year ago
	BadStructure    Reason = "bad-structure"      // not a well-formed PGP/MIME or inline message
	BadLineEndings  Reason = "bad-line-endings"   // bare CR, bare LF or NUL
	OverLimits      Reason = "over-limits"        // size, depth, number of parts or of header bytes
	MailLoop        Reason = "mail-loop"          // too many Received headers
	Automatic       Reason = "automatic"          // unsigned machine mail that matches nothing we sent
)

// Entry describes one reason to people and to SMTP peers.
type Entry struct {
	Reason  Reason
	Default Action // what the configuration may override
	Code    int    // SMTP reply code when rejected (RFC 5321)
	Status  string // enhanced status code when rejected (RFC 3463)
	Text    string // one line for the sender; deliberately vague where detail would be an oracle
	Meaning string // one line for staff and administrators
	Fixed   bool   // the configuration may not change the action
}

var entries = []Entry{
	{OK, Accept, 250, "2.0.0", "accepted", "encrypted, and signed by a contact point of the Directory; signature fresh, sender and recipient bound", true},
	{Duplicate, Accept, 250, "2.0.0", "already received", "the same message was received before; nothing new was stored", true},

	{NotEncrypted, Quarantine, 550, "5.7.1", "encrypt the message to this contact point's certificate", "signed by a listed contact point but sent in clear", false},
	{OldSignature, Quarantine, 550, "5.7.1", "the signature is too old; sign and send again", "signed by a listed contact point longer ago than the window", false},
	{FutureSignature, Quarantine, 550, "5.7.1", "the signature lies in the future; check your clock", "signed by a listed contact point whose clock runs ahead", false},
	{NotBound, Quarantine, 550, "5.7.1", "nothing that is signed names this contact point as recipient", "signed by a listed contact point, but neither protected To/Cc nor an intended recipient is signed; it may have been forwarded by a third party", false},
	{FromNotListed, Quarantine, 550, "5.7.1", "the From address is not listed for the signing contact point", "signed by a listed contact point; the signed From is an address that the Directory does not list", false},
	{KeyInCoolDown, Quarantine, 550, "5.7.1", "this certificate is too new to count for an emergency; call the contact point", "an emergency, signed with a certificate of the contact point whose cool-down has not passed; call it back before you act", false},
	{UnsignedListed, Quarantine, 550, "5.7.1", "sign the message", "encrypted to this desk without a signature; From is a listed address, which proves nothing", false},
	{Unreadable, Quarantine, 451, "4.3.0", "the message could not be read here", "it broke the program that reads mail, or took too long; the original is kept", true},

	{CannotOpen, Reject, 550, "5.7.1", "the message cannot be opened with this contact point's key", "decryption failed: encrypted to another key, damaged, or not integrity-protected", true},
	{PlainUnsigned, Reject, 550, "5.7.1", "encrypt and sign the message (OpenPGP)", "neither encrypted nor signed", true},
	{Unsigned, Reject, 550, "5.7.1", "sign the message with a certificate of the Directory", "encrypted but unsigned, and From is not listed", true},
	{UnknownKey, Reject, 550, "5.7.1", "the signing certificate is not in the Directory", "signed by a certificate that is not in the Directory", true},
	{BadSignature, Reject, 550, "5.7.1", "the signature is not valid for this content", "the signature does not match the content; altered on the way or forged", true},
	{Altered, Reject, 550, "5.7.1", "a mail server changed the signed message on its way; send it encrypted, or in quoted-printable", "signed by a listed contact point in clear; a server on the way changed white space, line ends, the encoding or added a footer", true},
	{PartlySigned, Reject, 550, "5.7.1", "the signature must cover the whole message", "something shown is not covered by the one signature", true},
	{WeakSignature, Reject, 550, "5.7.1", "the signature uses an algorithm that is no longer accepted", "hash or key algorithm of the signature is below the policy", true},
	{KeyExpired, Reject, 550, "5.7.1", "the signing certificate has expired", "the certificate had expired when the message was signed, or has since", true},
	{KeyRevoked, Reject, 550, "5.7.1", "the signing certificate is revoked", "the certificate is revoked", true},
	{KeyNotYetValid, Reject, 550, "5.7.1", "the signing certificate was not yet valid", "the signature is older than the certificate", true},
	{KeyUnusable, Reject, 550, "5.7.1", "the signing certificate may not be used", "the certificate is too weak, or not allowed to sign", true},
	{Impersonated, Reject, 550, "5.7.1", "From and signature belong to different contact points", "From is an address of another contact point than the one that signed, or looks like one", true},
	{AmbiguousSender, Reject, 550, "5.7.1", "the message must have one From with one address", "From is missing or repeated, holds more than one address, or one that programs read in different ways", true},
	{NotForUs, Reject, 550, "5.7.1", "the signed message names other recipients", "signed for somebody else and passed on to this desk", true},
	{Replayed, Reject, 550, "5.7.1", "this signed message was received before", "a signature seen before came in another envelope", true},
	{TooOld, Reject, 550, "5.7.1", "the signature is more than a year old", "the signature is more than a year old", true},
	{BadStructure, Reject, 550, "5.6.0", "the structure of the message is not valid", "not a well-formed PGP/MIME (RFC 3156) or inline message", true},
	{BadLineEndings, Reject, 550, "5.6.0", "bare CR, bare LF or NUL in the message", "line endings that other programs read differently (SMTP smuggling)", true},
	{OverLimits, Reject, 552, "5.3.4", "the message exceeds a limit of size, depth or parts", "size, decompressed size, MIME depth, parts or header bytes above the limit", true},
	{MailLoop, Reject, 554, "5.4.6", "mail loop", "too many Received headers: the message goes in circles", true},
	{Automatic, Reject, 550, "5.7.1", "automatic mail is not accepted here", "unsigned machine mail that matches nothing this gateway sent", true},
}

// All lists every entry in the order of docs/reason-codes.md.
func All() []Entry { return append([]Entry(nil), entries...) }

// Of returns the entry of r. An unknown r is a programming error and panics.
func Of(r Reason) Entry {
	for _, e := range entries {
		if e.Reason == r {
			return e
		}
	}
	panic("verdict: unknown reason " + string(r))
}

// Verdict is what intake decided about one message.
type Verdict struct {
	Action Action
	Reason Reason
}

// Policy maps a reason to the action that the configuration chose for it.
type Policy map[Reason]Action

// Decide returns the verdict for r: the configured action where one may be
// configured, the default otherwise.
func (p Policy) Decide(r Reason) Verdict {
	e := Of(r)
	if a, ok := p[r]; ok && !e.Fixed && !provesNothing(r, a) {
		return Verdict{a, r}
	}
	return Verdict{e.Default, r}
}

// provesNothing reports whether a would take in what nobody signed: it may be
// held or refused, never accepted.
func provesNothing(r Reason, a Action) bool { return r == UnsignedListed && a == Accept }

// ParsePolicy checks configured reasons and actions. The error names every
// wrong entry.
func ParsePolicy(m map[string]string) (Policy, error) {
	p := Policy{}
	for k, v := range m {
		var found *Entry
		for i := range entries {
			if string(entries[i].Reason) == k {
				found = &entries[i]
			}
		}
		if found == nil {
			return nil, fmt.Errorf("unknown reason %q; see docs/reason-codes.md", k)
		}
		if found.Fixed {
			return nil, fmt.Errorf("reason %q is always %s and cannot be changed", k, found.Default)
		}
		a, err := ParseAction(v)
		if err != nil {
			return nil, fmt.Errorf("reason %q: %w", k, err)
		}
		if provesNothing(found.Reason, a) {
			return nil, fmt.Errorf("reason %q cannot be accepted, because nobody signed the message; use quarantine or reject", k)
		}
		p[found.Reason] = a
	}
	return p, nil
}
