package pgp

import (
	"bytes"
	"crypto"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// fuzzKey is one fixed key (of the tests only), so that inputs found stay
// meaningful.
func fuzzKey(f *testing.F) *Key {
	f.Helper()
	text, err := os.ReadFile("testdata/fuzz-key.asc")
	check(f, err)
	k, err := ReadKey(text, nil)
	check(f, err)
	return asTested(k)
}

var fuzzTime = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func FuzzDecrypt(f *testing.F) {
	k := fuzzKey(f)
	inner := signed(f, []byte("hello"), fuzzTime, k)
	armored, err := Encrypt([]byte("hello"), k, []*Certificate{k.Certificate()}, fuzzTime)
	check(f, err)
	f.Add(armored)
	f.Add(encrypted(f, inner, aes, k))
	f.Add(encrypted(f, compress(f, inner), aes, k))
	f.Add(inner)
	f.Add([]byte("-----BEGIN PGP MESSAGE-----\n\n=AAAA\n-----END PGP MESSAGE-----"))
	f.Fuzz(func(t *testing.T, message []byte) {
		open := func() (*Decrypted, error) {
			return Decrypt(message, []*Key{k}, NewRing(k.Certificate()), DefaultPolicy(), Limits{MaxPlaintext: 1 << 20}, fuzzTime)
		}
		d, err := open()
		if err != nil {
			if d != nil || err != ErrCannotOpen && err != ErrTooLarge {
				t.Fatalf("%v with %v", err, d)
			}
			return
		}
		if again, err := open(); err != nil || !bytes.Equal(d.Plaintext, again.Plaintext) || d.Signature.State != again.Signature.State {
			t.Fatal("opened twice, read in two ways")
		}
	})
}

// FuzzContent reaches the parser behind the integrity check, which FuzzDecrypt
// can hardly get past.
func FuzzContent(f *testing.F) {
	k := fuzzKey(f)
	inner := signed(f, []byte("hello"), fuzzTime, k)
	f.Add(inner)
	f.Add(compress(f, inner))
	f.Add(join(onePass(f, k, crypto.SHA256, true), literal(f, []byte("x")), signature(f, k, []byte("x"), func(*packet.Signature) {})))
	f.Add(join([]byte{0xcb, 0xe9}, make([]byte, 512), []byte{3, 1, 2, 3}))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := readContent(data, 1<<20)
		if err != nil {
			if c != nil {
				t.Fatal("content with an error")
			}
			return
		}
		if len(c.literal) > 1<<20 {
			t.Fatal("beyond the limit")
		}
		s := judgement{NewRing(k.Certificate()), DefaultPolicy(), fuzzTime}.all(c.signatures, c.literal)
		if (s.State == SignatureNone) != (len(c.signatures) == 0) || s.State == SignatureGood && s.Signer == nil {
			t.Fatalf("%+v", s)
		}
	})
}

func FuzzParseCertificates(f *testing.F) {
	k := fuzzKey(f)
	private, err := os.ReadFile("testdata/fuzz-key.asc")
	check(f, err)
	f.Add(k.Certificate().Armor())
	f.Add(k.Certificate().raw)
	f.Add(append(k.Certificate().Armor(), k.Certificate().Armor()...))
	f.Add(private)
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := ParseCertificates(data)
		if err != nil {
			if certs != nil {
				t.Fatal("certificates with an error")
			}
			return
		}
		for _, c := range certs {
			again, err := ParseCertificates(c.Armor())
			if err != nil || len(again) != 1 || again[0].Fingerprint() != c.Fingerprint() || !reflect.DeepEqual(again[0].UserIDs(), c.UserIDs()) {
				t.Fatalf("written and read again: %v", err)
			}
			_ = c.CheckSigning(fuzzTime, DefaultPolicy())
			_ = c.CheckEncryption(fuzzTime, Policy{SHA1Until: time.Unix(1, 0)})
			_, _, _ = c.Expires(), c.Algorithm(), c.Created()
		}
		NewRing(certs...)
	})
}

// FuzzReadKey reads private keys as 'relais key import' does. What is read can
// be written, and is the same key when it is read again.
func FuzzReadKey(f *testing.F) {
	k := fuzzKey(f)
	full, err := GenerateCertifyOnly("a", "a@alphaland.example", Curve25519, fuzzTime, 0)
	check(f, err)
	stripped, err := full.WithoutPrimary()
	check(f, err)
	for _, seed := range []*Key{k, full, stripped} {
		armored, err := seed.Armor(nil)
		check(f, err)
		f.Add(armored)
		_, binary, _, err := dearmor(armored)
		check(f, err)
		f.Add(binary)
	}
	f.Add(k.Certificate().Armor())
	f.Add([]byte{0xC5, 10, 4, 0, 0, 0, 0, 22, 255, 0, 101, 0, 'G', 'N', 'U', 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ReadKey(data, []byte("x"))
		if err != nil {
			return
		}
		k.Parts()
		armored, err := k.Armor(nil)
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		again, err := ReadKey(armored, nil)
		if err != nil {
			t.Fatalf("written but not read: %v", err)
		}
		if again.Certificate().Fingerprint() != k.Certificate().Fingerprint() || len(again.Parts()) != len(k.Parts()) {
			t.Fatal("another key came back")
		}
	})
}
