package vault

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// Seal encrypts a short text under the vault key, for records that keep what
// only some may read, such as the audit log. purpose must be named again to
// open it.
func (v *Vault) Seal(purpose, text string) string {
	nonce := make([]byte, v.sealing.NonceSize())
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(v.sealing.Seal(nonce, nonce, []byte(text), []byte(purpose)))
}

// Unseal opens what Seal returned. An altered text, another purpose or another
// vault key is ErrDamaged.
func (v *Vault) Unseal(purpose, sealed string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if n := v.sealing.NonceSize(); err == nil && len(b) >= n {
		var text []byte
		if text, err = v.sealing.Open(nil, b[:n], b[n:], []byte(purpose)); err == nil {
			return string(text), nil
		}
	}
	return "", fmt.Errorf("unsealing %s: %w", purpose, ErrDamaged)
}
