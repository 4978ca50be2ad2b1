package pgp

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// colons returns "type:validity:uses:created-expires" of each key that gpg
// lists, the days of the end counted from now.
func (g *gpgHome) colons(list string) string {
	g.t.Helper()
	var all []string
	for line := range strings.Lines(string(g.run(nil, "--with-colons", "--fixed-list-mode", list))) {
		f := strings.Split(line, ":")
		switch f[0] {
		case "pub", "sub", "sec", "ssb":
			var uses strings.Builder
			for _, use := range "cse" { // capital letters tell of the whole key
				if strings.ContainsRune(f[11], use) {
					uses.WriteRune(use)
				}
			}
			one := f[0] + " " + uses.String()
			if f[1] == "r" || f[1] == "e" {
				one += " " + map[string]string{"r": "revoked", "e": "expired"}[f[1]]
			}
			if f[0] == "sec" || f[0] == "ssb" {
				if f[14] == "#" {
					one += "#"
				}
			}
			if f[6] != "" {
				one += " until " + f[6]
			}
			all = append(all, one)
		}
	}
	return strings.Join(all, ", ")
}

func until(at time.Time) string { return fmt.Sprintf(" until %d", at.Unix()) }

// inspect asks Sequoia whether it finds anything wrong.
func inspect(t *testing.T, armored []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.asc")
	check(t, os.WriteFile(path, armored, 0o600))
	out, err := exec.Command("sq", "inspect", path).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("Invalid")) || bytes.Contains(out, []byte("Bad")) {
		t.Fatalf("sq inspect: %v\n%s", err, out)
	}
	return string(out)
}

func TestGPGAndSequoiaReadKeysOfEveryKind(t *testing.T) {
	t.Parallel()
	made := now.Add(-10 * day)
	for _, alg := range []Algorithm{Curve25519, RSA3072} {
		end := made.Add(730 * day)
		full := certifyOnly(t, alg, made, 730*day)
		stripped, err := full.WithoutPrimary()
		check(t, err)
		rotated := rotate(t, full, Rotation{Encryption: true, Signing: true, Overlap: 30 * day}, now.Add(-day))
		overlap := now.Add(29 * day)
		longer, err := rotated.SetExpiry("", now.Add(900*day), now.Add(-time.Hour))
		check(t, err)
		superseded, err := rotated.RevokeSubkey(rotated.Parts()[1].Fingerprint, Superseded, "rotated", now.Add(-time.Minute))
		check(t, err)
		for name, tt := range map[string]struct {
			key  *Key
			want string
		}{
			"whole":      {full, "sec c" + until(end) + ", ssb e, ssb s"},
			"offline":    {stripped, "sec c#" + until(end) + ", ssb e, ssb s"},
			"rotated":    {rotated, "sec c" + until(end) + ", ssb e" + until(overlap) + ", ssb s" + until(overlap) + ", ssb e, ssb s"},
			"longer":     {longer, "sec c" + until(now.Add(900*day)) + ", ssb e" + until(overlap) + ", ssb s" + until(overlap) + ", ssb e, ssb s"},
			"superseded": {superseded, "sec c" + until(end) + ", ssb e revoked" + until(overlap) + ", ssb s" + until(overlap) + ", ssb e, ssb s"},
		} {
			if alg == RSA3072 && name != "rotated" {
				continue // the making of RSA keys takes long
			}
			t.Run(string(alg)+" "+name, func(t *testing.T) {
				t.Parallel()
				var passphrase []byte
				if name == "offline" { // gpg makes each use of one slow
					passphrase = []byte("a passphrase")
				}
				locked, err := tt.key.Armor(passphrase)
				check(t, err)
				inspect(t, locked)
				inspect(t, tt.key.Certificate().Armor())
				g := newGPG(t)
				g.run(locked, "--passphrase", string(passphrase), "--import")
				if got := g.colons("--list-secret-keys"); got != tt.want {
					t.Errorf("gpg lists %s\nwant      %s", got, tt.want)
				}
				signed := g.run([]byte("from gpg"), "--passphrase", string(passphrase), "--clearsign")
				_, s, err := VerifyClearsigned(signed, NewRing(tt.key.Certificate()), DefaultPolicy(), time.Now())
				if err != nil || s.State != SignatureGood {
					t.Errorf("signed by gpg with our key: %v %+v", err, s)
				}
				public := newGPG(t)
				public.run(tt.key.Certificate().Armor(), "--import")
				message := public.run([]byte("to the desk"), "--encrypt", "-r", "cp247@alphaland.example")
				d, err := Decrypt(message, []*Key{tt.key}, nil, DefaultPolicy(), Limits{}, time.Now())
				check(t, err)
				if !strings.HasSuffix(tt.key.newestEncryption(time.Now()), d.Recipients[0]) {
					t.Errorf("gpg encrypted to %s, the newest is %s", d.Recipients, tt.key.newestEncryption(time.Now()))
				}
				ours, err := Encrypt([]byte("to gpg"), tt.key, []*Certificate{tt.key.Certificate()}, time.Now())
				check(t, err)
				if got := g.run(ours, "--passphrase", string(passphrase), "--decrypt"); string(got) != "to gpg" {
					t.Errorf("gpg read %q", got)
				}
			})
		}
	}
}

