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
		b := s[i]
		if b < utf8.RuneSelf {
			if 'A' <= b && b <= 'Z' {
				b += 'a' - 'A'
			}
			dst = append(dst, b)
			i++
			limit--
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

// wordRune reports whether the folded rune at the start of b is part of a
// word, and its size.
func wordRune(b []byte) (bool, int) {
	c := b[0]
	if c < utf8.RuneSelf {
		return 'a' <= c && c <= 'z' || '0' <= c && c <= '9', 1
	}
	r, size := utf8.DecodeRune(b)
	return unicode.IsLetter(r) || unicode.IsDigit(r), size
}
