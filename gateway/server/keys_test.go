package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/keyholder"
	"relais.example/crypto/pgp"
	"relais.example/gateway/setup"
	"relais.example/routing/directory"
	"relais.example/test/desk"
)

// writeKey puts a key in the place of the desk's.
func (i *installation) writeKey(k *pgp.Key, passphrase []byte) {
	i.t.Helper()
	armored, err := k.Armor(passphrase)
	if err == nil {
		err = os.WriteFile(i.path("keys/XA-1.asc"), armored, 0o600)
	}
	if err != nil {
		i.t.Fatal(err)
	}
}

// The drill of the operator guide: rotate, reload, publish. At no moment is
// there mail that the desk cannot open, or a signature that others cannot
// verify.
func TestARotatedKeyIsTakenOnReload(t *testing.T) {
	i := install(t)
	made := time.Now().Add(-time.Hour).Truncate(time.Second)
	old, err := pgp.GenerateCertifyOnly("XA-1", desk.Alpha, pgp.Curve25519, made, 0)
	if err != nil {
		t.Fatal(err)
	}
	i.writeKey(old, nil)
	list := func(version uint64, k *pgp.Key) {
		i.publish(version, func(doc *directory.Document) {
			doc.Parties[0].ContactPoints[0].CertificatesArmored = []string{string(k.Certificate().Armor())}
		})
	}
	list(2, old)
	s, _ := i.run()
	// verified says whether who has that certificate can verify the desk, and
	// whether the desk opens what they encrypt.
	verified := func(published *pgp.Key) bool {
		t.Helper()
		now := time.Now()
		message, err := pgp.Encrypt([]byte("x"), s.signer("XA-1"), []*pgp.Certificate{published.Certificate()}, now)
		if err != nil {
			t.Fatal(err)
		}
		d, err := pgp.Decrypt(message, s.keysOf("XA-1"), pgp.NewRing(published.Certificate()), pgp.DefaultPolicy(), pgp.Limits{}, now)
		if err != nil {
			t.Fatal("the desk cannot open its mail:", err)
		}
		return d.Signature.State == pgp.SignatureGood
	}
	if !verified(old) {
		t.Fatal("before the rotation")
	}
	rotated, err := old.Rotate(pgp.Rotation{Encryption: true, Signing: true, Overlap: 30 * 24 * time.Hour}, made.Add(30*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	i.writeKey(rotated, nil)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if len(s.keysOf("XA-1")[0].Parts()) != 5 || !verified(old) {
		t.Error("after the reload the Directory's certificate must still verify the desk")
	}
	list(3, rotated)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if !verified(rotated) || verified(old) {
		t.Error("once published the new subkey signs")
	}
}

func TestAReloadKeepsTheKeysThatWork(t *testing.T) {
	i := install(t)
	s, _ := i.run()
	before := s.keysOf("XA-1")[0]
	stranger, err := pgp.GenerateKey("Stranger", desk.Nobody, pgp.Curve25519, time.Now().Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(i.path("keys/XA-1.asc"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		spoil func() error
		want  string
	}{
		"a key that the Directory does not list": {func() error { i.writeKey(stranger, nil); return nil }, "does not list its key"},
		"a locked key":                           {func() error { i.writeKey(before, []byte("x")); return nil }, "passphrase"},
		"no key":                                 {func() error { return os.Remove(i.path("keys/XA-1.asc")) }, "no such file"},
		"a key open to others": {func() error {
			return errors.Join(os.WriteFile(i.path("keys/XA-1.asc"), good, 0o600), os.Chmod(i.path("keys/XA-1.asc"), 0o640))
		}, "chmod 600"},
		"a TLS key open to others": {func() error {
			return errors.Join(os.WriteFile(i.path("keys/XA-1.asc"), good, 0o600), os.Chmod(i.path("keys/XA-1.asc"), 0o600), os.Chmod(i.path("tls/key.pem"), 0o644))
		}, "chmod 600"},
	} {
		if err := tt.spoil(); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if s.keysOf("XA-1")[0].Certificate().Fingerprint() != before.Certificate().Fingerprint() {
			t.Fatalf("%s: the key that works is gone", name)
		}
		if err := errors.Join(os.WriteFile(i.path("keys/XA-1.asc"), good, 0o600), os.Chmod(i.path("keys/XA-1.asc"), 0o600), os.Chmod(i.path("tls/key.pem"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Reload(); err != nil {
		t.Error(err)
	}
}

func TestSecretsOpenToOthersStopTheStart(t *testing.T) {
	for _, name := range []string{"keys/XA-1.asc", "tls/key.pem", "staff.yaml", "data/vault.key"} {
		i := install(t)
		if name == "data/vault.key" {
			s, stop := i.run() // makes it
			if err := stop(); err != nil {
				t.Fatal(s, err)
			}
		}
		if err := os.Chmod(i.path(name), 0o640); err != nil {
			t.Fatal(err)
		}
		s, err := i.open()
		if err == nil {
			s.close()
		}
		if err == nil || !strings.Contains(err.Error(), "chmod 600 "+i.path(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPassphraseComesFromAFileOrACredential(t *testing.T) {
	i := install(t)
	i.writeKey(i.written.Keys["XA-1"], []byte("open sesame"))
	if s, err := i.open(); err == nil || !strings.Contains(err.Error(), "the passphrase is wrong or missing") {
		if s != nil {
			s.close()
		}
		t.Fatalf("a locked key: %v", err)
	}
	plain, err := os.ReadFile(i.written.Config)
	if err != nil {
		t.Fatal(err)
	}
	credentials := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	if err := errors.Join(os.WriteFile(credentials+"/desk-passphrase", []byte("open sesame\n"), 0o440), os.WriteFile(i.path("passphrase"), []byte("open sesame\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"passphrase_credential: desk-passphrase", "passphrase_file: passphrase"} {
		if err := os.WriteFile(i.written.Config, []byte(strings.Replace(string(plain), "id: XA-1", setting+"\n  id: XA-1", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := i.open()
		if err != nil {
			t.Fatalf("%s: %v", setting, err)
		}
		s.close()
	}
}

// renew makes a new key for XA-1 and puts it into its file.
func (i *installation) renew() *pgp.Key {
	i.t.Helper()
	k, err := pgp.GenerateKey("New", desk.Alpha, pgp.Curve25519, time.Now().Add(-time.Hour), 0)
	if err != nil {
		i.t.Fatal(err)
	}
	armored, err := k.Armor(nil)
	if err != nil {
		i.t.Fatal(err)
	}
	if err := os.WriteFile(i.path("keys/XA-1.asc"), armored, 0o600); err != nil {
		i.t.Fatal(err)
	}
	return k
}

func TestReloadTakesANewKeyOnceTheDirectoryListsIt(t *testing.T) {
	i := install(t)
	s, _ := i.run()
	signer := func() string { return s.replyDesks()[0].Key().Certificate().Fingerprint() }
	old := signer()
	next := i.renew()
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), next.Certificate().Fingerprint()) || signer() != old {
		t.Errorf("a key that the Directory does not list: %v; signing with %s", err, signer())
	}
	if err := s.Ready(); err != nil {
		t.Errorf("with the old key in force: %v", err)
	}
	i.publish(2, func(d *directory.Document) {
		d.Parties[0].ContactPoints[0].CertificatesArmored = []string{string(next.Certificate().Armor())}
	})
	if err := s.Reload(); err != nil || signer() != next.Certificate().Fingerprint() {
		t.Errorf("%v; signing with %s", err, signer())
	}
	if keys := s.intakeDesks()[0].Keys(); len(keys) != 1 || keys[0].Certificate().Fingerprint() != next.Certificate().Fingerprint() {
		t.Errorf("opening with %v", keys)
	}
	if err := os.WriteFile(i.path("keys/XA-1.asc"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil || signer() != next.Certificate().Fingerprint() {
		t.Errorf("a broken file: %v; signing with %s", err, signer())
	}
}

func TestTheGatewayWaitsForItsKeyholder(t *testing.T) {
	dir, err := os.MkdirTemp("", "kh") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	i := install(t, func(in *setup.Installation) {
		in.More = map[string]any{"keyholder": map[string]string{"socket": socket}}
	})
	key := i.written.Keys["XA-1"]
	s, _ := i.launch()
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "keyholder does not answer") {
		t.Errorf("without it: %v", err)
	}
	if s.intakeDesks()[0].Keys() != nil || s.replyDesks()[0].Key() != nil {
		t.Error("the gateway has read the keys itself")
	}
	if !strings.Contains(i.logged.String(), "may read a private key") {
		t.Error("keys that the gateway may read are not named in its log")
	}
	ln, err := keyholder.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	holder, err := keyholder.NewServer([]keyholder.Desk{{ID: "XA-1", Keys: []*pgp.Key{key}}}, keyholder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- holder.Serve(ctx, ln) }()
	i.wait("the gateway to find it", func() bool { return s.Ready() == nil })
	if got := s.intakeDesks()[0].Keys(); len(got) != 1 || got[0].Certificate().Fingerprint() != key.Certificate().Fingerprint() {
		t.Errorf("keys: %v", got)
	}
	// Another configuration there than here.
	if err := holder.Hold([]keyholder.Desk{{ID: "XB-1", Keys: []*pgp.Key{key}}}); err != nil {
		t.Fatal(err)
	}
	i.wait("the gateway to notice", func() bool { err := s.Ready(); return err != nil && strings.Contains(err.Error(), "has no key of it") })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	i.wait("the gateway to notice", func() bool { err := s.Ready(); return err != nil && strings.Contains(err.Error(), "does not answer") })
}
