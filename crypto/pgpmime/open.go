package pgpmime

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"

	"relais.example/crypto/pgp"
)

// Open reads a whole RFC 5322 message and opens whatever OpenPGP it uses.
//
// The errors are [pgp.ErrCannotOpen] (the one answer for everything that does
// not decrypt), [ErrStructure] and [ErrLimits]; with an error nothing is
// returned. What a signature is worth is no error but a fact of the Message.
func Open(raw []byte, o Options) (*Message, error) {
	o.Limits = o.Limits.withDefaults()
	raw, err := crlf(raw)
	if err != nil {
		return nil, err
	}
	s := &scanner{limits: o.Limits}
	outer, body, err := s.header(raw)
	if err != nil {
		return nil, err
	}
	media, params, err := outer.contentType()
	if err != nil {
		return nil, err
	}
	m := &Message{Form: Clear, Outer: outer, Signature: pgp.Signature{State: pgp.SignatureNone, Intended: pgp.IntendedUnstated}}
	switch {
	case media == "multipart/encrypted":
		err = m.openEncrypted(body, params, o)
	case media == "multipart/signed" && is(params["protocol"], "application/pgp-signature"):
		err = m.openSigned(body, params, o)
	case media == "text/plain":
		err = m.openInline(body, params, o)
	default:
		err = clearOnly(s, outer, body)
		m.PartSigned = s.signed
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func is(value, want string) bool { return strings.EqualFold(value, want) }

// openEncrypted: RFC 3156 section 4, to the letter.
func (m *Message) openEncrypted(body []byte, params map[string]string, o Options) error {
	if !is(params["protocol"], "application/pgp-encrypted") {
		return fmt.Errorf("%w: multipart/encrypted with another protocol than application/pgp-encrypted", ErrStructure)
	}
	parts, err := twoParts(body, params)
	if err != nil {
		return err
	}
	s := &scanner{limits: o.Limits}
	control, err := leaf(s, parts[0], "application/pgp-encrypted")
	if err != nil {
		return err
	}
	if !is(string(bytes.TrimSpace(control)), "Version: 1") {
		return fmt.Errorf("%w: control part without Version: 1", ErrStructure)
	}
	ciphertext, err := leaf(s, parts[1], "application/octet-stream")
	if err != nil {
		return err
	}
	d, err := decrypt(ciphertext, o)
	if err != nil {
		return err
	}
	m.decrypted(MIMEEncrypted, d)
	entity, err := crlf(d.Plaintext)
	if err != nil {
		return err
	}
	return m.setEntity(entity, o)
}

// leaf returns the decoded body of a part of the type given.
func leaf(s *scanner, part []byte, want string) ([]byte, error) {
	h, body, err := s.header(part)
	if err != nil {
		return nil, err
	}
	media, _, err := h.contentType()
	if err != nil {
		return nil, err
	}
	if media != want {
		return nil, fmt.Errorf("%w: a part is %s where %s belongs", ErrStructure, safe(media), want)
	}
	return decodeBody(body, h)
}

// safe cuts down a value that came by mail for an error text.
func safe(s string) string {
	if len(s) > 60 {
		s = s[:60]
	}
	return fmt.Sprintf("%q", s)
}

func decrypt(ciphertext []byte, o Options) (*pgp.Decrypted, error) {
	d, err := pgp.Decrypt(bytes.TrimSpace(ciphertext), o.Keys, o.Ring, o.Policy, pgp.Limits{MaxPlaintext: o.Limits.MaxPlaintext}, o.At)
	if errors.Is(err, pgp.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %w", ErrLimits, err)
	}
	return d, err
}

func (m *Message) decrypted(form Form, d *pgp.Decrypted) {
	m.Form, m.Encrypted, m.Signature = form, true, d.Signature
	m.Cipher, m.DecryptedWith, m.Recipients = d.Cipher, d.DecryptedWith, d.Recipients
}

// setEntity takes the decrypted entity. If its root is multipart/signed, the
// signed part is all there is to show.
func (m *Message) setEntity(entity []byte, o Options) error {
	s := &scanner{limits: o.Limits}
	h, body, err := s.header(entity)
	if err != nil {
		return err
	}
	media, params, err := h.contentType()
	if err != nil {
		return err
	}
	if media == "multipart/signed" && is(params["protocol"], "application/pgp-signature") {
		return m.setSigned(body, params, o)
	}
	return m.take(s, entity, h, body)
}

// openSigned: RFC 3156 section 5, not encrypted.
func (m *Message) openSigned(body []byte, params map[string]string, o Options) error {
	m.Form = MIMESigned
	return m.setSigned(body, params, o)
}

// setSigned verifies a multipart/signed over the exact bytes of its first part
// and takes that part. With a signature around it already, both must be good.
func (m *Message) setSigned(body []byte, params map[string]string, o Options) error {
	parts, err := twoParts(body, params)
	if err != nil {
		return err
	}
	s := &scanner{limits: o.Limits}
	armored, err := leaf(s, parts[1], "application/pgp-signature")
	if err != nil {
		return err
	}
	verify := func(signed []byte) pgp.Signature { return pgp.VerifyDetached(signed, armored, o.Ring, o.Policy, o.At) }
	sig := verify(parts[0])
	sig.Intended = pgp.JudgeIntended(sig.IntendedRecipients, o.Keys)
	if m.Signature.State != pgp.SignatureNone {
		sig = m.Signature.And(sig)
	}
	m.Signature = sig
	h, inner, err := s.header(parts[0])
	if err != nil {
		return err
	}
	if err := m.take(s, parts[0], h, inner); err != nil {
		return err
	}
	if !m.Encrypted && worthUndoing(sig) {
		m.Altered = findAlteration(parts[0], entityForms, verify)
	}
	return nil
}

// take makes entity the message: checks it against the limits and reads the
// headers it protects.
func (m *Message) take(s *scanner, entity []byte, h Header, body []byte) error {
	media, params, err := h.contentType()
	if err != nil {
		return err
	}
	if media == "multipart/encrypted" {
		return fmt.Errorf("%w: encrypted inside of encrypted or signed", ErrStructure)
	}
	if err := s.walk(h, body, 1); err != nil {
		return err
	}
	m.Entity = entity
	m.WholeSigned = m.Signature.State != pgp.SignatureNone
	m.PartSigned = s.signed && !m.WholeSigned
	switch {
	case is(params["hp"], "cipher"), is(params["hp"], "clear"): // RFC 9788 section 2.1.1
		m.Protection = strings.ToLower(params["hp"])
	case is(params["protected-headers"], "v1"):
		m.Protection = "v1"
	default:
		return nil
	}
	m.Protected = Header{}
	for _, f := range h {
		name := strings.ToLower(f.Name)
		if name == "mime-version" || name == "hp-outer" || strings.HasPrefix(name, "content-") {
			continue
		}
		m.Protected = append(m.Protected, f)
	}
	return nil
}

var (
	beginMessage = []byte("-----BEGIN PGP MESSAGE-----")
	beginSigned  = []byte("-----BEGIN PGP SIGNED MESSAGE-----")
	// byteOrderMark begins texts that Windows programs save as UTF-8.
	byteOrderMark = []byte("\uFEFF")
)

// errSeveralBlocks: which of them is the message, and what stands between them,
// is not for a program to guess.
var errSeveralBlocks = fmt.Errorf("%w: more than one PGP block in the text; send one, or PGP/MIME", ErrStructure)

// openInline takes a text body that is one PGP block and nothing else.
func (m *Message) openInline(body []byte, params map[string]string, o Options) error {
	text, err := decodeBody(body, m.Outer)
	if err != nil {
		return err
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, byteOrderMark))
	switch {
	case bytes.HasPrefix(text, beginMessage):
		if blocks(text) > 1 {
			return errSeveralBlocks
		}
		if bytes.Count(text, []byte("-----BEGIN ")) != 1 || !bytes.HasSuffix(text, []byte("-----END PGP MESSAGE-----")) {
			return fmt.Errorf("%w: text beside the PGP block", ErrStructure)
		}
		stated := armorCharset(text)
		d, err := decrypt(text, o)
		if err != nil {
			return err
		}
		m.decrypted(InlineEncrypted, d)
		return m.setText(d.Plaintext, o, stated, params["charset"])
	case bytes.HasPrefix(text, beginSigned):
		if blocks(text) > 1 {
			return errSeveralBlocks
		}
		signed, sig, err := pgp.VerifyClearsigned(text, o.Ring, o.Policy, o.At)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrStructure, err)
		}
		m.Form, m.Signature = InlineSigned, sig
		m.Signature.Intended = pgp.JudgeIntended(sig.IntendedRecipients, o.Keys)
		if worthUndoing(sig) {
			m.Altered = findAlteration(text, clearsignedForms(params["charset"]), func(text []byte) pgp.Signature {
				_, sig, _ := pgp.VerifyClearsigned(text, o.Ring, o.Policy, o.At) // not clearsigned: no state
				return sig
			})
		}
		return m.setText(signed, o, params["charset"])
	case holdsBlock(text):
		return fmt.Errorf("%w: text beside the PGP block", ErrStructure)
	}
	return nil
}

