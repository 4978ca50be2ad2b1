package intake

import (
	"bytes"
	"strings"
	"testing"

	"relais.example/gateway/mimeindex"
	"relais.example/routing/directory/pending"
)

// FuzzKeysInAMessage: whatever a message holds, what is taken out of it for a
// certificate is bounded and nothing panics.
func FuzzKeysInAMessage(f *testing.F) {
	block := "-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nmDMEZ\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n"
	for _, seed := range []string{
		"Content-Type: text/plain\r\n\r\nkey:\r\n" + block + "> " + block,
		"Content-Type: application/pgp-keys\r\nContent-Transfer-Encoding: base64\r\n\r\nmDMEZ===\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n" + block + "--b\r\n\r\n" + block + "--b--\r\n",
		strings.Repeat(block, 2*maxProposed),
		"\r\n-----END PGP PUBLIC KEY BLOCK----------BEGIN PGP PUBLIC KEY BLOCK-----",
	} {
		f.Add([]byte(seed), "addr=a@b.example; prefer-encrypt=mutual; keydata=AAAA AAAA")
	}
	f.Fuzz(func(t *testing.T, entity []byte, header string) {
		eachKeyPart(entity, mimeindex.Outline(entity), func(by pending.Carrier, data []byte) {
			if by != pending.Attachment && by != pending.Inline || len(data) > maxKeyText {
				t.Errorf("%s with %d bytes", by, len(data))
			}
			if by == pending.Inline && (!bytes.HasPrefix(data, beginKey) || !bytes.HasSuffix(data, endKey)) {
				t.Errorf("a block that is none: %q", data)
			}
		})
		if key := autocryptKey([]string{header}, "a@b.example"); len(key) > len(header) {
			t.Errorf("%d bytes out of %d", len(key), len(header))
		}
	})
}
