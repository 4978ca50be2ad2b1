package interop

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/mimeindex"
)

var (
	update = flag.Bool("update", false, "write docs/interop.md")
	record = flag.String("record", "", "root folder of a Debian release with newer gpg, sq and rnp: writes testdata/<program> with them")
)

// recorded are programs newer than those of Debian 12, by the folder of
// testdata that holds what they wrote.
var recorded = []string{"gnupg-2.4", "sq-1.3", "rnp-0.17"}

// Each program writes each shape, Relais opens it, and what a person reads is
// what was written. Then Relais seals and each program reads. What came of it
// is docs/interop.md.
func TestInteroperability(t *testing.T) {
	p := newPage(t)
	t.Run("programs", func(t *testing.T) {
		for name, start := range map[string]func(testing.TB) program{
			"gpg":      func(t testing.TB) program { return newGPG(t, "") },
			"sq":       func(t testing.TB) program { return newSQ(t, "") },
			"rnp":      func(t testing.TB) program { return newRNP(t, "") },
			"gocrypto": func(t testing.TB) program { return newGoCrypto(t) },
			"gopenpgp": func(t testing.TB) program { return newProton(t) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				program := start(t)
				p.program(program.name(), program.version(), "runs in the test")
				for _, s := range append(shapes(t), keyShapes()...) {
					t.Run(s.file, func(t *testing.T) {
						p.wrote(program.name(), s.name, s.read(t, s.mail(t, program), time.Now()))
					})
				}
				if reader, ok := program.(reader); ok {
					readsOurs(t, p, reader)
				}
			})
		}
		for _, folder := range recorded {
			t.Run(folder, func(t *testing.T) {
				t.Parallel()
				made := readRecord(t, folder)
				p.program(made.name, made.version, "recorded on "+made.at.Format(time.DateOnly))
				for _, s := range append(shapes(t), keyShapes()...) {
					t.Run(s.file, func(t *testing.T) {
						raw, err := os.ReadFile(filepath.Join("testdata", folder, s.file+".eml"))
						if err != nil && !errors.Is(err, os.ErrNotExist) {
							t.Fatal(err)
						}
						p.wrote(made.name, s.name, s.read(t, string(raw), made.at))
					})
				}
			})
		}
	})
	p.finish(t)
}

// keyShapes are one message from each kind of key to each.
func keyShapes() (list []shape) {
	for _, algorithm := range algorithms {
		list = append(list, shape{
			file: "key-" + algorithm, name: "key: " + algorithm, form: pgpmime.MIMEEncrypted, want: ask,
			mail: func(t testing.TB, p program) string {
				if g, ok := p.(*gpg); algorithm == "v6" && (ok && g != nil || strings.HasPrefix(p.name(), "RNP")) {
					return "" // knows no v6 keys
				}
				return encrypted(p.seal(t, text(ask), "sender-"+algorithm, how{}, "desk-"+algorithm))
			},
		})
	}
	return list
}

// read opens a mail as the gateway does and checks it. It returns the words for
// the page.
func (s shape) read(t *testing.T, raw string, at time.Time) string {
	t.Helper()
	if raw == "" {
		return "–"
	}
	if s.file == "aead" {
		if kind := container(t, raw); kind != "SEIPDv2" && kind != "OCB" {
			t.Errorf("the container is %s", kind)
		}
	}
	signer := sender
	if algorithm, ok := strings.CutPrefix(s.file, "key-"); ok {
		signer = "sender-" + algorithm
	}
	m, err := pgpmime.Open([]byte(raw), pgpmime.Options{
		Keys: deskKeys(t), Ring: pgp.NewRing(key(t, signer).Certificate()), Policy: pgp.DefaultPolicy(), At: at.Add(time.Minute),
	})
	if s.refused != "" {
		if !errors.Is(err, pgpmime.ErrStructure) || !strings.Contains(err.Error(), s.refused) {
			t.Errorf("not refused as it should be: %v", err)
			return "**failed**"
		}
		return "`bad-structure`"
	}
	if err := s.examine(t, m, err, fingerprint(t, signer)); err != nil {
		t.Error(err)
		return "**failed**"
	}
	if s.word != "" {
		return s.word
	}
	return "read"
}

