package mimeindex

import (
	"bytes"
	"encoding/base64"
	"mime/quotedprintable"
	"strings"
)

// Outline is Build without the envelopes: for those who look at parts only.
func Outline(raw []byte) *Index {
	b := builder{raw: raw, textOnly: true}
	root := b.build()
	return &Index{Root: root, size: len(raw), parts: b.parts, headers: b.headers}
}

// Leaves calls f for every part that holds no other, in order, those of
// embedded messages included, until f returns false.
func (x *Index) Leaves(f func(p *Part) bool) { x.Root.leaves(f) }

func (p *Part) leaves(f func(*Part) bool) bool {
	if len(p.Parts) == 0 {
		return f(p)
	}
	for _, child := range p.Parts {
		if !child.leaves(f) {
			return false
		}
	}
	return true
}

// Content returns the body of a leaf with its transfer encoding undone. raw
// must be the bytes that the index was built from. ok is false if the encoding
// is not known.
func (p *Part) Content(raw []byte) (content []byte, ok bool) {
	return decodeTransfer(raw[p.BodyStart:p.End], p.Encoding)
}

// Text returns the decoded text of a leaf, at most 8 MiB of it; "" if it is no
// text.
func (p *Part) Text(raw []byte) string {
	var out string
	if len(p.Parts) == 0 {
		p.texts(raw, func(text string) bool { out = text; return false })
	}
	return out
}

// IsEncoded reports whether the bytes of a part are not its content.
func (p *Part) IsEncoded() bool { return !identity(p.Encoding) }

// OpensAsMail reports whether a mail program shows a leaf as a mail when a
// person opens it: by its type or by its name.
func (p *Part) OpensAsMail() bool {
	if p.Type == "message" || p.Type == "text" && strings.HasPrefix(p.Subtype, "rfc822") {
		return true
	}
	for _, params := range []map[string]string{p.Params, p.DispParams} {
		for name, value := range params {
			if strings.HasPrefix(name, "name") || strings.HasPrefix(name, "filename") {
				value = strings.ToLower(DecodeHeader(value))
				if strings.HasSuffix(value, ".eml") || strings.HasSuffix(value, "%2eeml") {
					return true
				}
			}
		}
	}
	return false
}

// Encode is the reverse of Content: it encodes content as the part is.
func (p *Part) Encode(content []byte) []byte {
	var b bytes.Buffer
	switch p.Encoding {
	case "base64":
		for len(content) > 0 {
			n := min(len(content), 57) // 76 characters
			b.WriteString(base64.StdEncoding.EncodeToString(content[:n]))
			b.WriteString("\r\n")
			content = content[n:]
		}
	case "quoted-printable":
		w := quotedprintable.NewWriter(&b)
		w.Write(content)
		w.Close()
	default:
		return content
	}
	return b.Bytes()
}
