package interchange

import (
	"regexp"
	"strings"
	"unicode"

	"relais.example/routing/directory"
)

var (
	// As the exports write a telephone.
	exportedPhone = regexp.MustCompile(`^(\+[0-9][0-9 .-]*[0-9](?: ext [0-9]{1,6})?) \((office|out-of-hours|mobile|fax)\)(?:; written: (.+))?$`)
	phoneNumber   = regexp.MustCompile(`^\+[0-9]([ .-]?[0-9]){5,17}( ext [0-9]{1,6})?$`)
	phoneDigits   = regexp.MustCompile(`[(]?[+]?[(]?[0-9][0-9 ()./\-]*[0-9](?:\s*(?:ext|extension|poste|x)\.?\s*[0-9]{1,6})?`)
	phoneExt      = regexp.MustCompile(`\s*(?:ext|extension|poste|x)\.?\s*([0-9]{1,6})$`)
	dashes        = strings.NewReplacer("\u2010", "-", "\u2011", "-", "\u2012", "-", "\u2013", "-", "\u2014", "-", "\u00a0", " ", "\u202f", " ")
)

// phone is a telephone as a cell gives it, with what is doubtful about it.
type phone struct {
	directory.Phone
	guessedNumber, guessedUse bool
}

func writePhone(p directory.Phone) string {
	s := p.Number + " (" + p.Use + ")"
	if p.Written != "" {
		s += "; written: " + p.Written
	}
	return s
}

// phones reads all numbers of a cell. use is what the heading says they are
// for, "" if it does not.
func (v *Vocabulary) phones(text, use string) (list []phone, rest []string) {
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if m := exportedPhone.FindStringSubmatch(line); m != nil && phoneNumber.MatchString(m[1]) {
			list = append(list, phone{Phone: directory.Phone{Number: m[1], Use: m[2], Written: m[3]}})
			continue
		}
		for _, piece := range splitPhones(line) {
			found := v.phonePiece(piece, use)
			if len(found) == 0 {
				rest = append(rest, piece)
			}
			list = append(list, found...)
		}
	}
	return list, rest
}

// splitPhones cuts a line at signs that stand between numbers: both sides must
// have enough digits for one.
func splitPhones(line string) []string {
	pieces := []string{line}
	for _, sep := range []string{";", ",", " / ", " or ", " ou "} {
		var next []string
		for _, p := range pieces {
			parts := strings.Split(p, sep)
			whole := true
			for _, part := range parts {
				whole = whole && digits(part) >= 6
			}
			if len(parts) > 1 && whole {
				next = append(next, parts...)
			} else {
				next = append(next, p)
			}
		}
		pieces = next
	}
	for i := range pieces {
		pieces[i] = strings.TrimSpace(pieces[i])
	}
	return pieces
}

func digits(s string) int {
	n := 0
	for _, r := range s {
		if r >= '0' && r <= '9' {
			n++
		}
	}
	return n
}

// phonePiece reads the numbers of a piece such as "Tel. (24/7): +999 1 555 0100".
func (v *Vocabulary) phonePiece(piece, use string) []phone {
	clean := dashes.Replace(piece)
	var list []phone
	words, last := "", 0
	for _, at := range phoneDigits.FindAllStringIndex(clean, -1) {
		number := clean[at[0]:at[1]]
		if digits(number) < 5 { // "24/7", "2nd floor"
			continue
		}
		words += " " + clean[last:at[0]]
		last = at[1]
		list = append(list, readNumber(strings.TrimSpace(number)))
	}
	words += " " + clean[last:]
	said := use
	if said == "" {
		said = v.use(words)
	}
	for i := range list {
		if list[i].Use = said; said == "" {
			list[i].Use, list[i].guessedUse = "office", true
		}
	}
	return list
}

// use says what a telephone is for, from the words around its number.
func (v *Vocabulary) use(words string) string {
	folded := fold(words)
	if folded == "" {
		return ""
	}
	if u := v.uses[folded]; u != "" {
		return u
	}
	if u := v.uses.inside(folded); u != "" && u != "office" {
		return u
	}
	found := ""
	for w := range strings.FieldsSeq(folded) { // "tel mobile": the plain word yields
		u := v.uses[w]
		if u == "" || u == "office" {
			continue
		}
		if found != "" && found != u {
			return ""
		}
		found = u
	}
	if found == "" {
		return v.uses.inside(folded)
	}
	return found
}

// readNumber brings a number into the international form when that is certain,
// or nearly so; else it keeps what was written.
func readNumber(s string) phone {
	written := strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " ")
	p := phone{Phone: directory.Phone{Written: written}}
	number, ext := written, ""
	if m := phoneExt.FindStringSubmatchIndex(number); m != nil {
		number, ext = number[:m[0]], " ext "+number[m[2]:m[3]]
	}
	international := strings.HasPrefix(number, "+") || strings.HasPrefix(number, "(+")
	if strings.HasPrefix(number, "00") {
		number, international, p.guessedNumber = "+"+strings.TrimLeft(number[2:], " "), true, true
	}
	if !international {
		return p
	}
	if strings.Contains(number, "(0)") {
		number, p.guessedNumber = strings.ReplaceAll(number, "(0)", " "), true
	}
	number = strings.NewReplacer("(", " ", ")", " ", "/", " ").Replace(number)
	number = strings.Join(strings.Fields(number), " ")
	for _, double := range []string{"- ", " -", "--", ". ", " ."} {
		number = strings.ReplaceAll(number, double, " ")
	}
	number = strings.Replace(number, "+ ", "+", 1) + ext
	if !phoneNumber.MatchString(number) {
		p.guessedNumber = false
		return p
	}
	p.Number = number
	if p.Written == p.Number {
		p.Written = ""
	}
	return p
}
