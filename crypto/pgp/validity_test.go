package pgp

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// variant makes a key and lets change alter it before it is written and read.
func variant(t *testing.T, cfg packet.Config, change func(*openpgp.Entity, *packet.Config)) *Key {
	t.Helper()
	if cfg.Algorithm == 0 {
		cfg.Algorithm = packet.PubKeyAlgoEdDSA
	}
	if cfg.Time == nil {
		cfg.Time = func() time.Time { return now.Add(-48 * time.Hour) }
	}
	e, err := openpgp.NewEntity("variant", "", "variant@alphaland.example", &cfg)
	check(t, err)
	if change != nil {
		change(e, &cfg)
	}
	k, err := newKey(e)
	check(t, err)
	return k
}

func signedAt(t *testing.T, k *Key, at time.Time) []byte {
	t.Helper()
	return signature(t, k, []byte("text"), func(s *packet.Signature) { s.CreationTime = at })
}

func TestSignatureStateFollowsTheKey(t *testing.T) {
	day := 24 * time.Hour
	clock := func(at time.Time) func() time.Time { return func() time.Time { return at } }
	revoke := func(reason packet.ReasonForRevocation, at time.Time) func(*openpgp.Entity, *packet.Config) {
		return func(e *openpgp.Entity, cfg *packet.Config) {
			c := *cfg
			c.Time = clock(at)
			check(t, e.Revoke(reason, "", &c))
		}
	}
	strict := DefaultPolicy()
	strict.SHA1Until = time.Unix(1, 0)
	short := DefaultPolicy()
	short.MinRSABits = 4096
	none := DefaultPolicy()
	none.ClockTolerance = 0

	for _, c := range []struct {
		name   string
		key    *Key
		signed time.Time
		policy Policy
		want   SignatureState
	}{
		{"good", variant(t, packet.Config{}, nil), now, DefaultPolicy(), SignatureGood},
		{"expired before signing", variant(t, packet.Config{KeyLifetimeSecs: 3600}, nil), now, DefaultPolicy(), SignatureExpiredKey},
		{"expired since", variant(t, packet.Config{KeyLifetimeSecs: 3600}, nil), now.Add(-2*day + time.Minute), DefaultPolicy(), SignatureExpiredKey},
		{"not yet expired", variant(t, packet.Config{KeyLifetimeSecs: 3 * 86400}, nil), now, DefaultPolicy(), SignatureGood},
		{"revoked, compromised", variant(t, packet.Config{}, revoke(packet.KeyCompromised, now)), now.Add(-day), DefaultPolicy(), SignatureRevokedKey},
		{"revoked, superseded, after signing", variant(t, packet.Config{}, revoke(packet.KeySuperseded, now)), now.Add(-day), DefaultPolicy(), SignatureRevokedKey},
		{"revoked, retired, before signing", variant(t, packet.Config{}, revoke(packet.KeyRetired, now.Add(-day))), now, DefaultPolicy(), SignatureRevokedKey},
		{"signature older than key", variant(t, packet.Config{}, nil), now.Add(-3 * day), DefaultPolicy(), SignatureNotYetValidKey},
		{"key from the future", variant(t, packet.Config{Time: clock(now.Add(day))}, nil), now.Add(day), DefaultPolicy(), SignatureNotYetValidKey},
		{"partner's clock ahead", variant(t, packet.Config{Time: clock(now.Add(5 * time.Minute))}, nil), now.Add(5 * time.Minute), DefaultPolicy(), SignatureGood},
		{"partner's clock ahead, no tolerance", variant(t, packet.Config{Time: clock(now.Add(5 * time.Minute))}, nil), now.Add(5 * time.Minute), none, SignatureNotYetValidKey},
		{"sha-256 self-signature, strict", variant(t, packet.Config{}, nil), now, strict, SignatureGood},
		{"rsa 2048", variant(t, packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048}, nil), now, DefaultPolicy(), SignatureGood},
		{"rsa 2048 where 4096 is asked", variant(t, packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048}, nil), now, short, SignatureWeak},
		{"v6 certificate", variant(t, packet.Config{Algorithm: packet.PubKeyAlgoEd25519, V6Keys: true}, nil), now, DefaultPolicy(), SignatureGood},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sig []byte
			if c.key.entity.PrimaryKey.Version == 6 {
				sig = signed(t, []byte("text"), c.signed, c.key)
				packets, err := splitPackets(sig)
				check(t, err)
				sig = packets[2].raw
			} else {
				sig = signedAt(t, c.key, c.signed)
			}
			// Through the written form, as from a Directory.
			certs, err := ParseCertificates(c.key.Certificate().Armor())
			check(t, err)
			s := VerifyDetached([]byte("text"), sig, NewRing(certs...), c.policy, now)
			if s.State != c.want || s.Signer != certs[0] {
				t.Fatalf("%s, want %s", s.State, c.want)
			}
			if s := VerifyDetached([]byte("other"), sig, NewRing(certs...), c.policy, now); s.State != SignatureBad {
				t.Fatalf("another text: %s", s.State)
			}
		})
	}
}

