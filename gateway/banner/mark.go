// Package banner says what the gateway found out about a message: in header
// fields that mail programs filter on, and in a short note that staff read
// before the message.
//
// The note cannot be forged. It is the first part of what staff see, it says
// where the words of the sender begin, and it carries a mark, made with a key
// of the vault, of what the note says. The same mark lets the gateway find the
// note again in an answer that quotes it, and take it out.
package banner

import (
	"bytes"
	"strings"
)

// Marks makes and recognises marks. It is a keyed hash in hex whose key never
// leaves the gateway; see [vault.Vault.Name].
type Marks func(purpose, s string) string

// A mark is four groups of four hex digits: one that differs from message to
// message, one by which the mark is known as ours, and two that depend on every
// letter of the note.
const (
	opening    = "[RELAIS-"
	closing    = "[/RELAIS-"
	markLength = len("3F7A-91C2-0B4E-77AC")
)

// mark makes the mark of a note with that text in a message known by that name.
func (m Marks) mark(message, text string) string {
	first := m.hash("banner message", message, 4)
	return first + "-" + m.second(first) + "-" + m.content(first, text)
}

func (m Marks) second(first string) string { return m.hash("banner mark", first, 4) }

func (m Marks) content(first, text string) string {
	sum := m.hash("banner text", first+string(letters(text)), 8)
	return sum[:4] + "-" + sum[4:]
}

func (m Marks) hash(purpose, s string, n int) string { return strings.ToUpper(m(purpose, s)[:n]) }

// ours reports whether this gateway made the mark, for whatever text.
func (m Marks) ours(mark string) bool { return mark[5:9] == m.second(mark[:4]) }

// fits reports whether this gateway made the mark for this text.
func (m Marks) fits(mark, text string) bool {
	return m.ours(mark) && mark[10:] == m.content(mark[:4], text)
}

// letters is what mail programs leave alone when they wrap, indent, quote and
// encode a text: its ASCII letters and digits.
func letters(text string) []byte {
	out := make([]byte, 0, len(text))
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			out = append(out, c)
		case c >= 'A' && c <= 'Z':
			out = append(out, c|0x20)
		}
	}
	return out
}

// token is the beginning or the end of a note, found in a text.
type token struct {
	from, to int
	mark     string
	ends     bool
}

// nextToken finds the next token in text from offset at on.
func nextToken(text []byte, at int) (token, bool) {
	for at < len(text) {
		i := bytes.IndexByte(text[at:], '[')
		if i < 0 {
			break
		}
		i += at
		for _, start := range []string{opening, closing} {
			end := i + len(start) + markLength
			if end < len(text) && string(text[i:i+len(start)]) == start && text[end] == ']' && isMark(text[end-markLength:end]) {
				return token{i, end + 1, string(text[end-markLength : end]), start == closing}, true
			}
		}
		at = i + 1
	}
	return token{}, false
}

func isMark(b []byte) bool {
	for i, c := range b {
		switch {
		case i%5 == 4:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// Imitated reports whether a text holds what looks like a note of the gateway,
// or like one of its header fields.
func Imitated(text string) bool {
	const name = "relais"
	for i := 0; ; i++ {
		n := strings.IndexByte(text[i:], '-')
		if n < 0 {
			return false
		}
		i += n
		if i <= len(name) || !strings.EqualFold(text[i-len(name):i], name) {
			continue
		}
		before := text[max(0, i-len(name)-2) : i-len(name)]
		if strings.HasSuffix(before, "[") || strings.HasSuffix(before, "/") || strings.EqualFold(before, "x-") {
			return true
		}
	}
}
