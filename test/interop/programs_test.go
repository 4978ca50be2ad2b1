package interop

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// program is an OpenPGP implementation other than ours. Keys are named as their
// files in testdata/keys are.
type program interface {
	name() string    // with the part of its version that matters
	version() string // all of it
	// seal signs and encrypts in one pass. It returns "" for what the program
	// has no way to do.
	seal(t testing.TB, plain, signer string, how how, to ...string) string
	encrypt(t testing.TB, plain string, to ...string) string
	detach(t testing.TB, plain, signer string) string
	clearsign(t testing.TB, plain, signer string) string
}

// reader is a program that reads what Relais sealed.
type reader interface {
	name() string
	// open decrypts with the key and fails the test unless the signature is
	// the signer's and good.
	open(t testing.TB, armored []byte, key, signer string) []byte
}

// how are the special ways to seal.
type how struct{ hidden, aead, compressed bool }

// tool runs a program, here or in the root of another Debian release.
type tool struct {
	program string
	root    string // "" for here
	dir     string // work folder, as the program sees it
}

func newTool(t testing.TB, program, root string) tool {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Join(root, "/tmp"), "op") // short: gpg's socket needs it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if root == "" {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is not installed: run make test", program)
		}
	}
	return tool{program, root, strings.TrimPrefix(dir, root)}
}

