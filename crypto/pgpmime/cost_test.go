package pgpmime

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand"
	"runtime"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

// withAttachment returns an entity of about size bytes, most of it an
// attachment in base64 that does not compress any further.
func withAttachment(size int) string {
	data := make([]byte, size/4*3)
	rand.New(rand.NewSource(1)).Read(data)
	return "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n--m\r\n" +
		"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + string(base64Lines(data)) + "--m--\r\n"
}

// allocated counts the bytes that f allocates, whether they are freed meanwhile
// or not: never less than what lives at once.
func allocated(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}

// Opening one message allocates at most three times its size, so that the most
// that lives at once, the message as it came included, is four times its size.
func TestOpeningAllocatesAtMostThreeTimesTheMessage(t *testing.T) {
	const fixed = 512 << 10 // what a message costs however small it is
	h := newHouse(t)
	run := gpg(t)
	secret, err := h.xb.Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	run(string(secret), "--import")
	run(string(h.xa.Certificate().Armor()), "--import")
	both := []string{"--armor", "--sign", "--encrypt", "-u", "cp@betaland.example", "-r", "cp@alphaland.example"}
	o := options(h.xa, h.xb)
	o.At = time.Now()
	for _, size := range []int{64 << 10, 1 << 20, 6 << 20} {
		entity := withAttachment(size)
		lines := lf(entity)
		armored := run(entity, append(both, "--compress-algo", "none")...)
		for name, raw := range map[string]string{
			"sealed":             multi(control, seal(t, entity, h.xb, h.xa)),
			"gpg":                multi(control, armored),
			"gpg, LF inside":     multi(control, run(lines, append(both, "--compress-algo", "none")...)),
			"gpg, compressed":    multi(control, run(entity, append(both, "--compress-algo", "zlib")...)),
			"around signed":      multi(control, run(sign(t, h.xb, entity), append(both[:1:1], append([]string{"--compress-algo", "none"}, both[2:]...)...)...)),
			"signed":             outerFields + sign(t, h.xb, entity),
			"inline":             outerFields + "\r\n" + armored,
			"inline in base64":   outerFields + "Content-Transfer-Encoding: base64\r\n\r\n" + string(base64Lines([]byte(armored))),
			"inline in QP":       outerFields + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + strings.ReplaceAll(armored, "=", "=3D"),
			"without encryption": outerFields + entity,
		} {
			message, err := crlf([]byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			var m *Message
			got := allocated(func() { m, err = Open(message, o) })
			if err != nil || m.Form != Clear && m.Signature.Count == 0 {
				t.Fatalf("%s: %v %+v", name, err, m)
			}
			most := 3*float64(len(message)) + fixed
			if name == "inline in QP" { // decoded once more; the copy is dead when the text is made
				most = 3.5*float64(len(message)) + fixed
			}
			if got > most {
				t.Errorf("%s of %d bytes: %.0f bytes allocated, %.2f times the message", name, len(message), got, got/float64(len(message)))
			}
		}
	}
}

// What cannot be opened costs no more: the work for a stranger is bounded too.
func TestRefusingAllocatesAtMostThreeTimesTheMessage(t *testing.T) {
	h := newHouse(t)
	entity := withAttachment(1 << 20)
	armored := h.encrypt(t, entity)
	for name, raw := range map[string]string{
		"for somebody else":  multi(control, seal(t, entity, h.xb, h.eve)),
		"altered at the end": multi(control, armored[:len(armored)-200]+"AAAA"+armored[len(armored)-196:]),
		"text beside":        outerFields + "\r\nhello\r\n" + armored,
		"no armor":           multi(control, strings.Repeat("x", len(armored))),
		"one line of armor":  multi(control, "-----BEGIN PGP MESSAGE-----\r\n\r\n"+strings.Repeat("A", len(armored))),
		"parts without end":  multi(control, strings.Repeat("--encx\r\n", len(armored)/8)),
		"folded header":      "Subject: " + strings.Repeat("\r\n x", 15<<10) + "\r\n" + outerFields + "\r\n" + armored,
	} {
		var err error
		message := []byte(raw)
		got := allocated(func() { _, err = h.open(string(message)) }) - float64(len(message)) // the conversion
		if most := 3*float64(len(message)) + 512<<10; err == nil && name != "folded header" || got > most {
			t.Errorf("%s: %v, %.2f times the message", name, err, got/float64(len(message)))
		}
	}
}

// BenchmarkOpen shows that the cost of opening is linear: bytes each second,
// and allocated bytes for each byte of the message.
func BenchmarkOpen(b *testing.B) {
	h := newHouse(b)
	for _, size := range []int{8 << 10, 256 << 10, 1 << 20, 8 << 20, 25 << 20} {
		entity := withAttachment(size)
		for name, raw := range map[string][]byte{
			"encrypted": []byte(multi(control, h.encrypt(b, entity))),
			"signed":    []byte(outerFields + sign(b, h.xb, entity)),
		} {
			b.Run(fmt.Sprintf("%s/%dKiB", name, size>>10), func(b *testing.B) {
				o := options(h.xa, h.xb)
				b.SetBytes(int64(len(raw)))
				total := allocated(func() {
					for b.Loop() {
						if m, err := Open(raw, o); err != nil || m.Signature.State != pgp.SignatureGood {
							b.Fatal(err)
						}
					}
				})
				b.ReportMetric(total/float64(b.N)/float64(len(raw)), "alloc/byte")
			})
		}
	}
}

// Twice the message takes about twice the time, whatever it is made of: four
// times as much must not take more than twelve times as long.
func TestOpeningTakesLinearTime(t *testing.T) {
	h := newHouse(t)
	for name, make := range map[string]func(n int) string{
		"lines that begin like a boundary": func(n int) string {
			return outerFields + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--bx\r\n", n/6)
		},
		"boundaries that are no lines": func(n int) string {
			return outerFields + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("x--b", n/4)
		},
		"dashes": func(n int) string {
			return outerFields + "\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n" + strings.Repeat("-----", n/5) + "\r\n-----END PGP MESSAGE-----"
		},
		"short armor lines": func(n int) string {
			return multi(control, "-----BEGIN PGP MESSAGE-----\r\n\r\n"+strings.Repeat("A\r\n", n/3)+"-----END PGP MESSAGE-----\r\n")
		},
		"armor headers": func(n int) string {
			return multi(control, "-----BEGIN PGP MESSAGE-----\r\n"+strings.Repeat("A: b\r\n", n/6)+"\r\nAAAA\r\n-----END PGP MESSAGE-----\r\n")
		},
		"cleartext lines": func(n int) string {
			return outerFields + "\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n" + strings.Repeat("- \r\n", n/4) +
				"-----BEGIN PGP SIGNATURE-----\r\n\r\niQ==\r\n-----END PGP SIGNATURE-----\r\n"
		},
		"blanks": func(n int) string { return outerFields + "\r\n" + strings.Repeat(" \r\n", n/3) },
		"nested": func(n int) string {
			return outerFields + strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 18) + strings.Repeat("x", n)
		},
		"a signature that does not fit": func(n int) string {
			return outerFields + wrapSigned("Content-Type: text/plain\r\n\r\n"+strings.Repeat("From \r\n", n/7), []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), n/4))))
		},
	} {
		fastest := func(n int) time.Duration {
			raw := make(n)
			best := time.Hour
			for range 3 {
				start := time.Now()
				h.open(raw)
				best = min(best, time.Since(start))
			}
			return best
		}
		small, large := fastest(512<<10), fastest(2<<20)
		if large > 12*small+400*time.Millisecond { // what is quadratic takes many seconds
			t.Errorf("%s: %v for 512 KiB, %v for 2 MiB", name, small, large)
		}
	}
}
