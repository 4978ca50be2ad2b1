package interop

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	gopenpgp "github.com/ProtonMail/gopenpgp/v2/crypto"
	"github.com/ProtonMail/gopenpgp/v2/helper"
)

// required returns the version of a module that go.mod asks for.
func required(t testing.TB, module string) string {
	t.Helper()
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(regexp.QuoteMeta(module) + ` v(\S+)`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s is not in go.mod", module)
	}
	return string(found[1])
}

// gocrypto is ProtonMail's go-crypto used as its authors mean it to be, which
// is another way than ours.
type gocrypto struct{ number string }

func newGoCrypto(t testing.TB) gocrypto {
	return gocrypto{required(t, "github.com/ProtonMail/go-crypto")}
}

func (g gocrypto) name() string    { return "go-crypto " + minor(g.number) }
func (g gocrypto) version() string { return g.number }

func (g gocrypto) entity(t testing.TB, name string) *openpgp.Entity {
	t.Helper()
	list, err := openpgp.ReadArmoredKeyRing(strings.NewReader(secretKey(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func (g gocrypto) entities(t testing.TB, names []string) (list []*openpgp.Entity) {
	for _, name := range names {
		list = append(list, g.entity(t, name))
	}
	return list
}

func (g gocrypto) message(t testing.TB, plain string, to, hidden []*openpgp.Entity, params *openpgp.EncryptParams) string {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, "PGP MESSAGE", nil)
	must(t, err)
	p, err := openpgp.EncryptWithParams(w, to, hidden, params)
	must(t, err)
	_, err = p.Write([]byte(plain))
	must(t, err)
	must(t, p.Close())
	must(t, w.Close())
	return out.String() + "\n"
}

func (g gocrypto) seal(t testing.TB, plain, signer string, how how, to ...string) string {
	cfg := &packet.Config{DefaultCipher: packet.CipherAES256}
	switch {
	case how.aead:
		cfg.AEADConfig = &packet.AEADConfig{DefaultMode: packet.AEADModeGCM}
		to = []string{aead}
	case how.compressed:
		cfg.DefaultCompressionAlgo = packet.CompressionZLIB
	}
	params := &openpgp.EncryptParams{Signers: g.entities(t, []string{signer}), Config: cfg}
	if how.hidden {
		return g.message(t, plain, nil, g.entities(t, to), params)
	}
	return g.message(t, plain, g.entities(t, to), nil, params)
}

func (g gocrypto) encrypt(t testing.TB, plain string, to ...string) string {
	return g.message(t, plain, g.entities(t, to), nil, &openpgp.EncryptParams{Config: &packet.Config{DefaultCipher: packet.CipherAES256}})
}

func (g gocrypto) detach(t testing.TB, plain, signer string) string {
	var out bytes.Buffer
	must(t, openpgp.ArmoredDetachSign(&out, g.entities(t, []string{signer}), strings.NewReader(plain), nil))
	return out.String() + "\n"
}

func (g gocrypto) clearsign(t testing.TB, plain, signer string) string {
	var out bytes.Buffer
	w, err := clearsign.Encode(&out, g.entity(t, signer).PrivateKey, nil)
	must(t, err)
	_, err = w.Write([]byte(plain))
	must(t, err)
	must(t, w.Close())
	return out.String() + "\n"
}

// open reads as go-crypto's authors mean it to be read, not as crypto/pgp does.
func (g gocrypto) open(t testing.TB, armored []byte, key, signer string) []byte {
	t.Helper()
	block, err := armor.Decode(bytes.NewReader(armored))
	must(t, err)
	md, err := openpgp.ReadMessage(block.Body, openpgp.EntityList{g.entity(t, key), g.entity(t, signer)}, nil, nil)
	must(t, err)
	plain, err := io.ReadAll(md.UnverifiedBody)
	must(t, err)
	if md.SignatureError != nil || !md.IsVerified || md.SignedBy == nil || !md.IsEncrypted {
		t.Errorf("go-crypto: %+v", md)
	}
	return plain
}

// container names the kind of container of an encrypted mail.
func container(t testing.TB, raw string) string {
	t.Helper()
	i := strings.Index(raw, "-----BEGIN PGP MESSAGE-----")
	if i < 0 {
		t.Fatal("no armor")
	}
	block, err := armor.Decode(strings.NewReader(raw[i:]))
	must(t, err)
	packets := packet.NewOpaqueReader(block.Body)
	for {
		p, err := packets.Next()
		must(t, err)
		switch {
		case p.Tag == 20:
			return "OCB"
		case p.Tag == 18 && p.Contents[0] == 2:
			return "SEIPDv2"
		case p.Tag == 18:
			return "SEIPDv1"
		}
	}
}

// proton is gopenpgp v2, with which Proton's programs wrote mail for years.
type proton struct{ number string }

func newProton(t testing.TB) proton {
	return proton{required(t, "github.com/ProtonMail/gopenpgp/v2")}
}

func (g proton) name() string    { return "gopenpgp " + minor(g.number) }
func (g proton) version() string { return g.number }

func (g proton) ring(t testing.TB, names ...string) *gopenpgp.KeyRing {
	t.Helper()
	ring, err := gopenpgp.NewKeyRing(nil)
	must(t, err)
	for _, name := range names {
		k, err := gopenpgp.NewKeyFromArmored(secretKey(t, name))
		must(t, err)
		must(t, ring.AddKey(k))
	}
	return ring
}

func (g proton) armored(t testing.TB, message *gopenpgp.PGPMessage, err error) string {
	t.Helper()
	must(t, err)
	text, err := message.GetArmored()
	must(t, err)
	return text + "\n"
}

func (g proton) seal(t testing.TB, plain, signer string, how how, to ...string) string {
	if how.hidden || how.aead {
		return ""
	}
	content := gopenpgp.NewPlainMessage([]byte(plain))
	if how.compressed {
		message, err := g.ring(t, to...).EncryptWithCompression(content, g.ring(t, signer))
		return g.armored(t, message, err)
	}
	message, err := g.ring(t, to...).Encrypt(content, g.ring(t, signer))
	return g.armored(t, message, err)
}

func (g proton) encrypt(t testing.TB, plain string, to ...string) string {
	message, err := g.ring(t, to...).Encrypt(gopenpgp.NewPlainMessage([]byte(plain)), nil)
	return g.armored(t, message, err)
}

func (g proton) detach(t testing.TB, plain, signer string) string {
	signature, err := g.ring(t, signer).SignDetached(gopenpgp.NewPlainMessage([]byte(plain)))
	must(t, err)
	text, err := signature.GetArmored()
	must(t, err)
	return text + "\n"
}

func (g proton) clearsign(t testing.TB, plain, signer string) string {
	if plain == dashes {
		return "" // it does not escape them: what it writes is read as another text by every program
	}
	text, err := helper.SignCleartextMessage(g.ring(t, signer), plain)
	must(t, err)
	return text + "\n"
}

func (g proton) open(t testing.TB, armored []byte, key, signer string) []byte {
	t.Helper()
	message, err := gopenpgp.NewPGPMessageFromArmored(string(armored))
	must(t, err)
	plain, err := g.ring(t, key).Decrypt(message, g.ring(t, signer), gopenpgp.GetUnixTime())
	must(t, err) // of the signature, too
	return plain.GetBinary()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
