package request

import (
	"fmt"
	"regexp"
	"strings"
)

// Reference names a request: contact point, year, running number and a check
// character, such as XA-1-2026-000123-K. The check character (ISO 7064,
// MOD 37,36) catches every single typing error and nearly all transpositions.
type Reference string

var referencePattern = regexp.MustCompile(`\b[A-Z]{2}(?:-[A-Z0-9]{1,4})?-[0-9]{4}-[0-9]{6,9}-[A-Z0-9]\b`)

// NewReference returns the reference of the n-th request of a contact point
// in a year.
func NewReference(contactPoint string, year int, n uint64) Reference {
	body := fmt.Sprintf("%s-%04d-%06d", contactPoint, year, n)
	return Reference(body + "-" + string(checkCharacter(body)))
}

// ParseReference returns the reference written as s. The error says whether
// its form or its check character is wrong.
func ParseReference(s string) (Reference, error) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if referencePattern.FindString(s) != s || s == "" {
		return "", fmt.Errorf("reference %q: want the form XA-1-2026-000123-K", s)
	}
	body, check := s[:len(s)-2], s[len(s)-1]
	if checkCharacter(body) != check {
		return "", fmt.Errorf("reference %s: the check character does not match; compare it with the original message", s)
	}
	return Reference(s), nil
}

// FindReferences returns the valid references in text, each once, in order of
// appearance, at most limit of them.
func FindReferences(text string, limit int) []Reference {
	var out []Reference
	seen := map[Reference]bool{}
	for _, m := range referencePattern.FindAllString(strings.ToUpper(text), 8*limit) {
		r, err := ParseReference(m)
		if err != nil || seen[r] {
			continue
		}
		seen[r] = true
		if out = append(out, r); len(out) == limit {
			break
		}
	}
	return out
}

// Mistyped returns the first thing in text that has the form of a reference
// given by that contact point but not its check character, or "".
func Mistyped(text, contactPoint string) string {
	for _, m := range referencePattern.FindAllString(strings.ToUpper(text), 20) {
		if _, err := ParseReference(m); err != nil && Reference(m).ContactPoint() == contactPoint {
			return m
		}
	}
	return ""
}

// ContactPoint returns the identifier of the contact point that gave the
// reference.
func (r Reference) ContactPoint() string {
	parts := strings.Split(string(r), "-")
	if len(parts) < 4 {
		return ""
	}
	return strings.Join(parts[:len(parts)-3], "-")
}

const checkAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// checkCharacter computes ISO 7064 MOD 37,36 over the letters and digits of s.
func checkCharacter(s string) byte {
	p := 36
	for i := 0; i < len(s); i++ {
		v := strings.IndexByte(checkAlphabet, s[i])
		if v < 0 {
			continue // the hyphens
		}
		p += v
		if p %= 36; p == 0 {
			p = 36
		}
		p = p * 2 % 37
	}
	return checkAlphabet[(37-p)%36]
}
