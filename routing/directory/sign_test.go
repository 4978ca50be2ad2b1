package directory

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

func sign(t testing.TB, doc []byte, authority *pgp.Key) []byte {
	t.Helper()
	sig, _, err := Sign(doc, authority, now, false)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestSignAndVerify(t *testing.T) {
	authority := newKey(t, "Authority", 0)
	doc := encode(t, invented(t))
	sig, warnings, err := Sign(doc, authority, now, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].Entry != "XC-1" || warnings[0].Code != CodeNoKey {
		t.Errorf("warnings = %v, want one about XC-1", warnings)
	}
	d, err := Verify(doc, sig, authority.Certificate(), now)
	if err != nil || d.Version() != 7 || !d.Issued().Equal(now) {
		t.Errorf("Verify: %v, %v", d, err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	year := 365 * 24 * time.Hour
	authority, stranger := newKey(t, "Authority", 2*year), newKey(t, "Stranger", 0)
	doc := encode(t, invented(t))
	sig := sign(t, doc, authority)
	tests := []struct {
		name     string
		doc, sig []byte
		at       time.Time
		want     string
	}{
		{"altered document", bytes.Replace(doc, []byte(`"version": 7`), []byte(`"version": 8`), 1), sig, now, "were altered"},
		{"a line end more", append(bytes.Clone(doc), '\n'), sig, now, "were altered"},
		{"another signer", doc, sign(t, doc, stranger), now, "pinned is " + authority.Certificate().Fingerprint()},
		{"no signature", doc, nil, now, "fetch both again"},
		{"garbage", doc, []byte("hello"), now, "fetch both again"},
		{"authority expired", doc, sig, now.Add(2 * year), "the authority's key has expired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Verify(tt.doc, tt.sig, authority.Certificate(), tt.at)
			if !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	authority := newKey(t, "Authority", 0)
	expired := newKey(t, "Old", 300*24*time.Hour)
	doc := invented(t)
	doc.Parties[1].ContactPoints[0].CertificatesArmored = []string{armor(expired)}
	raw := encode(t, doc)

	_, _, err := Sign(raw, authority, now, false)
	var invalid *InvalidError
	if !errors.As(err, &invalid) || len(invalid.Problems) != 1 || invalid.Problems[0].Code != CodeKeyExpired {
		t.Errorf("expired certificate: %v", err)
	}
	if _, warnings, err := Sign(raw, authority, now, true); err != nil || len(warnings) != 4 || warnings[0].Code != CodeKeyExpired {
		t.Errorf("expired certificate allowed: %v, %v", warnings, err)
	}
	doc.Issued = now.Add(48 * time.Hour)
	if _, _, err := Sign(encode(t, doc), authority, now, true); err == nil || !strings.Contains(err.Error(), "lies in the future") {
		t.Errorf("issued in the future: %v", err)
	}
	doc.Parties[1].ContactPoints[0].Role = ""
	if _, _, err := Sign(encode(t, doc), authority, now, true); err == nil {
		t.Error("an invalid document was signed")
	}
}

// Anybody can check the Directory with GnuPG alone, whatever the kind of the
// authority's key.
func TestGnuPGAgrees(t *testing.T) {
	for _, alg := range []pgp.Algorithm{pgp.Curve25519, pgp.RSA3072} {
		t.Run(string(alg), func(t *testing.T) {
			authority, err := pgp.GenerateKey("Authority", "directory@secretariat.example", alg, now.AddDate(-1, 0, 0), 0)
			if err != nil {
				t.Fatal(err)
			}
			doc := encode(t, invented(t))
			path := filepath.Join(t.TempDir(), FileName)
			write(t, path, doc)
			if err := WriteSignature(path, sign(t, doc, authority)); err != nil {
				t.Fatal(err)
			}
			gpg := newGnuPG(t, authority.Certificate().Armor())
			out, err := gpg("--verify", path+SignatureSuffix, path)
			if err != nil || !bytes.Contains(out, []byte("[GNUPG:] VALIDSIG "+authority.Certificate().Fingerprint())) {
				t.Errorf("gpg --verify: %v\n%s", err, out)
			}
			write(t, path, append(doc, ' '))
			if out, err := gpg("--verify", path+SignatureSuffix, path); err == nil {
				t.Errorf("gpg accepted an altered document:\n%s", out)
			}
		})
	}
}

// newGnuPG returns a function that runs gpg in a home of its own which holds
// the certificate.
func newGnuPG(t *testing.T, certificate []byte) func(args ...string) ([]byte, error) {
	t.Helper()
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		t.Fatal("gpg is not installed: run make test")
	}
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), gpg, append([]string{"--homedir", home, "--batch", "--no-autostart", "--status-fd", "1"}, args...)...)
		return cmd.CombinedOutput()
	}
	path := filepath.Join(home, "certificate.asc")
	write(t, path, certificate)
	if out, err := run("--import", path); err != nil {
		t.Fatalf("gpg --import: %v\n%s", err, out)
	}
	return run
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
