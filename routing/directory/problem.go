package directory

import (
	"fmt"
	"strings"
)

// Problem is one finding in a Directory: which entry and field, what is wrong,
// and what to do about it.
type Problem struct {
	Code   string `json:"code"`            // stable, such as "shared-address"
	Entry  string `json:"entry,omitempty"` // contact point or Party; "" when it concerns the document
	Field  string `json:"field,omitempty"`
	Fault  string `json:"fault"`
	Remedy string `json:"remedy"`
}

// String returns the finding as one line:
//
//	directory: entry XB-2: certificates[0]: fingerprint 0123…: key expired on 2026-03-01; ask the contact point for a new key
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString("directory: ")
	if p.Entry != "" {
		b.WriteString("entry " + p.Entry + ": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Fault + "; " + p.Remedy)
	return b.String()
}

// The codes of findings.
const (
	CodeSyntax       = "syntax"             // not JSON as RFC 8259 wants it
	CodeUnknownField = "unknown-field"      // a name the format does not have
	CodeRepeated     = "repeated-field"     // the same name twice in one object
	CodeType         = "wrong-type"         // text where a number belongs, and the like
	CodeMissing      = "missing"            // a required field is empty
	CodeValue        = "bad-value"          // not in the form or set that the field allows
	CodeUnknown      = "unknown-code"       // a role, kind, language or use of a telephone that does not exist
	CodePhone        = "bad-phone"          // a telephone number that is not in the international form
	CodeAddress      = "bad-address"        // an e-mail address that is not plain
	CodeHours        = "impossible-hours"   // office hours that end before they begin, and the like
	CodeZone         = "unknown-zone"       // a time zone that IANA does not list
	CodeBackup       = "unknown-backup"     // a backup that is not listed, or the contact point itself
	CodeDuplicate    = "duplicate"          // the same thing listed twice
	CodeSharedMail   = "shared-address"     // one address, two contact points
	CodeSharedKey    = "shared-certificate" // one certificate, two contact points
	CodeCertificate  = "unreadable-certificate"
)

// The codes of findings about certificates; see [Directory.Health].
const (
	CodeKeyExpired        = "key-expired"
	CodeKeyExpiresSoon    = "key-expires-soon"
	CodeKeyRevoked        = "key-revoked"
	CodeKeyNotYetValid    = "key-not-yet-valid"
	CodeKeyWeak           = "key-weak"               // algorithm, curve or size
	CodeKeyUnusable       = "key-unusable"           // it can neither sign nor encrypt
	CodeSHA1              = "sha1-self-signature"    // only SHA-1 holds a key to the certificate
	CodeWeakSubkey        = "weak-subkey"            // not used, while others are
	CodeMissingSigning    = "missing-signing-key"    // no certificate of the contact point has one
	CodeMissingEncryption = "missing-encryption-key" // likewise
	CodeNoKey             = "no-key"                 // no certificate at all
	CodeCannotReceive     = "cannot-receive"         // the contact point cannot be written to now
	CodeCannotSign        = "cannot-sign"            // what it signs is refused now
	CodeDeskNotListed     = "desk-not-listed"        // this gateway's desk is not in the Directory
	CodeDeskKeyNotListed  = "desk-key-not-listed"    // nor its key
	CodeDeskKeyDiffers    = "desk-key-differs"       // other subkeys or dates
	CodeDeskKeyMissing    = "desk-key-missing"       // listed, but not here
)

// HealthCodes lists the codes of findings about certificates.
func HealthCodes() []string {
	return []string{
		CodeKeyExpired, CodeKeyExpiresSoon, CodeKeyRevoked, CodeKeyNotYetValid, CodeKeyWeak, CodeKeyUnusable, CodeSHA1, CodeWeakSubkey,
		CodeMissingSigning, CodeMissingEncryption, CodeNoKey, CodeCannotReceive, CodeCannotSign,
		CodeDeskNotListed, CodeDeskKeyNotListed, CodeDeskKeyDiffers, CodeDeskKeyMissing,
	}
}

// maxProblems bounds the list, so that a hostile document cannot fill memory.
const maxProblems = 1000

// InvalidError lists every fault of a document.
type InvalidError struct{ Problems []Problem }

// Error returns one line per fault.
func (e *InvalidError) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	if len(e.Problems) >= maxProblems {
		lines = append(lines, fmt.Sprintf("directory: stopped after %d faults; mend these first", maxProblems))
	}
	return strings.Join(lines, "\n")
}

// findings collects problems up to maxProblems.
type findings struct{ list []Problem }

func (f *findings) add(code, entry, field, fault, remedy string) {
	if !f.full() {
		f.list = append(f.list, Problem{code, entry, field, fault, remedy})
	}
}

func (f *findings) full() bool { return len(f.list) >= maxProblems }
