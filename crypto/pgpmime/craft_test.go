package pgpmime

import (
	"bytes"
	"crypto"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
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

// signNaming is sign with a signature that names its intended recipient.
func signNaming(t testing.TB, k *pgp.Key, entity string, to *pgp.Key) string {
	t.Helper()
	private := entityOf(t, k)
	pk := private.PrimaryKey
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: pk.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: now,
		IssuerKeyId: &pk.KeyId, IssuerFingerprint: pk.Fingerprint, IssuerKeyVersion: 4,
		IntendedRecipients: []*packet.Recipient{{KeyVersion: 4, Fingerprint: entityOf(t, to).PrimaryKey.Fingerprint}},
	}
	h, err := sig.PrepareSign(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.Write([]byte(entity))
	if err := sig.Sign(h, private.PrivateKey, nil); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	armored, err := gopenpgp.NewPGPSignature(b.Bytes()).GetArmored()
	if err != nil {
		t.Fatal(err)
	}
	return wrapSigned(entity, []byte(armored))
}

func entityOf(t testing.TB, k *pgp.Key) *openpgp.Entity {
	t.Helper()
	armored, err := k.Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}