// gpg encrypts to the old subkey before it learns of the new one; that opens
// after the overlap has ended, and after the subkey was revoked as superseded.
func TestMailOfGPGToAnOldSubkeyOpensForever(t *testing.T) {
	t.Parallel()
	old := certifyOnly(t, Curve25519, now.Add(-100*day), 0)
	g := newGPG(t)
	g.run(old.Certificate().Armor(), "--import")
	message := g.run([]byte("sent before"), "--encrypt", "-r", "cp247@alphaland.example")
	hidden := g.run([]byte("sent before"), "--encrypt", "-R", "cp247@alphaland.example")
	oldSubkey := old.Parts()[1].Fingerprint

	k := rotate(t, old, Rotation{Encryption: true, Signing: true, Overlap: 30 * day}, now.Add(-60*day))
	superseded, err := k.RevokeSubkey(oldSubkey, Superseded, "", now.Add(-time.Hour))
	check(t, err)
	g.run(k.Certificate().Armor(), "--import")
	if _, errOut, err := g.try([]byte("x"), "--encrypt", "-r", oldSubkey+"!"); err == nil {
		t.Errorf("gpg still encrypts to the subkey that ended: %s", errOut)
	}
	for name, key := range map[string]*Key{"ended": k, "superseded": superseded} {
		for _, m := range [][]byte{message, hidden} {
			d, err := Decrypt(m, []*Key{key}, nil, DefaultPolicy(), Limits{}, time.Now())
			if err != nil || string(d.Plaintext) != "sent before" {
				t.Errorf("%s: %v", name, err)
			}
		}
		check(t, key.CheckUse(time.Now()))
	}
}

func TestKeysMadeByGPGImportAndWork(t *testing.T) {
	t.Parallel()
	for name, quick := range map[string][]string{
		"curve25519": {"ed25519", "cv25519", "ed25519"},
		"rsa":        {"rsa3072", "rsa3072", "rsa3072"},
		"nist":       {"nistp256", "nistp256", "nistp256/ecdsa"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGPG(t)
			passphrase := ""
			if name == "curve25519" { // gpg makes each use of one slow
				passphrase = "a passphrase"
			}
			run := func(args ...string) []byte {
				return g.run(nil, append([]string{"--passphrase", passphrase}, args...)...)
			}
			run("--quick-gen-key", "desk@alphaland.example", quick[0], "cert", "2y")
			fpr := fingerprint(t, g)
			run("--quick-add-key", fpr, quick[1], "encr", "1y")
			run("--quick-add-key", fpr, quick[2], "sign", "1y")
			whole, err := ReadKey(run("--armor", "--export-secret-keys", fpr), []byte(passphrase))
			check(t, err)
			check(t, whole.CheckUse(time.Now()))
			stub := run("--armor", "--export-secret-subkeys", fpr)
			if _, err := ReadKey(stub, []byte("wrong")); err == nil && passphrase != "" {
				t.Error("opened with a wrong passphrase")
			}
			k, err := ReadKey(stub, []byte(passphrase))
			check(t, err)
			check(t, k.CheckUse(time.Now()))
			if got := describe(k.Parts(), time.Now()); got != "C# 729d, E 364d, S 364d" {
				t.Errorf("offline primary of gpg: %s", got)
			}
			sig, err := k.SignDetached([]byte("signed by a subkey"), time.Now())
			check(t, err)
			g.run([]byte("signed by a subkey"), "--verify", g.file(sig), "-")

			// The desk rotates with the primary key from its safe, and gpg takes it.
			k, err = k.WithPrimary(whole)
			check(t, err)
			k = rotate(t, k, Rotation{Encryption: true, Signing: true, Overlap: 30 * day}, k.NextChange())
			g.run(k.Certificate().Armor(), "--import")
			if got, want := strings.Count(g.colons("--list-keys"), "sub e"), 2; got != want {
				t.Errorf("gpg lists %s", g.colons("--list-keys"))
			}
			inspect(t, k.Certificate().Armor())
			g.run([]byte("x"), "--faked-system-time", fmt.Sprint(k.NextChange().Unix()), "--encrypt", "-r", fpr)
		})
	}
}

