package pgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// WithoutPrimary returns the key with a stub in place of the primary key's
// private part, as GnuPG writes with --export-secret-subkeys. It works as long
// as subkeys sign and receive; changing it needs the primary key again.
func (k *Key) WithoutPrimary() (*Key, error) {
	if k.OfflinePrimary() {
		return k, nil
	}
	signs := false
	for _, p := range k.Parts()[1:] {
		signs = signs || p.Signs && p.Private
	}
	if !signs {
		return nil, errors.New("taking the primary key offline: no subkey signs; rotate with a signing subkey first")
	}
	var b bytes.Buffer
	if err := k.entity.SerializePrivateWithoutSigning(&b, nil); err != nil {
		return nil, fmt.Errorf("taking the primary key offline: %w", err)
	}
	first, rest, err := nextPacket(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("taking the primary key offline: %w", err)
	}
	if first, err = stubOf(first); err != nil {
		return nil, fmt.Errorf("taking the primary key offline: %w", err)
	}
	e, err := readEntity(append(bytes.Clone(first.raw), rest...))
	if err != nil {
		return nil, fmt.Errorf("taking the primary key offline: %w", err)
	}
	return newKey(e)
}

// WithPrimary returns the key with the primary key's private part of full,
// which must be the same key. Everything else stays as it is here.
func (k *Key) WithPrimary(full *Key) (*Key, error) {
	if full.cert.fingerprint != k.cert.fingerprint {
		return nil, fmt.Errorf("the primary key %s is not that of %s", full.cert.fingerprint, k.cert.fingerprint)
	}
	if full.OfflinePrimary() {
		return nil, ErrOfflinePrimary
	}
	var b bytes.Buffer
	if err := full.entity.PrivateKey.Serialize(&b); err != nil {
		return nil, err
	}
	var own bytes.Buffer
	if err := k.entity.SerializePrivateWithoutSigning(&own, nil); err != nil {
		return nil, err
	}
	_, rest, err := nextPacket(own.Bytes())
	if err != nil {
		return nil, err
	}
	e, err := readEntity(append(b.Bytes(), rest...))
	if err != nil {
		return nil, err
	}
	return newKey(e)
}

// CheckUse proves by doing it that the key can sign, and can open what is
// encrypted to its certificate, at the time given.
func (k *Key) CheckUse(at time.Time) error {
	if err := k.cert.CheckSigning(at, DefaultPolicy()); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	if _, err := k.SignDetached([]byte("probe"), at); err != nil {
		return fmt.Errorf("%w; is the private part of the newest signing key in this file?", err)
	}
	probe, err := Encrypt([]byte("probe"), k, []*Certificate{k.cert}, at)
	if err != nil {
		return err
	}
	d, err := Decrypt(probe, []*Key{k}, NewRing(k.cert), DefaultPolicy(), Limits{}, at)
	if err != nil {
		return fmt.Errorf("decrypting what is encrypted to %s: %w; is the private part of the newest encryption key in this file?", k.cert.fingerprint, err)
	}
	if d.Signature.State != SignatureGood {
		return fmt.Errorf("verifying a signature of %s: it is %s", k.cert.fingerprint, d.Signature.State)
	}
	return nil
}

// SigningAs returns the key made to sign with what the published certificate
// lists, so that those who have that certificate can verify: a signing subkey
// that was just made waits until it is published. When nothing of it can sign
// any more, the key is returned as it is. Decryption is the same.
func (k *Key) SigningAs(published *Certificate, at time.Time) *Key {
	listed := map[string]bool{}
	for _, p := range published.Parts() {
		listed[p.Fingerprint] = true
	}
	e := *k.entity
	e.Subkeys = nil
	for _, s := range k.entity.Subkeys {
		if listed[hexUpper(s.PublicKey.Fingerprint)] {
			e.Subkeys = append(e.Subkeys, s)
		}
	}
	signing, ok := e.SigningKey(at, nil)
	if !ok || len(e.Subkeys) == len(k.entity.Subkeys) {
		return k
	}
	if k.holder == nil && (signing.PrivateKey == nil || signing.PrivateKey.Dummy()) {
		return k
	}
	limited := *k
	limited.entity = &e
	return &limited
}

// lock protects all private parts with a passphrase, in the form that GnuPG
// 2.2 reads. Trying one passphrase costs some 0.2 s.
func lock(e *openpgp.Entity, passphrase []byte) error {
	return e.EncryptPrivateKeys(passphrase, &packet.Config{
		DefaultCipher: packet.CipherAES256,
		S2KConfig:     &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, S2KCount: 65011712, Hash: crypto.SHA256},
	})
}
