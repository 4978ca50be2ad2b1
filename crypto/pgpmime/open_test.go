package pgpmime

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

// house is the cast of the tests: xb writes to xa.
type house struct {
	xa, xb, eve *pgp.Key
}

func newHouse(t testing.TB) house {
	return house{newKey(t, "cp@alphaland.example"), newKey(t, "cp@betaland.example"), newKey(t, "eve@evil.example")}
}

func (h house) open(raw string) (*Message, error) { return Open([]byte(raw), options(h.xa, h.xb)) }

// encrypt signs and encrypts an entity from xb to xa.
func (h house) encrypt(t testing.TB, entity string) string {
	t.Helper()
	return seal(t, entity, h.xb, h.xa)
}

func seal(t testing.TB, entity string, from, to *pgp.Key) string {
	t.Helper()
	out, err := pgp.Encrypt([]byte(entity), from, certs(to), now)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// sign wraps an entity into multipart/signed.
func sign(t testing.TB, k *pgp.Key, entity string) string {
	t.Helper()
	sig, err := k.SignDetached([]byte(entity), now)
	if err != nil {
		t.Fatal(err)
	}
	return wrapSigned(entity, sig)
}

func wrapSigned(entity string, sig []byte) string {
	return "Content-Type: multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; boundary=\"sig\"\r\n\r\n" +
		"--sig\r\n" + entity + "\r\n--sig\r\nContent-Type: application/pgp-signature; name=signature.asc\r\n\r\n" +
		strings.ReplaceAll(string(sig), "\n", "\r\n") + "\r\n--sig--\r\n"
}

const outerFields = "From: cp@betaland.example\r\nTo: cp@alphaland.example\r\nSubject: ...\r\nDate: Tue, 24 Nov 2026 09:30:00 +0000\r\nMIME-Version: 1.0\r\n"

func multi(control, ciphertext string) string {
	return outerFields + "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\r\n\r\n" +
		"--enc\r\n" + control + "\r\n--enc\r\nContent-Type: application/octet-stream\r\n\r\n" + ciphertext + "\r\n--enc--\r\n"
}

const (
	control = "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
	plain   = "Content-Type: text/plain; charset=utf-8\r\n\r\nhello"
)

func TestSignatureInsideEncryptionCountsWhenItIsTheRoot(t *testing.T) {
	h := newHouse(t)
	unsigned := func(entity string) string { return multi(control, encryptOnly(t, entity, h.xa)) }
	partly := "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n" + sign(t, h.xb, plain) + "\r\n--m\r\n\r\nattacker\r\n--m--\r\n"
	protected := "Subject: real\r\nFrom: cp@betaland.example\r\nContent-Type: text/plain; protected-headers=\"v1\"\r\n\r\nhello"
	for _, c := range []struct {
		name, raw string
		state     pgp.SignatureState
		whole     bool
		entity    string
		subject   string
	}{
		{"encryption layer signed", multi(control, h.encrypt(t, plain)), pgp.SignatureGood, true, plain, ""},
		{"not signed", unsigned(plain), pgp.SignatureNone, false, plain, ""},
		{"not signed, headers inside", unsigned(protected), pgp.SignatureNone, false, protected, "real"},
		{"inner multipart/signed", unsigned(sign(t, h.xb, protected)), pgp.SignatureGood, true, protected, "real"},
		{"inner signed by unknown", unsigned(sign(t, h.eve, plain)), pgp.SignatureUnknownKey, true, plain, ""},
		{"inner tampered", unsigned(strings.Replace(sign(t, h.xb, plain), "hello", "hallo", 1)), pgp.SignatureBad, true, strings.Replace(plain, "hello", "hallo", 1), ""},
		{"signed twice, same signer", multi(control, h.encrypt(t, sign(t, h.xb, plain))), pgp.SignatureGood, true, plain, ""},
		{"signed twice, inner bad", multi(control, h.encrypt(t, strings.Replace(sign(t, h.xb, plain), "hello", "hallo", 1))), pgp.SignatureBad, true, strings.Replace(plain, "hello", "hallo", 1), ""},
		{"signed twice, inner unknown", multi(control, h.encrypt(t, sign(t, h.eve, plain))), pgp.SignatureUnknownKey, true, plain, ""},
		{"signed twice, outer unknown", multi(control, seal(t, sign(t, h.xb, plain), h.eve, h.xa)), pgp.SignatureUnknownKey, true, plain, ""},
		// Threat 3: partly signed is not signed.
		{"signed part beside another", unsigned(partly), pgp.SignatureNone, false, partly, ""},
		{"line feeds only", strings.ReplaceAll(multi(control, h.encrypt(t, plain)), "\r\n", "\n"), pgp.SignatureGood, true, plain, ""},
		{"preamble", strings.Replace(multi(control, h.encrypt(t, plain)), "\r\n--enc\r\n", "\r\nThis is an OpenPGP message.\r\n--enc\r\n", 1), pgp.SignatureGood, true, plain, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := h.open(c.raw)
			if err != nil {
				t.Fatal(err)
			}
			if m.Form != MIMEEncrypted || !m.Encrypted || m.Signature.State != c.state || m.WholeSigned != c.whole {
				t.Errorf("%s %v %+v %v", m.Form, m.Encrypted, m.Signature, m.WholeSigned)
			}
			if string(m.Entity) != c.entity || m.Protected.Get("Subject") != c.subject {
				t.Errorf("%q\n%v", m.Entity, m.Protected)
			}
		})
	}
}

