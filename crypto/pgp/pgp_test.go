package pgp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"
)

var now = time.Now().Truncate(time.Second)

func newTestKey(t testing.TB, name string) *Key {
	t.Helper()
	k, err := GenerateKey(name, name+"@alphaland.example", Curve25519, now.Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	return asTested(k)
}

func seal(t testing.TB, text []byte, signer *Key, to ...*Key) []byte {
	t.Helper()
	var certs []*Certificate
	for _, k := range to {
		certs = append(certs, k.Certificate())
	}
	out, err := Encrypt(text, signer, certs, now)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSealedMessageOpensWithTheFactsOfItsSignature(t *testing.T) {
	alice, bob := newTestKey(t, "alice"), newTestKey(t, "bob")
	text := bytes.Repeat([]byte("please preserve\r\n"), 500)
	d, err := Decrypt(seal(t, text, alice, bob), []*Key{bob}, NewRing(alice.Certificate()), DefaultPolicy(), Limits{}, now)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.Plaintext, text) {
		t.Fatal("plaintext differs")
	}
	s := d.Signature
	if s.State != SignatureGood || s.Signer.Fingerprint() != alice.Certificate().Fingerprint() || !s.Created.Equal(now) ||
		s.Hash != "SHA-256" || s.Algorithm != "Ed25519" || s.Count != 1 || s.Intended != IntendedForUs {
		t.Fatalf("signature: %+v", s)
	}
	if d.Cipher != "AES-256" || d.DecryptedWith != bob.Certificate().Fingerprint() || len(d.Recipients) != 1 {
		t.Fatalf("facts: %+v", d)
	}
}

func TestKeysSurviveWritingAndReading(t *testing.T) {
	k := newTestKey(t, "alice")
	for _, pass := range [][]byte{nil, []byte("open sesame")} {
		armored, err := k.Armor(pass)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(armored, []byte("Version")) || bytes.Contains(armored, []byte("Comment")) {
			t.Fatalf("armor tells about the program: %s", armored)
		}
		back, err := ReadKey(armored, pass)
		if err != nil {
			t.Fatal(err)
		}
		if back.Certificate().Fingerprint() != k.Certificate().Fingerprint() {
			t.Fatal("fingerprint differs")
		}
		if _, err := ParseCertificates(armored); !errors.Is(err, errPrivate) {
			t.Fatalf("private key taken for a certificate: %v", err)
		}
		if pass != nil {
			if _, err := ReadKey(armored, []byte("wrong")); err == nil {
				t.Fatal("wrong passphrase accepted")
			}
		}
	}
}

func TestDetachedSignature(t *testing.T) {
	k, other := newTestKey(t, "alice"), newTestKey(t, "bob")
	doc := []byte(`{"version": 1}`)
	sig, err := k.SignDetached(doc, now)
	if err != nil {
		t.Fatal(err)
	}
	ring := NewRing(k.Certificate())
	if s := VerifyDetached(doc, sig, ring, DefaultPolicy(), now); s.State != SignatureGood || s.Signer != ring.Certificate(k.Certificate().Fingerprint()) {
		t.Fatalf("%+v", s)
	}
	if s := VerifyDetached([]byte(`{"version": 2}`), sig, ring, DefaultPolicy(), now); s.State != SignatureBad {
		t.Fatalf("%+v", s)
	}
	if s := VerifyDetached(doc, sig, NewRing(other.Certificate()), DefaultPolicy(), now); s.State != SignatureUnknownKey || s.Signer != nil {
		t.Fatalf("%+v", s)
	}
	for _, junk := range []string{"", "x", "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"} {
		if s := VerifyDetached(doc, []byte(junk), ring, DefaultPolicy(), now); s.State != SignatureBad {
			t.Fatalf("%q: %+v", junk, s)
		}
	}
}

func TestKeysAreSharedByGoroutines(t *testing.T) {
	alice, bob := newTestKey(t, "alice"), newTestKey(t, "bob")
	var others []*Certificate
	for range 3 {
		others = append(others, newTestKey(t, "other").Certificate())
	}
	ring := NewRing(append(others, alice.Certificate())...)
	msg := seal(t, []byte("hello"), alice, bob)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				d, err := Decrypt(msg, []*Key{bob}, ring, DefaultPolicy(), Limits{}, now)
				if err != nil || d.Signature.State != SignatureGood {
					t.Errorf("%v %+v", err, d)
					return
				}
				if _, err := Encrypt([]byte("x"), bob, []*Certificate{alice.Certificate()}, now); err != nil {
					t.Error(err)
				}
				if err := alice.Certificate().CheckSigning(now, DefaultPolicy()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func benchmarkDecrypt(b *testing.B, alg Algorithm) {
	alice, err := GenerateKey("alice", "a@alphaland.example", alg, now, 0)
	if err != nil {
		b.Fatal(err)
	}
	bob, err := GenerateKey("bob", "b@betaland.example", alg, now, 0)
	if err != nil {
		b.Fatal(err)
	}
	text := make([]byte, 8<<10)
	rand.Read(text)
	msg, ring := seal(b, text, alice, bob), NewRing(alice.Certificate())
	b.ReportAllocs()
	for b.Loop() {
		d, err := Decrypt(msg, []*Key{bob}, ring, DefaultPolicy(), Limits{}, now)
		if err != nil || d.Signature.State != SignatureGood {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecryptVerify8K(b *testing.B) {
	b.Run("Curve25519", func(b *testing.B) { benchmarkDecrypt(b, Curve25519) })
	b.Run("RSA4096", func(b *testing.B) { benchmarkDecrypt(b, RSA4096) })
}

func BenchmarkEncrypt8K(b *testing.B) {
	alice, bob := newTestKey(b, "alice"), newTestKey(b, "bob")
	text := make([]byte, 8<<10)
	rand.Read(text)
	b.ReportAllocs()
	for b.Loop() {
		seal(b, text, alice, bob)
	}
}
