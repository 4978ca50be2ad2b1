package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Decrypted is a message that was read to its end and passed its integrity
// check.
type Decrypted struct {
	Plaintext []byte
	Signature Signature
	Cipher    string // such as "AES-256"
	// DecryptedWith is the fingerprint of our certificate whose key opened it.
	DecryptedWith string
	// Recipients are the key ids named in the message; a hidden one is
	// "0000000000000000".
	Recipients []string
}

const (
	maxSessionKeys = 256 // recipients named in one message
	maxTrials      = 32  // private-key operations spent on one message
)

// Decrypt opens an encrypted message (armored or binary) with any of the keys
// and judges its signature against ring, at the time given.
//
// The only errors are [ErrCannotOpen], [ErrTooLarge] and, when a key is in
// another process that cannot be asked, [ErrKeyUnavailable] (with its cause
// around it). Nothing is returned with them. A missing, bad or unknown signature is not an error but
// a fact in [Decrypted.Signature].
func Decrypt(message []byte, keys []*Key, ring *Ring, p Policy, l Limits, at time.Time) (*Decrypted, error) {
	packets, err := dearmorOnly(message, armorMessage)
	if err != nil {
		return nil, ErrCannotOpen
	}
	env, err := readEnvelope(packets)
	if err != nil {
		return nil, ErrCannotOpen
	}
	opened, err := env.open(keys)
	if errors.Is(err, ErrKeyUnavailable) {
		return nil, err
	}
	if err != nil {
		return nil, ErrCannotOpen
	}
	inner := opened.packets
	env.container, opened.packets = rawPacket{}, nil // their memory is free for what follows
	// From here on the bytes are authentic as far as the session key goes.
	content, err := readContent(inner, l.maxPlaintext())
	if errors.Is(err, ErrTooLarge) {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, ErrCannotOpen
	}
	d := &Decrypted{
		Plaintext:     content.literal,
		Signature:     judgement{ring, p, at}.all(content.signatures, content.literal),
		Cipher:        opened.cipher,
		DecryptedWith: opened.key.cert.fingerprint,
		Recipients:    env.recipients(),
	}
	d.Signature.Intended = JudgeIntended(d.Signature.IntendedRecipients, keys)
	return d, nil
}

// envelope is an encrypted message: session keys, then one container (RFC 9580
// section 10.3).
type envelope struct {
	sessionKeys []sealedKey
	container   rawPacket
}

// sealedKey is a session key encrypted to somebody.
type sealedKey struct {
	*packet.EncryptedKey
	raw []byte // the packet as it came
}

// readEnvelope accepts exactly: PKESK or SKESK packets, one integrity-protected
// container, nothing else. Cleartext packets, before or behind, and containers
// without integrity protection (tag 9) are refused.
func readEnvelope(data []byte) (*envelope, error) {
	env := &envelope{}
	for len(data) > 0 {
		p, rest, err := nextPacket(data)
		if err != nil {
			return nil, err
		}
		data = rest
		switch {
		case p.ignorable():
		case env.container.raw != nil: // nothing may follow the container
			return nil, errPacket
		case p.tag == tagPKESK:
			if len(env.sessionKeys) == maxSessionKeys {
				return nil, errPacket
			}
			// An algorithm we do not know, or a size that none of ours can have, is
			// somebody else's session key.
			if len(p.raw) > MaxSessionKeyPacket {
				continue
			}
			if parsed, err := packet.Read(bytes.NewReader(p.raw)); err == nil {
				if k, ok := parsed.(*packet.EncryptedKey); ok {
					env.sessionKeys = append(env.sessionKeys, sealedKey{k, p.raw})
				}
			}
		case p.tag == tagSKESK: // a password, which we do not have
		case p.tag == tagProtected, p.tag == tagAEAD:
			env.container = p
		default:
			return nil, errPacket
		}
	}
	if env.container.raw == nil {
		return nil, errPacket
	}
	return env, nil
}

func (e *envelope) recipients() []string {
	ids := make([]string, len(e.sessionKeys))
	for i, k := range e.sessionKeys {
		ids[i] = hexKeyID(k.KeyId)
	}
	return ids
}

// opened is the content of a container whose integrity was checked.
type opened struct {
	packets []byte
	cipher  string
	key     *Key
}

func (e *envelope) open(keys []*Key) (opened, error) {
	trials := 0
	for _, sk := range e.sessionKeys {
		for _, k := range keys {
			for _, d := range k.decryption {
				if sk.KeyId != 0 && sk.KeyId != d.public.KeyId || sk.Algo != d.public.PubKeyAlgo {
					continue
				}
				if trials++; trials > maxTrials {
					return opened{}, errPacket
				}
				o, err := e.try(sk, d)
				if err == nil {
					o.key = k
					return o, nil
				}
				if errors.Is(err, ErrKeyUnavailable) {
					return opened{}, err // whether the message opens is not known
				}
			}
		}
	}
	return opened{}, errPacket
}

// sessionKey decrypts a session key. The error is ErrCannotOpen or
// ErrKeyUnavailable.
func (d decryptionKey) sessionKey(sealed sealedKey) (SessionKey, error) {
	if d.private != nil {
		if err := sealed.Decrypt(d.private, nil); err != nil {
			return SessionKey{}, ErrCannotOpen
		}
		return SessionKey{Cipher: byte(sealed.CipherFunc), Key: sealed.Key}, nil
	}
	key, err := d.holder.SessionKey(hexUpper(d.public.Fingerprint), sealed.raw)
	if err != nil && !errors.Is(err, ErrCannotOpen) {
		return SessionKey{}, fmt.Errorf("%w: %w", ErrKeyUnavailable, err)
	}
	return key, err
}

// try opens the container with one session key and one private key.
func (e *envelope) try(sealed sealedKey, d decryptionKey) (opened, error) {
	sk, err := d.sessionKey(sealed)
	if err != nil {
		return opened{}, err
	}
	parsed, err := packet.Read(bytes.NewReader(e.container.raw))
	if err != nil {
		return opened{}, err
	}
	cipher := packet.CipherFunction(sk.Cipher)
	var container packet.EncryptedDataPacket
	switch c := parsed.(type) {
	case *packet.SymmetricallyEncrypted:
		if !c.IntegrityProtected {
			return opened{}, errPacket
		}
		if c.Version == 2 {
			cipher = c.Cipher
		}
		container = c
	case *packet.AEADEncrypted:
		if len(e.container.body) < 2 {
			return opened{}, errPacket
		}
		cipher = packet.CipherFunction(e.container.body[1])
		container = c
	default:
		return opened{}, errPacket
	}
	if !strongCipher(cipher) {
		return opened{}, errPacket
	}
	r, err := container.Decrypt(cipher, sk.Key)
	if err != nil {
		return opened{}, err
	}
	plain, err := readAll(r, len(e.container.raw))
	if err != nil {
		return opened{}, err
	}
	// The verdict on integrity: the MDC, or the last AEAD tag.
	if err := r.Close(); err != nil {
		return opened{}, err
	}
	return opened{packets: plain, cipher: cipherName(cipher)}, nil
}

// readAll reads r to EOF into one buffer. The plaintext of a container is never
// longer than the container.
func readAll(r io.Reader, size int) ([]byte, error) {
	buf := make([]byte, 0, size+64)
	for {
		if len(buf) == cap(buf) {
			return nil, errPacket
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func cipherName(c packet.CipherFunction) string {
	switch c {
	case packet.CipherAES128:
		return "AES-128"
	case packet.CipherAES192:
		return "AES-192"
	case packet.CipherAES256:
		return "AES-256"
	}
	return "unknown"
}
