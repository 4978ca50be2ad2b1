package pgpmime

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"relais.example/crypto/pgp"
)

// Draft is what Seal makes a message of. All header values are plain Unicode;
// CR, LF and NUL in any of them is an error.
type Draft struct {
	From       string   // one address, "a@b.example" or "Name <a@b.example>"
	To         []string // likewise, at least one
	Subject    string   // the real one: it travels encrypted
	Date       time.Time
	MessageID  string // with angle brackets; made up at random if empty
	InReplyTo  string // with angle brackets, like each of References
	References []string
	// Extra are further protected fields; Outside are fields that stand both
	// inside and, in clear, on the outside, such as Auto-Submitted.
	Extra, Outside [][2]string
	// OuterSubject is what the world sees; "..." if empty.
	OuterSubject string
	// ContentType is the type of Body with its parameters. Empty: Body is UTF-8
	// text. A multipart body is taken as it is (its lines must keep to 998
	// bytes); any other is encoded here.
	ContentType string
	Body        []byte
}

// Seal signs and encrypts a draft and returns a whole message: RFC 3156
// multipart/encrypted with the real headers protected inside (RFC 9788
// hp="cipher", and protected-headers="v1" for older programs). Outside stand
// From, To, Date, Message-ID, In-Reply-To and References, which mail servers
// and threading need, and a Subject that says nothing. Lines end in CRLF and
// keep to 998 bytes, all ASCII.
func Seal(d Draft, signer *pgp.Key, to []*pgp.Certificate, at time.Time) ([]byte, error) {
	if d.MessageID == "" {
		d.MessageID = messageID(d.From)
	}
	shared, err := d.sharedFields()
	if err != nil {
		return nil, fmt.Errorf("sealing message: %w", err)
	}
	entity, outerSubject, err := d.entity(shared)
	if err != nil {
		return nil, fmt.Errorf("sealing message: %w", err)
	}
	ciphertext, err := pgp.Encrypt(entity, signer, to, at)
	if err != nil {
		return nil, fmt.Errorf("sealing message: %w", err)
	}
	boundary := "=_" + rand.Text()
	var b bytes.Buffer
	b.Grow(len(ciphertext) + 2048)
	for _, f := range append(shared, outerSubject, Field{"MIME-Version", "1.0"},
		Field{"Content-Type", `multipart/encrypted; protocol="application/pgp-encrypted"; boundary="` + boundary + `"`}) {
		writeField(&b, f)
	}
	b.WriteString("\r\nThis is an OpenPGP/MIME encrypted message (RFC 3156).\r\n--" + boundary +
		"\r\nContent-Type: application/pgp-encrypted\r\nContent-Description: PGP/MIME version identification\r\n\r\nVersion: 1\r\n\r\n--" + boundary +
		"\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\nContent-Description: OpenPGP encrypted message\r\n" +
		"Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n")
	b.Write(ciphertext)
	b.WriteString("\r\n--" + boundary + "--\r\n")
	return b.Bytes(), nil
}

// sharedFields are those that stand inside and outside alike.
func (d *Draft) sharedFields() ([]Field, error) {
	from, err := address(d.From)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if len(d.To) == 0 {
		return nil, errors.New("to: no address")
	}
	to := make([]string, len(d.To))
	for i, a := range d.To {
		if to[i], err = address(a); err != nil {
			return nil, fmt.Errorf("to: %w", err)
		}
	}
	if d.Date.IsZero() {
		return nil, errors.New("date: missing")
	}
	fields := []Field{
		{"From", from},
		{"To", strings.Join(to, ", ")},
		{"Date", d.Date.Format(time.RFC1123Z)},
		{"Message-ID", d.MessageID},
	}
	ids := append([]string{d.MessageID}, d.References...)
	if d.InReplyTo != "" {
		fields = append(fields, Field{"In-Reply-To", d.InReplyTo})
		ids = append(ids, d.InReplyTo)
	}
	if len(d.References) > 0 {
		fields = append(fields, Field{"References", strings.Join(d.References, " ")})
	}
	for _, id := range ids {
		if !isMessageID(id) {
			return nil, fmt.Errorf("message id %s: want <left@right> in printable ASCII", safe(id))
		}
	}
	extra, err := extraFields(d.Outside)
	return append(fields, extra...), err
}

