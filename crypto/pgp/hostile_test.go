package pgp

import (
	"bytes"
	"crypto"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const aes = packet.CipherAES256

// mustNotOpen expects the one error and nothing else.
func mustNotOpen(t *testing.T, message []byte, keys []*Key, ring *Ring) {
	t.Helper()
	d, err := Decrypt(message, keys, ring, DefaultPolicy(), Limits{}, now)
	if err != ErrCannotOpen || d != nil {
		t.Fatalf("want ErrCannotOpen and nothing, got %v and %v", err, d)
	}
}

// Threats M3, 1 and 19: one flipped bit anywhere gives the one error and no
// plaintext.
func TestTamperedMessageReleasesNothing(t *testing.T) {
	alice, bob := newTestKey(t, "alice"), newTestKey(t, "bob")
	ring := NewRing(alice.Certificate())
	text := make([]byte, 1<<20)
	rand.Read(text)
	message := encrypted(t, signed(t, text, now, alice), aes, bob)
	for _, at := range []int{20, 60, 120, len(message) / 4, len(message) / 2, len(message) - 30, len(message) - 1} {
		bad := bytes.Clone(message)
		bad[at] ^= 1
		mustNotOpen(t, bad, []*Key{bob}, ring)
	}
	for _, n := range []int{0, 1, 50, len(message) / 2, len(message) - 1} {
		mustNotOpen(t, message[:n], []*Key{bob}, ring)
	}
}

// Threats 1 and 2: the packet grammar leaves no place for cleartext.
func TestPacketsOutsideTheGrammarAreRefused(t *testing.T) {
	alice, bob := newTestKey(t, "alice"), newTestKey(t, "bob")
	clear, good := literal(t, []byte("attacker")), encrypted(t, signed(t, []byte("real"), now, alice), aes, bob)
	for name, message := range map[string][]byte{
		"bare literal":               clear,
		"signed but not encrypted":   signed(t, []byte("x"), now, alice),
		"compressed only":            compress(t, clear),
		"literal in front":           join(clear, good),
		"literal behind":             join(good, clear),
		"two messages":               join(good, good),
		"signature behind":           join(good, signature(t, alice, []byte("real"), func(*packet.Signature) {})),
		"no session key":             encrypted(t, clear, aes),
		"encrypted twice":            encrypted(t, good, aes, bob),
		"two literals":               encrypted(t, join(clear, clear), aes, bob),
		"literal beside signed":      encrypted(t, join(signed(t, []byte("x"), now, alice), clear), aes, bob),
		"literal beside compressed":  encrypted(t, join(compress(t, clear), clear), aes, bob),
		"one-pass without signature": encrypted(t, join(onePass(t, alice, crypto.SHA256, true), clear), aes, bob),
		"signature behind only":      encrypted(t, join(clear, signature(t, alice, []byte("attacker"), func(*packet.Signature) {})), aes, bob),
		"nothing":                    encrypted(t, nil, aes, bob),
		"user id":                    encrypted(t, []byte{0xc0 | 13, 1, 'x'}, aes, bob),
		"a thousand packets":         encrypted(t, join(bytes.Repeat([]byte{0xc0 | tagMarker, 3, 'P', 'G', 'P'}, 1000), clear), aes, bob),
		"empty":                      nil,
		"text":                       []byte("hello"),
		"armored text":               []byte("-----BEGIN PGP MESSAGE-----\n\nhello\n-----END PGP MESSAGE-----\n"),
		"armor of another kind":      enarmor(armorSignature, good, "\n"),
		"text behind the armor":      append(enarmor(armorMessage, good, "\n"), "attacker"...),
		"text before the armor":      append([]byte("attacker\n"), enarmor(armorMessage, good, "\n")...),
		"two armors":                 append(enarmor(armorMessage, good, "\n"), enarmor(armorMessage, good, "\n")...),
	} {
		t.Run(name, func(t *testing.T) { mustNotOpen(t, message, []*Key{bob}, NewRing(alice.Certificate())) })
	}
	t.Run("the good one opens", func(t *testing.T) {
		if _, err := Decrypt(good, []*Key{bob}, nil, DefaultPolicy(), Limits{}, now); err != nil {
			t.Fatal(err)
		}
	})
}

// Threat M6: encryption without integrity protection (tag 9).
func TestMessageWithoutIntegrityProtectionIsRefused(t *testing.T) {
	bob := newTestKey(t, "bob")
	session := make([]byte, 32)
	rand.Read(session)
	var b bytes.Buffer
	check(t, packet.SerializeEncryptedKey(&b, encryptionKey(bob), aes, session, nil))
	block := must(newAES(session))
	random := make([]byte, 16)
	rand.Read(random)
	stream, prefix := packet.NewOCFBEncrypter(block, random, packet.OCFBResync)
	plain := literal(t, []byte("malleable"))
	ciphertext := make([]byte, len(plain))
	stream.XORKeyStream(ciphertext, plain)
	body := append(prefix, ciphertext...)
	b.Write([]byte{0xc0 | 9, byte(len(body))})
	b.Write(body)
	mustNotOpen(t, b.Bytes(), []*Key{bob}, nil)
}

func must(b cipher.Block, err error) cipher.Block {
	if err != nil {
		panic(err)
	}
	return b
}

func TestStrongCiphersOpen(t *testing.T) {
	bob := newTestKey(t, "bob")
	for _, c := range []packet.CipherFunction{packet.CipherAES128, packet.CipherAES192, aes} {
		d, err := Decrypt(encrypted(t, literal(t, []byte("x")), c, bob), []*Key{bob}, nil, DefaultPolicy(), Limits{}, now)
		if err != nil || d.Cipher != cipherName(c) || d.Signature.State != SignatureNone {
			t.Fatalf("%v %+v", err, d)
		}
	}
}

func TestForeignKeysAndPasswordsDoNotOpen(t *testing.T) {
	alice, bob, eve := newTestKey(t, "alice"), newTestKey(t, "bob"), newTestKey(t, "eve")
	message := seal(t, []byte("x"), alice, bob)
	mustNotOpen(t, message, []*Key{eve}, nil)
	mustNotOpen(t, message, nil, nil)

	var b bytes.Buffer
	session, err := packet.SerializeSymmetricKeyEncrypted(&b, []byte("password"), &packet.Config{DefaultCipher: aes})
	check(t, err)
	w, err := packet.SerializeSymmetricallyEncrypted(&b, aes, false, packet.CipherSuite{}, session, nil)
	check(t, err)
	_, err = w.Write(literal(t, []byte("x")))
	check(t, err)
	check(t, w.Close())
	mustNotOpen(t, b.Bytes(), []*Key{bob}, nil)
}

// Threats M1, M2 and 7.
func TestDecompressionBombStopsAtTheLimit(t *testing.T) {
	bob := newTestKey(t, "bob")
	bomb := encrypted(t, compress(t, compress(t, literal(t, make([]byte, 64<<20)))), aes, bob)
	if len(bomb) > 10000 {
		t.Fatalf("no bomb: %d bytes", len(bomb))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d, err := Decrypt(bomb, []*Key{bob}, nil, DefaultPolicy(), Limits{MaxPlaintext: 1 << 20}, now)
	if !errors.Is(err, ErrTooLarge) || d != nil {
		t.Fatalf("%v", err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Fatalf("%d bytes allocated to find out", used)
	}
	big := encrypted(t, literal(t, make([]byte, 1<<20+1)), aes, bob)
	if _, err := Decrypt(big, []*Key{bob}, nil, DefaultPolicy(), Limits{MaxPlaintext: 1 << 20}, now); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("uncompressed, one byte over: %v", err)
	}
	exact := encrypted(t, compress(t, literal(t, make([]byte, 1<<20))), aes, bob)
	if d, err := Decrypt(exact, []*Key{bob}, nil, DefaultPolicy(), Limits{MaxPlaintext: 1 << 20}, now); err != nil || len(d.Plaintext) != 1<<20 {
		t.Fatalf("exactly the limit: %v", err)
	}
	deep := literal(t, []byte("x"))
	for range 3 {
		deep = compress(t, deep)
	}
	mustNotOpen(t, encrypted(t, deep, aes, bob), []*Key{bob}, nil)
}

// A message that names hundreds of hidden recipients must not cost hundreds of
// private-key operations.
func TestTrialDecryptionsAreBounded(t *testing.T) {
	bob, eve := newTestKey(t, "bob"), newTestKey(t, "eve")
	hidden := func(to *Key, n int) []byte {
		session := make([]byte, 32)
		var b bytes.Buffer
		for range n {
			check(t, packet.SerializeEncryptedKeyAEADwithHiddenOption(&b, encryptionKey(to), aes, false, session, true, nil))
		}
		return b.Bytes()
	}
	message := encrypted(t, literal(t, []byte("x")), aes, bob)
	if _, err := Decrypt(join(hidden(eve, maxTrials-1), message), []*Key{bob}, nil, DefaultPolicy(), Limits{}, now); err != nil {
		t.Fatalf("a few hidden recipients: %v", err)
	}
	mustNotOpen(t, join(hidden(eve, maxTrials), message), []*Key{bob}, nil)
	mustNotOpen(t, join(hidden(eve, maxSessionKeys), message), []*Key{bob}, nil)
}

func TestHiddenRecipientIsFound(t *testing.T) {
	alice, bob := newTestKey(t, "alice"), newTestKey(t, "bob")
	session := make([]byte, 32)
	var b bytes.Buffer
	check(t, packet.SerializeEncryptedKeyAEADwithHiddenOption(&b, encryptionKey(bob), aes, false, session, true, nil))
	w, err := packet.SerializeSymmetricallyEncrypted(&b, aes, false, packet.CipherSuite{}, session, nil)
	check(t, err)
	_, err = w.Write(literal(t, []byte("x")))
	check(t, err)
	check(t, w.Close())
	d, err := Decrypt(b.Bytes(), []*Key{alice, bob}, nil, DefaultPolicy(), Limits{}, now)
	if err != nil || d.Recipients[0] != "0000000000000000" || d.DecryptedWith != bob.Certificate().Fingerprint() {
		t.Fatalf("%v %+v", err, d)
	}
}

// Threats M5 and 5: Bob passes Alice's message on to Carol.
func TestSurreptitiousForwardingIsVisible(t *testing.T) {
	alice, bob, carol := newTestKey(t, "alice"), newTestKey(t, "bob"), newTestKey(t, "carol")
	ring := NewRing(alice.Certificate())
	forwarded := encrypted(t, unwrap(t, seal(t, []byte("x"), alice, bob), bob), aes, carol)
	d, err := Decrypt(forwarded, []*Key{carol}, ring, DefaultPolicy(), Limits{}, now)
	check(t, err)
	s := d.Signature
	if s.Intended != IntendedOthers || len(s.IntendedRecipients) != 1 || s.IntendedRecipients[0] != bob.Certificate().Fingerprint() {
		t.Fatalf("%+v", s)
	}
	unstated := encrypted(t, signed(t, []byte("x"), now, alice), aes, carol)
	d, err = Decrypt(unstated, []*Key{carol}, ring, DefaultPolicy(), Limits{}, now)
	check(t, err)
	if d.Signature.State != SignatureGood || d.Signature.Intended != IntendedUnstated {
		t.Fatalf("%+v", d.Signature)
	}
}

// Threat 6: the digest of a replay is that of the original.
func TestReplayKeepsItsDigest(t *testing.T) {
	alice, bob := newTestKey(t, "alice"), newTestKey(t, "bob")
	ring := NewRing(alice.Certificate())
	digest := func(message []byte) [32]byte {
		t.Helper()
		d, err := Decrypt(message, []*Key{bob}, ring, DefaultPolicy(), Limits{}, now)
		check(t, err)
		if d.Signature.State != SignatureGood {
			t.Fatalf("%+v", d.Signature)
		}
		return d.Signature.Digest
	}
	original := seal(t, []byte("x"), alice, bob)
	inner := unwrap(t, original, bob)
	first := digest(original)
	if first == [32]byte{} {
		t.Fatal("no digest")
	}
	packets, err := splitPackets(inner)
	check(t, err)
	sig := packets[2].body
	hashed := int(sig[4])<<8 | int(sig[5])
	unhashedAt := 6 + hashed
	n := int(sig[unhashedAt+1])
	// The same signature with a notation more in its unhashed part, in another
	// packet format.
	added := []byte{2, 0x80 | 101, 'x'}
	body := join(sig[:unhashedAt], []byte{0, byte(n + len(added))}, added, sig[unhashedAt+2:])
	for name, replay := range map[string][]byte{
		"encrypted again":  encrypted(t, inner, packet.CipherAES128, bob),
		"compressed":       encrypted(t, compress(t, inner), aes, bob),
		"old style packet": encrypted(t, join(packets[0].raw, packets[1].raw, []byte{0x80 | 2<<2 | 1, byte(len(sig) >> 8), byte(len(sig))}, sig), aes, bob),
		"signature first":  encrypted(t, join(packets[2].raw, packets[1].raw), aes, bob),
		"unhashed part":    encrypted(t, join(packets[0].raw, packets[1].raw, []byte{0x80 | 2<<2 | 1, byte(len(body) >> 8), byte(len(body))}, body), aes, bob),
	} {
		if digest(replay) != first {
			t.Errorf("%s: another digest", name)
		}
	}
	if digest(seal(t, []byte("x"), alice, bob)) == first {
		t.Error("signed anew, yet the same digest")
	}
}

// Two texts signed in one second by a program that adds no salt are two acts.
func TestDigestTellsTextsApart(t *testing.T) {
	alice, same := newTestKey(t, "alice"), func(*packet.Signature) {}
	digest := func(text string) [32]byte {
		return VerifyDetached([]byte(text), signature(t, alice, []byte(text), same), NewRing(alice.Certificate()), DefaultPolicy(), now).Digest
	}
	if digest("a") != digest("a") || digest("a") == digest("b") {
		t.Fatal("digest does not follow the text")
	}
}

// Threat M4: "was checked" is not "is good".
func TestUnknownSignerIsUnknown(t *testing.T) {
	alice, bob := newTestKey(t, "alice"), newTestKey(t, "bob")
	for _, ring := range []*Ring{nil, NewRing(), NewRing(bob.Certificate())} {
		d, err := Decrypt(seal(t, []byte("x"), alice, bob), []*Key{bob}, ring, DefaultPolicy(), Limits{}, now)
		check(t, err)
		if s := d.Signature; s.State != SignatureUnknownKey || s.Signer != nil || s.KeyID != alice.Certificate().Fingerprint()[24:] {
			t.Fatalf("%+v", s)
		}
	}
}

// Threat 3: a failed check can never be overwritten by a later success.
func TestOneFailedSignatureSpoilsTheMessage(t *testing.T) {
	alice, bob, eve := newTestKey(t, "alice"), newTestKey(t, "bob"), newTestKey(t, "eve")
	ring := NewRing(alice.Certificate(), bob.Certificate())
	text, same := []byte("text"), func(*packet.Signature) {}
	good, bad := signature(t, alice, text, same), signature(t, alice, []byte("other"), same)
	unknown, second := signature(t, eve, text, same), signature(t, bob, text, same)
	again := signature(t, alice, text, func(s *packet.Signature) { s.CreationTime = now.Add(-time.Minute) })
	for _, c := range []struct {
		name string
		sigs [][]byte
		want SignatureState
	}{
		{"one", [][]byte{good}, SignatureGood},
		{"bad, good", [][]byte{bad, good}, SignatureBad},
		{"good, bad", [][]byte{good, bad}, SignatureBad},
		{"unknown, good", [][]byte{unknown, good}, SignatureUnknownKey},
		{"good, unknown", [][]byte{good, unknown}, SignatureUnknownKey},
		{"unknown, bad", [][]byte{unknown, bad}, SignatureUnknownKey},
		{"two signers", [][]byte{good, second}, SignatureBad},
		{"twice the same signer", [][]byte{good, again}, SignatureGood},
		{"good, bad, good", [][]byte{good, bad, good}, SignatureBad},
		{"forty", slices.Repeat([][]byte{good}, 40), SignatureBad},
	} {
		t.Run(c.name, func(t *testing.T) {
			count := len(c.sigs)
			var all, ops []byte
			for i := range c.sigs {
				all = append(all, c.sigs[i]...)
				ops = append(ops, onePass(t, alice, crypto.SHA256, i == count-1)...)
			}
			if s := VerifyDetached(text, all, ring, DefaultPolicy(), now); s.State != c.want || s.Count != count {
				t.Errorf("detached: %s, %d signatures", s.State, s.Count)
			}
			if count > 20 {
				return
			}
			message := encrypted(t, join(ops, literal(t, text), all), aes, bob)
			d, err := Decrypt(message, []*Key{bob}, ring, DefaultPolicy(), Limits{}, now)
			check(t, err)
			if s := d.Signature; s.State != c.want || s.Count != count {
				t.Errorf("encrypted: %s, %d signatures", s.State, s.Count)
			}
		})
	}
}
