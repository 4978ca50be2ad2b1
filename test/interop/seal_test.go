package interop

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
)

// oursKinds are the messages tried with each of them.
var oursKinds = []string{"text", "attachment", "several recipients"}

// ours are the ways in which Relais seals, by kind of key of both sides.
var ours = []string{"curve25519", "rsa2048", "rsa4096", "nistp256", "nistp384", "nistp521", "v6"}

// readsOurs lets a program read what Relais seals: text, an attachment, several
// recipients, for each kind of key.
func readsOurs(t *testing.T, p *page, r reader) {
	for _, algorithm := range ours {
		for _, kind := range oursKinds {
			t.Run("reads ours "+algorithm+" "+kind, func(t *testing.T) {
				row := "to " + algorithm + ": " + kind
				if algorithm == "v6" && !knowsV6(r) {
					p.read(r.name(), row, "–")
					return
				}
				p.read(r.name(), row, readOurs(t, r, algorithm, kind))
			})
		}
	}
}

func knowsV6(r reader) bool {
	switch r := r.(type) {
	case *sq:
		return !r.old
	case gocrypto, proton:
		return true
	}
	return false
}

func readOurs(t *testing.T, r reader, algorithm, kind string) string {
	recipient := "desk-" + algorithm
	signer := "sender-" + algorithm
	d := pgpmime.Draft{
		From: "Contact point of Betaland <" + address(signer) + ">", To: []string{address(recipient)}, Subject: "Données de 192.0.2.44", Date: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		MessageID: "<2@betaland.example>", InReplyTo: "<1@alphaland.example>", References: []string{"<0@alphaland.example>", "<1@alphaland.example>"},
		Body: []byte("Voilà.\r\n"),
	}
	contentType, encoding, body := `text/plain; charset=utf-8; hp="cipher"; protected-headers="v1"`, "quoted-printable", "Voil=C3=A0.\r\n"
	if kind == "attachment" {
		d.ContentType = `multipart/mixed; boundary="m"`
		d.Body = []byte(crlf("--m\n" + text(ask) + "--m\n" + attachment("application/pdf", "x.pdf", bytes.Repeat(pdf, 50)) + "--m--\n"))
		contentType, encoding, body = `multipart/mixed; boundary=m; hp="cipher"; protected-headers="v1"`, "", string(d.Body)
	}
	certificates := []*pgp.Certificate{key(t, recipient).Certificate()}
	if kind == "several recipients" {
		certificates = append(certificates, key(t, third).Certificate(), key(t, "desk-rsa3072").Certificate())
		d.To = append(d.To, address(third), address("desk-rsa3072"))
	}
	raw, err := pgpmime.Seal(d, key(t, signer), certificates, time.Now())
	must(t, err)
	head, rest, _ := strings.Cut(string(raw), "\r\n\r\n")
	_, armored, _ := strings.Cut(rest, "filename=\"encrypted.asc\"\r\n\r\n")
	armored, _, _ = strings.Cut(armored, "\r\n--=_")
	got := string(r.open(t, []byte(armored), recipient, signer))

	shared := "From: \"Contact point of Betaland\" <" + address(signer) + ">\r\n" + addressLine("To", d.To) + "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n" +
		"Message-ID: <2@betaland.example>\r\nIn-Reply-To: <1@alphaland.example>\r\nReferences: <0@alphaland.example> <1@alphaland.example>\r\n"
	var outerCopy strings.Builder
	for _, line := range strings.SplitAfter(strings.ReplaceAll(shared, "\r\n ", " ")+"Subject: ...\r\n", "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			outerCopy.WriteString(foldedField("HP-Outer", name+": "+strings.TrimSuffix(value, "\r\n")))
		}
	}
	want := shared + "Subject: =?utf-8?q?Donn=C3=A9es_de_192.0.2.44?=\r\n" + outerCopy.String() + "MIME-Version: 1.0\r\n" +
		foldedField("Content-Type", contentType)
	if encoding != "" {
		want += "Content-Transfer-Encoding: " + encoding + "\r\n"
	}
	want += "\r\n" + body
	if got != want {
		t.Errorf("%s read\n%s\nwant\n%s", r.name(), got, want)
		return "**failed**"
	}
	// Outside stands what mail servers need, and not the subject.
	if !strings.HasPrefix(head, shared+"Subject: ...\r\nMIME-Version: 1.0\r\nContent-Type: multipart/encrypted;") ||
		strings.Contains(string(raw), "C3=A9es") || strings.Contains(string(raw), "HP-Outer") {
		t.Errorf("the header outside is\n%s", head)
		return "**failed**"
	}
	return "verified"
}

func addressLine(name string, addresses []string) string {
	var list []string
	for _, a := range addresses {
		list = append(list, fmt.Sprintf("<%s>", a))
	}
	return foldedField(name, strings.Join(list, ", "))
}

// foldedField folds before column 76 as RFC 5322 section 2.2.3 lets us.
func foldedField(name, value string) string {
	line, out := name+":", ""
	for i, word := range strings.Split(value, " ") {
		if i > 0 && len(line)+1+len(word) > 76 {
			out, line = out+line+"\r\n", ""
		}
		line += " " + word
	}
	return out + line + "\r\n"
}
