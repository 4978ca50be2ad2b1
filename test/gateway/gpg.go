package gateway

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"relais.example/crypto/pgp"
)

// GPG is the real gpg with an empty key ring of its own.
type GPG struct {
	t    testing.TB
	home string
}

// NewGPG makes a key ring.
func NewGPG(t testing.TB) *GPG {
	t.Helper()
	Need(t, "gpg", "gpgconf")
	home, err := os.MkdirTemp("", "g") // short: the agent listens on a socket in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	return &GPG{t, home}
}

// In returns the same key ring for a subtest.
func (g *GPG) In(t testing.TB) *GPG { return &GPG{t, g.home} }

// Run calls gpg and returns what it writes to standard output.
func (g *GPG) Run(stdin string, args ...string) string {
	g.t.Helper()
	out, report, err := g.Try(stdin, args...)
	if err != nil {
		g.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, report)
	}
	return out
}

// Try is Run for calls that may fail; report is what gpg says beside.
func (g *GPG) Try(stdin string, args ...string) (out, report string, err error) {
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--no-tty", "--yes", "--trust-model", "always",
		"--pinentry-mode", "loopback", "--passphrase", "", "--status-fd", "2"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// Import takes keys into the ring.
func (g *GPG) Import(armored ...[]byte) *GPG {
	g.t.Helper()
	for _, a := range armored {
		g.Run(string(a), "--import")
	}
	return g
}

// ImportFiles takes key files into the ring.
func (g *GPG) ImportFiles(paths ...string) *GPG {
	g.t.Helper()
	for _, p := range paths {
		g.Run("", "--import", p)
	}
	return g
}

// Encrypt encrypts without a signature.
func (g *GPG) Encrypt(plaintext string, to *pgp.Certificate, more ...string) string {
	g.t.Helper()
	return g.Run(plaintext, append([]string{"--armor", "--encrypt", "--recipient", to.Fingerprint()}, more...)...)
}

// SignEncrypt does both, as a mail program has it done.
func (g *GPG) SignEncrypt(plaintext string, signer, to *pgp.Certificate, more ...string) string {
	g.t.Helper()
	return g.Run(plaintext, append([]string{"--armor", "--sign", "--encrypt", "--local-user", signer.Fingerprint(), "--recipient", to.Fingerprint()}, more...)...)
}

// Home is the folder of the key ring.
func (g *GPG) Home() string { return g.home }
