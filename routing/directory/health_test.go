package directory

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

const oneDay = 24 * time.Hour

// gpgCertificate makes one with GnuPG, for what GenerateKey does not do.
func gpgCertificate(t *testing.T, address string, steps ...string) string {
	t.Helper()
	all := gpgCertificates(t, address, steps...)
	return all[len(all)-1]
}

// gpgCertificates returns what the certificate is after each step. The time is
// shortly before now, whatever the day of the test.
func gpgCertificates(t *testing.T, address string, steps ...string) (exported []string) {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg") // short: the socket's path is limited
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		all := append([]string{"--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time", "20260125T090000"}, args...)
		out, err := exec.Command("gpg", all...).CombinedOutput()
		if err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run(); os.RemoveAll(home) })
	for _, step := range steps {
		fpr := ""
		if strings.Contains(step, "FPR") || step == "revoke" {
			for line := range strings.Lines(run("--with-colons", "--list-keys", address)) {
				if f := strings.Split(line, ":"); f[0] == "fpr" && fpr == "" {
					fpr = f[9]
				}
			}
		}
		if step == "revoke" { // GnuPG puts a colon before the armor, so that nobody imports it by mistake
			file := filepath.Join(home, "openpgp-revocs.d", fpr+".rev")
			text, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(file, []byte(strings.Replace(string(text), ":-----BEGIN", "-----BEGIN", 1)), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			run("--import", file)
		} else {
			run(strings.Fields(strings.ReplaceAll(step, "FPR", fpr))...)
		}
		file := filepath.Join(home, "out.asc")
		run("--yes", "--armor", "--output", file, "--export", address)
		armored, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		exported = append(exported, string(armored))
	}
	return exported
}

// lasting makes a key that ends that long after now.
func lasting(t *testing.T, left time.Duration) *pgp.Key {
	return newKey(t, "K", now.Sub(now.AddDate(-1, 0, 0))+left)
}

func TestHealthFindings(t *testing.T) {
	lines := func(keys ...*pgp.Key) (out []string) {
		for _, k := range keys {
			out = append(out, armor(k))
		}
		return out
	}
	const gen = "--quick-gen-key "
	signOnly := gpgCertificate(t, "s@x.example", gen+"s@x.example ed25519 sign never")
	encryptToo := gpgCertificate(t, "e@x.example", gen+"e@x.example ed25519 cert never", "--quick-add-key FPR cv25519 encr never")
	sha1 := gpgCertificate(t, "w@x.example", "--cert-digest-algo SHA1 "+gen+"w@x.example future-default default never")
	elgamal := gpgCertificate(t, "g@x.example", gen+"g@x.example ed25519 sign never", "--quick-add-key FPR cv25519 encr never", "--quick-add-key FPR elg2048 encr never")
	shortSubkey := gpgCertificate(t, "d@x.example", gen+"d@x.example ed25519 sign never", "--quick-add-key FPR cv25519 encr 20d")
	strict, rsa := pgp.DefaultPolicy(), pgp.DefaultPolicy()
	strict.SHA1Until = time.Unix(0, 0)
	rsa.MinRSABits = 4096
	rsaKey, err := pgp.GenerateKey("R", "r@x.example", pgp.RSA3072, now.AddDate(-1, 0, 0), 0)
	if err != nil {
		t.Fatal(err)
	}
	future, err := pgp.GenerateKey("F", "f@x.example", pgp.Curve25519, now.Add(oneDay), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		certs  []string
		policy pgp.Policy
		want   string // severity/code, or with what ends
	}{
		{"sound", lines(newKey(t, "A", 0)), pgp.DefaultPolicy(), ""},
		{"61 days left", lines(lasting(t, 61*oneDay)), pgp.DefaultPolicy(), ""},
		{"60 days left", lines(lasting(t, 60*oneDay)), pgp.DefaultPolicy(), "warning/key-expires-soon/signing and encryption"},
		{"3 days left", lines(lasting(t, 3*oneDay)), pgp.DefaultPolicy(), "error/key-expires-soon/signing and encryption"},
		{"successor listed", lines(lasting(t, 10*oneDay), newKey(t, "B", 0)), pgp.DefaultPolicy(), ""},
		{"successor ends soon, too", lines(lasting(t, 10*oneDay), lasting(t, 20*oneDay)), pgp.DefaultPolicy(),
			"warning/key-expires-soon/signing and encryption warning/key-expires-soon/signing and encryption"},
		{"subkey ends first", []string{shortSubkey}, pgp.DefaultPolicy(), "warning/key-expires-soon/encryption"},
		{"expired", lines(lasting(t, -oneDay)), pgp.DefaultPolicy(), "error/key-expired error/cannot-receive/encryption error/cannot-sign/signing"},
		{"expired, another in use", lines(lasting(t, -oneDay), newKey(t, "B", 0)), pgp.DefaultPolicy(), "warning/key-expired"},
		{"not yet", lines(future), pgp.DefaultPolicy(), "error/key-not-yet-valid error/cannot-receive/encryption error/cannot-sign/signing"},
		{"no encryption subkey", []string{signOnly}, pgp.DefaultPolicy(), "warning/missing-encryption-key/encryption error/cannot-receive/encryption"},
		{"one signs, one receives", []string{signOnly, encryptToo}, pgp.DefaultPolicy(), ""},
		{"no signing key", []string{encryptToo}, pgp.DefaultPolicy(), "warning/missing-signing-key/signing error/cannot-sign/signing"},
		{"SHA-1, tolerated", []string{sha1}, pgp.DefaultPolicy(), "warning/sha1-self-signature"},
		{"SHA-1, refused", []string{sha1}, strict, "error/sha1-self-signature error/cannot-receive/encryption error/cannot-sign/signing"},
		{"RSA below policy", lines(rsaKey), rsa, "error/key-weak error/cannot-receive/encryption error/cannot-sign/signing"},
		{"weak subkey beside a good one", []string{elgamal}, pgp.DefaultPolicy(), "warning/weak-subkey"},
		{"none", nil, pgp.DefaultPolicy(), "error/no-key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := invented(t)
			doc.Parties = doc.Parties[1:2] // XB-1 alone
			doc.Parties[0].ContactPoints[0].CertificatesArmored = tt.certs
			d := mustNew(t, doc)
			var got []string
			for _, f := range d.Health(HealthOptions{At: now, Policy: tt.policy}) {
				text := string(f.Severity) + "/" + f.Code
				if f.Use != "" {
					text += "/" + f.Use
				}
				got = append(got, text)
				if f.ContactPoint != "XB-1" || f.Fault == "" || f.Remedy == "" || f.field == "" {
					t.Errorf("%+v", f)
				}
				if f.Code == CodeKeyExpiresSoon && (f.Date.IsZero() || len(f.Fingerprint) != 40) {
					t.Errorf("%+v", f)
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got  %s\nwant %s", s, tt.want)
			}
		})
	}
}