func (s shape) examine(t *testing.T, m *pgpmime.Message, err error, signer string) error {
	if err != nil {
		return err
	}
	wantState, count := pgp.SignatureGood, 1
	if s.bare {
		wantState, count = pgp.SignatureNone, 0
	}
	changed := strings.HasPrefix(s.file, "altered")
	if changed {
		wantState = pgp.SignatureBad
	}
	encrypted := s.form == pgpmime.MIMEEncrypted || s.form == pgpmime.InlineEncrypted
	switch {
	case m.Form != s.form || m.Encrypted != encrypted:
		return fmt.Errorf("form %s, encrypted %v", m.Form, m.Encrypted)
	case m.Signature.State != wantState || m.Signature.Count != count || m.WholeSigned == s.bare:
		return fmt.Errorf("signature %+v, over the whole: %v", m.Signature, m.WholeSigned)
	case m.Altered != s.altered:
		return fmt.Errorf("altered: %q, want %q", m.Altered, s.altered)
	case changed:
		return nil
	case !s.bare && m.Signature.Signer.Fingerprint() != signer:
		return fmt.Errorf("signed by %s", m.Signature.Signer.Fingerprint())
	}
	if got := reading(m.Entity); got != strings.TrimSpace(s.want) {
		return fmt.Errorf("a person reads %q, want %q", got, s.want)
	}
	if s.check != nil {
		return s.check(m)
	}
	return nil
}

// reading is what the gateway takes for the text of a message, without the line
// ends of its parts.
func reading(entity []byte) string {
	if entity == nil {
		return ""
	}
	lines := strings.Split(strings.ReplaceAll(mimeindex.Reading(entity, 1<<20), "\r\n", "\n"), "\n")
	var kept []string
	for _, line := range lines {
		if line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// deskKeys are all keys of the desk, as after several changes of its key.
func deskKeys(t testing.TB) (keys []*pgp.Key) {
	for _, name := range keyNames() {
		if strings.HasPrefix(name, "desk") {
			keys = append(keys, key(t, name))
		}
	}
	return keys
}

// A v6 key locked with Argon2 (RFC 9580 section 3.7.1.4) opens and answers.
func TestKeyLockedWithArgon2(t *testing.T) {
	k := key(t, locked)
	if _, err := pgp.ReadKey([]byte(secretKey(t, locked)), []byte("wrong")); err == nil {
		t.Error("opened with a wrong passphrase")
	}
	sealed, err := pgp.Encrypt([]byte("x"), k, []*pgp.Certificate{k.Certificate()}, time.Now())
	must(t, err)
	d, err := pgp.Decrypt(sealed, []*pgp.Key{k}, pgp.NewRing(k.Certificate()), pgp.DefaultPolicy(), pgp.Limits{}, time.Now())
	if err != nil || d.Signature.State != pgp.SignatureGood || d.Signature.Intended != pgp.IntendedForUs {
		t.Fatalf("%v %+v", err, d)
	}
}

// 25 MiB of attachments, written by the program most in use.
func TestLargeAttachment(t *testing.T) {
	data := make([]byte, 25<<20)
	for i := range data {
		data[i] = byte(i * i >> 8)
	}
	for _, p := range []program{newGPG(t, ""), newGoCrypto(t)} {
		raw := encrypted(p.seal(t, multipart("mixed", "m", text(ask), attachment("application/zip", "logs.zip", data)), sender, how{}, desk))
		s := shape{name: "25 MiB of attachments", form: pgpmime.MIMEEncrypted, want: ask, check: attached(data)}
		if got := s.read(t, raw, time.Now()); got != "read" {
			t.Errorf("%s: %s", p.name(), got)
		}
	}
}
