package pgpmime

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

// gpg runs the real gpg in a home of its own.
func gpg(t *testing.T) func(stdin string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Fatal("gpg is not installed: run make test")
	}
	dir, err := os.MkdirTemp("", "gpg") // short: the agent's socket needs it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", dir, "--kill", "gpg-agent").Run()
		os.RemoveAll(dir)
	})
	return func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command("gpg", append([]string{"--homedir", dir, "--batch", "--yes", "--no-tty", "--quiet", "--trust-model", "always",
			"--pinentry-mode", "loopback", "--passphrase", "", "--status-file", filepath.Join(dir, "status")}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		var out, errOut bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errOut
		if err := cmd.Run(); err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, errOut.String())
		}
		if args[0] == "--decrypt" {
			status, err := os.ReadFile(filepath.Join(dir, "status"))
			if err != nil {
				t.Fatal(err)
			}
			return out.String() + "\x00" + string(status)
		}
		return out.String()
	}
}

func lf(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

func TestMailMadeWithGPGOpens(t *testing.T) {
	run := gpg(t)
	xa, err := pgp.GenerateKey("XA", "cp@alphaland.example", pgp.Curve25519, time.Now().Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	run(string(xa.Certificate().Armor()), "--import")
	run("", "--quick-gen-key", "cp@betaland.example", "ed25519", "sign", "never")
	xb, err := pgp.ParseCertificates([]byte(run("", "--armor", "--export", "cp@betaland.example")))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Keys: []*pgp.Key{xa}, Ring: pgp.NewRing(xb...), Policy: pgp.DefaultPolicy(), At: time.Now()}

	both := []string{"--armor", "--sign", "--encrypt", "-u", "cp@betaland.example", "-r", "cp@alphaland.example"}
	detached := run(plain, "--armor", "--detach-sign", "-u", "cp@betaland.example")
	signed := "Content-Type: multipart/signed; micalg=pgp-sha512; protocol=\"application/pgp-signature\"; boundary=s\n\n--s\n" +
		plain + "\n--s\nContent-Type: application/pgp-signature\n\n" + detached + "\n--s--\n"
	for _, c := range []struct {
		name, raw string
		form      Form
	}{
		{"encrypted and signed", multi(control, run(plain, both...)), MIMEEncrypted},
		{"hidden recipient", multi(control, run(plain, "--armor", "--sign", "--encrypt", "-R", "cp@alphaland.example")), MIMEEncrypted},
		{"encrypted around signed", multi(control, run(signed, "--armor", "--encrypt", "-r", "cp@alphaland.example")), MIMEEncrypted},
		{"signed", outerFields + signed, MIMESigned},
		{"inline encrypted", outerFields + "\n" + run("hello", both...), InlineEncrypted},
		{"inline signed", outerFields + "\n" + run("hello\n", "--clearsign", "-u", "cp@betaland.example"), InlineSigned},
	} {
		m, err := Open([]byte(lf(c.raw)), o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		encrypted := c.form == MIMEEncrypted || c.form == InlineEncrypted
		if m.Form != c.form || m.Encrypted != encrypted || m.Signature.State != pgp.SignatureGood || m.Signature.Signer != xb[0] ||
			!m.WholeSigned || !bytes.Contains(m.Entity, []byte("\r\n\r\nhello")) {
			t.Errorf("%s: %+v\n%q", c.name, m, m.Entity)
		}
	}
}

func TestGPGReadsAndVerifiesOurMail(t *testing.T) {
	run := gpg(t)
	xa, xb := newKey(t, "cp@alphaland.example"), newKey(t, "cp@betaland.example")
	secret, err := xa.Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	run(string(secret), "--import")
	run(string(xb.Certificate().Armor()), "--import")
	for _, size := range []int{1, 2, 3, 20000} {
		d := draft()
		d.Body = bytes.Repeat([]byte("é"), size)
		raw, err := Seal(d, xb, certs(xa), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		_, armored, _ := strings.Cut(string(raw), "filename=\"encrypted.asc\"\r\n\r\n")
		armored, _, _ = strings.Cut(armored, "\r\n--=_")
		entity, status, _ := strings.Cut(run(armored, "--decrypt"), "\x00")
		if !strings.Contains(status, "VALIDSIG "+xb.Certificate().Fingerprint()) || !strings.Contains(status, "DECRYPTION_OKAY") {
			t.Fatalf("%s", status)
		}
		m, err := Open(raw, Options{Keys: []*pgp.Key{xa}, Ring: pgp.NewRing(xb.Certificate()), Policy: pgp.DefaultPolicy(), At: time.Now()})
		if err != nil || entity != string(m.Entity) {
			t.Fatalf("gpg read something else: %v\n%s", err, entity)
		}
	}
}