func TestHealthOfRevokedCertificate(t *testing.T) {
	revoked := gpgCertificate(t, "v@x.example", "--quick-gen-key v@x.example future-default default never", "revoke")
	doc := invented(t)
	doc.Parties = doc.Parties[1:2]
	doc.Parties[0].ContactPoints[0].CertificatesArmored = []string{revoked}
	found := mustNew(t, doc).Health(HealthOptions{At: now, Policy: pgp.DefaultPolicy()})
	if len(found) == 0 || found[0].Code != CodeKeyRevoked || found[0].Severity != Error {
		t.Errorf("findings %v", found)
	}
}

func TestHealthComparesTheDesksKeys(t *testing.T) {
	doc := invented(t)
	listed, other := newKey(t, "Listed", 0), newKey(t, "Other", 0)
	doc.Parties = doc.Parties[1:2]
	doc.Parties[0].ContactPoints[0].CertificatesArmored = []string{armor(listed)}
	d := mustNew(t, doc)
	longer, err := pgp.GenerateKey("L", "l@x.example", pgp.Curve25519, now, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		desk string
		keys []*pgp.Key
		want string
	}{
		{"the same", "XB-1", []*pgp.Key{listed}, ""},
		{"an old key decrypts", "XB-1", []*pgp.Key{listed, other}, ""},
		{"another one signs", "XB-1", []*pgp.Key{other, listed}, "desk-key-not-listed"},
		{"the listed one is not here", "XB-1", []*pgp.Key{longer}, "desk-key-not-listed desk-key-missing"},
		{"not a contact point", "XZ-1", []*pgp.Key{listed}, "desk-not-listed"},
	} {
		var held []*pgp.Certificate
		for _, k := range tt.keys {
			held = append(held, k.Certificate())
		}
		got := codesOf(d.Health(HealthOptions{At: now, Policy: pgp.DefaultPolicy(), Desks: map[string][]*pgp.Certificate{tt.desk: held}}))
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestHealthSeesAProlongedDeskKey(t *testing.T) {
	steps := gpgCertificates(t, "p@x.example", "--quick-gen-key p@x.example ed25519 sign never", "--quick-add-key FPR cv25519 encr 20d",
		"--quick-add-key FPR cv25519 encr never", "--quick-set-expire FPR 30d", "revoke")
	var certs []*pgp.Certificate
	for _, armored := range steps {
		c, err := pgp.ParseCertificates([]byte(armored))
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, c[0])
	}
	for i, a := range certs {
		for j, b := range certs {
			if a.Fingerprint() != b.Fingerprint() || sameKeys(a, b) != (i == j) {
				t.Errorf("after step %d and after step %d: same is %v", i, j, sameKeys(a, b))
			}
		}
	}
	doc := invented(t)
	doc.Parties = doc.Parties[1:2]
	doc.Parties[0].ContactPoints[0].CertificatesArmored = steps[1:2]
	held := map[string][]*pgp.Certificate{"XB-1": {certs[2]}}
	got := codesOf(mustNew(t, doc).Health(HealthOptions{At: now, Policy: pgp.DefaultPolicy(), Desks: held}))
	if got != "key-expires-soon desk-key-differs" {
		t.Errorf("findings %s", got)
	}
}
