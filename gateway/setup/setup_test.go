package setup_test

import (
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/accounts"
	"relais.example/gateway/config"
	"relais.example/gateway/setup"
	"relais.example/routing/directory"
)

func installation() setup.Installation {
	return setup.Installation{
		Hostname: "relais.alphaland.example", Desks: []string{"XA-1"}, Algorithm: pgp.Curve25519, Quiet: true, RedisURL: "redis://127.0.0.1:6379/1",
		NextHops: []map[string]string{{"contact_point": "XB-1", "address": "192.0.2.1:25", "tls": "required"}}, Retry: []string{"2s"},
		More: map[string]any{"policy": map[string]string{"signature_window": "24h"}},
		Parties: []directory.Party{
			{Code: "XA", Names: map[string]string{"en": "Alphaland"}, ContactPoints: []directory.ContactPoint{
				{ID: "XA-1", Role: directory.Police, Institution: "Unit", Addresses: []string{"cp247@alphaland.example"}, Hours: "24/7", Zone: "UTC"}}},
			{Code: "XB", Names: map[string]string{"en": "Betaland"}, ContactPoints: []directory.ContactPoint{
				{ID: "XB-1", Role: directory.Police, Institution: "Unit", Addresses: []string{"cp247@betaland.example"}, Hours: "24/7", Zone: "UTC"}}},
		},
		Staff: []accounts.Account{{User: "amy", Desk: "XA-1", Role: accounts.Officer, Name: "Amy"}},
	}
}

func TestInstallationIsWhole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "relais")
	done, err := installation().Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(done.Config) // checks every file that it names
	if err != nil {
		t.Fatal(err)
	}
	if c.Hostname != "relais.alphaland.example" || c.Desks[0].Acknowledge || c.Redis.URL == "" || c.Relay.NextHops[0].ContactPoint != "XB-1" || c.Policy.SignatureWindow != 24*time.Hour {
		t.Errorf("settings %+v", c)
	}
	set, err := accounts.Load(c.StaffFile)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := set.Authenticate(t.Context(), "amy", done.Passwords["amy"], "192.0.2.1"); err != nil || a.Desk != "XA-1" {
		t.Errorf("the password that was told: %v", err)
	}
	d, err := directory.OpenStore(c.Directory.Dir, done.Authority.Certificate(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.Desks[0].KeyFiles[0])
	if err != nil {
		t.Fatal(err)
	}
	key, err := pgp.ReadKey(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if cp, ok := d.Current().BySigner(key.Certificate().Fingerprint()); !ok || cp.ID != "XA-1" {
		t.Error("the Directory does not list the key of the desk")
	}
	if key.Certificate().Fingerprint() == done.Keys["XB-1"].Certificate().Fingerprint() {
		t.Error("two contact points share a key")
	}
	pair, err := tls.LoadX509KeyPair(c.TLS.CertificateFile, c.TLS.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil || leaf.VerifyHostname("relais.alphaland.example") != nil {
		t.Errorf("certificate for %v, %v", leaf.DNSNames, err)
	}
}

func TestSecretsAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "relais")
	if _, err := installation().Write(dir); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		b, readErr := os.ReadFile(path)
		info, err := d.Info()
		if err == nil && readErr == nil && strings.Contains(string(b), "PRIVATE KEY") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"keys", "directory", "tls"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// Whoever writes over a key loses all that was encrypted to it.
func TestNothingIsWrittenOver(t *testing.T) {
	for _, name := range []string{"relais.yaml", "keys/XA-1.asc", "staff.yaml", "directory/directory.json", "tls/key.pem", "data/vault.key"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := installation().Write(dir); err == nil || !strings.Contains(err.Error(), "choose an empty folder") {
				t.Errorf("got %v", err)
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
				t.Errorf("now %q, %v", b, err)
			}
		})
	}
	dir := t.TempDir() // an empty folder that is there will do
	if _, err := installation().Write(dir); err != nil {
		t.Error(err)
	}
}