// Threat 15: hashes too old for the library to know. SHA-1 is tested with
// signatures that gpg made.
func TestForgottenHashesAreWeak(t *testing.T) {
	k := newTestKey(t, "alice")
	ring := NewRing(k.Certificate())
	for id := byte(1); id <= 3; id += 2 {
		old := signature(t, k, []byte("text"), func(*packet.Signature) {})
		p, _, err := nextPacket(old)
		check(t, err)
		p.body[3] = id
		if s := VerifyDetached([]byte("text"), old, ring, DefaultPolicy(), now); s.State != SignatureWeak {
			t.Errorf("hash %d: %s", id, s.State)
		}
	}
}

func TestSignaturesThatAreNotWhatTheySeem(t *testing.T) {
	k := newTestKey(t, "alice")
	ring := NewRing(k.Certificate())
	lifetime := uint32(60)
	for _, c := range []struct {
		name   string
		change func(*packet.Signature)
		want   SignatureState
	}{
		{"timestamp signature", func(s *packet.Signature) { s.SigType = packet.SignatureType(0x40) }, SignatureBad},
		{"certification", func(s *packet.Signature) { s.SigType = packet.SigTypeGenericCert }, SignatureBad},
		{"critical notation", func(s *packet.Signature) {
			s.Notations = []*packet.Notation{{Name: "x@y.example", Value: []byte("z"), IsCritical: true}}
		}, SignatureBad},
		{"notation", func(s *packet.Signature) { s.Notations = []*packet.Notation{{Name: "x@y.example", Value: []byte("z")}} }, SignatureGood},
		{"its own expiry", func(s *packet.Signature) { s.CreationTime, s.SigLifetimeSecs = now.Add(-time.Hour/2), &lifetime }, SignatureExpiredKey},
	} {
		if s := VerifyDetached([]byte("text"), signature(t, k, []byte("text"), c.change), ring, DefaultPolicy(), now); s.State != c.want {
			t.Errorf("%s: %s, want %s", c.name, s.State, c.want)
		}
	}
}

func TestEncryptionSubkeyCannotSign(t *testing.T) {
	k := newTestKey(t, "alice")
	if p := k.Certificate().problem(0, now, DefaultPolicy(), canSign); p != KeyNoCapability {
		t.Fatalf("%s", p)
	}
}

