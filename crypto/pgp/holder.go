package pgp

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ErrKeyUnavailable is returned when a private key in another process could not
// be asked. It says nothing about the message: try again later.
var ErrKeyUnavailable = errors.New("the private key cannot be reached now")

// Holder does what takes the private part of one key, perhaps in another
// process. It never gets to see a message: neither the content that a session
// key opens, nor what is signed. A [Key] with its private part is one.
type Holder interface {
	// SessionKey decrypts one public-key encrypted session key packet (RFC 9580
	// section 5.1), header included, with the primary key or subkey of the
	// fingerprint given. [ErrCannotOpen] if it does not decrypt; any other error
	// means that the key could not be asked.
	SessionKey(fingerprint string, packet []byte) (SessionKey, error)
	// Sign returns a signature packet (RFC 9580 section 5.2) over a document.
	Sign(s Signing) ([]byte, error)
}

// SessionKey is the key of one message.
type SessionKey struct {
	Cipher byte // RFC 9580 section 9.3; 0 if the container names it (version 6)
	Key    []byte
}

// Signing says what signature is wanted. The document itself stays where it
// is: the holder goes on from the state of the hash function behind it, and
// appends the end of the signature itself. So it decides what is signed: a
// document, at this time, and never a certificate or a subkey.
type Signing struct {
	Fingerprint string      // of the primary key or subkey that is to sign
	At          time.Time   // seconds count
	Hash        crypto.Hash // the function
	Salt        []byte      // version 6 keys only, RFC 9580 section 5.2.3
	State       []byte      // of the function behind salt and document, as its MarshalBinary wrote it
	Recipients  []string    // fingerprints of those it is meant for (section 5.2.3.36)
}

// Digest returns the [Signature.Digest] that readers will find for the
// signature made; zero if it is none that answers s. By it a signature in a
// holder's log is found again.
func (s Signing) Digest(signature []byte) (d [32]byte) {
	p, _, err := nextPacket(signature)
	if err != nil || p.tag != tagSignature || !s.Hash.Available() {
		return d
	}
	sig, ok := readSignature(p)
	h := s.Hash.New()
	if !ok || h.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.State) != nil {
		return d
	}
	return actDigest(sig, sig.IssuerFingerprint, h.Sum(nil))
}

// MaxSessionKeyPacket is the size in bytes up to which session key packets are
// looked at. One for RSA-8192 has little more than 1 KiB.
const MaxSessionKeyPacket = 4 << 10

// RemoteKey is a key whose private part h holds.
func RemoteKey(cert *Certificate, h Holder) *Key {
	k := &Key{cert: cert, entity: cert.entity, holder: h}
	// As in newKey: without a time, because old mail must open.
	for _, d := range cert.entity.DecryptionKeys(0, time.Time{}, nil) {
		k.decryption = append(k.decryption, decryptionKey{public: d.PublicKey, holder: h})
	}
	return k
}

// SessionKey implements [Holder].
func (k *Key) SessionKey(fingerprint string, raw []byte) (SessionKey, error) {
	if k.holder != nil {
		return k.holder.SessionKey(fingerprint, raw)
	}
	p, rest, err := nextPacket(raw)
	if err != nil || p.tag != tagPKESK || len(rest) > 0 || len(raw) > MaxSessionKeyPacket {
		return SessionKey{}, ErrCannotOpen
	}
	parsed, err := packet.Read(bytes.NewReader(raw))
	if err != nil {
		return SessionKey{}, ErrCannotOpen
	}
	sealed, ok := parsed.(*packet.EncryptedKey)
	if !ok {
		return SessionKey{}, ErrCannotOpen
	}
	for _, d := range k.decryption {
		if hexUpper(d.public.Fingerprint) == fingerprint {
			return d.sessionKey(sealedKey{sealed, raw})
		}
	}
	return SessionKey{}, ErrCannotOpen
}

// Sign implements [Holder].
func (k *Key) Sign(s Signing) ([]byte, error) {
	if k.holder != nil {
		return k.holder.Sign(s)
	}
	sig, h, err := k.prepare(s)
	if err != nil {
		return nil, fmt.Errorf("signing with %s: %w", k.cert.fingerprint, err)
	}
	cfg := DefaultPolicy().config(s.At)
	key, ok := k.entity.SigningKeyById(s.At, *sig.IssuerKeyId, cfg)
	if !ok || hexUpper(key.PublicKey.Fingerprint) != s.Fingerprint || key.PrivateKey == nil {
		return nil, fmt.Errorf("signing with %s: %s is not a key of it that may sign now", k.cert.fingerprint, s.Fingerprint)
	}
	if err := sig.Sign(h, key.PrivateKey, cfg); err != nil {
		return nil, fmt.Errorf("signing with %s: %w", k.cert.fingerprint, err)
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		return nil, fmt.Errorf("signing with %s: %w", k.cert.fingerprint, err)
	}
	return b.Bytes(), nil
}