func encryptOnly(t testing.TB, entity string, to *pgp.Key) string {
	t.Helper()
	return string(encryptUnsigned(t, []byte(entity), to))
}

func TestSignedInClearIsNotEncrypted(t *testing.T) {
	h := newHouse(t)
	entity := "Subject: real\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nline  \r\n- dash\r\n"
	m, err := h.open(outerFields + sign(t, h.xb, entity))
	if err != nil {
		t.Fatal(err)
	}
	if m.Form != MIMESigned || m.Encrypted || m.Signature.State != pgp.SignatureGood || string(m.Entity) != entity || m.Protection != "clear" {
		t.Fatalf("%+v %q", m, m.Entity)
	}
	// Trailing blanks are signed too: no repairing before verifying.
	m, err = h.open(outerFields + strings.Replace(sign(t, h.xb, entity), "line  ", "line", 1))
	if err != nil || m.Signature.State != pgp.SignatureBad {
		t.Fatalf("%v %+v", err, m)
	}
}

func TestInlinePGP(t *testing.T) {
	h := newHouse(t)
	armored := h.encrypt(t, "héllo\nworld")
	want := "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nhéllo\r\nworld"
	b64 := base64.StdEncoding.EncodeToString([]byte(armored))
	for name, raw := range map[string]string{
		"7bit":             outerFields + "Content-Type: text/plain\r\n\r\n" + armored,
		"no type":          "From: a@b.example\r\n\r\n" + armored,
		"blank around":     outerFields + "\r\n\r\n \r\n" + armored + "\r\n\r\n",
		"base64":           outerFields + "Content-Transfer-Encoding: base64\r\n\r\n" + b64[:76] + "\r\n" + b64[76:],
		"quoted-printable": outerFields + "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n" + strings.ReplaceAll(armored, "=", "=3D"),
	} {
		m, err := h.open(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.Form != InlineEncrypted || !m.Encrypted || m.Signature.State != pgp.SignatureGood || string(m.Entity) != want || m.Protected != nil {
			t.Errorf("%s: %+v %q", name, m, m.Entity)
		}
	}
}

// Threats 1, 2, 3 and 24: text of another beside encrypted text, and structures
// that two programs read in two ways.
func TestAmbiguousStructuresAreRefused(t *testing.T) {
	h := newHouse(t)
	armored := h.encrypt(t, plain)
	good := multi(control, armored)
	if _, err := h.open(good); err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("nothing to replace: %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	htmlGadget := "Content-Type: text/html\r\n\r\n<img src=\"http://evil.example/"
	for name, raw := range map[string]string{
		"text behind the end":      good + "see also http://evil.example/\r\n",
		"third part":               replace("\r\n--enc--", "\r\n--enc\r\n\r\nattacker\r\n--enc--"),
		"one part":                 outerFields + "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=enc\r\n\r\n--enc\r\n" + control + "\r\n--enc--\r\n",
		"end missing":              replace("--enc--", ""),
		"boundary prefix":          replace("\r\n--enc--", "\r\n--encore\r\n--enc--"),
		"no version":               replace("Version: 1\r\n", ""),
		"other version":            replace("\r\nVersion: 1", "\r\nVersion: 2"),
		"version and text":         replace("\r\nVersion: 1", "\r\nVersion: 1\r\nhello"),
		"other control type":       replace("Content-Type: application/pgp-encrypted\r\n", "Content-Type: text/plain\r\n"),
		"other payload type":       replace("application/octet-stream", "text/html"),
		"other protocol":           replace("protocol=\"application/pgp-encrypted\"", "protocol=\"application/pkcs7\""),
		"no protocol":              replace("protocol=\"application/pgp-encrypted\"; ", ""),
		"no boundary":              replace("; boundary=\"enc\"", ""),
		"two boundaries":           replace("boundary=\"enc\"", "boundary=\"enc\"; boundary=\"x\""),
		"two content types":        "Content-Type: text/plain\r\n" + good,
		"two From":                 "From: eve@evil.example\r\n" + good,
		"two Date":                 "Date: Tue, 24 Nov 2026 09:30:00 +0000\r\n" + good,
		"two Subject":              "subject: x\r\n" + good,
		"header without name":      "hello\r\n" + good,
		"header begins folded":     " x\r\n" + good,
		"bare CR in header":        "X-A: a\rSubject: b\r\n" + good,
		"NUL":                      "X-A: a\x00b\r\n" + good,
		"bare CR in body":          good + "\r",
		"payload encoding":         replace("Content-Type: application/octet-stream", "Content-Transfer-Encoding: x-uuencode\r\nContent-Type: application/octet-stream"),
		"wrapped by a list":        outerFields + "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n" + strings.TrimPrefix(good, outerFields) + "\r\n--m\r\n\r\nfooter\r\n--m--\r\n",
		"rewritten by a server":    replace("multipart/encrypted; protocol=\"application/pgp-encrypted\"", "multipart/mixed"),
		"direct exfiltration":      outerFields + "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n" + htmlGadget + "\r\n--m\r\n" + strings.TrimPrefix(good, outerFields) + "\r\n--m\r\nContent-Type: text/html\r\n\r\n\">\r\n--m--\r\n",
		"wrapped, payload encoded": outerFields + "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n" + strings.Replace(strings.Replace(strings.TrimPrefix(good, outerFields), armored, base64.StdEncoding.EncodeToString([]byte(armored)), 1), "Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64\r\nContent-Type: application/octet-stream", 1) + "\r\n--m--\r\n",
		"block in html":            outerFields + "Content-Type: text/html\r\n\r\n<pre>" + armored + "</pre>",
		"block in encoded html":    outerFields + "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte("<pre>"+armored+"</pre>")),
		"block in a part":          outerFields + "Content-Type: multipart/alternative; boundary=m\r\n\r\n--m\r\n\r\n" + armored + "\r\n--m--\r\n",
		"text before the block":    outerFields + "\r\nhello\r\n" + armored,
		"text behind the block":    outerFields + "\r\n" + armored + "hello\r\n",
		"two blocks":               outerFields + "\r\n" + armored + armored,
		"message and signed":       outerFields + "\r\n" + armored + "-----BEGIN PGP SIGNED MESSAGE-----\r\n",
		"cut block":                outerFields + "\r\n" + armored[:200],
		"cut cleartext signature":  outerFields + "\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nhello\r\n",
		"encrypted twice":          multi(control, h.encrypt(t, good)),
		"signed around encrypted":  outerFields + sign(t, h.xb, strings.TrimPrefix(good, outerFields)),
		"signed, text behind":      outerFields + sign(t, h.xb, plain) + "hello",
		"signed, three parts":      outerFields + strings.Replace(sign(t, h.xb, plain), "\r\n--sig--", "\r\n--sig\r\n\r\nhello\r\n--sig--", 1),
		"signed, signature type":   outerFields + strings.Replace(sign(t, h.xb, plain), "Content-Type: application/pgp-signature", "Content-Type: text/plain", 1),
		"inner: two From":          multi(control, h.encrypt(t, "From: a@b.example\r\nFrom: c@d.example\r\n"+plain)),
		"inner: bare CR":           multi(control, h.encrypt(t, plain+"\rx\r\n")),
		"inner: NUL":               multi(control, h.encrypt(t, plain+"\x00")),
		"inner: no header":         multi(control, h.encrypt(t, "hello")),
		"inner: two hp parameters": multi(control, h.encrypt(t, "Content-Type: text/plain; hp=\"cipher\"; hp=\"clear\"\r\n\r\nhello")),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := h.open(raw)
			if !errors.Is(err, ErrStructure) || m != nil {
				t.Fatalf("want ErrStructure and nothing, got %v, %+v", err, m)
			}
		})
	}
}

