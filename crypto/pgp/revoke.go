package pgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Revocation is why a key is used no more (RFC 9580 section 5.2.3.31).
type Revocation string

// The reasons. A key revoked as superseded or retired was good until then; of
// one that was compromised, or for which no reason is given, nothing that it
// ever signed counts.
const (
	Superseded  Revocation = "superseded"
	Retired     Revocation = "retired"
	Compromised Revocation = "compromised"
	Unspecified Revocation = "unspecified"
)

var revocationCodes = [...]struct {
	reason Revocation
	code   packet.ReasonForRevocation
}{
	{Superseded, packet.KeySuperseded}, {Retired, packet.KeyRetired}, {Compromised, packet.KeyCompromised}, {Unspecified, packet.NoReason},
}

func (r Revocation) code() (packet.ReasonForRevocation, error) {
	for _, one := range revocationCodes {
		if one.reason == r {
			return one.code, nil
		}
	}
	return 0, fmt.Errorf("unknown reason %q: use %s, %s, %s or %s", string(r), Superseded, Retired, Compromised, Unspecified)
}

func reasonOf(s *packet.Signature) Revocation {
	for _, one := range revocationCodes {
		if s.RevocationReason != nil && *s.RevocationReason == one.code {
			return one.reason
		}
	}
	return Unspecified
}

// RevocationCertificate returns, in armor, the signature that revokes the key
// once it is added to the certificate. Whoever has it can end the use of the
// key; it reveals nothing.
func (k *Key) RevocationCertificate(reason Revocation, text string, at time.Time) ([]byte, error) {
	sig, err := k.revocation(packet.SigTypeKeyRevocation, reason, text, at)
	if err != nil {
		return nil, fmt.Errorf("making revocation certificate: %w", err)
	}
	if err := sig.RevokeKey(k.entity.PrimaryKey, k.entity.PrivateKey, signatureConfig(at)); err != nil {
		return nil, fmt.Errorf("making revocation certificate: %w", err)
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		return nil, fmt.Errorf("making revocation certificate: %w", err)
	}
	return enarmor(armorPublic, b.Bytes(), "\n"), nil
}

// WithRevocation returns the certificate with a revocation certificate added,
// armored or binary. One of another key is an error.
func (c *Certificate) WithRevocation(revocation []byte) (*Certificate, error) {
	sig, err := readRevocation(revocation)
	if err != nil {
		return nil, fmt.Errorf("reading revocation certificate: %w", err)
	}
	primary, rest, err := nextPacket(c.raw)
	if err != nil {
		return nil, err
	}
	// It belongs right behind the primary key (RFC 9580 section 10.1.1).
	revoked, err := parseCertificate(bytes.Join([][]byte{primary.raw, sig.raw, rest}, nil))
	if err != nil {
		return nil, err
	}
	if err := revokes(sig, c); err != nil {
		return nil, err
	}
	return revoked, nil
}

// WithRevocation is [Certificate.WithRevocation] for the key itself. It still
// opens what was encrypted to it.
func (k *Key) WithRevocation(revocation []byte) (*Key, error) {
	sig, err := readRevocation(revocation)
	if err != nil {
		return nil, fmt.Errorf("reading revocation certificate: %w", err)
	}
	if err := revokes(sig, k.cert); err != nil {
		return nil, err
	}
	return k.changed(func(e *openpgp.Entity) error {
		s, ok := readSignature(sig)
		if !ok {
			return errPacket
		}
		e.Revocations = append(e.Revocations, packet.NewVerifiableSig(s))
		return nil
	})
}

// readRevocation finds the one signature in a revocation certificate.
func readRevocation(data []byte) (rawPacket, error) {
	packets, err := dearmorOnly(data, armorPublic, armorSignature)
	if err != nil {
		return rawPacket{}, err
	}
	raws, err := signaturePackets(packets)
	if err != nil || len(raws) != 1 {
		return rawPacket{}, errors.New("it is not one signature")
	}
	return raws[0], nil
}

func revokes(raw rawPacket, c *Certificate) error {
	sig, ok := readSignature(raw)
	if !ok || sig.SigType != packet.SigTypeKeyRevocation || c.entity.PrimaryKey.VerifyRevocationSignature(sig) != nil {
		return fmt.Errorf("this revocation certificate is not one of the key %s", c.fingerprint)
	}
	return nil
}

// Revoke returns the key with all its subkeys revoked. It needs the private
// part of the primary key. The result still opens what was encrypted to it.
func (k *Key) Revoke(reason Revocation, text string, at time.Time) (*Key, error) {
	certificate, err := k.RevocationCertificate(reason, text, at)
	if err != nil {
		return nil, err
	}
	return k.WithRevocation(certificate)
}

// RevokeSubkey returns the key with one subkey revoked, named by its
// fingerprint in upper-case hex.
func (k *Key) RevokeSubkey(fingerprint string, reason Revocation, text string, at time.Time) (*Key, error) {
	sig, err := k.revocation(packet.SigTypeSubkeyRevocation, reason, text, at)
	if err != nil {
		return nil, fmt.Errorf("revoking subkey: %w", err)
	}
	return k.changed(func(e *openpgp.Entity) error {
		s := findSubkey(e, fingerprint)
		if s == nil {
			return fmt.Errorf("revoking subkey: the key has no subkey %s", fingerprint)
		}
		if err := sig.RevokeSubkey(s.PublicKey, e.PrivateKey, signatureConfig(at)); err != nil {
			return fmt.Errorf("revoking subkey: %w", err)
		}
		s.Revocations = append(s.Revocations, packet.NewVerifiableSig(sig))
		return nil
	})
}

func (k *Key) revocation(kind packet.SignatureType, reason Revocation, text string, at time.Time) (*packet.Signature, error) {
	code, err := reason.code()
	if err != nil {
		return nil, err
	}
	if k.OfflinePrimary() {
		return nil, ErrOfflinePrimary
	}
	if err := k.inOrder(at); err != nil {
		return nil, err
	}
	pk := k.entity.PrimaryKey
	return &packet.Signature{
		Version: pk.Version, SigType: kind, PubKeyAlgo: pk.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: at,
		IssuerKeyId: &pk.KeyId, IssuerKeyVersion: uint8(pk.Version), IssuerFingerprint: pk.Fingerprint,
		RevocationReason: &code, RevocationReasonText: text,
	}, nil
}