// file writes a file for the program and returns its path as the program sees
// it.
func (o tool) file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(o.root+path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (o tool) try(program, stdin string, args ...string) (out, errOut string, err error) {
	cmd := exec.Command(program, args...)
	if o.root != "" {
		cmd = exec.Command("chroot", append([]string{o.root, "/usr/bin/" + program}, args...)...)
	}
	cmd.Env = append(os.Environ(), "HOME="+o.dir, "LC_ALL=C")
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

func (o tool) run(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, errOut, err := o.try(o.program, stdin, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", o.program, args, err, errOut)
	}
	return out
}

var number = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

func (o tool) asked(t testing.TB, args ...string) string {
	t.Helper()
	out, errOut, _ := o.try(o.program, "", args...)
	found := number.FindString(out + errOut)
	if found == "" {
		t.Fatalf("%s does not say its version: %s%s", o.program, out, errOut)
	}
	return found
}

// minor cuts "2.2.40" to "2.2".
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// gpg is GnuPG.
type gpg struct {
	tool
	number string
}

func newGPG(t testing.TB, root string) *gpg {
	g := &gpg{tool: newTool(t, "gpg", root)}
	g.number = g.asked(t, "--version")
	t.Cleanup(func() { g.try("gpgconf", "", "--homedir", g.dir, "--kill", "gpg-agent") })
	for _, name := range keyNames() {
		if !strings.Contains(name, "v6") {
			g.gpg(t, secretKey(t, name), "--import")
		}
	}
	return g
}

func (g *gpg) name() string    { return "GnuPG " + minor(g.number) }
func (g *gpg) version() string { return g.number }

func (g *gpg) gpg(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	return g.run(t, stdin, append([]string{"--homedir", g.dir, "--batch", "--yes", "--no-tty", "--quiet", "--trust-model", "always",
		"--pinentry-mode", "loopback", "--passphrase", "", "--armor", "--no-auto-key-locate"}, args...)...)
}

func (g *gpg) seal(t testing.TB, plain, signer string, how how, to ...string) string {
	args := []string{"--sign", "--encrypt", "-u", address(signer)}
	option := "-r"
	if how.hidden {
		option = "-R"
	}
	for _, name := range to {
		args = append(args, option, address(name))
	}
	switch {
	case how.aead && strings.HasPrefix(g.number, "2.2"):
		return ""
	case how.aead:
		args = append(args, "--force-ocb")
	case how.compressed:
		args = append(args, "--compress-algo", "bzip2")
	}
	return g.gpg(t, plain, args...)
}

func (g *gpg) encrypt(t testing.TB, plain string, to ...string) string {
	args := []string{"--encrypt"}
	for _, name := range to {
		args = append(args, "-r", address(name))
	}
	return g.gpg(t, plain, args...)
}

func (g *gpg) detach(t testing.TB, plain, signer string) string {
	return g.gpg(t, plain, "--detach-sign", "-u", address(signer))
}

func (g *gpg) clearsign(t testing.TB, plain, signer string) string {
	return g.gpg(t, plain, "--clearsign", "-u", address(signer))
}

func (g *gpg) open(t testing.TB, armored []byte, _, signer string) []byte {
	t.Helper()
	out := g.gpg(t, string(armored), "--status-file", filepath.Join(g.dir, "status"), "--decrypt")
	status, err := os.ReadFile(g.root + filepath.Join(g.dir, "status"))
	if err != nil || !strings.Contains(string(status), "VALIDSIG "+fingerprint(t, signer)) || !strings.Contains(string(status), "DECRYPTION_OKAY") {
		t.Errorf("gpg: %v\n%s", err, status)
	}
	return []byte(out)
}

// sq is Sequoia's sq; its options changed with version 1.
type sq struct {
	tool
	number string
	old    bool
}

func newSQ(t testing.TB, root string) *sq {
	s := &sq{tool: newTool(t, "sq", root)}
	_, _, err := s.try("sq", "", "--version") // version 1 has a command instead
	if s.old = err == nil; s.old {
		s.number = s.asked(t, "--version")
	} else {
		s.number = s.asked(t, "version")
	}
	for _, name := range keyNames() {
		s.file(t, name, secretKey(t, name))
	}
	return s
}

func (s *sq) name() string    { return "Sequoia sq " + minor(s.number) }
func (s *sq) version() string { return s.number }

func (s *sq) sq(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	if !s.old {
		args = append([]string{"--home=none", "--overwrite"}, args...)
	}
	return s.run(t, stdin, args...)
}

func (s *sq) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sq) encryption(plain string, how how, to []string) []string {
	args, option := []string{"encrypt"}, "--for-file"
	if s.old {
		option = "--recipient-cert"
	}
	for _, name := range to {
		args = append(args, option, s.path(name))
	}
	if how.compressed {
		args = append(args, "--compression", "zlib")
	}
	return args
}

func (s *sq) seal(t testing.TB, plain, signer string, how how, to ...string) string {
	v6 := strings.Contains(signer+strings.Join(to, ""), "v6")
	if how.hidden || s.old && (v6 || how.aead) {
		return ""
	}
	if how.aead { // sq uses it when every recipient's certificate announces it
		to = []string{aead}
	}
	option := "--signer-file"
	if s.old {
		option = "--signer-key"
	}
	return s.sq(t, plain, append(s.encryption(plain, how, to), option, s.path(signer))...)
}

func (s *sq) encrypt(t testing.TB, plain string, to ...string) string {
	args := s.encryption(plain, how{}, to)
	if !s.old {
		args = append(args, "--without-signature")
	}
	return s.sq(t, plain, args...)
}

func (s *sq) detach(t testing.TB, plain, signer string) string {
	if s.old {
		return s.sq(t, plain, "sign", "--detached", "--signer-key", s.path(signer))
	}
	return s.sq(t, plain, "sign", "--signature-file=-", "--signer-file", s.path(signer), s.file(t, "plain", plain))
}

func (s *sq) clearsign(t testing.TB, plain, signer string) string {
	if s.old {
		return s.sq(t, plain, "sign", "--cleartext-signature", "--signer-key", s.path(signer))
	}
	return s.sq(t, plain, "sign", "--cleartext", "--signer-file", s.path(signer))
}

func (s *sq) open(t testing.TB, armored []byte, key, signer string) []byte {
	t.Helper()
	options := []string{"decrypt", "--recipient-file", s.path(key), "--signer-file", s.path(signer), "--signatures", "1"}
	if s.old {
		options = []string{"decrypt", "--recipient-key", s.path(key), "--signer-cert", s.path(signer), "--signatures", "1"}
	}
	return []byte(s.sq(t, string(armored), options...))
}

// rnp is the library of Thunderbird.
type rnp struct {
	tool
	number string
}

func newRNP(t testing.TB, root string) *rnp {
	r := &rnp{tool: newTool(t, "rnp", root)}
	r.number = r.asked(t, "--version")
	for _, name := range keyNames() {
		if strings.Contains(name, "v6") {
			continue
		}
		if _, errOut, err := r.try("rnpkeys", "", "--homedir", r.dir, "--notty", "--import-key", r.file(t, name, secretKey(t, name))); err != nil {
			t.Fatalf("rnpkeys: %v\n%s", err, errOut)
		}
	}
	return r
}

func (r *rnp) name() string    { return "RNP " + minor(r.number) }
func (r *rnp) version() string { return r.number }

func (r *rnp) rnp(t testing.TB, plain string, args ...string) string {
	t.Helper()
	return r.run(t, "", append([]string{"--homedir", r.dir, "--notty", "--password", "", "--output", "-"}, append(args, r.file(t, "plain", plain))...)...)
}

func (r *rnp) seal(t testing.TB, plain, signer string, how how, to ...string) string {
	args := []string{"--armor", "--encrypt", "--sign", "-u", address(signer)}
	for _, name := range to {
		args = append(args, "-r", address(name))
	}
	switch {
	case how.hidden:
		return ""
	case how.aead:
		args = append(args, "--aead=OCB")
	case how.compressed:
		args = append(args, "--zlib")
	}
	return r.rnp(t, plain, args...)
}

func (r *rnp) encrypt(t testing.TB, plain string, to ...string) string {
	args := []string{"--armor", "--encrypt"}
	for _, name := range to {
		args = append(args, "-r", address(name))
	}
	return r.rnp(t, plain, args...)
}

func (r *rnp) detach(t testing.TB, plain, signer string) string {
	return r.rnp(t, plain, "--armor", "--sign", "--detach", "-u", address(signer))
}

func (r *rnp) clearsign(t testing.TB, plain, signer string) string {
	return r.rnp(t, plain, "--clearsign", "-u", address(signer))
}

func (r *rnp) open(t testing.TB, armored []byte, _, signer string) []byte {
	t.Helper()
	out, errOut, err := r.try("rnp", "", "--homedir", r.dir, "--notty", "--password", "", "--output", "-", "--decrypt", r.file(t, "sealed", string(armored)))
	keyID := strings.ToLower(fingerprint(t, signer)[24:])
	if err != nil || !strings.Contains(errOut, "Good signature made") || !strings.Contains(strings.ToLower(errOut), keyID) {
		t.Errorf("rnp: %v\n%s", err, errOut)
	}
	return []byte(out)
}