func TestCertificateChecksNameTheProblem(t *testing.T) {
	expired := variant(t, packet.Config{KeyLifetimeSecs: 3600}, nil).Certificate()
	revokedSubkey := variant(t, packet.Config{}, func(e *openpgp.Entity, cfg *packet.Config) {
		check(t, e.Subkeys[0].Revoke(packet.KeyCompromised, "", cfg))
	}).Certificate()
	for _, c := range []struct {
		name            string
		cert            *Certificate
		at              time.Time
		sign, encrypted KeyProblem
	}{
		{"valid", newTestKey(t, "x").Certificate(), now, "", ""},
		{"expired", expired, now, KeyExpired, KeyExpired},
		{"before it was made", expired, now.Add(-72 * time.Hour), KeyNotYetValid, KeyNotYetValid},
		{"while valid", expired, now.Add(-48*time.Hour + time.Minute), "", ""},
		{"revoked subkey", revokedSubkey, now, "", KeyRevoked},
	} {
		for use, got := range map[string]error{"sign": c.cert.CheckSigning(c.at, DefaultPolicy()), "encrypt": c.cert.CheckEncryption(c.at, DefaultPolicy())} {
			want := c.sign
			if use == "encrypt" {
				want = c.encrypted
			}
			var ke *KeyError
			switch {
			case want == "" && got != nil:
				t.Errorf("%s: %s: %v", c.name, use, got)
			case want != "" && (!errors.As(got, &ke) || ke.Problem != want || ke.Fingerprint != c.cert.Fingerprint()):
				t.Errorf("%s: %s: %v, want %s", c.name, use, got, want)
			}
		}
	}
	if !expired.Expires().Equal(expired.Created().Add(time.Hour)) {
		t.Errorf("expires %v", expired.Expires())
	}
	if !revokedSubkey.Expires().IsZero() {
		t.Errorf("expires %v", revokedSubkey.Expires())
	}
	if _, err := Encrypt([]byte("x"), newTestKey(t, "x"), []*Certificate{expired}, now); err == nil {
		t.Error("encrypted to an expired certificate")
	}
}

func TestOversizedCertificatesAreRefused(t *testing.T) {
	k := newTestKey(t, "alice")
	flooded := bytes.Clone(k.Certificate().raw)
	for foreign := signature(t, k, nil, func(*packet.Signature) {}); len(flooded) <= maxCertificateBytes; {
		flooded = append(flooded, foreign...)
	}
	if _, err := ParseCertificates(flooded); err == nil {
		t.Error("flooded with signatures, yet read")
	}

	n := new(big.Int).Lsh(big.NewInt(1), maxRSABits)
	huge := packet.NewRSAPublicKey(now, &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537})
	if _, err := newCertificate(nil, &openpgp.Entity{PrimaryKey: huge}); err == nil || !strings.Contains(err.Error(), "bits") {
		t.Errorf("RSA key of %d bits: %v", maxRSABits+1, err)
	}

	var private bytes.Buffer
	check(t, k.entity.SerializePrivateWithoutSigning(&private, nil))
	if _, err := ParseCertificates(private.Bytes()); !errors.Is(err, errPrivate) {
		t.Errorf("binary private key: %v", err)
	}
}

func TestCertificateTellsWhatItIs(t *testing.T) {
	k, err := GenerateKey("Contact Point XA", "cp@alphaland.example", Curve25519, now, 365*24*time.Hour)
	check(t, err)
	c := k.Certificate()
	if ids := c.UserIDs(); len(ids) != 1 || ids[0] != "Contact Point XA <cp@alphaland.example>" {
		t.Errorf("%q", ids)
	}
	if c.Algorithm() != "Ed25519" || len(c.Fingerprint()) != 40 || !c.Created().Equal(now) || !c.Expires().Equal(now.Add(365*24*time.Hour)) {
		t.Errorf("%s %s %v %v", c.Algorithm(), c.Fingerprint(), c.Created(), c.Expires())
	}
	both := append(append([]byte("\n"), c.Armor()...), newTestKey(t, "b").Certificate().Armor()...)
	certs, err := ParseCertificates(both)
	if err != nil || len(certs) != 2 || certs[0].Fingerprint() != c.Fingerprint() || !bytes.Equal(certs[0].Armor(), c.Armor()) {
		t.Errorf("%v %d", err, len(certs))
	}
	for _, junk := range [][]byte{nil, []byte("x"), []byte(" \n"), {0xc6, 1, 4}, enarmor(armorMessage, c.raw, "\n"), append(c.Armor(), "x"...),
		bytes.Repeat(c.raw, 2)[:len(c.raw)+5]} {
		if certs, err := ParseCertificates(junk); err == nil || certs != nil {
			t.Errorf("%q: %v", junk, err)
		}
	}
	if _, err := GenerateKey("x", "y", "dsa1024", now, 0); err == nil {
		t.Error("unknown algorithm")
	}
}
