package pgpmime

import (
	"bytes"
	"fmt"
	"mime"
	"strings"

	"github.com/emersion/go-message/charset"
)

// Field is one header field. The value is unfolded and trimmed; encoded words
// (RFC 2047) are left as they are.
type Field struct{ Name, Value string }

// Header is a mail header in its original order, duplicates included.
type Header []Field

// Get returns the first value of the field, or "". Names are compared without
// regard to case.
func (h Header) Get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Values returns all values of the field in order.
func (h Header) Values(name string) []string {
	var values []string
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// Text returns the first value of the field with encoded words decoded. What
// cannot be decoded is returned as it stands; control characters that were
// hidden in encoded words become spaces.
func (h Header) Text(name string) string {
	raw := h.Get(name)
	dec := mime.WordDecoder{CharsetReader: charset.Reader}
	text, err := dec.DecodeHeader(raw)
	if err != nil {
		text = raw
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// single lists the fields that may stand once only (RFC 5322 section 3.6, RFC
// 2045). Two of one kind are how one program is made to check what another
// does not show.
var single = map[string]bool{
	"from": true, "sender": true, "reply-to": true, "to": true, "cc": true, "bcc": true,
	"date": true, "message-id": true, "in-reply-to": true, "references": true, "subject": true,
	"mime-version": true, "content-type": true, "content-transfer-encoding": true,
	"content-disposition": true, "content-id": true, "content-description": true,
}

// checkSingle refuses duplicates of single fields. The same Subject twice is
// let pass: Thunderbird writes it so into the signed part when it does not
// encrypt the subject, and whichever is read says the same.
func (h Header) checkSingle() error {
	seen := make(map[string]string, len(h))
	for _, f := range h {
		name := strings.ToLower(f.Name)
		before, twice := seen[name]
		if twice && single[name] && !(name == "subject" && before == f.Value) {
			return fmt.Errorf("%w: more than one %s field", ErrStructure, name)
		}
		seen[name] = f.Value
	}
	return nil
}

// splitHeader cuts the header block off an entity with CRLF line ends. The
// block keeps its last CRLF; the body starts behind the blank line.
func splitHeader(entity []byte) (block, body []byte) {
	if bytes.HasPrefix(entity, []byte("\r\n")) {
		return nil, entity[2:]
	}
	if i := bytes.Index(entity, []byte("\r\n\r\n")); i >= 0 {
		return entity[:i+2], entity[i+4:]
	}
	return entity, nil
}

// parseHeader reads a header block. It takes no liberties: a line without a
// field name, a bare CR or LF, or a NUL is an error.
func parseHeader(block []byte) (Header, error) {
	var h Header
	for len(block) > 0 {
		end := fieldEnd(block)
		raw := bytes.TrimSuffix(block[:end], []byte("\r\n"))
		block = block[end:]
		value := strings.ReplaceAll(string(raw), "\r\n", "") // unfold: the blank stays
		if strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("%w: control character in a header", ErrStructure)
		}
		name, value, ok := strings.Cut(value, ":")
		name = strings.TrimRight(name, " \t")
		if !ok || !isFieldName(name) {
			return nil, fmt.Errorf("%w: header line without a field name", ErrStructure)
		}
		h = append(h, Field{name, strings.Trim(value, " \t")})
	}
	return h, nil
}

// fieldEnd returns where the first field ends, continuation lines included.
func fieldEnd(block []byte) int {
	pos := 0
	for {
		i := bytes.Index(block[pos:], []byte("\r\n"))
		if i < 0 {
			return len(block)
		}
		pos += i + 2
		if pos >= len(block) || block[pos] != ' ' && block[pos] != '\t' {
			return pos
		}
	}
}

// isFieldName: RFC 5322 section 3.6.8, printable ASCII without colon.
func isFieldName(name string) bool {
	for _, c := range []byte(name) {
		if c <= 0x20 || c >= 0x7f || c == ':' {
			return false
		}
	}
	return len(name) > 0
}

// contentType returns the media type (lower case) and its parameters. Missing
// means text/plain (RFC 2045 section 5.2).
func (h Header) contentType() (string, map[string]string, error) {
	value := h.Get("Content-Type")
	if value == "" {
		return "text/plain", nil, nil
	}
	media, params, err := mime.ParseMediaType(value)
	if err != nil {
		return "", nil, fmt.Errorf("%w: content type: %w", ErrStructure, err)
	}
	return media, params, nil
}
