package pgpmime

import (
	"testing"

	"relais.example/crypto/pgp"
)

// TestASignatureOverAPartIsTold: it is no signature of the message, and no
// reason to take it for an unsigned one either.
func TestASignatureOverAPartIsTold(t *testing.T) {
	h := newHouse(t)
	mixed := func(part string) string {
		return "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n" + part + "\r\n--m\r\n\r\nfooter\r\n--m--\r\n"
	}
	attached := mixed("Content-Type: message/rfc822\r\n\r\nSubject: forwarded\r\n" + sign(t, h.xb, plain))
	smime := mixed("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=s\r\n\r\n--s\r\n\r\nhello\r\n--s--\r\n")
	unsigned := func(entity string) string { return multi(control, encryptOnly(t, entity, h.xa)) }
	for _, c := range []struct {
		name, raw string
		part      bool
		state     pgp.SignatureState
	}{
		{"in clear", outerFields + mixed(sign(t, h.xb, plain)), true, pgp.SignatureNone},
		{"encrypted", unsigned(mixed(sign(t, h.xb, plain))), true, pgp.SignatureNone},
		{"deeper", unsigned(mixed(mixed(sign(t, h.xb, plain)))), true, pgp.SignatureNone},
		{"of a mail attached", unsigned(attached), false, pgp.SignatureNone},
		{"of another kind", outerFields + smime, false, pgp.SignatureNone},
		{"and one over all of it", multi(control, h.encrypt(t, mixed(sign(t, h.xb, plain)))), false, pgp.SignatureGood},
		{"none", outerFields + mixed("\r\nhello"), false, pgp.SignatureNone},
	} {
		m, err := h.open(c.raw)
		if err != nil || m.PartSigned != c.part || m.Signature.State != c.state {
			t.Errorf("%s: %v, %+v", c.name, err, m)
		}
	}
}
