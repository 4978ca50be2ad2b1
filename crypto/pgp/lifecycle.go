package pgp

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ErrOfflinePrimary is returned by changes that only the primary key can sign,
// when its private part is not at hand.
var ErrOfflinePrimary = errors.New("the private part of the primary key is not here: it is needed to change the key")

// changeGap separates two changes of a key. Programs choose between
// self-signatures by their times, which OpenPGP counts in seconds.
const changeGap = 2 * time.Second

// GenerateCertifyOnly makes a key whose primary key only certifies, so that it
// can be kept offline ([Key.WithoutPrimary]): one subkey signs, one receives.
func GenerateCertifyOnly(name, email string, alg Algorithm, at time.Time, validFor time.Duration) (*Key, error) {
	k, err := GenerateKey(name, email, alg, at, validFor)
	if err != nil {
		return nil, err
	}
	return k.changed(func(e *openpgp.Entity) error {
		cfg, err := subkeyConfig(alg, at, 0)
		if err != nil {
			return err
		}
		for _, id := range e.Identities {
			sig := *id.SelfCertifications[0].Packet
			sig.FlagSign = false
			if err := sig.SignUserId(id.Name, e.PrimaryKey, e.PrivateKey, cfg); err != nil {
				return err
			}
			id.SelfCertifications = []*packet.VerifiableSignature{packet.NewVerifiableSig(&sig)}
		}
		return e.AddSigningSubkey(cfg)
	})
}

// Rotation says how to renew the subkeys of a key.
type Rotation struct {
	Encryption bool // make a new subkey that receives
	Signing    bool // make a new subkey that signs
	// Algorithm of the new subkeys; empty: that of the old ones.
	Algorithm Algorithm
	// Overlap is how long the old subkeys may still be used by those who do not
	// have the new certificate yet. They decrypt forever.
	Overlap time.Duration
	// ValidFor limits the new subkeys; 0: as long as the primary key.
	ValidFor time.Duration
}

