package pgp

import (
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// KeyInfo is what one key of a certificate is and may do, for people who look
// after certificates. What a message is judged by is [Certificate.CheckSigning]
// and its like.
type KeyInfo struct {
	Fingerprint string    `json:"fingerprint"` // upper-case hex
	Primary     bool      `json:"primary,omitempty"`
	Algorithm   string    `json:"algorithm"` // with its size: "Ed25519", "RSA-4096"
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"` // zero: as long as the primary key
	Signs       bool      `json:"signs,omitempty"`
	Encrypts    bool      `json:"encrypts,omitempty"`
	Revoked     bool      `json:"revoked,omitempty"`
	// SHA1: of the signatures that bind the key, none is valid but those with
	// SHA-1.
	SHA1 bool `json:"sha1,omitempty"`
}

// Keys describes the primary key and the subkeys, in the order of the
// certificate. Keys that no valid signature binds are left out.
func (c *Certificate) Keys() []KeyInfo {
	list := make([]KeyInfo, 0, 1+len(c.entity.Subkeys))
	for i := primary; i < len(c.entity.Subkeys); i++ {
		if k, ok := c.keyInfo(i); ok {
			list = append(list, k)
		}
	}
	return list
}

func (c *Certificate) keyInfo(sub int) (KeyInfo, bool) {
	sig, pk := binding(c.entity, sub)
	if pk == nil {
		return KeyInfo{}, false
	}
	k := KeyInfo{
		Fingerprint: hexUpper(pk.Fingerprint), Primary: sub == primary, Algorithm: algorithmName(pk), Created: pk.CreationTime.UTC(),
		Revoked: c.revoked(sub),
	}
	if sig == nil {
		return k, k.Revoked
	}
	k.Signs, k.Encrypts = canSign(sig, pk), canEncrypt(sig, pk)
	if end := keyEnd(pk, sig); !end.IsZero() {
		k.Expires = end.UTC()
	}
	strict, _ := binding(c.strict, sub)
	k.SHA1 = strict == nil
	return k, true
}

// binding returns the newest valid signature that binds a key, whatever the
// time, and the key.
func binding(e *openpgp.Entity, sub int) (*packet.Signature, *packet.PublicKey) {
	if sub == primary {
		sig, err := e.PrimarySelfSignature(time.Time{}, nil)
		if err != nil {
			return nil, e.PrimaryKey
		}
		return sig, e.PrimaryKey
	}
	s := &e.Subkeys[sub]
	sig, err := s.LatestValidBindingSignature(time.Time{}, nil)
	if err != nil {
		return nil, s.PublicKey
	}
	return sig, s.PublicKey
}

// revoked reports whether a valid revocation of the key, or of the primary
// key, stands in the certificate.
func (c *Certificate) revoked(sub int) bool {
	revocations := c.entity.Revocations
	if sub != primary {
		revocations = append(revocations[:len(revocations):len(revocations)], c.entity.Subkeys[sub].Revocations...)
	}
	for _, r := range revocations {
		if *r.Valid {
			return true
		}
	}
	return false
}

// SigningEnds returns when the certificate ceases to sign: with the last of
// its keys that may. The zero time means never. ok is false if none ever may.
func (c *Certificate) SigningEnds() (end time.Time, ok bool) { return useEnd(c.entity, canSign) }

// EncryptionEnds is SigningEnds for mail that is encrypted to it.
func (c *Certificate) EncryptionEnds() (end time.Time, ok bool) { return useEnd(c.entity, canEncrypt) }

// KeyAllowed returns nil if the primary key or the subkey with that
// fingerprint (upper-case hex) has the kind and size that the policy asks for,
// or else a *KeyError. Its dates do not matter.
func (c *Certificate) KeyAllowed(fingerprint string, p Policy) error {
	for _, pk := range publicKeys(c.entity) {
		if hexUpper(pk.Fingerprint) == fingerprint && p.weakKey(pk) {
			return &KeyError{Fingerprint: fingerprint, Problem: KeyWeak}
		}
	}
	return nil
}

// useEnd returns when no key of e may be used so any more: with the last that
// may, or with the primary key before.
func useEnd(e *openpgp.Entity, can capability) (end time.Time, ok bool) {
	sig, err := e.PrimarySelfSignature(time.Time{}, nil)
	if err != nil {
		return time.Time{}, false
	}
	end = keyEnd(e.PrimaryKey, sig)
	if can(sig, e.PrimaryKey) {
		return end, true
	}
	var last time.Time
	forever := false
	for i := range e.Subkeys {
		s := &e.Subkeys[i]
		binding, err := s.Verify(time.Time{}, nil)
		if err != nil || !can(binding, s.PublicKey) {
			continue
		}
		ok = true
		subEnd := keyEnd(s.PublicKey, binding)
		forever = forever || subEnd.IsZero()
		if subEnd.After(last) {
			last = subEnd
		}
	}
	if ok && !forever {
		end = earlier(end, last)
	}
	return end, ok
}
