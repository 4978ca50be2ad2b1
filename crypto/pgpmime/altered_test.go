package pgpmime

import (
	"bytes"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"relais.example/crypto/pgp"
)

const eightBit = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Language: fr\r\n\r\n" +
	"Déjà vu.\r\nFrom here on:\r\n-- \r\nÉmile\r\n"

func replace(t *testing.T, s, old, new string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("%q is not in %q", old, s)
	}
	return strings.Replace(s, old, new, 1)
}

// qp is how a server encodes: every byte outside ASCII.
func qp(s string) string {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

// What a mail server did is named, and the signature stays bad.
func TestAlterationOnTheWayIsNamed(t *testing.T) {
	h := newHouse(t)
	text := strings.SplitN(eightBit, "\r\n\r\n", 2)[1]
	qpEntity := "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + qp(text)
	b64Entity := "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		strings.TrimSuffix(string(base64Lines([]byte(strings.Repeat(text, 5)))), "\r\n")
	mixed := "Content-Type: multipart/mixed; boundary=m\r\n\r\npreamble\r\n--m\r\n" + eightBit + "\r\n--m\r\n" +
		"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--m\r\n" + eightBit + "\r\n--m--\r\n"
	moved := func(e string) string { // as Postfix does it
		e = replace(t, e, "Content-Transfer-Encoding: 8bit\r\n", "")
		e = replace(t, e, "Content-Language: fr\r\n", "Content-Language: fr\r\nContent-Transfer-Encoding: quoted-printable\r\n")
		return replace(t, e, text, qp(text))
	}
	for _, c := range []struct {
		name, entity string
		alter        func(string) string
		want         Alteration
	}{
		{"nothing", eightBit, func(e string) string { return e }, Unaltered},
		{"a word", eightBit, func(e string) string { return replace(t, e, "vu", "lu") }, Unaltered},
		{"a word and a blank", eightBit, func(e string) string { return replace(t, e, "vu.", "lu. ") }, Unaltered},
		{"blanks added", replace(t, eightBit, "-- ", "--"), func(e string) string { return replace(t, e, "vu.", "vu. \t") }, TrailingWhiteSpace},
		{"the blank of the mail signature gone", eightBit, func(e string) string { return replace(t, e, "-- ", "--") }, TrailingWhiteSpace},
		{"From escaped", eightBit, func(e string) string { return replace(t, e, "\nFrom ", "\n>From ") }, FromEscaped},
		{"line added", eightBit, func(e string) string { return e + "\r\n" }, LineEnds},
		{"lines added", eightBit, func(e string) string { return e + "\r\n\r\n\r\n" }, LineEnds},
		{"last line end gone", eightBit, func(e string) string { return strings.TrimSuffix(e, "\r\n") }, LineEnds},
		{"signed with LF", strings.ReplaceAll(eightBit, "\r\n", "\n"), func(e string) string { return strings.ReplaceAll(e, "\n", "\r\n") }, LineEnds},
		{"8bit to quoted-printable", eightBit, func(e string) string {
			return replace(t, replace(t, e, text, qp(text)), "Encoding: 8bit", "Encoding: quoted-printable")
		}, ReEncoded},
		{"8bit to quoted-printable by Postfix", eightBit, moved, ReEncoded},
		{"8bit to base64", eightBit, func(e string) string {
			return replace(t, replace(t, e, text, string(base64Lines([]byte(text)))), "Encoding: 8bit", "Encoding: base64")
		}, ReEncoded},
		{"quoted-printable to 8bit", qpEntity, func(e string) string {
			return replace(t, replace(t, e, qp(text), text), "Encoding: quoted-printable", "Encoding: 8bit")
		}, ReEncoded},
		{"base64 to 8bit", b64Entity, func(string) string {
			return "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + strings.Repeat(text, 5)
		}, ReEncoded},
		{"parts, 8bit to quoted-printable by Postfix", mixed, func(e string) string { return strings.ReplaceAll(e, eightBit, moved(eightBit)) }, ReEncoded},
		{"footer of a mailing list", eightBit, func(e string) string { return e + "________________________\r\nlist@lists.example\r\n" }, FooterAdded},
		{"footer behind a text without a last line end", strings.TrimSuffix(eightBit, "\r\n"), func(e string) string { return e + "\r\n________________________\r\nlist\r\n" }, FooterAdded},
	} {
		t.Run(c.name, func(t *testing.T) {
			signature, err := h.xb.SignDetached([]byte(c.entity), now)
			if err != nil {
				t.Fatal(err)
			}
			came := c.alter(c.entity)
			m, err := h.open(outerFields + wrapSigned(came, signature))
			if err != nil {
				t.Fatal(err)
			}
			state := pgp.SignatureBad
			if c.name == "nothing" {
				state = pgp.SignatureGood
			}
			if m.Altered != c.want || m.Signature.State != state || string(m.Entity) != came {
				t.Errorf("altered %q, signature %s\n%q", m.Altered, m.Signature.State, m.Entity)
			}
			// By a key nobody knows: nothing to find out.
			m, err = Open([]byte(outerFields+wrapSigned(came, signature)), options(h.xa, h.eve))
			if err != nil || m.Altered != Unaltered || m.Signature.State != pgp.SignatureUnknownKey {
				t.Errorf("unknown key: %v %+v", err, m)
			}
		})
	}
}

func TestAlteredCleartextSignatureIsNamed(t *testing.T) {
	run := gpg(t)
	run("", "--quick-gen-key", "cp@betaland.example", "ed25519", "sign", "never")
	xb, err := pgp.ParseCertificates([]byte(run("", "--armor", "--export", "cp@betaland.example")))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Ring: pgp.NewRing(xb...), Policy: pgp.DefaultPolicy(), At: time.Now()}
	latin, utf8 := "Content-Type: text/plain; charset=iso-8859-15\n", "Content-Type: text/plain; charset=utf-8\n"
	for _, c := range []struct {
		name, header, text string
		alter              func(string) string
		want               Alteration
	}{
		{"nothing", utf8, "café\n", func(s string) string { return s }, Unaltered},
		{"a word", utf8, "café\n", func(s string) string { return replace(t, s, "caf", "Caf") }, Unaltered},
		{"blanks, which are not signed", utf8, "café\n", func(s string) string { return replace(t, s, "é\n", "é  \n") }, Unaltered},
		{"escaped", utf8, "a\nfrom b\n", func(s string) string { return replace(t, s, "\nfrom", "\n from") }, FromEscaped},
		{"put into another character set", latin, "5 € é\n", func(s string) string { return replace(t, s, "€ é", "\xa4 \xe9") }, ReEncoded},
		{"made UTF-8", utf8, "caf\xe9\n", func(s string) string { return replace(t, s, "\xe9", "é") }, ReEncoded},
	} {
		m, err := Open([]byte(lf(outerFields)+c.header+"\n"+c.alter(run(c.text, "--clearsign", "-u", "cp@betaland.example"))), o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		good := c.name == "nothing" || strings.HasPrefix(c.name, "blanks")
		if m.Altered != c.want || (m.Signature.State == pgp.SignatureGood) != good {
			t.Errorf("%s: altered %q, signature %s", c.name, m.Altered, m.Signature.State)
		}
	}
}

// Undoing is for what came in clear; many signatures or a large message cost no
// more than a few passes.
func TestUndoingIsBounded(t *testing.T) {
	h := newHouse(t)
	large := "Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + strings.Repeat("From x \r\n>From y\r\n--\r\n", 200_000)
	signature, err := h.xb.SignDetached([]byte("something else"), now)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	m, err := h.open(outerFields + wrapSigned(large, signature))
	if err != nil || m.Altered != Unaltered || m.Signature.State != pgp.SignatureBad {
		t.Fatalf("%v %+v", err, m)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	m, err = h.open(multi(control, encryptOnly(t, wrapSigned(replace(t, eightBit, "-- ", "--"), mustSign(t, h.xb, eightBit)), h.xa)))
	if err != nil || m.Altered != Unaltered || m.Signature.State != pgp.SignatureBad {
		t.Errorf("encrypted: %v %+v", err, m)
	}
}

// Two signatures that do not fit are not undone: the work would double with
// each.
func TestOnlyOneSignatureIsUndone(t *testing.T) {
	h := newHouse(t)
	packets := func(armored []byte) []byte {
		block, err := armor.Decode(bytes.NewReader(armored))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(block.Body)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	one := packets(mustSign(t, h.xb, eightBit))
	for count, want := range map[int]Alteration{1: TrailingWhiteSpace, 2: Unaltered} {
		var b bytes.Buffer
		w, err := armor.Encode(&b, "PGP SIGNATURE", nil)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(bytes.Repeat(one, count))
		w.Close()
		m, err := h.open(outerFields + wrapSigned(replace(t, eightBit, "-- ", "--"), b.Bytes()))
		if err != nil || m.Altered != want || m.Signature.State != pgp.SignatureBad {
			t.Errorf("%d signatures: %v, altered %q, %s", count, err, m.Altered, m.Signature.State)
		}
	}
}

func mustSign(t *testing.T, k *pgp.Key, entity string) []byte {
	t.Helper()
	signature, err := k.SignDetached([]byte(entity), now)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// A mailing list that writes into Subject and From leaves the signed ones as
// they are; one that adds a part makes the signature one over a part.
func TestMailingListMarks(t *testing.T) {
	h := newHouse(t)
	entity := "From: cp@betaland.example\r\nTo: cp@alphaland.example\r\nSubject: Logs\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nhello\r\n"
	marked := replace(t, replace(t, outerFields, "Subject: ...", "Subject: [list] ..."), "From: cp@betaland.example", "From: cp via list <list@lists.example>")
	for name, raw := range map[string]string{
		"signed":    marked + sign(t, h.xb, entity),
		"encrypted": replace(t, replace(t, multi(control, h.encrypt(t, entity)), "Subject: ...", "Subject: [list] ..."), "From: cp@betaland.example", "From: cp via list <list@lists.example>"),
	} {
		m, err := h.open(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		from, signed := m.Field("From")
		subject, _ := m.Field("Subject")
		if m.Signature.State != pgp.SignatureGood || !m.WholeSigned || !signed || from[0] != "cp@betaland.example" || subject[0] != "Logs" {
			t.Errorf("%s: %+v %v %v", name, m.Signature, from, subject)
		}
	}
	listed := func(part string) string {
		return marked + "Content-Type: multipart/mixed; boundary=list\r\n\r\n--list\r\n" + part + "\r\n--list\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--list--\r\n"
	}
	if m, err := h.open(listed(sign(t, h.xb, entity))); err != nil || !m.PartSigned || m.WholeSigned || m.Altered != Unaltered || m.Signature.State != pgp.SignatureNone {
		t.Errorf("footer beside the signed part: %v %+v", err, m)
	}
	if _, err := h.open(listed(strings.TrimPrefix(multi(control, h.encrypt(t, entity)), outerFields))); !errors.Is(err, ErrStructure) {
		t.Errorf("footer beside the encrypted part: %v", err)
	}
}