// Rotate returns the key with new subkeys. Subkeys in use so far end when the
// overlap does; they still open what was encrypted to them. It needs the
// private part of the primary key.
func (k *Key) Rotate(r Rotation, at time.Time) (*Key, error) {
	if err := k.mayChange(at); err != nil {
		return nil, fmt.Errorf("rotating subkeys: %w", err)
	}
	alg := r.Algorithm
	if alg == "" {
		alg = k.sameAlgorithm()
	}
	cfg, err := subkeyConfig(alg, at, r.ValidFor)
	if err != nil {
		return nil, fmt.Errorf("rotating subkeys: %w", err)
	}
	if k.entity.PrimaryKey.Version == 6 && alg == Curve25519 {
		cfg.Algorithm = packet.PubKeyAlgoEd25519 // RFC 9580 section 9.2: not in the old form
	}
	changed, err := k.changed(func(e *openpgp.Entity) error {
		for i := range e.Subkeys {
			// Bound a second before the new ones: where two are usable, other
			// programs take the one bound last.
			if err := endSubkey(e, &e.Subkeys[i], r, at.Add(r.Overlap), at.Add(-time.Second)); err != nil {
				return err
			}
		}
		if r.Encryption {
			if err := e.AddEncryptionSubkey(cfg); err != nil {
				return err
			}
		}
		if r.Signing {
			return e.AddSigningSubkey(cfg)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("rotating subkeys: %w", err)
	}
	return changed, nil
}

// endSubkey lets a subkey that is being replaced end then, if it does not end
// earlier anyway.
func endSubkey(e *openpgp.Entity, s *openpgp.Subkey, r Rotation, then, at time.Time) error {
	sig, err := s.Verify(at, nil)
	if err != nil { // expired, revoked, or bound by nothing
		return nil
	}
	if !(r.Encryption && canEncrypt(sig, s.PublicKey) || r.Signing && canSign(sig, s.PublicKey)) {
		return nil
	}
	if end := keyEnd(s.PublicKey, sig); !end.IsZero() && !end.After(then) {
		return nil
	}
	return bindSubkey(e, s, sig, then, at)
}

// SetExpiry returns the key with another end; the zero time means never. The
// newest subkey of each use follows it if it has an end of its own; older ones
// keep theirs. With subkey, a fingerprint in upper-case hex, only that one's
// end changes. It needs the private part of the primary key.
func (k *Key) SetExpiry(subkey string, end, at time.Time) (*Key, error) {
	if err := k.mayChange(at); err != nil {
		return nil, fmt.Errorf("changing expiry: %w", err)
	}
	changed, err := k.changed(func(e *openpgp.Entity) error {
		if subkey != "" {
			s := findSubkey(e, subkey)
			if s == nil {
				return fmt.Errorf("the key has no subkey %s", subkey)
			}
			sig, err := s.LatestValidBindingSignature(time.Time{}, nil)
			if err != nil {
				return err
			}
			return bindSubkey(e, s, sig, end, at)
		}
		if err := endPrimary(e, end, at); err != nil {
			return err
		}
		for _, s := range newestSubkeys(e) {
			sig, err := s.LatestValidBindingSignature(time.Time{}, nil)
			if err != nil {
				return err
			}
			if !keyEnd(s.PublicKey, sig).IsZero() {
				if err := bindSubkey(e, s, sig, end, at); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("changing expiry: %w", err)
	}
	return changed, nil
}

// newestSubkeys returns the subkeys made last of those that receive and of
// those that sign, revoked ones left out.
func newestSubkeys(e *openpgp.Entity) []*openpgp.Subkey {
	var found []*openpgp.Subkey
	for _, can := range []capability{canEncrypt, canSign} {
		var newest *openpgp.Subkey
		for i := range e.Subkeys {
			s := &e.Subkeys[i]
			sig, err := s.Verify(time.Time{}, nil)
			if err == nil && can(sig, s.PublicKey) && (newest == nil || !s.PublicKey.CreationTime.Before(newest.PublicKey.CreationTime)) {
				newest = s
			}
		}
		if newest != nil && (len(found) == 0 || found[0] != newest) {
			found = append(found, newest)
		}
	}
	return found
}

// endPrimary signs the user ids, and the direct signature where there is one,
// again with another end.
func endPrimary(e *openpgp.Entity, end, at time.Time) error {
	for _, id := range e.Identities {
		old, err := id.Verify(time.Time{}, nil)
		if err != nil {
			continue // a revoked user id stays revoked
		}
		sig, err := again(old, e.PrimaryKey, end, at)
		if err != nil {
			return err
		}
		if err := sig.SignUserId(id.Name, e.PrimaryKey, e.PrivateKey, signatureConfig(at)); err != nil {
			return err
		}
		id.SelfCertifications = append(id.SelfCertifications, packet.NewVerifiableSig(sig))
	}
	old, err := e.LatestValidDirectSignature(time.Time{}, nil)
	if err != nil {
		return nil
	}
	sig, err := again(old, e.PrimaryKey, end, at)
	if err != nil {
		return err
	}
	if err := sig.SignDirectKeyBinding(e.PrimaryKey, e.PrivateKey, signatureConfig(at)); err != nil {
		return err
	}
	e.DirectSignatures = append(e.DirectSignatures, packet.NewVerifiableSig(sig))
	return nil
}

// bindSubkey binds a subkey again with another end.
func bindSubkey(e *openpgp.Entity, s *openpgp.Subkey, old *packet.Signature, end, at time.Time) error {
	sig, err := again(old, s.PublicKey, end, at)
	if err != nil {
		return err
	}
	if sig.EmbeddedSignature != nil && !s.PrivateKey.Dummy() {
		back := *sig.EmbeddedSignature
		back.CreationTime, back.Hash = at, sig.Hash
		if err := newSalt(&back); err != nil {
			return err
		}
		if err := back.CrossSignKey(s.PublicKey, e.PrimaryKey, s.PrivateKey, signatureConfig(at)); err != nil {
			return err
		}
		sig.EmbeddedSignature = &back
	}
	if err := sig.SignKey(s.PublicKey, e.PrivateKey, signatureConfig(at)); err != nil {
		return err
	}
	s.Bindings = append(s.Bindings, packet.NewVerifiableSig(sig))
	return nil
}

// again prepares a self-signature that says what old says, with another end of
// the key it is about.
func again(old *packet.Signature, pk *packet.PublicKey, end, at time.Time) (*packet.Signature, error) {
	sig := *old
	sig.CreationTime, sig.Hash = at, crypto.SHA256
	sig.SigLifetimeSecs, sig.KeyLifetimeSecs = nil, nil
	if !end.IsZero() {
		seconds := int64(end.Sub(pk.CreationTime) / time.Second)
		if seconds <= 0 || seconds > 1<<32-1 {
			return nil, fmt.Errorf("an end on %s is out of range for a key made on %s", end.UTC().Format(time.DateOnly), pk.CreationTime.UTC().Format(time.DateOnly))
		}
		lifetime := uint32(seconds)
		sig.KeyLifetimeSecs = &lifetime
	}
	return &sig, newSalt(&sig)
}

// newSalt gives a v6 signature its own salt (RFC 9580 section 5.2.4).
func newSalt(sig *packet.Signature) error {
	if sig.Version != 6 {
		return nil
	}
	salt, err := packet.SignatureSaltForHash(sig.Hash, rand.Reader)
	if err != nil {
		return err
	}
	return sig.SetSalt(salt)
}

// changed returns a copy of the key on which change was made. What it has
// written is read again, so that nothing comes out that others could not read.
func (k *Key) changed(change func(*openpgp.Entity) error) (*Key, error) {
	e, err := copyEntity(k.entity)
	if err != nil {
		return nil, err
	}
	settle(e, true)
	if err := change(e); err != nil {
		return nil, err
	}
	if e, err = copyEntity(e); err != nil {
		return nil, err
	}
	return newKey(e)
}

func copyEntity(e *openpgp.Entity) (*openpgp.Entity, error) {
	var b bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&b, nil); err != nil {
		return nil, err
	}
	return readEntity(b.Bytes())
}

// mayChange reports whether the primary key can sign a change at that time.
func (k *Key) mayChange(at time.Time) error {
	if k.OfflinePrimary() {
		return ErrOfflinePrimary
	}
	if k.cert.Parts()[0].Revoked != "" {
		return errors.New("the key is revoked: nothing brings it back, make a new one")
	}
	return k.inOrder(at)
}

func (k *Key) inOrder(at time.Time) error {
	if next := k.NextChange(); at.Before(next) {
		return fmt.Errorf("the key was changed a moment ago, or this machine's clock is behind: not before %s", next.UTC().Format(time.RFC3339))
	}
	return nil
}

// NextChange returns the earliest time for another change of the key: two
// seconds after the last one.
func (k *Key) NextChange() time.Time {
	e := k.entity
	last := e.PrimaryKey.CreationTime
	note := func(sigs ...*packet.VerifiableSignature) {
		for _, s := range sigs {
			if s.Valid != nil && *s.Valid && s.Packet.CreationTime.After(last) {
				last = s.Packet.CreationTime
			}
		}
	}
	note(e.Revocations...)
	note(e.DirectSignatures...)
	for _, id := range e.Identities {
		note(id.SelfCertifications...)
	}
	for _, s := range e.Subkeys {
		note(s.Bindings...)
		note(s.Revocations...)
	}
	return last.Add(changeGap)
}

// sameAlgorithm is the kind of the subkeys there are.
func (k *Key) sameAlgorithm() Algorithm {
	pk := k.entity.PrimaryKey
	if n := len(k.entity.Subkeys); n > 0 {
		pk = k.entity.Subkeys[n-1].PublicKey
	}
	if !isRSA(pk) {
		return Curve25519
	}
	if bits, err := pk.BitLength(); err == nil && bits > 3072 {
		return RSA4096
	}
	return RSA3072
}

func subkeyConfig(alg Algorithm, at time.Time, validFor time.Duration) (*packet.Config, error) {
	seconds := validFor / time.Second
	if seconds < 0 || seconds > 1<<32-1 {
		return nil, fmt.Errorf("a validity of %s is out of range", validFor)
	}
	cfg := signatureConfig(at)
	cfg.KeyLifetimeSecs = uint32(seconds)
	switch alg {
	case Curve25519:
		cfg.Algorithm, cfg.Curve = packet.PubKeyAlgoEdDSA, packet.Curve25519
	case RSA3072:
		cfg.Algorithm, cfg.RSABits = packet.PubKeyAlgoRSA, 3072
	case RSA4096:
		cfg.Algorithm, cfg.RSABits = packet.PubKeyAlgoRSA, 4096
	default:
		return nil, fmt.Errorf("unknown algorithm %q: use %s, %s or %s", alg, Curve25519, RSA3072, RSA4096)
	}
	return cfg, nil
}

func signatureConfig(at time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return at }, DefaultHash: crypto.SHA256, DefaultCipher: packet.CipherAES256}
}

func findSubkey(e *openpgp.Entity, fingerprint string) *openpgp.Subkey {
	for i := range e.Subkeys {
		if hexUpper(e.Subkeys[i].PublicKey.Fingerprint) == fingerprint {
			return &e.Subkeys[i]
		}
	}
	return nil
}
