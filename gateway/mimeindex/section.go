package mimeindex

import (
	"bytes"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// ErrUnknownEncoding means that BINARY was asked of a part whose
// Content-Transfer-Encoding cannot be undone (RFC 9051, section 6.4.5.1).
var ErrUnknownEncoding = errors.New("unknown content transfer encoding")

// Section returns BODY[section] of raw, which must be the bytes that the
// index was built from. A section that does not exist is empty. The result
// may share memory with raw.
func (x *Index) Section(raw []byte, s *imap.FetchItemBodySection) []byte {
	return Partial(x.section(raw, s), s.Partial)
}

func (x *Index) section(raw []byte, s *imap.FetchItemBodySection) []byte {
	if len(raw) != x.size {
		return nil // not our message: offsets would lie
	}
	p := x.Find(s.Part)
	if p == nil {
		return nil
	}
	top := len(s.Part) == 0
	switch s.Specifier {
	case imap.PartSpecifierNone:
		if top {
			return raw
		}
		return raw[p.BodyStart:p.End]
	case imap.PartSpecifierMIME:
		if top {
			return nil
		}
		return raw[p.HeaderStart:p.BodyStart]
	case imap.PartSpecifierHeader, imap.PartSpecifierText:
		if !top {
			if !p.IsMessage() {
				return nil
			}
			p = p.Parts[0]
		}
		if s.Specifier == imap.PartSpecifierText {
			return raw[p.BodyStart:p.End]
		}
		return headerFields(raw[p.HeaderStart:p.BodyStart], s.HeaderFields, s.HeaderFieldsNot)
	}
	return nil
}

// HeaderSection answers like Section without the message's bytes. ok is false
// when they are needed: for anything but the header of the message itself, or
// for a very large header.
func (x *Index) HeaderSection(s *imap.FetchItemBodySection) (section []byte, ok bool) {
	if x.header == nil || len(s.Part) > 0 || s.Specifier != imap.PartSpecifierHeader {
		return nil, false
	}
	return Partial(headerFields(x.header, s.HeaderFields, s.HeaderFieldsNot), s.Partial), true
}

// headerFields keeps the fields named in only, or all but those named in not,
// and ends with the blank line that RFC 9051, section 6.4.5, asks for.
func headerFields(header []byte, only, not []string) []byte {
	if len(only) == 0 && len(not) == 0 {
		return header
	}
	names := only
	if len(only) == 0 {
		names = not
	}
	wanted := make(map[string]bool, len(names))
	for _, n := range names {
		wanted[strings.ToLower(n)] = true
	}
	var out bytes.Buffer
	eachField(header, func(name, _, whole []byte) bool {
		if wanted[strings.ToLower(string(name))] == (len(only) > 0) {
			out.Write(whole)
			if whole[len(whole)-1] != '\n' {
				out.WriteString("\r\n")
			}
		}
		return true
	})
	out.WriteString("\r\n")
	return out.Bytes()
}

// Partial cuts b as `<offset.size>` asks, whatever the numbers.
func Partial(b []byte, p *imap.SectionPartial) []byte {
	if p == nil {
		return b
	}
	if p.Offset < 0 || p.Size <= 0 || p.Offset >= int64(len(b)) {
		return nil
	}
	b = b[p.Offset:]
	if p.Size < int64(len(b)) { // compared, never added: no overflow
		b = b[:p.Size]
	}
	return b
}

// Binary returns BINARY[part]: the body of a part with its transfer encoding
// undone. For the empty path it is the whole message.
func (x *Index) Binary(raw []byte, part []int) ([]byte, error) {
	if len(part) == 0 || len(raw) != x.size {
		return x.section(raw, &imap.FetchItemBodySection{}), nil
	}
	p := x.Find(part)
	if p == nil {
		return nil, nil
	}
	body := raw[p.BodyStart:p.End]
	if p.IsMultipart() || p.IsMessage() {
		return body, nil
	}
	out, ok := decodeTransfer(body, p.Encoding)
	if !ok {
		return nil, ErrUnknownEncoding
	}
	return out, nil
}
