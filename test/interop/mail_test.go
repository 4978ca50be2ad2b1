package interop

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

const (
	from  = "Contact point of Betaland <" + sender + "@betaland.example>"
	to    = desk + "@alphaland.example"
	outer = "From: " + from + "\nTo: <" + to + ">\nSubject: ...\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <1@betaland.example>\nMIME-Version: 1.0\n"
	ask   = "Please preserve the logs of 192.0.2.44.\n"
)

// crlf gives every line a CRLF, as SMTP wants it.
func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

// encrypted is the frame of RFC 3156 section 4. What holds no armor stays "".
func encrypted(armored string) string { return encryptedUnder(outer, armored) }

func encryptedUnder(header, armored string) string {
	if armored == "" {
		return ""
	}
	return crlf(header + "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\n\n" +
		"--enc\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n--enc\nContent-Type: application/octet-stream\n\n" + armored + "\n--enc--\n")
}

// signed is the frame of RFC 3156 section 5 around an entity, with CRLF.
func signed(t testing.TB, p program, entity string) string {
	t.Helper()
	entity = crlf(entity)
	return crlf("Content-Type: multipart/signed; micalg=pgp-sha512; protocol=\"application/pgp-signature\"; boundary=\"sig\"\n\n--sig\n" +
		entity + "\n--sig\nContent-Type: application/pgp-signature; name=\"signature.asc\"\n\n" + p.detach(t, entity, sender) + "\n--sig--\n")
}

// inline is a mail whose text is one block, or what calls itself so.
func inline(contentType, block string) string {
	if block == "" {
		return ""
	}
	return crlf(outer + "Content-Type: " + contentType + "\n\n" + block)
}

func text(s string) string { return "Content-Type: text/plain; charset=utf-8\n\n" + s }

// multipart joins entities.
func multipart(kind, boundary string, parts ...string) string {
	return "Content-Type: multipart/" + kind + "; boundary=\"" + boundary + "\"\n\n--" + boundary + "\n" +
		strings.Join(parts, "\n--"+boundary+"\n") + "\n--" + boundary + "--\n"
}

func attachment(contentType, name string, data []byte) string {
	encoded := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	fmt.Fprintf(&b, "Content-Type: %s; name=\"%s\"\nContent-Disposition: attachment; filename=\"%s\"\nContent-Transfer-Encoding: base64\n\n", contentType, name, name)
	for len(encoded) > 76 {
		b.WriteString(encoded[:76] + "\n")
		encoded = encoded[76:]
	}
	return b.String() + encoded + "\n"
}

// charsets are those that the contact points' programs write, each with a text
// that needs it.
var charsets = []struct {
	name string
	enc  encoding.Encoding
	text string
}{
	{"utf-8", unicode.UTF8, "Grüße aus Łódź, Привет, 証拠 €"},
	{"iso-8859-1", charmap.ISO8859_1, "Données à conserver: Müller, Åse"},
	{"iso-8859-2", charmap.ISO8859_2, "Zażółć gęślą jaźń, Štúrovo"},
	{"iso-8859-15", charmap.ISO8859_15, "Œuvre: 5 €"},
	{"windows-1252", charmap.Windows1252, "„Zitat“ – 5 €"},
	{"windows-1251", charmap.Windows1251, "Сохраните данные, Київ"},
	{"Shift_JIS", japanese.ShiftJIS, "証拠を保全してください。表"},
	{"GB18030", simplifiedchinese.GB18030, "请保存数据㐂"},
	{"KOI8-R", charmap.KOI8R, "Прошу сохранить журналы"},
}

var transfers = []string{"8bit", "quoted-printable", "base64"}

// charsetParts is a text part for each character set and transfer encoding.
func charsetParts(t testing.TB) (parts []string, texts []string) {
	t.Helper()
	for _, c := range charsets {
		raw, err := c.enc.NewEncoder().String(c.text)
		must(t, err)
		for _, transfer := range transfers {
			body := raw
			switch transfer {
			case "quoted-printable":
				var b bytes.Buffer
				w := quotedprintable.NewWriter(&b)
				w.Binary = true
				w.Write([]byte(raw))
				must(t, w.Close())
				body = b.String()
			case "base64":
				body = base64.StdEncoding.EncodeToString([]byte(raw))
			}
			parts = append(parts, "Content-Type: text/plain; charset="+c.name+"\nContent-Transfer-Encoding: "+transfer+"\n\n"+body)
			texts = append(texts, c.text)
		}
	}
	return parts, texts
}
