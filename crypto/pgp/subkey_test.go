package pgp

import (
	"bytes"
	"crypto"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// bySubkey signs with the last subkey of e.
func bySubkey(t *testing.T, e *openpgp.Entity, text []byte, at time.Time) []byte {
	t.Helper()
	sub := e.Subkeys[len(e.Subkeys)-1]
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: sub.PublicKey.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: at,
		IssuerKeyId: &sub.PublicKey.KeyId, IssuerFingerprint: sub.PublicKey.Fingerprint, IssuerKeyVersion: 4,
	}
	h, err := sig.PrepareSign(nil)
	check(t, err)
	h.Write(text)
	check(t, sig.Sign(h, sub.PrivateKey, nil))
	var b bytes.Buffer
	check(t, sig.Serialize(&b))
	return b.Bytes()
}

// A signing subkey is judged like a primary key: by itself, and by what binds
// it. The primary key is in order in every row.
func TestSignatureStateFollowsTheSubkey(t *testing.T) {
	day := 24 * time.Hour
	clock := func(at time.Time) func() time.Time { return func() time.Time { return at } }
	// add gives the certificate a signing subkey made at that time.
	add := func(created time.Time, lifetime uint32, more func(*openpgp.Entity, *openpgp.Subkey)) func(*openpgp.Entity, *packet.Config) {
		return func(e *openpgp.Entity, cfg *packet.Config) {
			c := *cfg
			c.Time, c.KeyLifetimeSecs = clock(created), lifetime
			check(t, e.AddSigningSubkey(&c))
			if more != nil {
				more(e, &e.Subkeys[len(e.Subkeys)-1])
			}
		}
	}
	rebind := func(change func(*packet.Signature)) func(*openpgp.Entity, *openpgp.Subkey) {
		return func(e *openpgp.Entity, s *openpgp.Subkey) {
			sig := s.Bindings[0].Packet
			change(sig)
			check(t, sig.SignKey(s.PublicKey, e.PrivateKey, &packet.Config{Time: clock(sig.CreationTime)}))
		}
	}
	revoke := func(reason packet.ReasonForRevocation, at time.Time) func(*openpgp.Entity, *openpgp.Subkey) {
		return func(_ *openpgp.Entity, s *openpgp.Subkey) {
			check(t, s.Revoke(reason, "", &packet.Config{Time: clock(at)}))
		}
	}
	made := now.Add(-40 * time.Hour)
	for name, c := range map[string]struct {
		change func(*openpgp.Entity, *packet.Config)
		signed time.Time
		want   SignatureState
	}{
		"in order":                           {add(made, 0, nil), now, SignatureGood},
		"expired before signing":             {add(made, 3600, nil), now, SignatureExpiredKey},
		"expired since":                      {add(made, 3600, nil), made.Add(time.Minute), SignatureExpiredKey},
		"not yet expired":                    {add(made, 3*86400, nil), now, SignatureGood},
		"made after signing":                 {add(now.Add(-time.Hour), 0, nil), now.Add(-2 * time.Hour), SignatureNotYetValidKey},
		"bound after signing":                {add(made, 0, rebind(func(s *packet.Signature) { s.CreationTime = now.Add(-time.Hour) })), now.Add(-2 * time.Hour), SignatureNotYetValidKey},
		"of tomorrow":                        {add(now.Add(day), 0, nil), now.Add(day), SignatureNotYetValidKey},
		"revoked after signing, compromised": {add(made, 0, revoke(packet.KeyCompromised, now)), now.Add(-day), SignatureRevokedKey},
		"revoked after signing, superseded":  {add(made, 0, revoke(packet.KeySuperseded, now)), now.Add(-day), SignatureRevokedKey},
		"revoked before signing, retired":    {add(made, 0, revoke(packet.KeyRetired, now.Add(-day))), now, SignatureRevokedKey},
		"may not sign":                       {add(made, 0, rebind(func(s *packet.Signature) { s.FlagSign = false })), now, SignatureUnusableKey},
		"does not say what it may":           {add(made, 0, rebind(func(s *packet.Signature) { s.FlagsValid = false })), now, SignatureUnusableKey},
	} {
		t.Run(name, func(t *testing.T) {
			k := variant(t, packet.Config{}, c.change)
			certs, err := ParseCertificates(k.Certificate().Armor())
			check(t, err)
			s := VerifyDetached([]byte("text"), bySubkey(t, k.entity, []byte("text"), c.signed), NewRing(certs...), DefaultPolicy(), now)
			if s.State != c.want {
				t.Errorf("%s, want %s", s.State, c.want)
			}
		})
	}
}

