package interchange

import (
	"fmt"
	"strings"
)

// Finding is something about a file that a person should look at.
type Finding struct {
	Code   string `json:"code"` // stable, such as "guessed-role"; see docs/directory.md
	Place  Place  `json:"place"`
	Entry  string `json:"entry,omitempty"` // the contact point or Party it ended in
	Field  string `json:"field,omitempty"`
	What   string `json:"what"`
	Advice string `json:"advice"`
}

// String returns the finding as one line.
func (f Finding) String() string {
	entry := ""
	if f.Entry != "" {
		entry = f.Entry + ": "
	}
	return fmt.Sprintf("%s: %s%s: %s; %s", f.Place, entry, f.Code, f.What, f.Advice)
}

// Guessed reports whether a value was taken on a guess; else it was left out.
func (f Finding) Guessed() bool { return strings.HasPrefix(f.Code, "guessed-") }

// The codes of findings. A guessed value is in the draft; anything else is not.
const (
	GuessedColumn      = "guessed-column"     // a heading that only partly matches
	GuessedParty       = "guessed-party"      // the Party was taken from a heading or the row above
	GuessedRole        = "guessed-role"       // taken from the name of the institution
	GuessedNumber      = "guessed-identifier" // a new contact point got the next number
	GuessedEntry       = "guessed-entry"      // matched to a listed contact point by institution
	GuessedPhone       = "guessed-phone"      // "00" or "(0)" was read as an international prefix
	GuessedUse         = "guessed-use"        // no word says what the telephone is for: office
	GuessedDate        = "guessed-date"       // day and month could be the other way round
	GuessedZone        = "guessed-zone"       // a fixed distance from UTC, without summer time
	GuessedEncoding    = "guessed-encoding"   // a CSV file that is not UTF-8
	GuessedNames       = "guessed-names"      // the names of a Party were taken from ISO 3166
	GuessedKind        = "guessed-kind"       // a kind of request taken from words
	GuessedCode        = "guessed-code"       // a code that ISO does not list
	LeftOutColumn      = "left-out-column"    // names, remarks: not part of the Directory
	UnknownColumn      = "unknown-column"     // a heading that means nothing here
	SecondColumn       = "second-column"      // two columns for a field that holds one value
	UnknownParty       = "unknown-country"    // no Party can be told: the row was left out
	UnknownLanguage    = "unknown-language"
	UnknownKind        = "unknown-kind"
	UnknownRole        = "unknown-role"
	UnknownZone        = "unknown-zone"
	UnknownHours       = "unknown-hours"
	UnknownYesNo       = "unknown-answer" // neither yes nor no
	UnknownReservation = "unknown-reservation"
	DoubtfulPhone      = "doubtful-phone" // kept as written, without an international number
	DoubtfulAddress    = "doubtful-address"
	DoubtfulDate       = "doubtful-date"
	DoubtfulNumber     = "doubtful-number"
	DoubtfulID         = "doubtful-identifier"
	DoubtfulText       = "doubtful-text" // invisible characters, too long
	DoubtfulRecord     = "doubtful-record"
	FingerprintOnly    = "fingerprint-only" // a fingerprint where the certificate is needed
	UnreadableKey      = "unreadable-certificate"
	CellFormula        = "formula"            // its value is computed: left out
	CellHidden         = "hidden"             // hidden text, rows or sheets: left out
	CellDeleted        = "tracked-change"     // text under change tracking
	NotAList           = "not-a-list"         // a table without names of columns
	TwoEntries         = "duplicate-entry"    // the same contact point twice in one file
	Conflict           = "conflict"           // two files say different things: the first counts
	NotNamed           = "not-named"          // a listed contact point that no file names
	ExternalReference  = "external-reference" // a file points outside: not followed
	Embedded           = "embedded-object"    // another file inside: not read
	IgnoredProperty    = "ignored-property"   // a vCard property without a field
	LossyConversion    = "lossy-conversion"   // a .doc was read by a program that may lose tables
	TooMany            = "too-many-findings"  // the list was cut
)

// maxFindings bounds the report of a hostile file.
const maxFindings = 5000

// log collects findings, each once.
type log struct {
	list []Finding
	seen map[Finding]bool
}

func (l *log) add(code string, at Place, entry, field, what, advice string) {
	f := Finding{code, at, entry, field, what, advice}
	key := f
	key.Field = "" // one cell may fill two fields
	switch {
	case l.seen[key]:
	case len(l.list) < maxFindings-1:
		if l.seen == nil {
			l.seen = map[Finding]bool{}
		}
		l.seen[key] = true
		l.list = append(l.list, f)
	case len(l.list) == maxFindings-1:
		l.list = append(l.list, Finding{TooMany, at, "", "", fmt.Sprintf("more than %d findings", maxFindings), "mend these first and import again"})
	}
}

// quote shows a value of a file in a finding, cut and on one line.
func quote(s string) string {
	const most = 60
	n := 0
	for i := range s {
		if n++; n > most {
			s = s[:i] + "…"
			break
		}
	}
	return fmt.Sprintf("%q", s)
}
