package pgp

import (
	"bytes"
	"crypto"
	"encoding"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// holderVariable makes the test keys of this package reach their private parts
// through a Holder.
const holderVariable = "RELAIS_TEST_HOLDER"

// asTested returns k, or the same key behind a Holder. Its entity stays the
// private one, for the helpers that build messages with it.
func asTested(k *Key) *Key {
	if os.Getenv(holderVariable) == "" {
		return k
	}
	remote := RemoteKey(k.Certificate(), k)
	remote.entity = k.entity
	return remote
}

// TestEverythingHoldsForAKeyInAnotherProcess runs the tests of this package
// again, with keys behind a Holder.
func TestEverythingHoldsForAKeyInAnotherProcess(t *testing.T) {
	if os.Getenv(holderVariable) != "" {
		return
	}
	t.Parallel()
	// Left out: what needs the private part itself.
	cmd := exec.Command(os.Args[0], "-test.skip=^(TestKeysSurviveWritingAndReading|FuzzReadKey)$", "-test.v")
	cmd.Env = append(os.Environ(), holderVariable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Count(out, []byte("--- PASS: Test")) < 20 {
		t.Fatalf("%v\n%s", err, out[max(0, len(out)-8000):])
	}
}

// trouble is a holder that fails in one way.
type trouble struct{ err error }

func (h trouble) SessionKey(string, []byte) (SessionKey, error) { return SessionKey{}, h.err }
func (h trouble) Sign(Signing) ([]byte, error)                  { return nil, h.err }

func TestAHolderThatIsAwayIsNotAMessageThatCannotBeOpened(t *testing.T) {
	alice, bob := newTestKey(t, "alice"), newTestKey(t, "bob")
	message := seal(t, []byte("hello"), alice, bob)
	away := RemoteKey(bob.Certificate(), trouble{errors.New("connection refused")})
	d, err := Decrypt(message, []*Key{away}, NewRing(alice.Certificate()), DefaultPolicy(), Limits{}, now)
	if d != nil || !errors.Is(err, ErrKeyUnavailable) || errors.Is(err, ErrCannotOpen) {
		t.Errorf("%v, %v", d, err)
	}
	if _, err := Encrypt([]byte("x"), away, []*Certificate{alice.Certificate()}, now); !errors.Is(err, ErrKeyUnavailable) {
		t.Errorf("encrypting: %v", err)
	}
	if _, err := away.SignDetached([]byte("x"), now); !errors.Is(err, ErrKeyUnavailable) {
		t.Errorf("signing: %v", err)
	}
	// But one that answers that the session key is not for it settles that.
	deaf := RemoteKey(bob.Certificate(), trouble{ErrCannotOpen})
	mustNotOpen(t, message, []*Key{deaf}, nil)
	// What names none of our keys is not asked about.
	mustNotOpen(t, seal(t, []byte("x"), alice, alice), []*Key{away}, nil)
	if _, err := away.Armor(nil); err == nil {
		t.Error("a private key that is not here was written")
	}
}

// A false holder, or a broken one, can make us refuse a message, not accept one.
func TestAWrongSessionKeyOpensNothing(t *testing.T) {
	alice, bob := newTestKey(t, "alice"), newTestKey(t, "bob")
	message := seal(t, []byte("hello"), alice, bob)
	for _, key := range []SessionKey{{}, {Cipher: 9}, {Cipher: 9, Key: make([]byte, 32)}, {Cipher: 9, Key: make([]byte, 31)},
		{Cipher: 200, Key: make([]byte, 32)}, {Cipher: 2, Key: make([]byte, 24)}} {
		mustNotOpen(t, message, []*Key{RemoteKey(bob.Certificate(), answer{key})}, nil)
	}
}

type answer struct{ key SessionKey }

func (h answer) SessionKey(string, []byte) (SessionKey, error) { return h.key, nil }
func (h answer) Sign(Signing) ([]byte, error)                  { return nil, errors.New("no") }

// state returns the state of SHA-256 behind data.
func state(t testing.TB, data []byte) []byte {
	t.Helper()
	h := crypto.SHA256.New()
	h.Write(data)
	s, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	check(t, err)
	return s
}

func TestAHolderSignsDocumentsOnly(t *testing.T) {
	k := newTestKey(t, "alice")
	s := Signing{Fingerprint: k.Certificate().Fingerprint(), At: now, Hash: crypto.SHA256, State: state(t, []byte("text"))}
	raw, err := k.Sign(s)
	check(t, err)
	if got := VerifyDetached([]byte("text"), raw, NewRing(k.Certificate()), DefaultPolicy(), now); got.State != SignatureGood {
		t.Fatalf("%+v", got)
	} else if got.Digest != s.Digest(raw) {
		t.Fatal("the reader finds another digest than the holder")
	}
	p, err := packet.Read(bytes.NewReader(raw))
	check(t, err)
	if sig := p.(*packet.Signature); sig.SigType != packet.SigTypeBinary {
		t.Fatalf("type %d", sig.SigType)
	}
	for name, change := range map[string]func(*Signing){
		"another key":            func(s *Signing) { s.Fingerprint = newTestKey(t, "bob").Certificate().Fingerprint() },
		"its encryption subkey":  func(s *Signing) { s.Fingerprint = hexUpper(encryptionKey(k).Fingerprint) },
		"before the key existed": func(s *Signing) { s.At = now.Add(-48 * time.Hour) },
		"SHA-1":                  func(s *Signing) { s.Hash = crypto.SHA1 },
		"no hash":                func(s *Signing) { s.Hash = 0 },
		"no state":               func(s *Signing) { s.State = nil },
		"state of another hash":  func(s *Signing) { s.Hash = crypto.SHA512 },
		"half a state":           func(s *Signing) { s.State = s.State[:40] },
		"recipient of no length": func(s *Signing) { s.Recipients = []string{"ABCD"} },
		"recipient not in hex":   func(s *Signing) { s.Recipients = []string{strings.Repeat("XY", 20)} },
	} {
		bad := s
		change(&bad)
		if raw, err := k.Sign(bad); err == nil {
			t.Errorf("%s: signed %x", name, raw)
		}
	}
}

// Every kind of key that a desk may have, with nothing but its certificate on
// our side.
func TestEveryKindOfKeyWorksBehindAHolder(t *testing.T) {
	for name, cfg := range map[string]packet.Config{
		"version 6":        {V6Keys: true, Algorithm: packet.PubKeyAlgoEd25519},
		"version 6, Ed448": {V6Keys: true, Algorithm: packet.PubKeyAlgoEd448},
		"RSA":              {Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048},
		"NIST P-256":       {Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP256},
		"NIST P-384":       {Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP384},
		"NIST P-521":       {Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP521},
		"Curve25519":       {Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519},
		"SHA-512 only":     {Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, DefaultHash: crypto.SHA512},
		"AEAD":             {Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, AEADConfig: &packet.AEADConfig{}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Time = func() time.Time { return now.Add(-time.Hour) }
			entity, err := openpgp.NewEntity("Duty Officer", "", "duty@alphaland.example", &cfg)
			check(t, err)
			local, err := newKey(entity)
			check(t, err)
			k := RemoteKey(local.Certificate(), local)
			ring := NewRing(k.Certificate())
			d, err := Decrypt(seal(t, []byte("text"), k, k), []*Key{k}, ring, DefaultPolicy(), Limits{}, now)
			if err != nil || string(d.Plaintext) != "text" || d.Signature.State != SignatureGood || d.Signature.Intended != IntendedForUs {
				t.Fatalf("%v, %+v", err, d)
			}
			signature, err := k.SignDetached([]byte("text"), now)
			check(t, err)
			if s := VerifyDetached([]byte("text"), signature, ring, DefaultPolicy(), now); s.State != SignatureGood {
				t.Fatalf("%+v", s)
			}
			// The same facts as without a holder.
			here, err := Decrypt(seal(t, []byte("text"), local, local), []*Key{local}, ring, DefaultPolicy(), Limits{}, now)
			if err != nil || here.Signature.Hash != d.Signature.Hash || here.Signature.Algorithm != d.Signature.Algorithm || here.Cipher != d.Cipher {
				t.Fatalf("%v: %s %s %s with a holder; %s %s %s without", err, d.Cipher, d.Signature.Algorithm, d.Signature.Hash,
					here.Cipher, here.Signature.Algorithm, here.Signature.Hash)
			}
		})
	}
}

func TestAHolderOpensOneSessionKeyPacketAndNothingElse(t *testing.T) {
	k := newTestKey(t, "alice")
	message, err := dearmorOnly(seal(t, []byte("text"), k, k), armorMessage)
	check(t, err)
	sealed, container, err := nextPacket(message)
	check(t, err)
	fingerprint := hexUpper(encryptionKey(k).Fingerprint)
	if key, err := k.SessionKey(fingerprint, sealed.raw); err != nil || key.Cipher != 9 || len(key.Key) != 32 {
		t.Fatalf("%v", err)
	}
	for name, raw := range map[string][]byte{
		"whole message": message, "container": container, "nothing": nil, "half": sealed.raw[:len(sealed.raw)-1],
		"two": join(sealed.raw, sealed.raw), "too large": append([]byte{0xc1, 0xff, 0, 0, 0x20, 0}, make([]byte, 0x2000)...),
	} {
		if _, err := k.SessionKey(fingerprint, raw); err != ErrCannotOpen {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.SessionKey(k.Certificate().Fingerprint(), sealed.raw); err != ErrCannotOpen {
		t.Errorf("with the primary key, which signs: %v", err)
	}
}

func BenchmarkHolderInProcess8K(b *testing.B) {
	alice, bob := newTestKey(b, "alice"), newTestKey(b, "bob")
	message, ring := seal(b, make([]byte, 8<<10), alice, bob), NewRing(alice.Certificate())
	remote := RemoteKey(bob.Certificate(), bob)
	for b.Loop() {
		if _, err := Decrypt(message, []*Key{remote}, ring, DefaultPolicy(), Limits{}, now); err != nil {
			b.Fatal(err)
		}
	}
}