func fingerprint(t *testing.T, g *gpgHome) string {
	t.Helper()
	for line := range strings.Lines(string(g.run(nil, "--with-colons", "--list-secret-keys"))) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	t.Fatal("gpg has no key")
	return ""
}

func TestRevocationCertificatesAreExchangedWithGPG(t *testing.T) {
	t.Parallel()
	k := certifyOnly(t, Curve25519, now.Add(-day), 0)
	certificate, err := k.RevocationCertificate(Compromised, "stolen", now.Add(-time.Hour))
	check(t, err)
	g := newGPG(t)
	g.run(k.Certificate().Armor(), "--import")
	g.run(nil, "--trust-model", "pgp", "--check-trustdb") // makes the file that it wants for this
	g.run(certificate, "--import")
	if got := g.colons("--list-keys"); !strings.HasPrefix(got, "pub c revoked") {
		t.Errorf("gpg lists %s", got)
	}

	g = newGPG(t)
	theirs := g.certificate("desk@alphaland.example", "--quick-gen-key", "desk@alphaland.example", "ed25519", "sign", "never")
	text, err := os.ReadFile(filepath.Join(g.dir, "openpgp-revocs.d", theirs.Fingerprint()+".rev"))
	check(t, err)
	_, block, found := strings.Cut(string(text), "\n:")
	if !found {
		t.Fatalf("gpg's file has no colon:\n%s", text)
	}
	revoked, err := theirs.WithRevocation([]byte(block))
	check(t, err)
	if got := revoked.Parts()[0].Revoked; got != Unspecified {
		t.Errorf("revoked: %q", got)
	}
}

func TestKeysMadeBySequoiaImportAndRotate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sq := func(stdin []byte, args ...string) []byte {
		t.Helper()
		cmd := exec.Command("sq", args...)
		cmd.Stdin = bytes.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("sq %v: %v", args, err)
		}
		return out
	}
	file := filepath.Join(dir, "key.asc")
	sq(nil, "key", "generate", "--userid", "<desk@alphaland.example>", "--cipher-suite", "cv25519", "--cannot-authenticate",
		"--creation-time", now.Add(-day).UTC().Format("20060102T1504")+"+0000", "--export", file)
	b, err := os.ReadFile(file)
	check(t, err)
	k, err := ReadKey(b, nil)
	check(t, err)
	k = rotate(t, k, Rotation{Encryption: true, Signing: true, Overlap: 30 * day}, now.Add(-time.Hour))
	k, err = k.WithoutPrimary()
	check(t, err)
	at := time.Now()
	check(t, k.CheckUse(at))
	if got := strings.Count(describe(k.Parts(), at), "E") + strings.Count(describe(k.Parts(), at), "S"); got != 4 {
		t.Errorf("parts: %s", describe(k.Parts(), at))
	}
	armored, err := k.Armor(nil)
	check(t, err)
	inspect(t, armored)
	public := filepath.Join(dir, "public.asc")
	check(t, os.WriteFile(public, k.Certificate().Armor(), 0o600))
	message := sq([]byte("from sq"), "encrypt", "--recipient-cert", public)
	d, err := Decrypt(message, []*Key{k}, nil, DefaultPolicy(), Limits{}, at)
	if err != nil || string(d.Plaintext) != "from sq" {
		t.Errorf("%v", err)
	}
	sealed, err := Encrypt([]byte("to sq"), k, []*Certificate{k.Certificate()}, at)
	check(t, err)
	check(t, os.WriteFile(file, armored, 0o600))
	if got := sq(sealed, "decrypt", "--recipient-key", file, "--signer-cert", public); string(got) != "to sq" {
		t.Errorf("sq read %q", got)
	}
}
