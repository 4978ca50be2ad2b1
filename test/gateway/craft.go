package gateway

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"relais.example/crypto/pgp"
)

// SignNaming makes a detached signature over text that names its intended
// recipient (RFC 9580, section 5.2.3.36), which GnuPG 2.2 cannot.
func (g *Gateway) SignNaming(signer *pgp.Key, text string, recipient *pgp.Certificate) string {
	g.t.Helper()
	check := func(err error) {
		g.t.Helper()
		if err != nil {
			g.t.Fatal(err)
		}
	}
	private, err := signer.Armor(nil)
	check(err)
	from, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(private))
	check(err)
	to, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(recipient.Armor()))
	check(err)
	pk := from[0].PrimaryKey
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: pk.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: time.Now(),
		IssuerKeyId: &pk.KeyId, IssuerFingerprint: pk.Fingerprint, IssuerKeyVersion: 4,
		IntendedRecipients: []*packet.Recipient{{KeyVersion: 4, Fingerprint: to[0].PrimaryKey.Fingerprint}},
	}
	h, err := sig.PrepareSign(nil)
	check(err)
	h.Write([]byte(text))
	check(sig.Sign(h, from[0].PrivateKey, nil))
	var b bytes.Buffer
	check(sig.Serialize(&b))
	return "-----BEGIN PGP SIGNATURE-----\n\n" + base64.StdEncoding.EncodeToString(b.Bytes()) + "\n-----END PGP SIGNATURE-----\n"
}
