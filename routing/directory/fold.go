package directory

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// foldText returns s in lower case and without diacritics, the form in which
// search compares: "Procureur général" and "PROCUREUR GENERAL" are the same.
func foldText(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.Is(unicode.Mn, r): // the accent that NFKD split off
		case plainLetters[r] != "":
			b.WriteString(plainLetters[r])
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// plainLetters spells the Latin letters that have no decomposition.
var plainLetters = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'ø': "o", 'Ø': "o",
	'ł': "l", 'Ł': "l", 'đ': "d", 'Đ': "d", 'ð': "d", 'Ð': "d", 'þ': "th", 'Þ': "th",
	'ħ': "h", 'Ħ': "h", 'ı': "i",
}

// trimWord takes the punctuation off both ends of a word.
func trimWord(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// splitWord cuts a folded word at everything that is no letter or digit:
// "d'alphaland" gives "d" and "alphaland".
func splitWord(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// queryWords cuts a query into folded words. A telephone number or fingerprint
// written in groups is one word.
func queryWords(query string) []string {
	folded := foldText(query)
	if n := joinGroups(folded, "0123456789", "+-.()/ "); len(n) >= 5 {
		return []string{n}
	}
	if n := joinGroups(strings.TrimPrefix(strings.TrimSpace(folded), "0x"), "0123456789abcdef", ": "); len(n) >= 8 && strings.ContainsAny(n, "0123456789") {
		return []string{n}
	}
	var words []string
	for _, w := range strings.Fields(folded) {
		if w = trimWord(w); w != "" {
			words = append(words, w)
		}
	}
	return words
}

// joinGroups removes the characters of between and returns the rest, or "" if
// it holds anything but those of allowed.
func joinGroups(s, allowed, between string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune(allowed, r):
			b.WriteRune(r)
		case !strings.ContainsRune(between, r):
			return ""
		}
	}
	return b.String()
}
