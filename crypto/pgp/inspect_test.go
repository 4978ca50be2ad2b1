package pgp

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func TestKeysDescribesEveryKey(t *testing.T) {
	day := 24 * time.Hour
	later := func(cfg *packet.Config, lifetime time.Duration) *packet.Config {
		c := *cfg
		c.KeyLifetimeSecs = uint32(lifetime / time.Second)
		return &c
	}
	two := variant(t, packet.Config{KeyLifetimeSecs: uint32(100 * day / time.Second)}, func(e *openpgp.Entity, cfg *packet.Config) {
		check(t, e.AddEncryptionSubkey(later(cfg, 50*day)))
		check(t, e.AddSigningSubkey(later(cfg, 20*day)))
		check(t, e.Subkeys[0].Revoke(packet.KeySuperseded, "", cfg))
	}).Certificate()
	created := now.Add(-2 * day)
	var got []string
	for _, k := range two.Keys() {
		line := k.Algorithm
		if k.Primary {
			line += " primary"
		}
		if k.Signs {
			line += " signs"
		}
		if k.Encrypts {
			line += " encrypts"
		}
		if k.Revoked {
			line += " revoked"
		}
		if !k.Expires.IsZero() {
			line += " " + k.Expires.Sub(created).String()
		}
		if k.SHA1 || len(k.Fingerprint) != 40 || !k.Created.Equal(created) {
			t.Errorf("%+v", k)
		}
		got = append(got, line)
	}
	want := "Ed25519 primary signs 2400h0m0s | ECDH-Curve25519 encrypts revoked | ECDH-Curve25519 encrypts 1200h0m0s | Ed25519 signs 480h0m0s"
	if strings.Join(got, " | ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " | "), want)
	}
	if end, ok := two.SigningEnds(); !ok || !end.Equal(created.Add(100*day)) {
		t.Errorf("signs until %v, %v", end, ok)
	}
	if end, ok := two.EncryptionEnds(); !ok || !end.Equal(created.Add(50*day)) {
		t.Errorf("receives until %v, %v: the revoked subkey must not count", end, ok)
	}
	if !two.Expires().Equal(created.Add(50 * day)) {
		t.Errorf("expires %v", two.Expires())
	}
}

func TestKeysThatCannotEncrypt(t *testing.T) {
	alone := variant(t, packet.Config{}, func(e *openpgp.Entity, _ *packet.Config) { e.Subkeys = nil }).Certificate()
	if _, ok := alone.EncryptionEnds(); ok || len(alone.Keys()) != 1 {
		t.Errorf("a certificate without encryption subkey receives: %+v", alone.Keys())
	}
	if end, ok := alone.SigningEnds(); !ok || !end.IsZero() {
		t.Errorf("signs until %v, %v; want for ever", end, ok)
	}
}

func TestKeysHeldTogetherBySHA1AreMarked(t *testing.T) {
	g := newGPG(t)
	weak := g.certificate("old@betaland.example", "--cert-digest-algo", "SHA1", "--quick-gen-key", "old@betaland.example", "future-default", "default", "never")
	keys := weak.Keys()
	if len(keys) != 2 || !keys[0].SHA1 || !keys[1].SHA1 || !keys[1].Encrypts {
		t.Errorf("%+v", keys)
	}
	if sound := newTestKey(t, "sound").Certificate().Keys(); len(sound) != 2 || sound[0].SHA1 || sound[1].SHA1 {
		t.Errorf("sound certificate: %+v", sound)
	}
}

func TestKeyAllowed(t *testing.T) {
	k, err := GenerateKey("x", "x@alphaland.example", RSA3072, now, 0)
	check(t, err)
	fpr := k.Certificate().Fingerprint()
	if err := k.Certificate().KeyAllowed(fpr, DefaultPolicy()); err != nil {
		t.Errorf("RSA-3072: %v", err)
	}
	var ke *KeyError
	if err := k.Certificate().KeyAllowed(fpr, Policy{MinRSABits: 4096}); !errors.As(err, &ke) || ke.Problem != KeyWeak {
		t.Errorf("RSA-3072 under a policy of 4096 bits: %v", err)
	}
}

func TestForAddressKeepsOneUserIDOnly(t *testing.T) {
	k := variant(t, packet.Config{}, func(e *openpgp.Entity, cfg *packet.Config) {
		check(t, e.AddUserId("Somebody", "", "private@home.example", cfg))
	})
	served := k.Certificate().ForAddress("Variant@Alphaland.EXAMPLE")
	certs, err := ParseCertificates(served)
	if err != nil || len(certs) != 1 || certs[0].Fingerprint() != k.Certificate().Fingerprint() {
		t.Fatalf("%v %v", certs, err)
	}
	if ids := certs[0].UserIDs(); len(ids) != 1 || ids[0] != "variant <variant@alphaland.example>" {
		t.Errorf("user ids %q", ids)
	}
	if err := certs[0].CheckEncryption(now, DefaultPolicy()); err != nil {
		t.Error(err)
	}
	for _, other := range []string{"other@alphaland.example", "", "alphaland.example", "riant@alphaland.example"} {
		if k.Certificate().ForAddress(other) != nil {
			t.Errorf("%q was found", other)
		}
	}
	if userIDAddress("a@b.example") != "a@b.example" || userIDAddress("x <y> <a@b.example>") != "a@b.example" {
		t.Error("addresses of user ids")
	}
}
