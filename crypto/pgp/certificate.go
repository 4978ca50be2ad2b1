package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const (
	maxCertificateBytes = 256 << 10 // one certificate: refuses flooding with foreign signatures
	maxKeyringBytes     = 64 << 20
)

// Certificate is an OpenPGP certificate (public key). It is immutable and safe
// for concurrent use.
type Certificate struct {
	raw         []byte
	fingerprint string
	userIDs     []string
	algorithm   string
	expires     time.Time
	entity      *openpgp.Entity // SHA-1 self-signatures count
	strict      *openpgp.Entity // they do not; the same entity if it has none
}

// ParseCertificates reads one or more certificates, binary or armored (several
// blocks are allowed, with nothing but white space around them). Private key
// material in data is an error.
func ParseCertificates(data []byte) ([]*Certificate, error) {
	if len(data) > maxKeyringBytes {
		return nil, fmt.Errorf("reading certificates: more than %d bytes", maxKeyringBytes)
	}
	var certs []*Certificate
	for len(bytes.TrimSpace(data)) > 0 {
		packets := data
		data = nil
		if isArmored(packets) {
			kind, content, rest, err := dearmor(packets)
			if err != nil {
				return nil, fmt.Errorf("reading certificate %d: %w", len(certs)+1, err)
			}
			if kind == armorPrivate {
				return nil, errPrivate
			}
			if kind != armorPublic {
				return nil, fmt.Errorf("reading certificate %d: armor is no %s", len(certs)+1, armorPublic)
			}
			packets, data = content, rest
		}
		for len(packets) > 0 {
			raw, rest, err := cutCertificate(packets)
			if err != nil {
				return nil, fmt.Errorf("reading certificate %d: %w", len(certs)+1, err)
			}
			c, err := parseCertificate(raw)
			if err != nil {
				return nil, fmt.Errorf("reading certificate %d: %w", len(certs)+1, err)
			}
			certs, packets = append(certs, c), rest
		}
	}
	if len(certs) == 0 {
		return nil, errors.New("reading certificates: no certificate found")
	}
	return certs, nil
}

var errPrivate = errors.New("private key material where a certificate is expected: export the public key")

// cutCertificate splits one certificate off a keyring.
func cutCertificate(data []byte) (raw, rest []byte, err error) {
	rest = data
	for len(rest) > 0 {
		p, next, err := nextPacket(rest)
		if err != nil {
			return nil, nil, err
		}
		first := len(rest) == len(data)
		switch p.tag {
		case tagSecretKey, tagSecretSub:
			return nil, nil, errPrivate
		case tagPublicKey:
			if !first {
				return limitCertificate(data[:len(data)-len(rest)], rest)
			}
		default:
			if first {
				return nil, nil, errors.New("the first packet is no public key")
			}
		}
		rest = next
	}
	return limitCertificate(data, nil)
}

func limitCertificate(raw, rest []byte) ([]byte, []byte, error) {
	if len(raw) > maxCertificateBytes {
		return nil, nil, fmt.Errorf("certificate larger than %d bytes: export it with --export-options export-minimal", maxCertificateBytes)
	}
	return raw, rest, nil
}

func parseCertificate(raw []byte) (*Certificate, error) {
	entity, err := readEntity(raw)
	if err != nil {
		return nil, err
	}
	return newCertificate(bytes.Clone(raw), entity)
}

func readEntity(raw []byte) (*openpgp.Entity, error) {
	r := packet.NewReader(bytes.NewReader(raw))
	entity, err := openpgp.ReadEntity(r)
	if err != nil {
		return nil, err
	}
	if _, err := r.Next(); err == nil {
		return nil, errors.New("unexpected packets behind the key")
	}
	return entity, nil
}

// newCertificate settles every self-signature now, so that the entities are
// never written to again.
func newCertificate(raw []byte, entity *openpgp.Entity) (*Certificate, error) {
	for _, pk := range publicKeys(entity) {
		if bits, err := pk.BitLength(); err == nil && isRSA(pk) && bits > maxRSABits {
			return nil, fmt.Errorf("RSA key of %d bits: at most %d are accepted", bits, maxRSABits)
		}
	}
	sha1 := settle(entity, true)
	c := &Certificate{
		raw:         raw,
		fingerprint: hexUpper(entity.PrimaryKey.Fingerprint),
		algorithm:   algorithmName(entity.PrimaryKey),
		entity:      entity,
		strict:      entity,
	}
	if sha1 {
		strict, err := readEntity(raw)
		if err != nil {
			return nil, err
		}
		settle(strict, false)
		c.strict = strict
	}
	c.userIDs = validUserIDs(entity)
	c.expires = expiry(entity)
	return c, nil
}

// Fingerprint returns the primary key's fingerprint in upper-case hex.
func (c *Certificate) Fingerprint() string { return c.fingerprint }

// Armor returns the certificate in ASCII armor, without version or comment.
func (c *Certificate) Armor() []byte { return enarmor(armorPublic, c.raw, "\n") }

// UserIDs returns the user ids with a valid self-signature, the primary one
// first. They are claims of the key's owner, not proof of anything.
func (c *Certificate) UserIDs() []string { return append([]string(nil), c.userIDs...) }

// Created returns the creation time of the primary key.
func (c *Certificate) Created() time.Time { return c.entity.PrimaryKey.CreationTime }

// Expires returns when the certificate ceases to sign or to receive, whichever
// comes first. The zero time means never.
func (c *Certificate) Expires() time.Time { return c.expires }

// Algorithm names the primary key's algorithm, such as "Ed25519" or "RSA-4096".
func (c *Certificate) Algorithm() string { return c.algorithm }

// CheckSigning reports whether a key of the certificate may sign at the time
// given: nil, or a *KeyError.
func (c *Certificate) CheckSigning(at time.Time, p Policy) error {
	return c.check(at, p, canSign)
}

// CheckEncryption reports whether mail may be encrypted to the certificate at
// the time given: nil, or a *KeyError.
func (c *Certificate) CheckEncryption(at time.Time, p Policy) error {
	return c.check(at, p, canEncrypt)
}

func (c *Certificate) check(at time.Time, p Policy, can capability) error {
	problem := c.bestKey(at, p, can)
	if problem == "" {
		return nil
	}
	return &KeyError{Fingerprint: c.fingerprint, Problem: problem, When: at}
}

func (c *Certificate) view(p Policy, at time.Time) *openpgp.Entity {
	if p.acceptsSHA1(c.fingerprint, at) {
		return c.entity
	}
	return c.strict
}

func validUserIDs(e *openpgp.Entity) []string {
	var ids []string
	_, primary := e.PrimaryIdentity(time.Time{}, nil)
	for _, id := range e.Identities {
		if _, err := id.Verify(time.Time{}, nil); err == nil && id != primary {
			ids = append(ids, strings.ToValidUTF8(id.Name, "\uFFFD"))
		}
	}
	sort.Strings(ids)
	if primary != nil {
		ids = append([]string{strings.ToValidUTF8(primary.Name, "\uFFFD")}, ids...)
	}
	return ids
}
