package pgp

import (
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Part is one key of a certificate: the primary key or a subkey.
type Part struct {
	Fingerprint string // upper-case hex
	Primary     bool
	Algorithm   string // such as "Ed25519" or "RSA-3072"

	Certifies, Signs, Encrypts bool // what it is meant for

	Created time.Time
	Expires time.Time // its own end or the primary key's, whichever is first; zero: never
	// Revoked says why it was revoked; empty if it was not. A subkey counts as
	// revoked when the primary key is.
	Revoked Revocation
	// Private reports whether its private part is at hand. Of a Certificate's
	// parts it is always false.
	Private bool
}

// Usable reports whether the part may be used for new messages at the time
// given. Old ones may be decrypted whatever it says.
func (p Part) Usable(at time.Time) bool {
	return p.Revoked == "" && !p.Created.After(at) && (p.Expires.IsZero() || p.Expires.After(at))
}

// Parts returns the primary key and the subkeys in the order of the
// certificate. Subkeys that nothing validly binds are left out.
func (c *Certificate) Parts() []Part {
	e := c.entity
	main := Part{Fingerprint: c.fingerprint, Primary: true, Algorithm: c.algorithm, Created: c.Created(), Revoked: revocationOf(e.Revocations)}
	if sig, err := e.PrimarySelfSignature(time.Time{}, nil); err == nil {
		main.Expires = primaryEnd(e, sig)
		main.use(sig, e.PrimaryKey)
	}
	parts := []Part{main}
	for i := range e.Subkeys {
		s := &e.Subkeys[i]
		sig, err := s.LatestValidBindingSignature(time.Time{}, nil)
		if err != nil {
			continue
		}
		p := Part{Fingerprint: hexUpper(s.PublicKey.Fingerprint), Algorithm: algorithmName(s.PublicKey), Created: s.PublicKey.CreationTime,
			Expires: earlier(keyEnd(s.PublicKey, sig), main.Expires), Revoked: main.Revoked}
		if p.Revoked == "" {
			p.Revoked = revocationOf(s.Revocations)
		}
		p.use(sig, s.PublicKey)
		parts = append(parts, p)
	}
	return parts
}

// Parts returns the parts of the key's certificate and says of each whether
// its private part is here.
func (k *Key) Parts() []Part {
	here := map[string]bool{}
	if p := k.entity.PrivateKey; p != nil && !p.Dummy() {
		here[k.cert.fingerprint] = true
	}
	for _, s := range k.entity.Subkeys {
		if s.PrivateKey != nil && !s.PrivateKey.Dummy() {
			here[hexUpper(s.PublicKey.Fingerprint)] = true
		}
	}
	parts := k.cert.Parts()
	for i := range parts {
		parts[i].Private = here[parts[i].Fingerprint]
	}
	return parts
}

// OfflinePrimary reports whether the private part of the primary key is kept
// somewhere else.
func (k *Key) OfflinePrimary() bool { return k.entity.PrivateKey.Dummy() }

func (p *Part) use(sig *packet.Signature, pk *packet.PublicKey) {
	p.Certifies = sig.FlagsValid && sig.FlagCertify && p.Primary
	p.Signs, p.Encrypts = canSign(sig, pk), canEncrypt(sig, pk)
}

// primaryEnd is the end of the primary key: a direct signature may end it
// before the user id does.
func primaryEnd(e *openpgp.Entity, sig *packet.Signature) time.Time {
	end := keyEnd(e.PrimaryKey, sig)
	if direct, err := e.LatestValidDirectSignature(time.Time{}, nil); err == nil {
		end = earlier(end, keyEnd(e.PrimaryKey, direct))
	}
	return end
}

func revocationOf(sigs []*packet.VerifiableSignature) Revocation {
	var found Revocation
	for _, s := range sigs {
		if s.Valid == nil || !*s.Valid {
			continue
		}
		if r := reasonOf(s.Packet); found == "" || r == Compromised {
			found = r // the worst counts
		}
	}
	return found
}
