package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"pgregory.net/rapid"
)

const day = 24 * time.Hour

func certifyOnly(t testing.TB, alg Algorithm, at time.Time, validFor time.Duration) *Key {
	t.Helper()
	k, err := GenerateCertifyOnly("XA-1", "cp247@alphaland.example", alg, at, validFor)
	check(t, err)
	return k
}

func rotate(t testing.TB, k *Key, r Rotation, at time.Time) *Key {
	t.Helper()
	out, err := k.Rotate(r, at)
	check(t, err)
	return out
}

// describe is "CSE here" for each part: use, private part, revocation, days.
func describe(parts []Part, at time.Time) string {
	var all []string
	for _, p := range parts {
		s := ""
		for _, use := range []struct {
			is     bool
			letter string
		}{{p.Certifies, "C"}, {p.Signs, "S"}, {p.Encrypts, "E"}} {
			if use.is {
				s += use.letter
			}
		}
		if !p.Private {
			s += "#"
		}
		if p.Revoked != "" {
			s += " " + string(p.Revoked)
		}
		if !p.Expires.IsZero() {
			s += fmt.Sprintf(" %dd", int(p.Expires.Sub(at)/day))
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func TestPartsSayWhatAKeyIsMadeOf(t *testing.T) {
	t.Parallel()
	simple, err := GenerateKey("XA-1", "cp247@alphaland.example", RSA3072, now, 730*day)
	check(t, err)
	full := certifyOnly(t, Curve25519, now, 730*day)
	stripped, err := full.WithoutPrimary()
	check(t, err)
	rotated := rotate(t, full, Rotation{Encryption: true, Signing: true, Overlap: 30 * day, ValidFor: 365 * day}, now.Add(time.Minute))
	encryption := rotated.Parts()[1]
	superseded, err := rotated.RevokeSubkey(encryption.Fingerprint, Superseded, "rotated", now.Add(2*time.Minute))
	check(t, err)
	lost, err := full.Revoke(Compromised, "stolen", now.Add(time.Minute))
	check(t, err)
	longer, err := rotated.SetExpiry("", now.Add(1000*day+time.Hour), now.Add(time.Hour))
	check(t, err)
	for _, tt := range []struct {
		name string
		key  *Key
		want string
	}{
		{"generated", simple, "CS 730d, E 730d"},
		{"certify only", full, "C 730d, E 730d, S 730d"},
		{"offline primary", stripped, "C# 730d, E 730d, S 730d"},
		{"rotated", rotated, "C 730d, E 30d, S 30d, E 365d, S 365d"},
		{"longer", longer, "C 1000d, E 30d, S 30d, E 1000d, S 1000d"},
		{"subkey superseded", superseded, "C 730d, E superseded 30d, S 30d, E 365d, S 365d"},
		{"revoked", lost, "C compromised 730d, E compromised 730d, S compromised 730d"},
	} {
		if got := describe(tt.key.Parts(), now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := describe(stripped.Certificate().Parts(), now); got != "C# 730d, E# 730d, S# 730d" {
		t.Errorf("a certificate has private parts: %s", got)
	}
}

// A message sent at any moment of a key's life opens with the key of any later
// moment, and is never encrypted to a subkey that was replaced.
func TestWhateverHappensToAKeyItOpensItsMail(t *testing.T) {
	t.Parallel()
	start := now.Add(-3000 * day)
	first := certifyOnly(t, Curve25519, start, 0)
	sender := newTestKey(t, "sender")
	rapid.Check(t, func(rt *rapid.T) {
		k, at := first, start
		var sealed [][]byte
		for step := range rapid.IntRange(1, 6).Draw(rt, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(3, 200*86400).Draw(rt, "seconds")) * time.Second)
			var err error
			switch change := rapid.SampledFrom([]string{"rotate", "rotate both", "expiry", "supersede", "offline"}).Draw(rt, "change"); change {
			case "rotate", "rotate both":
				overlap := time.Duration(rapid.IntRange(0, 60).Draw(rt, "overlap")) * day
				k, err = k.Rotate(Rotation{Encryption: true, Signing: change == "rotate both", Overlap: overlap}, at)
			case "expiry":
				k, err = k.SetExpiry("", at.Add(100*365*day), at)
			case "supersede":
				for _, p := range k.Parts()[1:] {
					if p.Encrypts && p.Usable(at) && k.newestEncryption(at) != p.Fingerprint {
						k, err = k.RevokeSubkey(p.Fingerprint, Superseded, "", at)
						break
					}
				}
			case "offline": // and back, as for a change
				var stripped *Key
				if stripped, err = k.WithoutPrimary(); err == nil {
					k, err = stripped.WithPrimary(first)
				}
			}
			if err != nil {
				rt.Fatal(err)
			}
			text := fmt.Appendf(nil, "message %d", step)
			message, err := Encrypt(text, k, []*Certificate{k.Certificate()}, at.Add(time.Second))
			if err != nil {
				rt.Fatal(err)
			}
			sealed = append(sealed, message)
			for i, m := range sealed {
				d, err := Decrypt(m, []*Key{k}, NewRing(k.Certificate(), sender.Certificate()), DefaultPolicy(), Limits{}, at.Add(time.Second))
				if err != nil || string(d.Plaintext) != fmt.Sprintf("message %d", i) {
					rt.Fatalf("message %d after step %d: %v", i, step, err)
				}
				if i == step && (d.Signature.State != SignatureGood || !strings.HasSuffix(k.newestEncryption(at), d.Recipients[0])) {
					rt.Fatalf("signature %s, encrypted to %s, newest is %s", d.Signature.State, d.Recipients, k.newestEncryption(at))
				}
			}
		}
	})
}

func (k *Key) newestEncryption(at time.Time) (fingerprint string) {
	var newest time.Time
	for _, p := range k.Parts() {
		if p.Encrypts && p.Usable(at) && !p.Created.Before(newest) {
			newest, fingerprint = p.Created, p.Fingerprint
		}
	}
	return fingerprint
}

func TestAKeyWithoutItsPrimaryWorksButDoesNotChange(t *testing.T) {
	t.Parallel()
	full := certifyOnly(t, Curve25519, now.Add(-day), 365*day)
	stripped, err := full.WithoutPrimary()
	check(t, err)
	armored, err := stripped.Armor([]byte("secret"))
	check(t, err)
	k, err := ReadKey(armored, []byte("secret"))
	check(t, err)
	if !k.OfflinePrimary() || full.OfflinePrimary() || k.Certificate().Fingerprint() != full.Certificate().Fingerprint() {
		t.Fatal("not the same key with its primary offline")
	}
	check(t, k.CheckUse(now))
	_, rotated := k.Rotate(Rotation{Encryption: true}, now)
	_, expiry := k.SetExpiry("", now.Add(day), now)
	_, revoked := k.Revoke(Retired, "", now)
	_, subkey := k.RevokeSubkey(k.Parts()[1].Fingerprint, Retired, "", now)
	for _, err := range []error{rotated, expiry, revoked, subkey} {
		if !errors.Is(err, ErrOfflinePrimary) {
			t.Errorf("got %v", err)
		}
	}
	whole, err := k.WithPrimary(full)
	check(t, err)
	check(t, rotate(t, whole, Rotation{Encryption: true, Signing: true}, now).CheckUse(now.Add(time.Second)))
	if _, err := k.WithPrimary(newTestKey(t, "another")); err == nil {
		t.Error("took the primary of another key")
	}
	if _, err := newTestKey(t, "simple").WithoutPrimary(); err == nil || !strings.Contains(err.Error(), "no subkey signs") {
		t.Errorf("a key that signs with its primary was taken offline: %v", err)
	}
}

func TestChangesNeedAnOrder(t *testing.T) {
	t.Parallel()
	k := certifyOnly(t, Curve25519, now, 0)
	for _, at := range []time.Time{now.Add(-time.Hour), now, now.Add(time.Second)} {
		if _, err := k.Rotate(Rotation{Encryption: true}, at); err == nil || !strings.Contains(err.Error(), "clock") {
			t.Errorf("rotated at %s: %v", at, err)
		}
	}
	if next := k.NextChange(); !next.Equal(now.Add(2 * time.Second)) {
		t.Errorf("next change at %s", next)
	}
	k, err := k.Revoke(Retired, "", now.Add(time.Minute))
	check(t, err)
	if _, err := k.Rotate(Rotation{Encryption: true}, now.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a revoked key was rotated: %v", err)
	}
	for name, try := range map[string]func() (*Key, error){
		"an end before the beginning": func() (*Key, error) {
			return certifyOnly(t, Curve25519, now, 0).SetExpiry("", now.Add(-day), now.Add(time.Hour))
		},
		"an unknown subkey": func() (*Key, error) {
			return certifyOnly(t, Curve25519, now, 0).SetExpiry("AB", now.Add(day), now.Add(time.Hour))
		},
		"an unknown reason": func() (*Key, error) {
			return certifyOnly(t, Curve25519, now, 0).Revoke("tired", "", now.Add(time.Hour))
		},
		"an unknown algorithm": func() (*Key, error) {
			return certifyOnly(t, Curve25519, now, 0).Rotate(Rotation{Encryption: true, Algorithm: "dsa"}, now.Add(time.Hour))
		},
	} {
		if _, err := try(); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestASubkeySignsOnlyOnceItIsPublished(t *testing.T) {
	t.Parallel()
	old := certifyOnly(t, Curve25519, now.Add(-day), 0)
	k := rotate(t, old, Rotation{Encryption: true, Signing: true, Overlap: 30 * day}, now)
	at := now.Add(time.Minute)
	verify := func(signer *Key, published *Certificate, at time.Time) SignatureState {
		sig, err := signer.SignDetached([]byte("x"), at)
		check(t, err)
		return VerifyDetached([]byte("x"), sig, NewRing(published), DefaultPolicy(), at).State
	}
	if s := verify(k, old.Certificate(), at); s != SignatureUnknownKey {
		t.Fatalf("who has the old certificate finds the new signature %s", s)
	}
	if s := verify(k.SigningAs(old.Certificate(), at), old.Certificate(), at); s != SignatureGood {
		t.Errorf("signed with what is published: %s", s)
	}
	if s := verify(k.SigningAs(k.Certificate(), at), k.Certificate(), at); s != SignatureGood {
		t.Errorf("once published: %s", s)
	}
	later := now.Add(31 * day)
	if s := verify(k.SigningAs(old.Certificate(), later), k.Certificate(), later); s != SignatureGood {
		t.Errorf("after the overlap the new subkey signs, published or not: %s", s)
	}
	message, err := Encrypt([]byte("x"), k, []*Certificate{k.Certificate()}, at)
	check(t, err)
	if _, err := Decrypt(message, []*Key{k.SigningAs(old.Certificate(), at)}, nil, DefaultPolicy(), Limits{}, at); err != nil {
		t.Errorf("the new encryption subkey does not decrypt before it is published: %v", err)
	}
}

func TestRevocationCertificatesFitOneKey(t *testing.T) {
	t.Parallel()
	k := certifyOnly(t, Curve25519, now.Add(-day), 0)
	sealed := seal(t, []byte("before"), k, k)
	certificate, err := k.RevocationCertificate(Compromised, "stolen", now)
	check(t, err)
	revoked, err := k.Certificate().WithRevocation(certificate)
	check(t, err)
	var problem *KeyError
	if err := revoked.CheckEncryption(now, DefaultPolicy()); !errors.As(err, &problem) || problem.Problem != KeyRevoked {
		t.Errorf("got %v", err)
	}
	key, err := k.WithRevocation(certificate)
	check(t, err)
	if _, err := Decrypt(sealed, []*Key{key}, nil, DefaultPolicy(), Limits{}, now); err != nil {
		t.Errorf("a revoked key does not open what came before: %v", err)
	}
	if key.CheckUse(now) == nil {
		t.Error("a revoked key is in use")
	}
	other := newTestKey(t, "other")
	if _, err := other.Certificate().WithRevocation(certificate); err == nil {
		t.Error("revoked another certificate")
	}
	if _, err := other.WithRevocation(certificate); err == nil {
		t.Error("revoked another key")
	}
	for _, bad := range [][]byte{nil, []byte("x"), k.Certificate().Armor(), bytes.Repeat(certificate, 2)} {
		if _, err := k.Certificate().WithRevocation(bad); err == nil {
			t.Errorf("taken for a revocation certificate: %.40q", bad)
		}
	}
}

func TestVersion6KeysLiveTheSameLife(t *testing.T) {
	t.Parallel()
	e, err := openpgp.NewEntity("XA-1", "", "cp247@alphaland.example", &packet.Config{V6Keys: true, Algorithm: packet.PubKeyAlgoEd25519, Time: func() time.Time { return now.Add(-day) }})
	check(t, err)
	e, err = copyEntity(e)
	check(t, err)
	k, err := newKey(e)
	check(t, err)
	k = rotate(t, k, Rotation{Encryption: true, Signing: true, Overlap: 30 * day}, now.Add(-time.Hour))
	k, err = k.SetExpiry("", now.Add(100*day), now.Add(-time.Minute))
	check(t, err)
	k, err = k.RevokeSubkey(k.Parts()[1].Fingerprint, Superseded, "", now.Add(-time.Second))
	check(t, err)
	if got := describe(k.Parts(), now); got != "CS 100d, E superseded 29d, E 100d, S 100d" {
		t.Errorf("got %s", got)
	}
	k, err = k.WithoutPrimary()
	check(t, err)
	armored, err := k.Armor([]byte("x"))
	check(t, err)
	k, err = ReadKey(armored, []byte("x"))
	check(t, err)
	check(t, k.CheckUse(now.Add(time.Second)))
}

// Some programs write a public key packet where the private part is missing.
func TestAPublicPartAmongSecretOnesIsOffline(t *testing.T) {
	t.Parallel()
	k := certifyOnly(t, Curve25519, now.Add(-day), 0)
	var secret, public bytes.Buffer
	check(t, k.entity.SerializePrivateWithoutSigning(&secret, nil))
	check(t, k.entity.PrimaryKey.Serialize(&public))
	_, rest, err := nextPacket(secret.Bytes())
	check(t, err)
	mixed, err := ReadKey(append(public.Bytes(), rest...), nil)
	check(t, err)
	if got := describe(mixed.Parts(), now); got != "C#, E, S" {
		t.Errorf("got %s", got)
	}
	check(t, mixed.CheckUse(now))
	if _, err := ReadKey(k.Certificate().Armor(), nil); err == nil {
		t.Error("a certificate was read as a key")
	}
	if _, err := ReadKey(k.Certificate().raw, nil); err == nil || !strings.Contains(err.Error(), "export the secret key") {
		t.Errorf("a certificate was read as a key: %v", err)
	}
	if _, err := ReadKey(make([]byte, maxSecretBytes+1), nil); err == nil {
		t.Error("too large a key was read")
	}
}
