package pgpmime

import (
	"bytes"
	"testing"

	gopenpgp "github.com/ProtonMail/gopenpgp/v2/crypto"

	"relais.example/crypto/pgp"
)

// encryptUnsigned makes what Relais never writes: encrypted, not signed.
func encryptUnsigned(t testing.TB, entity []byte, to *pgp.Key) []byte {
	t.Helper()
	key, err := gopenpgp.NewKeyFromArmoredReader(bytes.NewReader(to.Certificate().Armor()))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := gopenpgp.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	message, err := ring.Encrypt(gopenpgp.NewPlainMessage(entity), nil)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := message.GetArmoredWithCustomHeaders("", "")
	if err != nil {
		t.Fatal(err)
	}
	return []byte(armored)
}