// entity builds what is encrypted, and returns the outer Subject with it.
func (d *Draft) entity(shared []Field) ([]byte, Field, error) {
	subject, err := unstructured(d.Subject)
	if err != nil {
		return nil, Field{}, fmt.Errorf("subject: %w", err)
	}
	outer := d.OuterSubject
	if outer == "" {
		outer = "..."
	}
	if outer, err = unstructured(outer); err != nil {
		return nil, Field{}, fmt.Errorf("outer subject: %w", err)
	}
	outerSubject := Field{"Subject", outer}
	extra, err := extraFields(d.Extra)
	if err != nil {
		return nil, Field{}, err
	}
	media, encoding, body, err := d.encodeBody()
	if err != nil {
		return nil, Field{}, err
	}
	var b bytes.Buffer
	b.Grow(len(body) + 4096)
	fields := append(append([]Field{}, shared...), Field{"Subject", subject})
	fields = append(fields, extra...)
	// RFC 9788 section 2.2: what stood outside, so that a reader can tell which
	// fields were confidential.
	for _, f := range append(append([]Field{}, shared...), outerSubject) {
		fields = append(fields, Field{"HP-Outer", f.Name + ": " + f.Value})
	}
	fields = append(fields, Field{"MIME-Version", "1.0"}, Field{"Content-Type", media})
	if encoding != "" {
		fields = append(fields, Field{"Content-Transfer-Encoding", encoding})
	}
	for _, f := range fields {
		writeField(&b, f)
	}
	if longestLine(b.Bytes()) > maxLine {
		return nil, Field{}, fmt.Errorf("header: a line would be longer than %d bytes", maxLine)
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes(), outerSubject, nil
}

// reserved fields are written by Seal itself.
var reserved = map[string]bool{
	"from": true, "to": true, "date": true, "message-id": true, "in-reply-to": true,
	"references": true, "subject": true, "mime-version": true, "hp-outer": true,
}

func extraFields(pairs [][2]string) ([]Field, error) {
	var fields []Field
	for _, p := range pairs {
		name := strings.ToLower(p[0])
		if !isFieldName(p[0]) || len(p[0]) > 76 || reserved[name] || strings.HasPrefix(name, "content-") {
			return nil, fmt.Errorf("field name %s is not allowed here", safe(p[0]))
		}
		value, err := unstructured(p[1])
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", p[0], err)
		}
		fields = append(fields, Field{p[0], value})
	}
	return fields, nil
}

var errControl = errors.New("control character or invalid UTF-8 in a header value")

// unstructured encodes a header value (RFC 2047). Control characters are
// refused, not stripped: whoever put them there meant something else.
func unstructured(v string) (string, error) {
	for _, r := range v {
		if r < 0x20 && r != '\t' || r == 0x7f {
			return "", errControl
		}
	}
	if !utf8.ValidString(v) {
		return "", errControl
	}
	longest := 0
	for word := range strings.FieldsSeq(v) {
		longest = max(longest, len(word))
	}
	encoded := mime.QEncoding.Encode("utf-8", v)
	if encoded == v && (longest > 900 || strings.Contains(v, "=?")) {
		// Too long for a line, or it looks like an encoded word but is none.
		encoded = encodeWords(v)
	}
	return encoded, nil
}

// encodeWords encodes ASCII text that the standard library would leave alone.
func encodeWords(v string) string {
	var words []string
	for len(v) > 0 {
		n := min(len(v), 20)
		var b strings.Builder
		b.WriteString("=?utf-8?q?")
		for _, c := range []byte(v[:n]) {
			fmt.Fprintf(&b, "=%02X", c)
		}
		b.WriteString("?=")
		words, v = append(words, b.String()), v[n:]
	}
	return strings.Join(words, " ")
}

// address parses one address and writes it anew, so that nothing passes through
// that is not part of an address.
func address(s string) (string, error) {
	if _, err := unstructured(s); err != nil {
		return "", err
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		return "", fmt.Errorf("%s is no address", safe(s))
	}
	for _, r := range a.Name {
		if r < 0x20 || r == 0x7f { // hidden in an encoded word
			return "", errControl
		}
	}
	for _, c := range []byte(a.Address) {
		if c <= 0x20 || c >= 0x7f {
			return "", fmt.Errorf("%s: only ASCII addresses without blanks can be sent to", safe(a.Address))
		}
	}
	if len(a.Address) > 320 || len(a.Name) > 256 {
		return "", errors.New("address longer than 320 bytes, or its name longer than 256")
	}
	return a.String(), nil
}

func isMessageID(id string) bool {
	if len(id) < 5 || len(id) > 900 || id[0] != '<' || id[len(id)-1] != '>' || !strings.Contains(id, "@") {
		return false
	}
	for _, c := range []byte(id[1 : len(id)-1]) {
		if c <= 0x20 || c >= 0x7f || c == '<' || c == '>' {
			return false
		}
	}
	return true
}

// messageID makes an identifier that tells nothing but the sender's domain.
func messageID(from string) string {
	domain := "relais.invalid"
	if a, err := mail.ParseAddress(from); err == nil {
		if i := strings.LastIndexByte(a.Address, '@'); i >= 0 {
			domain = a.Address[i+1:]
		}
	}
	return "<" + strings.ToLower(rand.Text()) + "@" + domain + ">"
}

// writeField writes one field, folded at blanks before column 76.
func writeField(b *bytes.Buffer, f Field) {
	b.WriteString(f.Name)
	b.WriteByte(':')
	column := len(f.Name) + 1
	for i, word := range strings.Split(f.Value, " ") {
		if i > 0 && word != "" && column+1+len(word) > 76 {
			b.WriteString("\r\n")
			column = 0
		}
		b.WriteByte(' ')
		b.WriteString(word)
		column += 1 + len(word)
	}
	b.WriteString("\r\n")
}
