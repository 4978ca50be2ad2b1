package pgp

import (
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// primary stands for the primary key where a subkey's index is expected.
const primary = -1

// capability says whether a key bound by sig may be used in a certain way.
type capability func(sig *packet.Signature, pk *packet.PublicKey) bool

func canSign(sig *packet.Signature, pk *packet.PublicKey) bool {
	return pk.PubKeyAlgo.CanSign() && sig.FlagsValid && sig.FlagSign
}

func canEncrypt(sig *packet.Signature, pk *packet.PublicKey) bool {
	return pk.PubKeyAlgo.CanEncrypt() && sig.FlagsValid && (sig.FlagEncryptCommunications || sig.FlagEncryptStorage)
}

// settle verifies every self-signature and revocation of e once and for all.
// The library does that lazily and stores the result in the shared entity,
// with the date of the first question: a data race, and a wrong answer later.
// It reports whether e has self-signatures that use SHA-1.
func settle(e *openpgp.Entity, acceptSHA1 bool) (sha1 bool) {
	pk := e.PrimaryKey
	mark := func(sigs []*packet.VerifiableSignature, revocation bool, verify func(*packet.Signature) error) {
		for _, s := range sigs {
			weak := usesSHA1(s.Packet)
			sha1 = sha1 || weak && !revocation
			// A revocation counts whatever its hash: taking one too seriously is
			// the safe error.
			valid := (revocation || !weak || acceptSHA1) && knownNotations(s.Packet) && verify(s.Packet) == nil
			s.Valid = &valid
		}
	}
	mark(e.Revocations, true, pk.VerifyRevocationSignature)
	mark(e.DirectSignatures, false, pk.VerifyDirectKeySignature)
	for _, id := range e.Identities {
		verify := func(s *packet.Signature) error { return pk.VerifyUserIdSignature(id.Name, pk, s) }
		mark(id.Revocations, true, verify)
		mark(id.SelfCertifications, false, verify)
	}
	for _, sub := range e.Subkeys {
		mark(sub.Revocations, true, func(s *packet.Signature) error {
			return pk.VerifySubkeyRevocationSignature(s, sub.PublicKey)
		})
		// Includes the back-signature of signing subkeys.
		mark(sub.Bindings, false, func(s *packet.Signature) error {
			return pk.VerifyKeySignature(sub.PublicKey, s)
		})
	}
	return sha1
}

func usesSHA1(s *packet.Signature) bool {
	return s.Hash == crypto.SHA1 || s.EmbeddedSignature != nil && s.EmbeddedSignature.Hash == crypto.SHA1
}

// knownNotations: RFC 9580 section 5.2.3.24, a critical notation that we do
// not know makes the signature invalid; we know none.
func knownNotations(s *packet.Signature) bool {
	for _, n := range s.Notations {
		if n.IsCritical {
			return false
		}
	}
	return true
}

// bestKey returns "" if any key of the certificate may be used so at the time
// given, or else the problem of the key that comes closest.
func (c *Certificate) bestKey(at time.Time, p Policy, can capability) KeyProblem {
	closeness := map[KeyProblem]int{KeyExpired: 5, KeyNotYetValid: 4, KeyWeak: 3, KeyRevoked: 2, KeyNoCapability: 1}
	best := KeyNoCapability
	for i := primary; i < len(c.entity.Subkeys); i++ {
		problem := c.problem(i, at, p, can)
		if problem == "" {
			return ""
		}
		if closeness[problem] > closeness[best] {
			best = problem
		}
	}
	return best
}

// problem judges one key of the certificate at one time. A key just made by a
// partner whose clock is ahead of ours is given the policy's tolerance.
func (c *Certificate) problem(sub int, at time.Time, p Policy, can capability) KeyProblem {
	problem := c.problemAt(sub, at, p, can)
	if problem == KeyNotYetValid && p.ClockTolerance > 0 {
		if c.problemAt(sub, at.Add(p.ClockTolerance), p, can) == "" {
			return ""
		}
	}
	return problem
}

func (c *Certificate) problemAt(sub int, at time.Time, p Policy, can capability) KeyProblem {
	e := c.view(p, at)
	if c.entity.Revoked(at) {
		return KeyRevoked
	}
	if p.weakKey(e.PrimaryKey) {
		return KeyWeak
	}
	sig, err := e.VerifyPrimaryKey(at, nil)
	if err != nil {
		return c.primaryProblem(e, at, err)
	}
	pk := e.PrimaryKey
	if sub != primary {
		s := &e.Subkeys[sub]
		pk = s.PublicKey
		if p.weakKey(pk) {
			return KeyWeak
		}
		if sig, err = s.Verify(at, nil); err != nil {
			return c.subkeyProblem(e, sub, at, err)
		}
	}
	if !can(sig, pk) {
		return KeyNoCapability
	}
	return ""
}

func (c *Certificate) primaryProblem(e *openpgp.Entity, at time.Time, err error) KeyProblem {
	var sigs []*packet.VerifiableSignature
	revoked := false
	for _, id := range e.Identities {
		sigs = append(sigs, id.SelfCertifications...)
		revoked = revoked || id.Revoked(nil, time.Time{}, nil)
	}
	if e.PrimaryKey.Version == 6 {
		sigs = e.DirectSignatures
	}
	switch problem := timeProblem(e.PrimaryKey, sigs, at, err); {
	case problem != "" && !revoked:
		return problem
	case revoked:
		return KeyRevoked
	}
	if _, err := c.entity.PrimarySelfSignature(time.Time{}, nil); err == nil {
		return KeyWeak // only SHA-1 holds it together
	}
	return KeyNoCapability
}

func (c *Certificate) subkeyProblem(e *openpgp.Entity, sub int, at time.Time, err error) KeyProblem {
	if errors.Is(err, pgperrors.ErrKeyRevoked) {
		return KeyRevoked
	}
	s := &e.Subkeys[sub]
	if problem := timeProblem(s.PublicKey, s.Bindings, at, err); problem != "" {
		return problem
	}
	if _, err := c.entity.Subkeys[sub].LatestValidBindingSignature(time.Time{}, nil); err == nil {
		return KeyWeak
	}
	return KeyNoCapability
}

// timeProblem tells too early from too late. It returns "" if no valid
// signature binds the key at any time.
func timeProblem(pk *packet.PublicKey, sigs []*packet.VerifiableSignature, at time.Time, err error) KeyProblem {
	valid, begun := false, false
	for _, s := range sigs {
		if *s.Valid {
			valid = true
			begun = begun || s.Packet.CreationTime.Unix() <= at.Unix()
		}
	}
	switch {
	case !valid:
		return ""
	case pk.CreationTime.Unix() > at.Unix() || !begun:
		return KeyNotYetValid
	}
	return KeyExpired
}

// expiry returns the earlier of: no key signs any more, no key receives.
func expiry(e *openpgp.Entity) time.Time {
	signing, _ := useEnd(e, canSign)
	encryption, _ := useEnd(e, canEncrypt)
	return earlier(signing, encryption)
}

// keyEnd returns when the key or the signature that carries it runs out; zero
// for never.
func keyEnd(pk *packet.PublicKey, sig *packet.Signature) time.Time {
	var end time.Time
	if s := sig.KeyLifetimeSecs; s != nil && *s > 0 {
		end = pk.CreationTime.Add(time.Duration(*s) * time.Second)
	}
	if s := sig.SigLifetimeSecs; s != nil && *s > 0 {
		end = earlier(end, sig.CreationTime.Add(time.Duration(*s)*time.Second))
	}
	return end
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func publicKeys(e *openpgp.Entity) []*packet.PublicKey {
	keys := []*packet.PublicKey{e.PrimaryKey}
	for _, s := range e.Subkeys {
		keys = append(keys, s.PublicKey)
	}
	return keys
}

func isRSA(pk *packet.PublicKey) bool {
	switch pk.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly:
		return true
	}
	return false
}

// algorithmName names a key's algorithm for people: "Ed25519", "RSA-4096".
func algorithmName(pk *packet.PublicKey) string {
	bits, _ := pk.BitLength()
	switch pk.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly:
		return fmt.Sprintf("RSA-%d", bits)
	case packet.PubKeyAlgoDSA:
		return fmt.Sprintf("DSA-%d", bits)
	case packet.PubKeyAlgoElGamal:
		return fmt.Sprintf("ElGamal-%d", bits)
	case packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoEd25519, packet.PubKeyAlgoEd448:
		if curve, err := pk.Curve(); err == nil && curve == packet.Curve448 {
			return "Ed448"
		}
		return "Ed25519"
	case packet.PubKeyAlgoX25519:
		return "X25519"
	case packet.PubKeyAlgoX448:
		return "X448"
	case packet.PubKeyAlgoECDSA, packet.PubKeyAlgoECDH:
		name := "ECDSA"
		if pk.PubKeyAlgo == packet.PubKeyAlgoECDH {
			name = "ECDH"
		}
		if curve, err := pk.Curve(); err == nil {
			return name + "-" + string(curve)
		}
		return name
	}
	return fmt.Sprintf("algorithm-%d", pk.PubKeyAlgo)
}

func hexUpper(b []byte) string { return strings.ToUpper(fmt.Sprintf("%x", b)) }

func hexKeyID(id uint64) string { return fmt.Sprintf("%016X", id) }
