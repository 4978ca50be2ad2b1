package pgpmime

import (
	"bytes"
	"strings"

	"github.com/emersion/go-message/charset"

	"relais.example/crypto/pgp"
)

// Alteration names what was done to a signed message on its way, as far as it
// can be proved: undoing it makes the signature verify.
type Alteration string

// The closed set of alterations.
const (
	Unaltered          Alteration = ""                     // nothing of the below, or nothing that can be proved
	TrailingWhiteSpace Alteration = "trailing-white-space" // blanks at line ends added, or taken from the line "-- "
	LineEnds           Alteration = "line-ends"            // another kind of line ends, or empty lines at the end
	FromEscaped        Alteration = "from-escaped"         // ">" or a blank put before "From "
	ReEncoded          Alteration = "re-encoded"           // another transfer encoding or character set
	FooterAdded        Alteration = "footer-added"         // a mailing list wrote below the text
)

// normalForm is one way to undo an alteration. undo returns nil if there is
// nothing of the kind to undo.
type normalForm struct {
	name Alteration
	undo func(signed []byte) []byte
}

// The forms tried on a signed MIME entity: each costs one pass and one
// verification, and there are no combinations of them.
var entityForms = []normalForm{
	{TrailingWhiteSpace, stripBlanks},
	{TrailingWhiteSpace, restoreDashes},
	{FromEscaped, unescapeFrom},
	{LineEnds, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }},
	{LineEnds, func(b []byte) []byte { return append(bytes.Clone(b), "\r\n"...) }},
	{LineEnds, func(b []byte) []byte { return bytes.TrimRight(b, "\r\n") }},
	{LineEnds, func(b []byte) []byte { return append(bytes.TrimRight(bytes.Clone(b), "\r\n"), "\r\n"...) }},
	{ReEncoded, func(b []byte) []byte { return recode(b, to8bit) }},
	{ReEncoded, func(b []byte) []byte { return recode(b, to8bitBesideType) }},
	{ReEncoded, func(b []byte) []byte { return recode(b, toQuotedPrintable) }},
	{ReEncoded, func(b []byte) []byte { return recode(b, toBase64) }},
	{FooterAdded, func(b []byte) []byte { return cutFooter(b, 2) }},
	{FooterAdded, func(b []byte) []byte { return cutFooter(b, 0) }},
}

// findAlteration tries the forms. It is a help for the sender, no proof of
// anything else: whatever it finds, the signature stays bad.
func findAlteration(signed []byte, forms []normalForm, verify func([]byte) pgp.Signature) Alteration {
	for _, form := range forms {
		undone := form.undo(signed)
		if undone == nil || bytes.Equal(undone, signed) {
			continue
		}
		if verify(undone).State == pgp.SignatureGood {
			return form.name
		}
	}
	return Unaltered
}

// worthUndoing: one signature of a key that is known, which does not fit what
// came. Several signatures would multiply the work.
func worthUndoing(s pgp.Signature) bool {
	return s.State == pgp.SignatureBad && s.Signer == nil && s.Count == 1
}

// clearsignedForms are those for cleartext-signed text, where blanks at line
// ends and line ends themselves are not signed.
func clearsignedForms(declared string) []normalForm {
	return []normalForm{
		{FromEscaped, unescapeFrom},
		{FromEscaped, unstuff},
		{ReEncoded, func(b []byte) []byte { return toUTF8(b, declared) }},
		{ReEncoded, latin1},
	}
}

func stripBlanks(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for line := range bytes.Lines(b) {
		text := bytes.TrimRight(line, "\r\n")
		out = append(append(out, bytes.TrimRight(text, " \t")...), line[len(text):]...)
	}
	return out
}

// restoreDashes gives the line before a mail signature its blank back.
func restoreDashes(b []byte) []byte {
	return bytes.ReplaceAll(b, []byte("\r\n--\r\n"), []byte("\r\n-- \r\n"))
}

// unescapeFrom undoes what mailboxes in one file do to lines that begin with
// "From ".
func unescapeFrom(b []byte) []byte {
	return bytes.ReplaceAll(b, []byte("\n>From "), []byte("\nFrom "))
}

// unstuff takes the blank off that format=flowed puts before such lines
// (RFC 3676 section 4.4).
func unstuff(b []byte) []byte {
	return bytes.ReplaceAll(b, []byte("\n "), []byte("\n"))
}

// toUTF8 is for text that was signed in UTF-8 and put into another set.
func toUTF8(b []byte, declared string) []byte {
	if !isToken(declared) {
		return nil
	}
	r, err := charset.Reader(declared, bytes.NewReader(b))
	if err != nil {
		return nil
	}
	out, err := readSized(r, len(b)+len(b)/2)
	if err != nil {
		return nil
	}
	return out
}

// latin1 is for text that was signed in Latin-1 and put into UTF-8.
func latin1(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, r := range string(b) {
		if r > 0xff {
			return nil
		}
		out = append(out, byte(r))
	}
	return out
}

