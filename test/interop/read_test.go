package interop

import (
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/crypto/pgpmime"
	"relais.example/gateway/config"
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
	m, err := pgpmime.Open([]byte(raw), options(t, signer, at))
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

// options know one sender and all keys of the desk.
func options(t testing.TB, signer string, at time.Time) pgpmime.Options {
	t.Helper()
	return pgpmime.Options{Keys: deskKeys(t), Ring: pgp.NewRing(key(t, signer).Certificate()), Policy: pgp.DefaultPolicy(), At: at.Add(time.Minute)}
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

// 25 MiB of attachments, written by the program most in use and by ours, fit
// into the limits that a gateway starts with.
func TestLargeAttachment(t *testing.T) {
	entity, s := large(25 << 20)
	defaults, err := config.Parse(config.Example(), "relais.yaml")
	must(t, err)
	for name, armored := range map[string]string{
		"gpg, compressed": newGPG(t, "").seal(t, entity, sender, how{}, desk),
		"Relais":          string(mustEncrypt(t, crlf(entity))),
	} {
		raw := s.readWithin(t, name, armored, defaults.Limits.PlaintextSize)
		if int64(raw) > defaults.Limits.MessageSize {
			t.Errorf("%s: %d bytes are more than a gateway takes", name, raw)
		}
	}
}

// Each kind of container is opened within the same bound of memory.
func TestMemoryOfEachContainer(t *testing.T) {
	entity, s := large(3 << 20)
	for name, armored := range map[string]string{
		"AEAD of RFC 9580":    newGoCrypto(t).seal(t, entity, sender, how{aead: true}, desk),
		"GnuPG's OCB, by rnp": newRNP(t, "").seal(t, entity, sender, how{aead: true}, desk),
		"SEIPDv1, by sq":      newSQ(t, "").seal(t, entity, sender, how{}, desk),
	} {
		s.readWithin(t, name, armored, 64<<20)
	}
}

func large(size int) (entity string, s shape) {
	data := make([]byte, size)
	rand.New(rand.NewSource(1)).Read(data)
	return multipart("mixed", "m", text(ask), attachment("application/zip", "logs.zip", data)), shape{form: pgpmime.MIMEEncrypted, want: ask, check: attached(data)}
}

// readWithin reads a message and counts what that allocates.
func (s shape) readWithin(t *testing.T, name, armored string, plaintext int64) (size int) {
	t.Helper()
	raw := []byte(encrypted(armored))
	o := options(t, sender, time.Now())
	o.Limits.MaxPlaintext = plaintext
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := pgpmime.Open(raw, o)
	runtime.ReadMemStats(&after)
	if err := s.examine(t, m, err, fingerprint(t, sender)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	// What is compressed and has LF inside is copied twice, one after the other;
	// see crypto/pgpmime/cost_test.go.
	if got := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(raw)); got > 3.6 {
		t.Errorf("%s: %.2f bytes allocated for each byte of the message", name, got)
	}
	return len(raw)
}

func mustEncrypt(t testing.TB, entity string) []byte {
	t.Helper()
	armored, err := pgp.Encrypt([]byte(entity), key(t, sender), []*pgp.Certificate{key(t, desk).Certificate()}, time.Now())
	must(t, err)
	return armored
}
