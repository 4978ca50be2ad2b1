package classify

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// appendFolded appends s in the one spelling that words are compared in:
// compatibility forms replaced (NFKC), case folded, diacritics removed. Typed
// quotes, dashes and spaces become their ASCII forms. Line feeds stay, so that
// line n of the result is line n of s. Never more than limit bytes are
// appended: a single rune may unfold to dozens of bytes.
func appendFolded(dst []byte, s string, limit int) []byte {
	for i := 0; i < len(s) && limit > 0; {
		start := len(dst)
		dst = appendPlain(dst, s[i:min(len(s), i+limit, i+plainChunk)])
		if n := len(dst) - start; n > 0 {
			i += n
			limit -= n
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		before := len(dst)
		dst = appendFoldedRune(dst, r, s[i:i+size])
		limit -= len(dst) - before
		i += size
	}
	return dst
}

func appendFoldedRune(dst []byte, r rune, s string) []byte {
	switch r {
	case '‘', '’', '‚', '‛', 'ʼ', '`', '´':
		return append(dst, '\'')
	case '“', '”', '„', '«', '»':
		return append(dst, '"')
	case '‐', '‑', '‒', '–', '—', '―', '−':
		return append(dst, '-')
	case '\u00ad', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff': // invisible: soft hyphen, zero width
		return dst
	case '\u2028', '\u2029', '\u0085':
		return append(dst, ' ')
	case 'ß', 'ẞ':
		return append(dst, "ss"...)
	case 'æ', 'Æ':
		return append(dst, "ae"...)
	case 'œ', 'Œ':
		return append(dst, "oe"...)
	case 'ı':
		return append(dst, 'i')
	case utf8.RuneError:
		return append(dst, '?')
	}
	if unicode.Is(unicode.Mn, r) {
		return dst
	}
	decomposed := norm.NFKD.PropertiesString(s).Decomposition()
	if decomposed == nil {
		return utf8.AppendRune(dst, unicode.ToLower(r))
	}
	for len(decomposed) > 0 {
		d, size := utf8.DecodeRune(decomposed)
		decomposed = decomposed[size:]
		switch {
		case unicode.Is(unicode.Mn, d):
		case d == '⁄': // fraction slash, from the halves and quarters
			dst = append(dst, '/')
		default:
			dst = utf8.AppendRune(dst, unicode.ToLower(d))
		}
	}
	return dst
}

// plainChunk bounds what appendPlain copies in vain.
const plainChunk = 128

// appendPlain appends the ASCII text that s begins with, in lower case.
func appendPlain(dst []byte, s string) []byte {
	start := len(dst)
	dst = append(dst, s...)
	for i, b := range dst[start:] {
		if b >= utf8.RuneSelf {
			return dst[:start+i]
		}
		dst[start+i] = lowerASCII[b]
	}
	return dst
}

var lowerASCII = func() (lower [256]byte) {
	for b := range lower {
		lower[b] = byte(b)
		if 'A' <= b && b <= 'Z' {
			lower[b] += 'a' - 'A'
		}
	}
	return lower
}()

// wordEnd returns where the word that begins at i ends, or i if none does: a
// word is folded letters and digits.
func wordEnd(text []byte, i int) int {
	for i < len(text) {
		if slotOf[text[i]] != noSlot {
			i++
			continue
		}
		size := letterLen(text[i:])
		if size == 0 {
			return i
		}
		i += size
	}
	return i
}

// letterLen is the length of the letter or digit beyond ASCII that b begins
// with, 0 if it begins with none.
func letterLen(b []byte) int {
	if b[0] < utf8.RuneSelf {
		return 0
	}
	r, size := utf8.DecodeRune(b)
	if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
		return 0
	}
	return size
}

// markLen is the length of the rune at the start of b.
func markLen(b []byte) int {
	if b[0] < utf8.RuneSelf {
		return 1
	}
	_, size := utf8.DecodeRune(b)
	return size
}
