package intake

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"strings"
	"unicode"
)

// maxReceived is how many hops a message may have passed (RFC 5321, section
// 6.3, asks for at least 100).
const maxReceived = 100

// looped reports whether the header shows that the message goes in circles.
func looped(head []byte) bool {
	received := 0
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if name, _, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Received")) {
			received++
		}
	}
	return received > maxReceived
}

// repeatsFrom reports whether the header has more than one From field.
func repeatsFrom(head []byte) bool {
	n := 0
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if name, _, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(bytes.TrimRight(name, " \t"), []byte("From")) {
			n++
		}
	}
	return n > 1
}

// threads names the messages that this one answers.
func (a *arrival) threads() []string {
	var out []string
	for _, field := range []string{"In-Reply-To", "References"} {
		values, _ := a.message.Field(field)
		for _, id := range MessageIDs(strings.Join(values, " "), 20) {
			out = append(out, a.in.o.Vault.Name("thread", id))
		}
	}
	return out
}

// MessageIDs returns the Message-IDs in a header value, the last limit of
// them: those are nearest in the thread.
func MessageIDs(value string, limit int) []string {
	var out []string
	for _, f := range strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == '\r' || r == '\n' }) {
		if len(f) > 2 && len(f) <= 998 && f[0] == '<' && f[len(f)-1] == '>' {
			out = append(out, f)
		}
	}
	return out[max(0, len(out)-limit):]
}

// addresses returns the addr-specs of a header field; ok is false if it is not
// a well-formed list, or one that programs read in different ways.
func addresses(values []string) (out []string, ok bool) {
	parser := mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: anyCharset}}
	for _, v := range values {
		list, err := parser.ParseList(v)
		if err != nil {
			return nil, false
		}
		for _, a := range list {
			if ambiguous(a.Address) {
				return nil, false
			}
			out = append(out, a.Address)
		}
	}
	return out, true
}

// anyCharset lets a display name be in any charset: it proves nothing, and is
// not looked at.
func anyCharset(string, io.Reader) (io.Reader, error) { return strings.NewReader("?"), nil }

// ambiguous recognises addresses that one program shows as another: encoded
// words, which are not decoded here but by some (RFC 2047 section 5 forbids
// them in an address), and quoted local parts that hold a second @, blanks or
// brackets.
func ambiguous(address string) bool {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return true
	}
	local := address[:at]
	return strings.Contains(address, "=?") || strings.ContainsAny(local, "@ \t<>()[],;:\\\"") || strings.ContainsFunc(address, invisible)
}

// invisible recognises what cannot be told from nothing, or from another
// character, on a screen.
func invisible(r rune) bool { return !unicode.IsPrint(r) }