// setText makes the entity for inline PGP: a text/plain part around the text,
// in one of the character sets that the armor and the mail state.
func (m *Message) setText(text []byte, o Options, stated ...string) error {
	lines, pairs, err := lineEnds(text)
	if err != nil {
		return err
	}
	entity := make([]byte, 0, len(text)+lines-pairs+128)
	entity = append(entity, "Content-Type: text/plain; charset="+textCharset(text, stated...)+
		"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"...)
	entity = appendCRLF(entity, text)
	s := &scanner{limits: o.Limits}
	h, body, err := s.header(entity)
	if err != nil {
		return err
	}
	return m.take(s, entity, h, body)
}

// clearOnly lets a message through that holds no OpenPGP. A mail server that
// rewrote multipart/encrypted as multipart/mixed, a mailing list that put a
// footer beside it, an HTML body with a PGP block in it: all broken, and to be
// called so.
func clearOnly(s *scanner, h Header, body []byte) error {
	if err := s.walk(h, body, 1); err != nil {
		return err
	}
	if s.openPGP || holdsBlock(body) {
		return fmt.Errorf("%w: OpenPGP data among other parts", ErrStructure)
	}
	media, _, err := h.contentType()
	if err != nil || strings.HasPrefix(media, "multipart/") {
		return err
	}
	text, err := decodeBody(body, h)
	if err != nil {
		return err
	}
	if holdsBlock(text) {
		return fmt.Errorf("%w: PGP block in a body that is no plain text", ErrStructure)
	}
	return nil
}

// blocks counts the PGP blocks that begin at the start of a line. In signed
// text a line that only looks so is escaped.
func blocks(text []byte) (n int) {
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, beginMessage) || bytes.HasPrefix(line, beginSigned) {
			n++
		}
	}
	return n
}

func holdsBlock(text []byte) bool {
	return bytes.Contains(text, beginMessage) || bytes.Contains(text, beginSigned)
}

// decodeBody undoes the transfer encoding of a leaf (RFC 2045 section 6).
func decodeBody(body []byte, h Header) ([]byte, error) {
	var decoded []byte
	var err error
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
		return body, nil
	case "base64":
		decoded, err = readSized(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body)), len(body)/4*3+3)
	case "quoted-printable":
		decoded, err = readSized(quotedprintable.NewReader(bytes.NewReader(body)), len(body))
	default:
		return nil, fmt.Errorf("%w: unknown transfer encoding", ErrStructure)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: transfer encoding: %w", ErrStructure, err)
	}
	return decoded, nil
}

// readSized reads r to its end into one buffer of the size expected. Unlike
// io.ReadAll it does not grow by small steps, each of them a copy.
func readSized(r io.Reader, size int) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}
