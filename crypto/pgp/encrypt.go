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

// Encrypt signs plaintext and encrypts it to all certificates in to, in one
// pass, and returns ASCII armor with CRLF line ends, ready for mail. Each
// recipient is named in the signature (RFC 9580 section 5.2.3.36), so that none
// can pass the message on as if it had been meant for somebody else. The
// signer can read it afterwards only if its certificate is in to.
//
// The error wraps [ErrKeyUnavailable] if the holder of the signer's key cannot
// be asked.
//
// Nothing is compressed. AES-256 with integrity protection is used, and AEAD
// where every recipient's certificate announces it.
func Encrypt(plaintext []byte, signer *Key, to []*Certificate, at time.Time) ([]byte, error) {
	if len(to) == 0 {
		return nil, errors.New("encrypting: no recipients")
	}
	policy := DefaultPolicy()
	encryptionTime := at
	recipients := make([]*openpgp.Entity, 0, len(to))
	seen := make(map[string]bool, len(to))
	for _, c := range to {
		if seen[c.fingerprint] {
			continue
		}
		seen[c.fingerprint] = true
		if err := c.CheckEncryption(at, policy); err != nil {
			return nil, fmt.Errorf("encrypting: %w", err)
		}
		strict := policy
		strict.ClockTolerance = 0
		if c.CheckEncryption(at, strict) != nil {
			encryptionTime = at.Add(policy.ClockTolerance)
		}
		recipients = append(recipients, c.entity)
	}
	cfg := policy.config(at)
	cfg.DefaultHash, cfg.DefaultCipher = crypto.SHA256, packet.CipherAES256

	params := &openpgp.EncryptParams{EncryptionTime: &encryptionTime, Config: cfg}
	if signer.holder == nil {
		params.Signers = []*openpgp.Entity{signer.entity}
	} else {
		var err error
		if params.OutsideSig, err = signer.sign(plaintext, at, recipients); err != nil {
			return nil, fmt.Errorf("encrypting: %w", err)
		}
	}
	var out bytes.Buffer
	out.Grow(len(plaintext) + 1024 + 640*len(recipients))
	w, err := openpgp.EncryptWithParams(&out, recipients, nil, params)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	if _, err := w.Write(plaintext); err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return enarmor(armorMessage, out.Bytes(), "\r\n"), nil
}
