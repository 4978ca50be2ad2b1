package server

import (
	"context"
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