// Threat 16: who lists the subkey of somebody else as their own signs nothing
// with it, and the other's signatures do not become theirs: a signing subkey
// must sign back (RFC 9580 section 5.2.1.9).
func TestSubkeyThatDidNotSignBackIsNoOnes(t *testing.T) {
	alice := variant(t, packet.Config{}, func(e *openpgp.Entity, cfg *packet.Config) { check(t, e.AddSigningSubkey(cfg)) })
	thief := func(embedded func(*openpgp.Subkey, *openpgp.Entity) *packet.Signature) *Certificate {
		e := newTestKey(t, "mallory").entity
		stolen := alice.entity.Subkeys[len(alice.entity.Subkeys)-1]
		binding := *stolen.Bindings[0].Packet
		binding.IssuerKeyId, binding.IssuerFingerprint = &e.PrimaryKey.KeyId, e.PrimaryKey.Fingerprint
		binding.EmbeddedSignature = embedded(&stolen, e)
		check(t, binding.SignKey(stolen.PublicKey, e.PrivateKey, &packet.Config{Time: func() time.Time { return binding.CreationTime }}))
		stolen.Primary, stolen.PrivateKey, stolen.Bindings = e, nil, []*packet.VerifiableSignature{packet.NewVerifiableSig(&binding)}
		e.Subkeys = append(e.Subkeys, stolen)
		var b bytes.Buffer
		check(t, e.Serialize(&b))
		certs, err := ParseCertificates(b.Bytes())
		check(t, err)
		return certs[0]
	}
	text := []byte("text")
	sig := bySubkey(t, alice.entity, text, now)
	if s := VerifyDetached(text, sig, NewRing(alice.Certificate()), DefaultPolicy(), now); s.State != SignatureGood {
		t.Fatalf("her own: %s", s.State)
	}
	for name, cert := range map[string]*Certificate{
		"none": thief(func(*openpgp.Subkey, *openpgp.Entity) *packet.Signature { return nil }),
		"for alice": thief(func(s *openpgp.Subkey, _ *openpgp.Entity) *packet.Signature {
			return s.Bindings[0].Packet.EmbeddedSignature
		}),
	} {
		if s := VerifyDetached(text, sig, NewRing(cert), DefaultPolicy(), now); s.State == SignatureGood {
			t.Errorf("back signature %s: %s by %v", name, s.State, s.Signer)
		}
		if err := cert.CheckSigning(now, DefaultPolicy()); err != nil {
			t.Errorf("back signature %s: the thief's own key: %v", name, err)
		}
	}
}

// Threat 15: algorithms and sizes that are too weak, each by itself.
func TestWeakKeysByKindAndSize(t *testing.T) {
	p := DefaultPolicy()
	for _, algorithm := range []packet.PublicKeyAlgorithm{packet.PubKeyAlgoDSA, packet.PubKeyAlgoElGamal} {
		if !p.weakKey(&packet.PublicKey{PubKeyAlgo: algorithm}) {
			t.Errorf("algorithm %d is strong", algorithm)
		}
	}
	for _, c := range []struct {
		cfg  packet.Config
		weak bool
	}{
		{packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 1024}, true},
		{packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048}, false},
		{packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveSecP256k1}, true},
		{packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP256}, false},
		{packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519}, false},
	} {
		e, err := openpgp.NewEntity("x", "", "x@alphaland.example", &c.cfg)
		check(t, err)
		if p.weakKey(e.PrimaryKey) != c.weak {
			t.Errorf("%s: weak is %t", algorithmName(e.PrimaryKey), !c.weak)
		}
	}
}
