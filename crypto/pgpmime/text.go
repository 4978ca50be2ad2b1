package pgpmime

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
)

// textCharset names the character set of inline text. UTF-8 if it is (RFC 9580
// makes that the rule), else what the armor says, else what the mail around it
// says, else Latin-1, which at least loses nothing. Both statements can be
// altered on the way without breaking the signature: they count only for bytes
// that are no UTF-8, and only if the set leaves ASCII as it is.
func textCharset(text []byte, declared ...string) string {
	shifts := bytes.IndexByte(text, 0x1b) >= 0 // ISO-2022: other sets in seven bits
	if !shifts && utf8.Valid(text) {
		return "utf-8"
	}
	for _, name := range declared {
		if len(name) <= 40 && isToken(name) && keepsASCII(name) && (!shifts || strings.HasPrefix(strings.ToLower(name), "iso-2022-")) {
			return name
		}
	}
	if utf8.Valid(text) {
		return "utf-8"
	}
	return "iso-8859-1"
}

// keepsASCII tells whether letters, digits and the usual signs mean in the set
// what they mean in ASCII. In UTF-16 or EBCDIC they do not, and a statement put
// beside a signed text would turn it into another one.
func keepsASCII(name string) bool {
	const some = "0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz @.,:;-+/()<>!?'\"\r\n"
	r, err := charset.Reader(name, strings.NewReader(some))
	if err != nil {
		return false
	}
	got, err := io.ReadAll(r)
	return err == nil && string(got) == some
}

// armorCharset returns what the header of an armored block says about its text
// (RFC 4880 section 6.2, "Charset"), or "".
func armorCharset(armored []byte) string {
	_, rest, _ := bytes.Cut(armored, []byte("\n"))
	for range 16 { // headers
		line, more, ok := bytes.Cut(rest, []byte("\n"))
		name, value, colon := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		if !ok || !colon {
			return ""
		}
		if strings.EqualFold(string(name), "Charset") {
			return string(bytes.TrimSpace(value))
		}
		rest = more
	}
	return ""
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