// prepare returns the signature that s describes, unsigned, and the hash to
// sign it with.
func (k *Key) prepare(s Signing) (*packet.Signature, hash.Hash, error) {
	if !slices.Contains([]crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}, s.Hash) {
		return nil, nil, errors.New("hash function not allowed")
	}
	h := s.Hash.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.State); err != nil {
		return nil, nil, errors.New("state of the hash function not understood")
	}
	keys := publicKeys(k.entity)
	i := slices.IndexFunc(keys, func(pk *packet.PublicKey) bool { return hexUpper(pk.Fingerprint) == s.Fingerprint })
	if i < 0 {
		return nil, nil, fmt.Errorf("%s is no key of it", s.Fingerprint)
	}
	never := uint32(0)
	sig := &packet.Signature{
		Version: keys[i].Version, SigType: packet.SigTypeBinary, PubKeyAlgo: keys[i].PubKeyAlgo, Hash: s.Hash, CreationTime: s.At,
		IssuerKeyId: &keys[i].KeyId, IssuerKeyVersion: uint8(keys[i].Version), IssuerFingerprint: keys[i].Fingerprint, SigLifetimeSecs: &never,
	}
	for _, r := range s.Recipients {
		fingerprint, err := hex.DecodeString(r)
		version, ok := map[int]int{20: 4, 32: 6}[len(fingerprint)]
		if err != nil || !ok {
			return nil, nil, errors.New("recipient is no fingerprint")
		}
		sig.IntendedRecipients = append(sig.IntendedRecipients, &packet.Recipient{KeyVersion: version, Fingerprint: fingerprint})
	}
	return sig, h, sig.SetSalt(s.Salt)
}

// sign has the holder sign data for the recipients.
func (k *Key) sign(data []byte, at time.Time, recipients []*openpgp.Entity) ([]byte, error) {
	key, ok := k.entity.SigningKeyById(at, 0, DefaultPolicy().config(at))
	if !ok {
		return nil, fmt.Errorf("signing with %s: no key of it may sign now", k.cert.fingerprint)
	}
	s := Signing{Fingerprint: hexUpper(key.PublicKey.Fingerprint), At: at, Hash: signingHash(key.PublicKey, at, append(recipients, k.entity))}
	for _, r := range recipients {
		s.Recipients = append(s.Recipients, hexUpper(r.PrimaryKey.Fingerprint))
	}
	h := s.Hash.New()
	if key.PublicKey.Version == 6 {
		var err error
		if s.Salt, err = packet.SignatureSaltForHash(s.Hash, rand.Reader); err != nil {
			return nil, fmt.Errorf("signing with %s: %w", k.cert.fingerprint, err)
		}
		h.Write(s.Salt)
	}
	h.Write(data)
	var err error
	if s.State, err = h.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return nil, fmt.Errorf("signing with %s: %w", k.cert.fingerprint, err)
	}
	signature, err := k.holder.Sign(s)
	if err != nil {
		return nil, fmt.Errorf("signing with %s: %w: %w", k.cert.fingerprint, ErrKeyUnavailable, err)
	}
	return signature, nil
}

// signingHash returns the first hash function that the key may sign with and
// everybody reads; if they agree on none, the first that the key may sign with.
func signingHash(pk *packet.PublicKey, at time.Time, readers []*openpgp.Entity) crypto.Hash {
	ids := map[crypto.Hash]uint8{crypto.SHA256: 8, crypto.SHA384: 9, crypto.SHA512: 10} // RFC 9580 section 9.5
	candidates := []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}
	switch curve, _ := pk.Curve(); { // sections 5.2.3.2 and 9.2: no shorter than the curve
	case pk.PubKeyAlgo == packet.PubKeyAlgoEd448, curve == packet.Curve448, curve == packet.CurveNistP521, curve == packet.CurveBrainpoolP512:
		candidates = candidates[2:]
	case curve == packet.CurveNistP384, curve == packet.CurveBrainpoolP384:
		candidates = candidates[1:]
	}
	for _, h := range candidates {
		if !slices.ContainsFunc(readers, func(e *openpgp.Entity) bool {
			self, err := e.PrimarySelfSignature(at, nil)
			return err == nil && len(self.PreferredHash) > 0 && !slices.Contains(self.PreferredHash, ids[h])
		}) {
			return h
		}
	}
	return candidates[0]
}