// cutFooter cuts where the last line of underscores begins, and keep bytes of
// the line end before it.
func cutFooter(b []byte, keep int) []byte {
	i := bytes.LastIndex(b, []byte("\r\n____________"))
	if i < 0 {
		return nil
	}
	return b[:i+keep]
}

// recode returns the entity with every text leaf recoded, or nil if there is
// none to recode. The entity keeps to the limits: it was walked before.
func recode(entity []byte, leaf func(out *bytes.Buffer, fields [][]byte, at int, body []byte) bool) []byte {
	var out bytes.Buffer
	out.Grow(len(entity) + len(entity)/8)
	if !recodeInto(&out, entity, leaf, 0) {
		return nil
	}
	return out.Bytes()
}

func recodeInto(out *bytes.Buffer, entity []byte, leaf func(*bytes.Buffer, [][]byte, int, []byte) bool, depth int) (changed bool) {
	block, body := splitHeader(entity)
	h, err := parseHeader(block)
	if err != nil || depth > DefaultLimits().MaxDepth {
		out.Write(entity)
		return false
	}
	media, params, err := h.contentType()
	switch {
	case err == nil && strings.HasPrefix(media, "multipart/") && params["boundary"] != "":
		m, err := splitParts(body, params["boundary"], DefaultLimits().MaxParts)
		if err != nil {
			break
		}
		out.Write(entity[:len(entity)-len(body)])
		written := 0
		for i, part := range m.parts {
			out.Write(body[written:m.starts[i]])
			changed = recodeInto(out, part, leaf, depth+1) || changed
			written = m.starts[i] + len(part)
		}
		out.Write(body[written:])
		return changed
	case err == nil && strings.HasPrefix(media, "text/"):
		fields, at := cutFields(block)
		if leaf(out, fields, at, body) {
			return true
		}
	}
	out.Write(entity)
	return false
}

// cutFields cuts a header block into its fields, each with its line end, and
// finds the one of the transfer encoding, or -1.
func cutFields(block []byte) (fields [][]byte, encoding int) {
	encoding = -1
	for len(block) > 0 {
		end := fieldEnd(block)
		if name, _, _ := bytes.Cut(block[:end], []byte(":")); strings.EqualFold(string(name), "Content-Transfer-Encoding") {
			encoding = len(fields)
		}
		fields = append(fields, block[:end])
		block = block[end:]
	}
	return fields, encoding
}

func encodingOf(fields [][]byte, at int) string {
	if at < 0 {
		return ""
	}
	_, value, _ := bytes.Cut(fields[at], []byte(":"))
	return strings.ToLower(string(bytes.TrimSpace(value)))
}

// writeLeaf writes the fields with another transfer encoding, and the body.
func writeLeaf(out *bytes.Buffer, fields [][]byte, at int, encoding string, body []byte) bool {
	for i, f := range fields {
		if i == at {
			f = []byte("Content-Transfer-Encoding: " + encoding + "\r\n")
		}
		out.Write(f)
	}
	out.WriteString("\r\n")
	out.Write(body)
	return true
}

// to8bit undoes what a server does that must pass 8bit text on to one that
// takes seven bits only (RFC 6152).
func to8bit(out *bytes.Buffer, fields [][]byte, at int, body []byte) bool {
	encoding := encodingOf(fields, at)
	if encoding != "quoted-printable" && encoding != "base64" {
		return false
	}
	plain, err := decodeBody(body, Header{{"Content-Transfer-Encoding", encoding}})
	if err != nil {
		return false
	}
	return writeLeaf(out, fields, at, "8bit", plain)
}

// to8bitBesideType is to8bit for servers, such as Postfix, that write the field
// anew at the end of the header: it stood behind the type most likely.
func to8bitBesideType(out *bytes.Buffer, fields [][]byte, at int, body []byte) bool {
	if at < 0 {
		return false
	}
	moved := make([][]byte, 0, len(fields))
	to := -1
	for i, f := range fields {
		if i == at {
			continue
		}
		moved = append(moved, f)
		if name, _, _ := bytes.Cut(f, []byte(":")); strings.EqualFold(string(name), "Content-Type") {
			to = len(moved)
			moved = append(moved, fields[at])
		}
	}
	if to < 0 {
		return false
	}
	return to8bit(out, moved, to, body)
}

// toQuotedPrintable and toBase64 undo what a server does that prefers 8bit; they
// find the usual way to encode only.
func toQuotedPrintable(out *bytes.Buffer, fields [][]byte, at int, body []byte) bool {
	if encodingOf(fields, at) != "8bit" {
		return false
	}
	encoded, err := quotedPrintable(body)
	return err == nil && writeLeaf(out, fields, at, "quoted-printable", encoded)
}

func toBase64(out *bytes.Buffer, fields [][]byte, at int, body []byte) bool {
	if encodingOf(fields, at) != "8bit" {
		return false
	}
	// The line end of the last line belongs to the boundary.
	return writeLeaf(out, fields, at, "base64", bytes.TrimSuffix(base64Lines(body), []byte("\r\n")))
}
