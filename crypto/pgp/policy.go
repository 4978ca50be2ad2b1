package pgp

import (
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// ErrCannotOpen is the one error for everything that does not decrypt: no key
// of ours, a wrong session key, tampered or truncated data, no integrity
// protection, a weak cipher, a password instead of a key, packets that were
// never encrypted, or a packet sequence outside the grammar of RFC 9580 10.3.
var ErrCannotOpen = errors.New("message cannot be opened")

// ErrTooLarge is returned when the plaintext would exceed [Limits].
var ErrTooLarge = errors.New("plaintext exceeds the limit")

// Policy says which keys and algorithms count as strong enough. The zero value
// is the lax end; use [DefaultPolicy].
type Policy struct {
	// MinRSABits refuses shorter RSA keys; 0 means 2048.
	MinRSABits int
	// SHA1Until is when certificates that hold together only by SHA-1
	// self-signatures become weak; zero: never.
	SHA1Until time.Time
	// SHA1Waivers puts that off for single certificates: fingerprint in
	// upper-case hex, and when its waiver ends.
	SHA1Waivers map[string]time.Time
	// ClockTolerance is how far a key's creation may lie in the future of our
	// clock before it counts as not yet valid.
	ClockTolerance time.Duration
}

// DefaultPolicy returns the settings a gateway starts with: RSA from 2048 bits,
// SHA-1 self-signatures accepted without end (partners' old certificates still
// carry them; a gateway sets the day), 10 minutes of clock tolerance.
func DefaultPolicy() Policy {
	return Policy{MinRSABits: 2048, ClockTolerance: 10 * time.Minute}
}

// maxRSABits keeps a hostile certificate from buying minutes of modular
// exponentiation.
const maxRSABits = 8192

// Limits bounds what one message may cost.
type Limits struct {
	// MaxPlaintext is the largest plaintext in bytes; 0 means 64 MiB. It also
	// caps what decompression may produce.
	MaxPlaintext int64
}

const defaultMaxPlaintext = 64 << 20

func (l Limits) maxPlaintext() int64 {
	if l.MaxPlaintext <= 0 {
		return defaultMaxPlaintext
	}
	return l.MaxPlaintext
}

// KeyProblem says why a certificate may not be used.
type KeyProblem string

// The closed set of problems.
const (
	KeyExpired      KeyProblem = "expired"       // the key, or the self-signature that carries it
	KeyRevoked      KeyProblem = "revoked"       // softly or hard, at whatever time
	KeyNotYetValid  KeyProblem = "not-yet-valid" // created, or first bound, after the time asked about
	KeyWeak         KeyProblem = "weak"          // algorithm, size, curve, or SHA-1 self-signatures
	KeyNoCapability KeyProblem = "no-capability" // no valid key for this use
)

// KeyError says which certificate has which problem.
type KeyError struct {
	Fingerprint string
	Problem     KeyProblem
	When        time.Time // the time asked about
}

// Error names the certificate, the problem and the time.
func (e *KeyError) Error() string {
	return fmt.Sprintf("certificate %s is %s at %s", e.Fingerprint, e.Problem, e.When.UTC().Format(time.RFC3339))
}

func (p Policy) minRSABits() int {
	if p.MinRSABits <= 0 {
		return 2048
	}
	return p.MinRSABits
}

// acceptsSHA1 reports whether a certificate may hold together by SHA-1
// self-signatures at the time given.
func (p Policy) acceptsSHA1(fingerprint string, at time.Time) bool {
	return p.SHA1Until.IsZero() || at.Before(p.SHA1Until) || at.Before(p.SHA1Waivers[fingerprint])
}

// weakKey reports whether the policy refuses this key by its kind or size.
func (p Policy) weakKey(pk *packet.PublicKey) bool {
	switch pk.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly:
		bits, err := pk.BitLength()
		// One bit less than the nominal size is a common rounding of old
		// generators, not a weakness.
		return err != nil || int(bits)+1 < p.minRSABits()
	case packet.PubKeyAlgoDSA, packet.PubKeyAlgoElGamal:
		return true
	case packet.PubKeyAlgoECDSA, packet.PubKeyAlgoECDH, packet.PubKeyAlgoEdDSA:
		curve, err := pk.Curve()
		if err != nil || curve == packet.CurveSecP256k1 {
			return true
		}
		// RFC 9580 section 9.2: the old object identifiers are not for v6.
		return pk.Version == 6 && (curve == packet.Curve25519 || curve == packet.Curve448)
	}
	return false
}

// weakMessageHash: RFC 9580 section 9.5 and what has been broken since.
func weakMessageHash(h crypto.Hash) bool {
	return h == crypto.SHA1 || h == crypto.MD5 || h == crypto.RIPEMD160
}

// strongCipher is the list of ciphers we decrypt: AES only. 3DES, CAST5, IDEA
// and Blowfish have 64-bit blocks.
func strongCipher(c packet.CipherFunction) bool {
	return c == packet.CipherAES128 || c == packet.CipherAES192 || c == packet.CipherAES256
}

// config is what the library is given for work at the time at. What holds a
// certificate together was judged before ([Certificate.CheckEncryption]).
func (p Policy) config(at time.Time) *packet.Config {
	return &packet.Config{
		Time:                 func() time.Time { return at },
		MinRSABits:           uint16(p.minRSABits() - 1),
		RejectHashAlgorithms: map[crypto.Hash]bool{crypto.MD5: true, crypto.RIPEMD160: true},
	}
}
