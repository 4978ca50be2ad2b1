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

// Algorithm says what kind of key to generate.
type Algorithm string

// The algorithms offered. Curve25519 is 20 to 40 times faster than RSA.
const (
	Curve25519 Algorithm = "curve25519" // Ed25519 and X25519 in the form that GnuPG 2.2 reads
	RSA3072    Algorithm = "rsa3072"
	RSA4096    Algorithm = "rsa4096"
)

// Key is a private key with its certificate. The private part is unlocked and
// in memory, or a [Holder] has it. It is read once and kept: unlocking and
// validating an RSA key costs some 20 ms. It is immutable and safe for
// concurrent use.
type Key struct {
	cert       *Certificate
	entity     *openpgp.Entity // with private parts, unless holder is set
	holder     Holder          // nil: the private parts are here
	decryption []decryptionKey
}

// decryptionKey is one key that mail may be encrypted to.
type decryptionKey struct {
	public  *packet.PublicKey
	private *packet.PrivateKey // nil: holder has it
	holder  Holder
}

// GenerateKey makes a key that signs (primary) and receives (subkey), created
// at the time given and valid for validFor (0: it never expires).
func GenerateKey(name, email string, alg Algorithm, at time.Time, validFor time.Duration) (*Key, error) {
	seconds := validFor / time.Second
	if seconds < 0 || seconds > 1<<32-1 {
		return nil, fmt.Errorf("generating key: validity of %s is out of range", validFor)
	}
	cfg := &packet.Config{
		Time:            func() time.Time { return at },
		DefaultHash:     crypto.SHA256,
		DefaultCipher:   packet.CipherAES256,
		KeyLifetimeSecs: uint32(seconds),
	}
	switch alg {
	case Curve25519:
		cfg.Algorithm, cfg.Curve = packet.PubKeyAlgoEdDSA, packet.Curve25519
	case RSA3072:
		cfg.Algorithm, cfg.RSABits = packet.PubKeyAlgoRSA, 3072
	case RSA4096:
		cfg.Algorithm, cfg.RSABits = packet.PubKeyAlgoRSA, 4096
	default:
		return nil, fmt.Errorf("generating key: unknown algorithm %q: use %s, %s or %s", alg, Curve25519, RSA3072, RSA4096)
	}
	entity, err := openpgp.NewEntity(name, "", email, cfg)
	if err != nil {
		return nil, fmt.Errorf("generating key: %w", err)
	}
	k, err := newKey(entity)
	if err != nil {
		return nil, fmt.Errorf("generating key: %w", err)
	}
	return k, nil
}

// ReadKey reads one private key, armored or binary, and unlocks it with the
// passphrase if it is locked.
func ReadKey(data, passphrase []byte) (*Key, error) {
	binary, err := dearmorOnly(data, armorPrivate)
	if err != nil {
		return nil, fmt.Errorf("reading private key: %w", err)
	}
	if binary, err = onlySecret(binary); err != nil {
		return nil, fmt.Errorf("reading private key: %w", err)
	}
	entity, err := readEntity(binary)
	if err != nil {
		return nil, fmt.Errorf("reading private key: %w", err)
	}
	if err := entity.DecryptPrivateKeys(passphrase); err != nil {
		return nil, errors.New("unlocking private key: the passphrase is wrong or missing")
	}
	k, err := newKey(entity)
	if err != nil {
		return nil, fmt.Errorf("reading private key: %w", err)
	}
	return k, nil
}

func newKey(entity *openpgp.Entity) (*Key, error) {
	if entity.PrivateKey == nil {
		return nil, errors.New("the primary key is missing: export it, or a stub of it")
	}
	var public bytes.Buffer
	if err := entity.Serialize(&public); err != nil {
		return nil, err
	}
	cert, err := parseCertificate(public.Bytes())
	if err != nil {
		return nil, err
	}
	settle(entity, true)
	k := &Key{cert: cert, entity: entity}
	// Time is left out on purpose: old mail must open with an expired key. Keys
	// flagged for signing only are never used to decrypt.
	for _, d := range entity.DecryptionKeys(0, time.Time{}, nil) {
		if d.PrivateKey == nil || d.PrivateKey.Dummy() {
			continue
		}
		if d.PrivateKey.Encrypted {
			return nil, errors.New("a subkey is still locked: give all subkeys the same passphrase")
		}
		k.decryption = append(k.decryption, decryptionKey{public: d.PublicKey, private: d.PrivateKey})
	}
	return k, nil
}

// Certificate returns the public part.
func (k *Key) Certificate() *Certificate { return k.cert }

// Armor returns the private key in ASCII armor, locked with the passphrase; a
// nil passphrase leaves it unprotected.
func (k *Key) Armor(passphrase []byte) ([]byte, error) {
	if k.holder != nil {
		return nil, errors.New("writing private key: it is held by another process, which does not give it out")
	}
	entity, err := copyEntity(k.entity)
	if err != nil {
		return nil, fmt.Errorf("writing private key: %w", err)
	}
	if passphrase != nil {
		if err := lock(entity, passphrase); err != nil {
			return nil, fmt.Errorf("locking private key: %w", err)
		}
	}
	var b bytes.Buffer
	if err := entity.SerializePrivateWithoutSigning(&b, nil); err != nil {
		return nil, fmt.Errorf("writing private key: %w", err)
	}
	return enarmor(armorPrivate, b.Bytes(), "\n"), nil
}

// SignDetached returns an armored detached signature over the exact bytes of
// data. The error wraps [ErrKeyUnavailable] if the holder of the key cannot be
// asked.
func (k *Key) SignDetached(data []byte, at time.Time) ([]byte, error) {
	if k.holder != nil {
		signature, err := k.sign(data, at, nil)
		if err != nil {
			return nil, err
		}
		return enarmor(armorSignature, signature, "\n"), nil
	}
	var b bytes.Buffer
	cfg := &packet.Config{Time: func() time.Time { return at }, DefaultHash: crypto.SHA256}
	if err := openpgp.DetachSign(&b, []*openpgp.Entity{k.entity}, bytes.NewReader(data), cfg); err != nil {
		return nil, fmt.Errorf("signing with %s: %w", k.cert.fingerprint, err)
	}
	return enarmor(armorSignature, b.Bytes(), "\n"), nil
}
