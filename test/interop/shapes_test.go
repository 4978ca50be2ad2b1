package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/mimeindex"
)

// shape is one way to write a message. mail returns "" for a program that has
// no way to do it.
type shape struct {
	file, name string
	mail       func(t testing.TB, p program) string
	form       pgpmime.Form
	want       string // what a person reads
	refused    string // or the error
	bare       bool   // no signature covers it all: none is expected
	altered    pgpmime.Alteration
	word       string // for the page, instead of "read"
	check      func(m *pgpmime.Message) error
}

func once(plain string) func(testing.TB, program) string {
	return func(t testing.TB, p program) string { return encrypted(p.seal(t, plain, sender, how{}, desk)) }
}

func special(how how, to ...string) func(testing.TB, program) string {
	return func(t testing.TB, p program) string { return encrypted(p.seal(t, text(ask), sender, how, to...)) }
}

// dashes must be escaped (RFC 9580 section 7.2).
const dashes = "- Please preserve.\n-----\nlogs\n"

func clearsigned(plain string) func(testing.TB, program) string {
	return func(t testing.TB, p program) string {
		return inline("text/plain; charset=utf-8", p.clearsign(t, plain, sender))
	}
}

// field checks a header field that counts, and whether it is protected.
func field(name, want string) func(*pgpmime.Message) error {
	return func(m *pgpmime.Message) error {
		if values, protected := m.Field(name); !protected || len(values) != 1 || values[0] != want {
			return fmt.Errorf("%s is %q, protected: %v", name, values, protected)
		}
		return nil
	}
}

func recipients(want int, hidden bool) func(*pgpmime.Message) error {
	return func(m *pgpmime.Message) error {
		zero := len(m.Recipients) > 0 && strings.Trim(m.Recipients[0], "0") == ""
		if len(m.Recipients) != want || zero != hidden {
			return fmt.Errorf("recipients %v", m.Recipients)
		}
		return nil
	}
}

var pdf = append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte{0, 0xff, '\n', '\r', 0x1a}, 400)...)

// attached checks that the second part is what was attached, byte for byte.
func attached(data []byte) func(*pgpmime.Message) error {
	sum := sha256.Sum256(data)
	return func(m *pgpmime.Message) error {
		part := mimeindex.Build(m.Entity).Find([]int{2})
		if part == nil {
			return fmt.Errorf("there is no second part")
		}
		got, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(m.Entity[part.BodyStart:part.End]), "\r\n", ""))
		if err != nil || sha256.Sum256(got) != sum {
			return fmt.Errorf("the attachment has %d bytes, want %d: %v", len(got), len(data), err)
		}
		return nil
	}
}

// protected stands in front of the content type of a protected part.
const protected = "From: " + from + "\nTo: <" + to + ">\nSubject: Logs of 192.0.2.44\nMessage-ID: <1@betaland.example>\n"

