// Package inquiry answers questions to the Directory that a contact point asks
// by mail: find, key, who handles. It is pure: text in, text out.
package inquiry

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
	"relais.example/routing/request"
)

// Verb is what a question asks for.
type Verb string

// The closed set of verbs.
const (
	Find Verb = "find" // find WORDS: search
	Key  Verb = "key"  // key XB-1: certificates
	Who  Verb = "who"  // who handles KIND in XB [now]
	Help Verb = "help" // the list of questions
)

// Question is one line that asks something.
type Question struct {
	Verb  Verb
	Words string       // Find
	Entry string       // Key: a contact point
	Kind  request.Kind // Who
	Party string       // Who: code of the Party
}

// Bounds of one mail and its answer.
const (
	MaxQuestions = 5
	maxLine      = 200 // bytes
	maxWords     = 8   // of a search
	maxFound     = 20  // entries shown for one question
)

// Read finds the questions in a mail: the subject if it is one, and the lines
// of the text. A mail that says anything else, up to a line that takes leave or
// begins a signature, is no inquiry but something for a person, and gives nil:
// "find enclosed our request" must not be answered by a machine. rest is what
// stands behind that line, which may say anything.
func Read(subject, text string) (out []Question, rest string) {
	if q, ok := parse(subject); ok {
		out = append(out, q)
	}
	read := 0
	for line := range strings.Lines(text) {
		read += len(line)
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if leave.MatchString(line) {
			rest = text[read:]
			break
		}
		q, ok := parse(line)
		if !ok {
			return nil, ""
		}
		if !slices.Contains(out, q) {
			out = append(out, q)
		}
	}
	if len(out) > MaxQuestions {
		return nil, ""
	}
	return out, rest
}

// leave is how a mail ends: the signature mark, or a word of thanks.
var leave = regexp.MustCompile(`(?i)^(--|(thanks|thank you|(best |kind |with kind )?regards|merci|cordialement|salutations)[.,! ]*$)`)

// parse reads one line. Case does not matter; a question mark may follow.
func parse(line string) (Question, bool) {
	line = strings.TrimRight(strings.TrimSpace(line), "?!. ")
	words := strings.Fields(line)
	if len(words) == 0 || len(line) > maxLine {
		return Question{}, false
	}
	rest := words[1:]
	switch Verb(strings.ToLower(words[0])) {
	case Find:
		if len(rest) > 0 && len(rest) <= maxWords {
			return Question{Verb: Find, Words: strings.Join(rest, " ")}, true
		}
	case Key:
		if len(rest) == 1 && strings.Contains(rest[0], "-") {
			return Question{Verb: Key, Entry: strings.ToUpper(rest[0])}, true
		}
	case Help:
		if len(rest) == 0 {
			return Question{Verb: Help}, true
		}
	case Who:
		return who(rest)
	}
	return Question{}, false
}

// who reads "handles KIND in XB [now]".
func who(words []string) (Question, bool) {
	if n := len(words); n == 5 && strings.EqualFold(words[4], "now") {
		words = words[:4]
	}
	if len(words) != 4 || !strings.EqualFold(words[0], "handles") || !strings.EqualFold(words[2], "in") {
		return Question{}, false
	}
	kind, err := request.ParseKind(strings.ToUpper(words[1]))
	if err != nil {
		return Question{}, false
	}
	return Question{Verb: Who, Kind: kind, Party: strings.ToUpper(words[3])}, true
}

// String returns the question as it would be written.
func (q Question) String() string {
	switch q.Verb {
	case Find:
		return "find " + q.Words
	case Key:
		return "key " + q.Entry
	case Who:
		return fmt.Sprintf("who handles %s in %s now", q.Kind, q.Party)
	}
	return string(Help)
}

// Answer answers a question from d at the time given, in plain text.
func Answer(d *directory.Directory, q Question, at time.Time, p pgp.Policy) string {
	switch q.Verb {
	case Find:
		return find(d, q.Words, at)
	case Key:
		return key(d, q.Entry, at, p)
	case Who:
		return handlers(d, q, at)
	}
	return helpText
}

func find(d *directory.Directory, words string, at time.Time) string {
	hits := d.Search(words, maxFound+1)
	if len(hits) == 0 {
		return "Nothing found. Try fewer words, or the beginning of a name.\n"
	}
	var b strings.Builder
	for i, h := range hits {
		if i == maxFound {
			fmt.Fprintf(&b, "More than %d contact points match; add a word.\n", maxFound)
			break
		}
		describe(&b, d, h.ContactPoint, at)
		b.WriteByte('\n')
	}
	return b.String()
}

func key(d *directory.Directory, id string, at time.Time, p pgp.Policy) string {
	cp, ok := d.ContactPoint(id)
	if !ok {
		return fmt.Sprintf("There is no contact point %s in the Directory (version %d).\n", id, d.Version())
	}
	certs := cp.Certificates()
	if len(certs) == 0 {
		return fmt.Sprintf("%s has no certificate in the Directory (version %d).\n", id, d.Version())
	}
	var b strings.Builder
	for _, c := range certs {
		use := "usable"
		if err := c.CheckEncryption(at, p); err != nil {
			use = "NOT usable: " + err.Error()
		}
		fmt.Fprintf(&b, "%s: %s; %s\n%s\n", id, directory.KeyText(c), use, strings.ReplaceAll(string(c.Armor()), "\r\n", "\n"))
	}
	return b.String()
}

func handlers(d *directory.Directory, q Question, at time.Time) string {
	if _, ok := d.Party(q.Party); !ok {
		return fmt.Sprintf("There is no Party %s in the Directory (version %d).\n", q.Party, d.Version())
	}
	list := d.Who(q.Kind, q.Party, at)
	if len(list) == 0 {
		return fmt.Sprintf("No contact point of %s lists %s among its competences. Write to any of them (find %s); it passes the request on (CONV 27.9.c).\n", q.Party, q.Kind, q.Party)
	}
	var b strings.Builder
	for _, cp := range list {
		describe(&b, d, cp, at)
		b.WriteByte('\n')
	}
	return b.String()
}

// describe writes one entry.
func describe(b *strings.Builder, d *directory.Directory, cp *directory.ContactPoint, at time.Time) {
	party, _ := d.Party(cp.Party)
	fmt.Fprintf(b, "%s  %s (%s)\n", cp.ID, party.Names["en"], cp.Role)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "    %-10s %s\n", name, strings.ReplaceAll(value, "\n", ", "))
		}
	}
	line("", cp.Institution)
	line("", cp.Unit)
	line("mail", strings.Join(cp.Addresses, ", "))
	for _, phone := range cp.Phones {
		line(phone.Use, phone.Number)
	}
	line("languages", strings.Join(cp.LanguagesIn, ", "))
	hours := cp.Hours
	switch cp.Available(at) {
	case directory.AtWork:
		hours += " (at work now)"
	case directory.OutOfHours:
		hours += " " + cp.Zone + " (out of hours now)"
	}
	line("hours", strings.TrimSpace(hours))
	var kinds []string
	for _, k := range cp.Competences {
		kinds = append(kinds, string(k))
	}
	line("handles", strings.Join(kinds, ", "))
	line("backup", cp.Backup)
	for _, c := range cp.Certificates() {
		line("key", c.Fingerprint())
	}
}

const helpText = `Questions to the Directory, one on each line, at most five in a mail. The mail
must be encrypted and signed like any other.

    find WORDS                     search in every field, such as: find cybercrime prosecutor Betaland
    key XB-1                       the certificates of a contact point
    who handles KIND in XB now     the competent contact points of a Party, those at work first
    help                           this text
`