// Threat 19: whatever fails to decrypt fails alike.
func TestOneAnswerForAllThatDoesNotDecrypt(t *testing.T) {
	h := newHouse(t)
	armored := h.encrypt(t, plain)
	for name, raw := range map[string]string{
		"for somebody else": multi(control, encryptOnly(t, plain, h.eve)),
		"tampered":          multi(control, armored[:200]+"AAAA"+armored[204:]),
		"no armor":          multi(control, "hello"),
		"text beside armor": multi(control, "hello\r\n"+armored),
		"inline, tampered":  outerFields + "\r\n" + armored[:200] + "AAAA" + armored[204:],
		"signature as data": multi(control, strings.ReplaceAll(armored, "PGP MESSAGE", "PGP SIGNATURE")),
		"inline not base64": outerFields + "\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n!!!!\r\n-----END PGP MESSAGE-----\r\n",
	} {
		m, err := h.open(raw)
		if err != pgp.ErrCannotOpen || m != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClearMessagesPassAsClear(t *testing.T) {
	h := newHouse(t)
	for name, raw := range map[string]string{
		"text":           outerFields + "\r\nhello",
		"empty":          outerFields,
		"html":           outerFields + "Content-Type: text/html\r\n\r\n<p>hello",
		"multipart":      outerFields + "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nhello\r\n--m--\r\n",
		"a certificate":  outerFields + "\r\n" + string(h.xb.Certificate().Armor()),
		"s/mime":         outerFields + "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=m\r\n\r\n--m\r\n\r\nhello\r\n--m--\r\n",
		"broken subpart": outerFields + "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: message/rfc822\r\n\r\nFrom someone Tue Nov 24\r\nno header\r\n--m--\r\n",
	} {
		m, err := h.open(raw)
		if err != nil || m.Form != Clear || m.Encrypted || m.Entity != nil || m.Signature.State != pgp.SignatureNone || m.WholeSigned {
			t.Errorf("%s: %v %+v", name, err, m)
		}
	}
}

// Threats 8, M10 and M11, outside and inside the encryption.
func TestMIMEBombsStopAtTheLimits(t *testing.T) {
	h := newHouse(t)
	nested := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("Content-Type: multipart/mixed; boundary=b" + strings.Repeat("x", i%40) + "y\r\n\r\n--b" + strings.Repeat("x", i%40) + "y\r\n")
		}
		return b.String()
	}
	deepMail := func(n int) string { return strings.Repeat("Content-Type: message/rfc822\r\n\r\n", n) }
	wide := func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n\r\n", n) + "--b--\r\n"
	}
	big := "X-A: " + strings.Repeat("x", 64<<10) + "\r\n"
	many := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nX-A: "+strings.Repeat("x", 60<<10)+"\r\n\r\n\r\n", 18) + "--b--\r\n"
	for name, entity := range map[string]string{
		"deep": nested(8000), "a little too deep": nested(22), "mail in mail": deepMail(1000), "parts": wide(500_000), "a little too many parts": wide(1000),
		"parts, spread": "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" + wide(600) + "--a\r\n" + wide(600) + "--a--\r\n",
		"header":        big + plain, "headers": many,
	} {
		t.Run(name, func(t *testing.T) {
			for where, raw := range map[string]string{"outside": outerFields + entity, "inside": multi(control, h.encrypt(t, entity)),
				"signed": outerFields + sign(t, h.xb, entity)} {
				start := time.Now()
				m, err := h.open(raw)
				if !errors.Is(err, ErrLimits) || m != nil {
					t.Errorf("%s: %v", where, err)
				}
				if d := time.Since(start); d > 5*time.Second {
					t.Errorf("%s: took %v", where, d)
				}
			}
		})
	}
	for name, entity := range map[string]string{"deep": nested(19), "wide": wide(998)} {
		if _, err := h.open(multi(control, h.encrypt(t, entity))); err != nil {
			t.Errorf("%s, within the limits: %v", name, err)
		}
	}
	o := options(h.xa, h.xb)
	o.Limits.MaxPlaintext = 1000
	_, err := Open([]byte(multi(control, h.encrypt(t, plain+strings.Repeat("x", 1000)))), o)
	if !errors.Is(err, ErrLimits) || !errors.Is(err, pgp.ErrTooLarge) {
		t.Errorf("plaintext: %v", err)
	}
}

