package gateway

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
)

// Preservation is the text of a request that is recognised as one.
const Preservation = `Under Article 29 of the Convention on Cybercrime we ask you to order the
expeditious preservation of stored computer data: the connection logs of the
account behind 192.0.2.44. Street of the suspect: ` + SecretBody + `.`

// MessageID makes a Message-ID.
func MessageID() string { return "<" + strings.ToLower(rand.Text()) + "@mail.example>" }

// Letter writes a message in clear, as a mail program hands it in.
func Letter(fields [][2]string, text string) []byte {
	var b bytes.Buffer
	seen := map[string]bool{}
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
		seen[strings.ToLower(f[0])] = true
	}
	for _, f := range [][2]string{
		{"Date", time.Now().Format(time.RFC1123Z)}, {"Message-ID", MessageID()}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
	} {
		if !seen[strings.ToLower(f[0])] {
			fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
		}
	}
	b.WriteString("\r\n")
	b.WriteString(CRLF(text))
	return b.Bytes()
}

// CRLF gives a text the line ends of mail.
func CRLF(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
}

// Sealed is a message of a contact point that has no desk, signed and
// encrypted to XA-1.
func (g *Gateway) Sealed(contactPoint, from, subject, text string) []byte {
	g.t.Helper()
	return g.SealedFor("XA-1", AlphaAddress, contactPoint, pgpmime.Draft{From: SecretName + " <" + from + ">", Subject: subject, Body: []byte(text)})
}

// SealedFor seals a draft of a contact point for another.
func (g *Gateway) SealedFor(to, address, contactPoint string, d pgpmime.Draft) []byte {
	g.t.Helper()
	if d.To == nil {
		d.To = []string{address}
	}
	d.Date = time.Now()
	raw, err := pgpmime.Seal(d, g.Key(contactPoint), []*pgp.Certificate{g.Key(to).Certificate()}, time.Now())
	if err != nil {
		g.t.Fatal(err)
	}
	return raw
}

// RequestMail is a preservation request of XB-2 to XA-1.
func (g *Gateway) RequestMail() []byte {
	g.t.Helper()
	return g.Sealed("XB-2", ProsecutorAddress, "Preservation, case "+SecretSubject, Preservation)
}

// ReplyTo writes the answer of a mail program in which somebody pressed Reply.
func ReplyTo(m Mail, from, text string) []byte {
	return Letter([][2]string{
		{"From", from}, {"To", m.Header.Get("Reply-To")}, {"Subject", "Re: " + m.Text("Subject")},
		{"In-Reply-To", m.Header.Get("Message-Id")}, {"References", m.Header.Get("Message-Id")},
	}, text)
}

// Encrypted wraps armored ciphertext as RFC 3156 says. The header is that of
// the whole message.
func Encrypted(header [][2]string, armored string) []byte {
	return Letter(append(header, [2]string{"Content-Type", `multipart/encrypted; protocol="application/pgp-encrypted"; boundary="enc"`}),
		"--enc\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n--enc\nContent-Type: application/octet-stream\n\n"+armored+"\n--enc--\n")
}

// Signed is the body of a multipart/signed around an entity, with its own
// Content-Type first.
func Signed(entity, signature string) string {
	return "Content-Type: multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; boundary=\"sig\"\r\n\r\n" +
		"--sig\r\n" + entity + "\r\n--sig\r\nContent-Type: application/pgp-signature\r\n\r\n" + CRLF(signature) + "\r\n--sig--\r\n"
}

// OpenAs opens a message with the key of a contact point, as its mail program
// would.
func (g *Gateway) OpenAs(contactPoint string, raw []byte) (*pgpmime.Message, error) {
	var certs []*pgp.Certificate
	for _, k := range g.Written.Keys {
		certs = append(certs, k.Certificate())
	}
	return pgpmime.Open(raw, pgpmime.Options{Keys: []*pgp.Key{g.Key(contactPoint)}, Ring: pgp.NewRing(certs...), Policy: pgp.DefaultPolicy(), Limits: pgpmime.DefaultLimits(), At: time.Now()})
}

// WithFiles is a message of a text and files.
func WithFiles(from, subject string, files map[string][]byte) pgpmime.Draft {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	text, _ := w.CreatePart(textproto.MIMEHeader{"Content-Type": {"text/plain"}})
	io.WriteString(text, "See the files.\r\n")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		p, _ := w.CreatePart(textproto.MIMEHeader{
			"Content-Type": {"application/octet-stream"}, "Content-Transfer-Encoding": {"base64"}, "Content-Disposition": {fmt.Sprintf("attachment; filename=%q", name)},
		})
		for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(files[name])), 76) {
			p.Write(append(line, "\r\n"...))
		}
	}
	w.Close()
	return pgpmime.Draft{From: from, Subject: subject, ContentType: "multipart/mixed; boundary=" + w.Boundary(), Body: b.Bytes()}
}
