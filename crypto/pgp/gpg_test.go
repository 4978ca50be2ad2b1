package pgp

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

// gpgHome is a GnuPG installation of its own.
type gpgHome struct {
	t   *testing.T
	dir string
}

func newGPG(t *testing.T) *gpgHome {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Fatal("gpg is not installed: run make test")
	}
	// The agent's socket needs a short path.
	dir, err := os.MkdirTemp("", "gpg")
	check(t, err)
	g := &gpgHome{t, dir}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", dir, "--kill", "gpg-agent").Run()
		os.RemoveAll(dir)
	})
	return g
}

// try runs gpg and returns what it printed and whether it succeeded.
func (g *gpgHome) try(stdin []byte, args ...string) ([]byte, string, error) {
	base := []string{"--homedir", g.dir, "--batch", "--yes", "--no-tty", "--quiet", "--trust-model", "always",
		"--pinentry-mode", "loopback", "--passphrase", "", "--allow-weak-digest-algos", "--no-auto-key-locate"}
	cmd := exec.Command("gpg", append(base, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	return out.Bytes(), errOut.String(), err
}

func (g *gpgHome) run(stdin []byte, args ...string) []byte {
	g.t.Helper()
	out, errOut, err := g.try(stdin, args...)
	if err != nil {
		g.t.Fatalf("gpg %v: %v\n%s", args, err, errOut)
	}
	return out
}

func (g *gpgHome) file(content []byte) string {
	g.t.Helper()
	f, err := os.CreateTemp(g.dir, "f")
	check(g.t, err)
	_, err = f.Write(content)
	check(g.t, err)
	check(g.t, f.Close())
	return f.Name()
}

// certificate makes a key in gpg and returns its certificate.
func (g *gpgHome) certificate(id string, args ...string) *Certificate {
	g.t.Helper()
	g.run(nil, args...)
	certs, err := ParseCertificates(g.run(nil, "--armor", "--export", id))
	check(g.t, err)
	return certs[0]
}

func TestGPGMessagesOpen(t *testing.T) {
	t.Parallel()
	g := newGPG(t)
	bob := newTestKey(t, "bob")
	g.run(bob.Certificate().Armor(), "--import")
	text := bytes.Repeat([]byte("Please preserve the data.\n"), 300)
	algorithms := []string{"rsa2048", "ed25519", "nistp256"}
	if os.Getenv(holderVariable) != "" {
		algorithms = algorithms[1:2] // whose key signed changes nothing for the one that opens
	}
	for _, alg := range algorithms {
		id := alg + "@betaland.example"
		cert := g.certificate(id, "--quick-gen-key", id, alg, "sign", "never")
		ring := NewRing(cert)
		for name, args := range map[string][]string{
			"plain":            {"--compress-algo", "none", "-r", "bob@alphaland.example"},
			"zlib":             {"--compress-algo", "zlib", "-r", "bob@alphaland.example"},
			"zip, armored":     {"--compress-algo", "zip", "--armor", "-r", "bob@alphaland.example"},
			"bzip2":            {"--compress-algo", "bzip2", "-r", "bob@alphaland.example"},
			"hidden recipient": {"-R", "bob@alphaland.example"},
			"text mode":        {"--textmode", "-r", "bob@alphaland.example"},
			"sha512":           {"--digest-algo", "SHA512", "-r", "bob@alphaland.example"},
			"with password":    {"--symmetric", "--passphrase", "x", "-r", "bob@alphaland.example"},
		} {
			t.Run(alg+" "+name, func(t *testing.T) {
				message := g.run(text, append([]string{"--sign", "--encrypt", "-u", id}, args...)...)
				d, err := Decrypt(message, []*Key{bob}, ring, DefaultPolicy(), Limits{}, time.Now())
				check(t, err)
				if got := bytes.ReplaceAll(d.Plaintext, []byte("\r\n"), []byte("\n")); !bytes.Equal(got, text) {
					t.Fatal("plaintext differs")
				}
				if s := d.Signature; s.State != SignatureGood || s.Signer != cert || s.Count != 1 || s.Intended != IntendedUnstated {
					t.Fatalf("%+v", s)
				}
			})
		}
		t.Run(alg+" detached", func(t *testing.T) {
			for _, args := range [][]string{{"--detach-sign"}, {"--detach-sign", "--armor", "--textmode"}} {
				sig := g.run(text, append([]string{"-u", id}, args...)...)
				if s := VerifyDetached(text, sig, ring, DefaultPolicy(), time.Now()); s.State != SignatureGood {
					t.Fatalf("%+v", s)
				}
			}
		})
		t.Run(alg+" cleartext", func(t *testing.T) {
			clear := g.run([]byte("- dashes\nFrom me  \n\n-----\n"), "--clearsign", "-u", id)
			got, s, err := VerifyClearsigned(clear, ring, DefaultPolicy(), time.Now())
			if err != nil || s.State != SignatureGood || string(got) != "- dashes\r\nFrom me\r\n\r\n-----" {
				t.Fatalf("%v %q %+v", err, got, s)
			}
			_, s, err = VerifyClearsigned(bytes.Replace(clear, []byte("From me"), []byte("From you"), 1), ring, DefaultPolicy(), time.Now())
			if err != nil || s.State != SignatureBad {
				t.Fatalf("tampered: %v %+v", err, s)
			}
			for _, beside := range [][]byte{append([]byte("hello\n"), clear...), append(bytes.Clone(clear), "hello"...), append(bytes.Clone(clear), clear...), nil} {
				if text, _, err := VerifyClearsigned(beside, ring, DefaultPolicy(), time.Now()); err == nil || text != nil {
					t.Fatalf("text beside the block: %v", err)
				}
			}
		})
	}
}

func TestGPGReadsOurMessages(t *testing.T) {
	t.Parallel()
	g := newGPG(t)
	text := bytes.Repeat([]byte("Please preserve the data.\r\n"), 300)
	for _, alg := range []Algorithm{Curve25519, RSA3072} {
		alice, err := GenerateKey("alice", "alice-"+string(alg)+"@alphaland.example", alg, time.Now().Add(-time.Minute), 0)
		check(t, err)
		armored, err := alice.Armor([]byte("secret"))
		check(t, err)
		g.run(armored, "--passphrase", "secret", "--import")
		alice = asTested(alice)
		message, err := Encrypt(text, alice, []*Certificate{alice.Certificate()}, time.Now())
		check(t, err)
		out, status, err := g.try(message, "--passphrase", "secret", "--status-fd", "2", "--decrypt")
		if err != nil || !bytes.Equal(out, text) || !bytes.Contains([]byte(status), []byte("VALIDSIG "+alice.Certificate().Fingerprint())) {
			t.Fatalf("%v\n%s", err, status)
		}
		sig, err := alice.SignDetached(text, time.Now())
		check(t, err)
		g.run(nil, "--verify", g.file(sig), g.file(text))
		for n := range 3 { // every length of the base64 tail, which GnuPG 2.2 is touchy about
			message, err := Encrypt(text[n:], alice, []*Certificate{alice.Certificate()}, time.Now())
			check(t, err)
			if out := g.run(message, "--passphrase", "secret", "--decrypt"); !bytes.Equal(out, text[n:]) {
				t.Fatal("plaintext differs")
			}
		}
		exported, err := ReadKey(g.run(nil, "--armor", "--passphrase", "secret", "--export-secret-keys", alice.Certificate().Fingerprint()), []byte("secret"))
		if err != nil || exported.Certificate().Fingerprint() != alice.Certificate().Fingerprint() {
			t.Fatalf("key exported by gpg: %v", err)
		}
	}
}

func TestGPGWeakCiphersAreRefused(t *testing.T) {
	t.Parallel()
	g := newGPG(t)
	bob := newTestKey(t, "bob")
	g.run(bob.Certificate().Armor(), "--import")
	for _, cipher := range []string{"3DES", "CAST5", "BLOWFISH", "IDEA", "TWOFISH"} {
		message := g.run([]byte("x"), "--cipher-algo", cipher, "--encrypt", "-r", "bob@alphaland.example")
		mustNotOpen(t, message, []*Key{bob}, nil)
	}
	mustNotOpen(t, g.run([]byte("x"), "--symmetric", "--passphrase", "x"), []*Key{bob}, nil)
	mustNotOpen(t, g.run([]byte("x"), "--store"), []*Key{bob}, nil)
}

// Threats M7 and 15.
func TestGPGWeakSignaturesAndCertificates(t *testing.T) {
	t.Parallel()
	g := newGPG(t)
	g.run(nil, "--quick-gen-key", "good@betaland.example", "rsa2048", "sign,cert", "never")
	good := g.certificate("good@betaland.example", "--list-keys")
	text := []byte("text")
	judge := func(cert *Certificate, sig []byte, p Policy) SignatureState {
		return VerifyDetached(text, sig, NewRing(cert), p, time.Now()).State
	}
	for _, digest := range []string{"SHA1", "RIPEMD160"} {
		if s := judge(good, g.run(text, "--digest-algo", digest, "-u", "good@betaland.example", "--detach-sign"), DefaultPolicy()); s != SignatureWeak {
			t.Errorf("%s signature: %s", digest, s)
		}
	}
	for _, alg := range []string{"dsa2048", "rsa1024"} {
		id := alg + "@betaland.example"
		cert := g.certificate(id, "--quick-gen-key", id, alg, "sign,cert", "never")
		if s := judge(cert, g.run(text, "-u", id, "--detach-sign"), DefaultPolicy()); s != SignatureWeak {
			t.Errorf("%s: %s", alg, s)
		}
		var ke *KeyError
		if err := cert.CheckSigning(time.Now(), DefaultPolicy()); !errors.As(err, &ke) || ke.Problem != KeyWeak {
			t.Errorf("%s: %v", alg, err)
		}
	}
	// Encryption to weak subkeys.
	elg := g.certificate("elg@betaland.example", "--quick-gen-key", "elg@betaland.example", "rsa2048", "sign,cert", "never")
	g.run(nil, "--quick-add-key", elg.Fingerprint(), "elg2048", "encr", "never")
	elg = g.certificate("elg@betaland.example", "--list-keys")
	var ke *KeyError
	if err := elg.CheckEncryption(time.Now(), DefaultPolicy()); !errors.As(err, &ke) || ke.Problem != KeyWeak {
		t.Errorf("ElGamal subkey: %v", err)
	}
	// A certificate that hangs on SHA-1.
	old := g.certificate("old@betaland.example", "--cert-digest-algo", "SHA1", "--quick-gen-key", "old@betaland.example", "future-default", "default", "never")
	sig := g.run(text, "-u", "old@betaland.example", "--digest-algo", "SHA256", "--detach-sign")
	strict := DefaultPolicy()
	strict.SHA1Until = time.Now().Add(-time.Hour)
	if s := judge(old, sig, DefaultPolicy()); s != SignatureGood {
		t.Errorf("SHA-1 certificate, allowed: %s", s)
	}
	if s := judge(old, sig, strict); s != SignatureWeak {
		t.Errorf("SHA-1 certificate, refused by policy: %s", s)
	}
	for name, c := range map[string]struct {
		until  time.Duration
		waiver string
		ends   time.Duration
		want   SignatureState
	}{
		"the day has not come":            {time.Hour, "", 0, SignatureGood},
		"a waiver":                        {-time.Hour, old.Fingerprint(), time.Hour, SignatureGood},
		"a waiver that has ended":         {-time.Hour, old.Fingerprint(), -time.Minute, SignatureWeak},
		"a waiver of another certificate": {-time.Hour, elg.Fingerprint(), time.Hour, SignatureWeak},
	} {
		dated := DefaultPolicy()
		dated.SHA1Until, dated.SHA1Waivers = time.Now().Add(c.until), map[string]time.Time{c.waiver: time.Now().Add(c.ends)}
		if s := judge(old, sig, dated); s != c.want {
			t.Errorf("SHA-1 certificate, %s: %s, want %s", name, s, c.want)
		}
	}
	for _, err := range []error{old.CheckSigning(time.Now(), strict), old.CheckEncryption(time.Now(), strict)} {
		if !errors.As(err, &ke) || ke.Problem != KeyWeak {
			t.Errorf("SHA-1 certificate: %v", err)
		}
	}
	if err := old.CheckEncryption(time.Now(), DefaultPolicy()); err != nil {
		t.Error(err)
	}
}

// Keys whose primary part stays offline are exported as subkeys with a stub.
func TestGPGKeyWithOfflinePrimaryWorks(t *testing.T) {
	t.Parallel()
	g := newGPG(t)
	id := "desk@alphaland.example"
	cert := g.certificate(id, "--quick-gen-key", id, "ed25519", "cert", "never")
	g.run(nil, "--quick-add-key", cert.Fingerprint(), "ed25519", "sign", "1y")
	g.run(nil, "--quick-add-key", cert.Fingerprint(), "cv25519", "encr", "1y")
	k, err := ReadKey(g.run(nil, "--armor", "--export-secret-subkeys", id), nil)
	check(t, err)
	at := time.Now()
	message, err := Encrypt([]byte("x"), k, []*Certificate{k.Certificate()}, at)
	check(t, err)
	d, err := Decrypt(message, []*Key{k}, NewRing(k.Certificate()), DefaultPolicy(), Limits{}, at)
	if err != nil || d.Signature.State != SignatureGood || d.Signature.Signer.Fingerprint() != cert.Fingerprint() {
		t.Fatalf("%v %+v", err, d)
	}
	if left := k.Certificate().Expires().Sub(at); left < 360*24*time.Hour || left > 370*24*time.Hour {
		t.Errorf("expires in %v", left)
	}
	if err := k.Certificate().CheckSigning(at.AddDate(2, 0, 0), DefaultPolicy()); err == nil {
		t.Error("the signing subkey has expired")
	}
	if _, err := k.Armor([]byte("secret")); err != nil {
		t.Error(err)
	}
}