func TestSurreptitiousForwardingIsVisibleInMail(t *testing.T) {
	h := newHouse(t)
	others := signNaming(t, h.xb, plain, h.eve)
	m, err := h.open(multi(control, encryptOnly(t, others, h.xa)))
	if err != nil || m.Signature.State != pgp.SignatureGood || m.Signature.Intended != pgp.IntendedOthers {
		t.Fatalf("%v %+v", err, m)
	}
	m, err = h.open(multi(control, encryptOnly(t, sign(t, h.xb, plain), h.xa)))
	if err != nil || m.Signature.Intended != pgp.IntendedUnstated {
		t.Fatalf("%v %+v", err, m)
	}
	m, err = h.open(multi(control, h.encrypt(t, plain)))
	if err != nil || m.Signature.Intended != pgp.IntendedForUs || m.DecryptedWith != h.xa.Certificate().Fingerprint() {
		t.Fatalf("%v %+v", err, m)
	}
}

// Threat 18: only fields inside the signed part are protected, and old display
// copies are no header.
func TestWhichHeadersAreProtected(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct{ name, entity, protection, subject string }{
		{"none", "Subject: inside\r\nContent-Type: text/plain\r\n\r\nx", "", ""},
		{"RFC 9788", "Subject: inside\r\nHP-Outer: Subject: ...\r\nContent-Type: text/plain; hp=\"cipher\"\r\n\r\nx", "cipher", "inside"},
		{"RFC 9788, without quotes", "Subject: inside\r\nContent-Type: text/plain; hp=clear\r\n\r\nx", "clear", "inside"},
		{"v1", "Subject: inside\r\nContent-Type: multipart/mixed; boundary=b; protected-headers=\"v1\"\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n", "v1", "inside"},
		{"unknown value", "Subject: inside\r\nContent-Type: text/plain; hp=\"other\"\r\n\r\nx", "", ""},
		{"display copy", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/rfc822-headers; protected-headers=\"v1\"\r\n\r\nSubject: copy\r\n\r\n--b--\r\n", "", ""},
	} {
		m, err := h.open(multi(control, h.encrypt(t, c.entity)))
		if err != nil {
			t.Fatal(err)
		}
		if m.Protection != c.protection || m.Protected.Get("Subject") != c.subject || len(m.Protected.Values("Content-Type"))+len(m.Protected.Values("HP-Outer")) != 0 {
			t.Errorf("%s: %q %v", c.name, m.Protection, m.Protected)
		}
		values, protected := m.Field("Subject")
		if want := c.subject != ""; protected != want || len(values) != 1 {
			t.Errorf("%s: %v %v", c.name, values, protected)
		}
		if values, protected := m.Field("From"); protected || len(values) != 1 {
			t.Errorf("%s: From %v %v", c.name, values, protected)
		}
	}
}

func TestControlCharactersHiddenInEncodedWordsBecomeBlanks(t *testing.T) {
	h := Header{{"Subject", "=?utf-8?q?a=0D=0ABcc:_b?="}}
	if got := h.Text("subject"); strings.ContainsAny(got, "\r\n") || !strings.HasPrefix(got, "a  Bcc:") {
		t.Fatalf("%q", got)
	}
	if got := (Header{{"Subject", "=?iso-8859-1?q?=E9?="}}).Text("subject"); got != "é" {
		t.Fatalf("%q", got)
	}
}

func TestFoldedHeadersAreUnfoldedInLinearTime(t *testing.T) {
	h, err := parseHeader([]byte("Subject: a\r\n\tb\r\n c\r\nX: " + strings.Repeat("y\r\n ", 20000) + "\r\n"))
	if err != nil || h[0].Value != "a\tb c" || len(h) != 2 {
		t.Fatalf("%v %q", err, h[0])
	}
	if !bytes.Contains([]byte(h[1].Value), []byte("y y")) {
		t.Fatal("not unfolded")
	}
}