func shapes(t testing.TB) []shape {
	charsetBodies, charsetTexts := charsetParts(t)
	nested := multipart("mixed", "a",
		multipart("alternative", "b", text(ask), multipart("related", "c", "Content-Type: text/html; charset=utf-8\n\n<p>Please <img src=\"cid:x\">\n", attachment("image/png", "x.png", pdf))),
		"Content-Type: message/rfc822\n\nFrom: a@b.example\nSubject: forwarded\nContent-Type: multipart/mixed; boundary=\"d\"\n\n--d\n\nevidence\n--d--\n",
		attachment("application/pdf", "order.pdf", pdf))
	return append([]shape{
		{file: "one-pass", name: "PGP/MIME, signed and encrypted in one pass", mail: once(text(ask)), form: pgpmime.MIMEEncrypted, want: ask},
		{file: "around-signed", name: "PGP/MIME, encrypted around multipart/signed", form: pgpmime.MIMEEncrypted, want: ask,
			mail: func(t testing.TB, p program) string {
				return encrypted(p.encrypt(t, signed(t, p, text(ask)), desk))
			}},
		{file: "signed", name: "multipart/signed in clear", form: pgpmime.MIMESigned, want: ask,
			mail: func(t testing.TB, p program) string { return crlf(outer) + signed(t, p, text(ask)) }},
		{file: "inline", name: "inline, signed and encrypted", form: pgpmime.InlineEncrypted, want: "Grüße. " + ask,
			mail: func(t testing.TB, p program) string {
				return inline("text/plain; charset=utf-8", p.seal(t, "Grüße. "+ask, sender, how{}, desk))
			}},
		{file: "inline-charset", name: "inline, `Charset: ISO-8859-15` in the armor", form: pgpmime.InlineEncrypted, want: "5 € für Œuvre\n",
			mail: func(t testing.TB, p program) string {
				block := p.seal(t, "5 \xa4 f\xfcr \xbcuvre\n", sender, how{}, desk)
				return inline("text/plain; charset=us-ascii", strings.Replace(block, "-----BEGIN PGP MESSAGE-----", "-----BEGIN PGP MESSAGE-----\nCharset: ISO-8859-15", 1))
			}},
		{file: "inline-bom", name: "inline, behind a byte order mark, in quoted-printable", form: pgpmime.InlineEncrypted, want: ask,
			mail: func(t testing.TB, p program) string {
				return inline("text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable", "=EF=BB=BF"+strings.ReplaceAll(p.seal(t, ask, sender, how{}, desk), "=", "=3D"))
			}},
		{file: "inline-html", name: "inline block in HTML", refused: "OpenPGP data among other parts",
			mail: func(t testing.TB, p program) string {
				return inline("text/html; charset=utf-8", "<pre>"+p.seal(t, ask, sender, how{}, desk)+"</pre>")
			}},
		{file: "exchange", name: "PGP/MIME that a server made multipart/mixed (Exchange)", refused: "OpenPGP data among other parts",
			mail: func(t testing.TB, p program) string {
				return strings.Replace(encrypted(p.seal(t, text(ask), sender, how{}, desk)), "multipart/encrypted; protocol=\"application/pgp-encrypted\"", "multipart/mixed", 1)
			}},
		{file: "list-footer", name: "PGP/MIME with the footer of a mailing list beside it", refused: "text beside them",
			mail: func(t testing.TB, p program) string {
				return strings.Replace(encrypted(p.seal(t, text(ask), sender, how{}, desk)), "\r\n--enc--", "\r\n--enc\r\n\r\nfooter\r\n--enc--", 1)
			}},
		{file: "clearsigned", name: "inline, cleartext signature", form: pgpmime.InlineSigned, want: "Grüße.\nFrom 192.0.2.44\n", mail: clearsigned("Grüße.\nFrom 192.0.2.44\n")},
		{file: "clearsigned-dash", name: "inline, cleartext signature over lines that begin with a dash", form: pgpmime.InlineSigned, want: dashes, mail: clearsigned(dashes)},
		{file: "two-blocks", name: "two inline blocks", refused: "more than one PGP block in the text",
			mail: func(t testing.TB, p program) string {
				block := p.seal(t, ask, sender, how{}, desk)
				return inline("text/plain", block+"\n"+block)
			}},
		{file: "flowed", name: "format=flowed", form: pgpmime.MIMEEncrypted, want: "Please preserve the \nlogs.\n From here.\n-- \nBetaland\n",
			mail: once("Content-Type: text/plain; charset=utf-8; format=flowed; delsp=no\n\nPlease preserve the \nlogs.\n From here.\n-- \nBetaland\n")},
		{file: "attachments", name: "with attachments", form: pgpmime.MIMEEncrypted, want: ask, check: attached(pdf),
			mail: once(multipart("mixed", "m", text(ask), attachment("application/pdf", "order.pdf", pdf), attachment("text/csv", "list.csv", []byte("a;b\n"))))},
		{file: "nested", name: "nested multiparts, HTML beside text, a mail attached", form: pgpmime.MIMEEncrypted, want: ask, mail: once(nested)},
		{file: "charsets", name: "nine character sets, each in 8bit, quoted-printable and base64", form: pgpmime.MIMEEncrypted, want: strings.Join(charsetTexts, "\n"),
			mail: once(multipart("mixed", "cs", charsetBodies...))},
		{file: "smtputf8", name: "addresses outside ASCII (SMTPUTF8), protected", form: pgpmime.MIMEEncrypted, want: ask, check: field("From", "Jürgen <jürgen@bétaland.example>"),
			mail: func(t testing.TB, p program) string {
				inner := "From: Jürgen <jürgen@bétaland.example>\nTo: <" + to + ">\nSubject: Übergabe\nContent-Type: text/plain; charset=utf-8; hp=\"cipher\"\n\n" + ask
				return encryptedUnder(strings.Replace(outer, "From: "+from, "From: Jürgen <jürgen@bétaland.example>", 1), p.seal(t, inner, sender, how{}, desk))
			}},
		{file: "hidden", name: "hidden recipient (Bcc)", form: pgpmime.MIMEEncrypted, want: ask, mail: special(how{hidden: true}, desk), check: recipients(1, true)},
		{file: "three", name: "three recipients", form: pgpmime.MIMEEncrypted, want: ask, mail: special(how{}, third, "desk-rsa2048", desk), check: recipients(3, false)},
		{file: "compressed", name: "compressed", form: pgpmime.MIMEEncrypted, want: ask, mail: special(how{compressed: true}, desk)},
		{file: "aead", name: "AEAD: RFC 9580, or GnuPG's OCB packet", form: pgpmime.MIMEEncrypted, want: ask, mail: special(how{aead: true}, desk)},
		{file: "hp", name: "protected headers, RFC 9788", form: pgpmime.MIMEEncrypted, want: ask, check: field("Subject", "Logs of 192.0.2.44"),
			mail: once(protected + "HP-Outer: Subject: ...\nContent-Type: text/plain; charset=utf-8; hp=\"cipher\"\n\n" + ask)},
		{file: "unsigned", name: "encrypted, not signed", form: pgpmime.MIMEEncrypted, want: ask, bare: true, word: "`unsigned`",
			mail: func(t testing.TB, p program) string { return encrypted(p.encrypt(t, text(ask), desk)) }},
		{file: "footer", name: "signed, behind the footer of a mailing list", form: pgpmime.Clear, bare: true, word: "`partly-signed`",
			mail: func(t testing.TB, p program) string {
				return crlf(outer + multipart("mixed", "list", signed(t, p, text(ask)), text("footer\n")))
			},
			check: func(m *pgpmime.Message) error {
				if !m.PartSigned {
					return fmt.Errorf("not told that a part is signed")
				}
				return nil
			}},
	}, append(altered(), composed()...)...)
}

