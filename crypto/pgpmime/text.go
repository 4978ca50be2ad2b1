package pgpmime

import (
	"unicode/utf8"
)

// textCharset names the character set of inline text: UTF-8 if it is (RFC 9580
// makes that the rule), else what the mail around it says if that is a plain
// token, else Latin-1, which at least loses nothing.
func textCharset(text []byte, declared string) string {
	if utf8.Valid(text) {
		return "utf-8"
	}
	if len(declared) > 0 && len(declared) <= 40 && isToken(declared) {
		return declared
	}
	return "iso-8859-1"
}

// isToken: RFC 2045 section 5.1, narrowed to what names of character sets use.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == ':', c == '+':
		default:
			return false
		}
	}
	return len(s) > 0
}
