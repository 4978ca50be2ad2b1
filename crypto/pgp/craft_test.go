package pgp

import (
	"bytes"
	"crypto"
	stdaes "crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"io"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// The helpers of this file build messages that no honest program writes.

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func literal(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := packet.SerializeLiteral(nopCloser{&b}, true, "", 0)
	check(t, err)
	_, err = w.Write(text)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

func compress(t testing.TB, inner []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := packet.SerializeCompressed(nopCloser{&b}, packet.CompressionZLIB, nil)
	check(t, err)
	_, err = w.Write(inner)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

// signed returns one-pass, literal and signature packets.
func signed(t testing.TB, text []byte, at time.Time, signers ...*Key) []byte {
	t.Helper()
	var entities []*openpgp.Entity
	for _, k := range signers {
		entities = append(entities, k.entity)
	}
	var b bytes.Buffer
	w, err := openpgp.Sign(&b, entities, nil, &packet.Config{Time: func() time.Time { return at }})
	check(t, err)
	_, err = w.Write(text)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

// encrypted puts packets of any kind into an integrity-protected container.
func encrypted(t testing.TB, inner []byte, cipher packet.CipherFunction, to ...*Key) []byte {
	t.Helper()
	session := make([]byte, cipher.KeySize())
	rand.Read(session)
	var b bytes.Buffer
	for _, k := range to {
		check(t, packet.SerializeEncryptedKey(&b, encryptionKey(k), cipher, session, nil))
	}
	w, err := packet.SerializeSymmetricallyEncrypted(&b, cipher, false, packet.CipherSuite{}, session, nil)
	check(t, err)
	_, err = w.Write(inner)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

func encryptionKey(k *Key) *packet.PublicKey { return k.entity.Subkeys[0].PublicKey }

// unwrap returns the packets inside the encryption, as the recipient can.
func unwrap(t testing.TB, message []byte, k *Key) []byte {
	t.Helper()
	raw, err := dearmorOnly(message, armorMessage)
	check(t, err)
	env, err := readEnvelope(raw)
	check(t, err)
	o, err := env.open([]*Key{k})
	check(t, err)
	return o.packets
}

// signature makes a signature packet over text, altered by change first.
func signature(t testing.TB, k *Key, text []byte, change func(*packet.Signature)) []byte {
	t.Helper()
	pk := k.entity.PrimaryKey
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: pk.PubKeyAlgo, Hash: crypto.SHA256,
		CreationTime: now, IssuerKeyId: &pk.KeyId, IssuerFingerprint: pk.Fingerprint, IssuerKeyVersion: 4,
	}
	change(sig)
	h, err := sig.PrepareSign(nil)
	check(t, err)
	h.Write(text)
	// Like GnuPG, without the random salt that the library adds.
	check(t, sig.Sign(h, k.entity.PrivateKey, &packet.Config{NonDeterministicSignaturesViaNotation: packet.BoolPointer(false)}))
	var b bytes.Buffer
	check(t, sig.Serialize(&b))
	return b.Bytes()
}

func onePass(t testing.TB, k *Key, hash crypto.Hash, last bool) []byte {
	t.Helper()
	var b bytes.Buffer
	check(t, (&packet.OnePassSignature{
		Version: 3, SigType: packet.SigTypeBinary, Hash: hash, PubKeyAlgo: k.entity.PrimaryKey.PubKeyAlgo,
		KeyId: k.entity.PrimaryKey.KeyId, IsLast: last,
	}).Serialize(&b))
	return b.Bytes()
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func newAES(key []byte) (cipher.Block, error) { return stdaes.NewCipher(key) }
