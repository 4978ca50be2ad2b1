package intake_test

import (
	"bytes"
	"crypto"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
	"relais.example/test/desk"
)

const day = 24 * time.Hour

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// entityOf is a key as the OpenPGP library has it.
func entityOf(t testing.TB, k *pgp.Key) *openpgp.Entity {
	t.Helper()
	armored, err := k.Armor(nil)
	noError(t, err)
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	noError(t, err)
	return list[0]
}

func armored(t testing.TB, kind string, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	noError(t, err)
	noError(t, write(w))
	noError(t, w.Close())
	return strings.ReplaceAll(b.String(), "\n", "\r\n") + "\r\n"
}

// player is a contact point whose key is special.
type player struct {
	id, address string
	key         *pgp.Key
}

// enlist makes a key, lists it in the Directory as spoil leaves it, and keeps
// it as it was.
func (p *port) enlist(id string, created time.Time, validFor time.Duration, spoil func(*openpgp.Entity)) player {
	p.t.Helper()
	x := player{id: id, address: strings.ToLower(id) + "@betaland.example"}
	var err error
	x.key, err = pgp.GenerateKey("Contact point "+id, x.address, pgp.Curve25519, created.Truncate(time.Second), validFor)
	noError(p.t, err)
	e := entityOf(p.t, x.key)
	if spoil != nil {
		spoil(e)
	}
	doc := *p.Directory.Document()
	doc.Version++
	doc.Parties = append([]directory.Party(nil), doc.Parties...)
	beta := &doc.Parties[1]
	beta.ContactPoints = append(append([]directory.ContactPoint(nil), beta.ContactPoints...), directory.ContactPoint{
		ID: id, Role: directory.Police, Institution: "Office " + id, Addresses: []string{x.address},
		CertificatesArmored: []string{armored(p.t, "PGP PUBLIC KEY BLOCK", e.Serialize)},
	})
	text, err := doc.Encode()
	noError(p.t, err)
	parsed, err := directory.Parse(text)
	noError(p.t, err)
	p.Directory, err = directory.New(parsed)
	noError(p.t, err)
	return x
}

func (p *port) beta() player { return player{"XB-1", desk.Beta, p.Keys["XB-1"]} }

// entity is a request with protected headers, as a player's program signs it.
func (x player) entity(fields ...string) string {
	return "Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\r\nFrom: " + x.address + "\r\nTo: " + desk.Alpha +
		"\r\nSubject: Logs\r\n" + strings.Join(fields, "") + "\r\n" + preserve
}

// signed is a multipart/signed around an entity.
func (x player) signed(t testing.TB, entity string, at time.Time) string {
	t.Helper()
	sig, err := x.key.SignDetached([]byte(entity), at)
	noError(t, err)
	return around(entity, strings.ReplaceAll(string(sig), "\n", "\r\n"))
}

func around(entity, signature string) string {
	return "Content-Type: multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; boundary=\"sig\"\r\n\r\n--sig\r\n" + entity +
		"\r\n--sig\r\nContent-Type: application/pgp-signature\r\n\r\n" + signature + "\r\n--sig--\r\n"
}

// altered is the signature packet of a player over an entity, changed before
// it is made.
func (x player) altered(t testing.TB, entity string, change func(*packet.Signature)) []byte {
	t.Helper()
	e := entityOf(t, x.key)
	pk := e.PrimaryKey
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: pk.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: time.Now(),
		IssuerKeyId: &pk.KeyId, IssuerFingerprint: pk.Fingerprint, IssuerKeyVersion: 4,
	}
	change(sig)
	h, err := sig.PrepareSign(nil)
	noError(t, err)
	io.WriteString(h, entity)
	noError(t, sig.Sign(h, e.PrivateKey, nil))
	var b bytes.Buffer
	noError(t, sig.Serialize(&b))
	return b.Bytes()
}

func signatureArmor(t testing.TB, packets ...[]byte) string {
	t.Helper()
	return armored(t, "PGP SIGNATURE", func(w io.Writer) error {
		_, err := w.Write(bytes.Join(packets, nil))
		return err
	})
}

// encrypt encrypts to a contact point and signs nothing.
func (p *port) encrypt(to, entity string) string {
	p.t.Helper()
	return armored(p.t, "PGP MESSAGE", func(w io.Writer) error {
		plain, err := openpgp.EncryptWithParams(w, []*openpgp.Entity{entityOf(p.t, p.Keys[to])}, nil, &openpgp.EncryptParams{Config: &packet.Config{DefaultCipher: packet.CipherAES256}})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(plain, entity); err != nil {
			return err
		}
		return plain.Close()
	})
}

// letter is a message with these outer fields, and the usual ones.
func letter(from string, content string) []byte {
	return []byte("From: " + from + "\r\nTo: " + desk.Alpha + "\r\nSubject: ...\r\nMIME-Version: 1.0\r\n" + content)
}

func encryptedPart(ciphertext string) string {
	return "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\r\n\r\n--enc\r\n" +
		"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--enc\r\nContent-Type: application/octet-stream\r\n\r\n" + ciphertext + "\r\n--enc--\r\n"
}

// sealed is an entity, signed or not, encrypted to XA-1 by nobody in particular.
func (p *port) sealed(from, entity string) []byte {
	p.t.Helper()
	return letter(from, encryptedPart(p.encrypt("XA-1", entity)))
}