// altered are messages that a server changed on the way after the program
// signed them.
func altered() (list []shape) {
	for _, a := range []struct {
		file, name, plain, old, new string
		what                        pgpmime.Alteration
	}{
		{"altered-8bit", "signed, 8bit made quoted-printable on the way", eightBit + "Grüße\n", "Encoding: 8bit\r\n\r\nGrüße", "Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe", pgpmime.ReEncoded},
		{"altered-blanks", "signed, blanks added at line ends", eightBit + "Grüße\n", "Grüße", "Grüße  ", pgpmime.TrailingWhiteSpace},
		{"altered-from", "signed, \"From \" escaped", eightBit + "x\nFrom 192.0.2.44\n", "\nFrom 192", "\n>From 192", pgpmime.FromEscaped},
		{"altered-lines", "signed, an empty line added", eightBit + "Grüße\n", "Grüße\r\n", "Grüße\r\n\r\n", pgpmime.LineEnds},
		{"altered-footer", "signed, a footer added to the text", eightBit + "Grüße\n", "Grüße\r\n", "Grüße\r\n___________________\r\nlist@lists.example\r\n", pgpmime.FooterAdded},
		{"altered-word", "signed, a word changed", eightBit + "Grüße\n", "Grüße", "Gruß", pgpmime.Unaltered},
	} {
		s := shape{file: a.file, name: a.name, form: pgpmime.MIMESigned, altered: a.what, word: "`altered-in-transit`",
			mail: func(t testing.TB, p program) string {
				raw := crlf(outer) + signed(t, p, a.plain)
				if strings.Count(raw, a.old) != 1 {
					t.Fatalf("%q is not once in the mail", a.old)
				}
				return strings.Replace(raw, a.old, a.new, 1)
			}}
		if a.what == pgpmime.Unaltered {
			s.word = "`bad-signature`"
		}
		list = append(list, s)
	}
	return list
}

const eightBit = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
