package pgp

import "github.com/ProtonMail/go-crypto/openpgp/packet"

// Ring is a set of certificates, indexed by the ids of all their keys. It is
// immutable and shared by all goroutines; looking up costs the same however
// many certificates it holds.
type Ring struct {
	byID          map[uint64][]ringKey
	byFingerprint map[string]*Certificate
}

// ringKey names one key of one certificate.
type ringKey struct {
	cert *Certificate
	sub  int // index of the subkey, or primary
}

// NewRing makes a ring. A certificate given twice counts once.
func NewRing(certs ...*Certificate) *Ring {
	r := &Ring{
		byID:          make(map[uint64][]ringKey, 2*len(certs)),
		byFingerprint: make(map[string]*Certificate, len(certs)),
	}
	for _, c := range certs {
		if _, dup := r.byFingerprint[c.fingerprint]; dup {
			continue
		}
		r.byFingerprint[c.fingerprint] = c
		for i := primary; i < len(c.entity.Subkeys); i++ {
			k := ringKey{c, i}
			id := k.public().KeyId
			r.byID[id] = append(r.byID[id], k)
		}
	}
	return r
}

// Certificate returns the certificate whose primary key has this fingerprint
// (upper-case hex), or nil.
func (r *Ring) Certificate(fingerprint string) *Certificate {
	if r == nil {
		return nil
	}
	return r.byFingerprint[fingerprint]
}

func (r *Ring) keys(id uint64) []ringKey {
	if r == nil {
		return nil
	}
	return r.byID[id]
}

func (k ringKey) public() *packet.PublicKey {
	if k.sub == primary {
		return k.cert.entity.PrimaryKey
	}
	return k.cert.entity.Subkeys[k.sub].PublicKey
}
