package classify

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxReferences = 16
	maxReference  = 40 // bytes of the sender's reference
)

// appendReferences appends what has the form of our references to refs:
// XA-2026-000123-K or XA-1-2026-000123-K, in capitals. The check character is
// not verified here. One pass: each hyphen is looked at once, with a fixed
// number of bytes around it.
func appendReferences(refs []string, s string) []string {
	const tail = len("-2026-000123-K")
	for i := 2; i+tail <= len(s) && len(refs) < maxReferences; i++ {
		hyphen := strings.IndexByte(s[i:len(s)-tail+1], '-')
		if hyphen < 0 {
			break
		}
		i += hyphen
		if !digits(s[i+1:i+5]) || s[i+5] != '-' || !digits(s[i+6:i+12]) || s[i+12] != '-' || !alnum(s[i+13]) {
			continue
		}
		if i+tail < len(s) && (alnum(s[i+tail]) || s[i+tail] == '-') {
			continue
		}
		start := i
		for start > 0 && i-start < 8 && (alnum(s[start-1]) || s[start-1] == '-') {
			start--
		}
		ref := strings.ToUpper(s[start : i+tail])
		if contactPointCode(ref[:i-start]) && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
		i += tail - 1
	}
	return refs
}

// contactPointCode reports whether s is XA, XAB1 or XA-1: a Party and at most
// four more letters or digits.
func contactPointCode(s string) bool {
	if len(s) < 2 || digitByte(s[0]) || digitByte(s[1]) || s[0] == '-' || s[1] == '-' {
		return false
	}
	rest := strings.TrimPrefix(s[2:], "-")
	return len(rest) <= 4 && !strings.Contains(rest, "-") && (len(rest) > 0 || len(s) == 2)
}

func digitByte(b byte) bool { return '0' <= b && b <= '9' }

func alnum(b byte) bool {
	return digitByte(b) || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

func digits(s string) bool {
	for i := range len(s) {
		if !digitByte(s[i]) {
			return false
		}
	}
	return true
}

// How much a found reference of the sender is worth.
const (
	worthShape   = 1 // has the shape of a reference, no label
	worthSubject = 2 // the same in the subject
	worthLabel   = 3 // behind "reference", "case number"
	worthOwn     = 4 // behind "our reference"
)

// ownReference looks in a sentence for the sender's own reference: what stands
// behind a label, else what has the shape of a reference. The value is folded.
func (c *Classifier) ownReference(s *sentence) (value []byte, worth int) {
	for _, h := range s.hits {
		w := 0
		switch h.family {
		case c.known.ownReference:
			w = worthOwn
		case c.known.reference:
			w = worthLabel
		}
		if w <= worth || c.spokenFor(s, h) {
			continue
		}
		if v := valueAfter(s, h.end); v != nil {
			value, worth = v, w
		}
	}
	if worth > 0 {
		return value, worth
	}
	if v := c.shapedReference(s); v != nil {
		if worth = worthShape; s.subject {
			worth = worthSubject
		}
		return v, worth
	}
	return nil, 0
}

// shapedReference finds the first run such as AG/INT/2026/63 or K-2026-551:
// joined by hyphens or slashes, with letters and with at least three digits,
// not one of ours, no address and no label of the other side before it.
func (c *Classifier) shapedReference(s *sentence) []byte {
	for i := 0; i < len(s.tokens); {
		j := i + 1
		for ; j < len(s.tokens); j++ {
			if gap := s.gap(int32(j)); len(gap) != 1 || gap[0] != '-' && gap[0] != '/' {
				break
			}
		}
		if j == i+1 { // as nearly always
			i = j
			continue
		}
		letters, figures := 0, 0
		for at := i; at < j; at++ {
			for _, b := range s.word(int32(at)) {
				if digitByte(b) {
					figures++
				} else {
					letters++
				}
			}
		}
		value := s.text[s.tokens[i].start:s.tokens[j-1].end]
		if figures >= 3 && letters > 0 && letters <= 10 && len(value) <= maxReference && !c.partOfAddress(s, i, j) && !c.theirs(s, int32(i)) &&
			len(appendReferences(nil, strings.ToUpper(string(value)))) == 0 {
			return value
		}
		i = j
	}
	return nil
}

// partOfAddress reports whether the run of tokens goes on into an address, a
// URL, a file name or a time.
func (c *Classifier) partOfAddress(s *sentence, from, to int) bool {
	if start := s.tokens[from].start; start > 0 && bytes.IndexByte([]byte("@/:._="), s.text[start-1]) >= 0 {
		return true
	}
	end := int(s.tokens[to-1].end)
	if end >= len(s.text) {
		return false
	}
	if next := s.text[end]; next == '@' || next == '=' || next == '_' {
		return true
	} else if next == '.' || next == ':' {
		return end+1 < len(s.text) && alnum(s.text[end+1])
	}
	return false
}

// theirs reports whether a label of the other side stands right before token
// at.
func (c *Classifier) theirs(s *sentence, at int32) bool {
	return slices.ContainsFunc(s.hits, func(h hit) bool { return h.family == c.known.yourReference && h.end <= at && at-h.end <= 2 })
}

// spokenFor reports whether a label belongs to the other side: "your ref".
func (c *Classifier) spokenFor(s *sentence, h hit) bool {
	return slices.ContainsFunc(s.hits, func(o hit) bool {
		return o.family == c.known.yourReference && o.start <= h.start && o.end >= h.end
	})
}

// valueAfter reads the value behind a label that ends with token at: past
// "no", dots and colons, up to the next space or comma; a first part without
// digit takes the part after it along ("UCJ 2026/1002").
func valueAfter(s *sentence, at int32) []byte {
	if int(at) >= len(s.tokens) {
		return nil
	}
	for int(at) < len(s.tokens)-1 && slices.Contains(referenceFillers, string(s.text[s.tokens[at].start:s.tokens[at].end])) {
		at++
	}
	gap := s.text[s.tokens[at-1].end:s.tokens[at].start]
	if len(gap) > 60 || len(bytes.Trim(gap, " .:#°_-=\t'\"[(")) > 0 {
		return nil
	}
	last := s.tokens[len(s.tokens)-1].end
	start := s.tokens[at].start
	end := start
	for parts := 0; parts < 2 && end < last; parts++ {
		for end < last && !bytes.ContainsRune([]byte(" \t\n,;)]\""), rune(s.text[end])) {
			end++
		}
		if bytes.ContainsAny(s.text[start:end], "0123456789") {
			break
		}
		end++
	}
	end = min(end, last)
	value := bytes.TrimRight(s.text[start:end], ".:- ")
	if len(value) < 3 || len(value) > maxReference || !bytes.ContainsAny(value, "0123456789") || bytes.ContainsRune(value, '@') {
		return nil
	}
	return value
}

var referenceFillers = []string{"no", "nr", "n", "number", "numero", "is", "est"}

// asWritten returns folded as it stands in the first of texts that has it, with
// its capitals; folded itself if none has.
func asWritten(folded []byte, texts ...string) string {
	want := string(folded)
	for _, text := range texts {
		for i := 0; i+len(want) <= len(text); i++ {
			if c := text[i]; c < utf8.RuneSelf && want[0] < utf8.RuneSelf && lowerASCII[c] != want[0] {
				continue // as nearly everywhere
			}
			if strings.EqualFold(text[i:i+len(want)], want) {
				return strings.Clone(text[i : i+len(want)])
			}
		}
	}
	return strings.ToUpper(want)
}
