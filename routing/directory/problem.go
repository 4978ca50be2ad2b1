package directory

import (
	"fmt"
	"strings"
)

// Problem is one finding in a Directory: which entry and field, what is wrong,
// and what to do about it.
type Problem struct {
	Code   string // stable, such as "duplicate-address"
	Entry  string // contact point or Party; "" when it concerns the document
	Field  string
	Fault  string
	Remedy string
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
	CodeDuplicate    = "duplicate"          // the same thing listed twice
	CodeSharedMail   = "shared-address"     // one address, two contact points
	CodeSharedKey    = "shared-certificate" // one certificate, two contact points
	CodeCertificate  = "unreadable-certificate"
	CodeKeyExpired   = "key-expired"
	CodeKeyUnusable  = "key-unusable" // revoked, too weak, not yet valid, or made for something else
	CodeNoKey        = "no-key"       // the contact point cannot be written to
)

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
