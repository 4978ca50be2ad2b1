package pgpmime

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"testing"

	"relais.example/crypto/pgp"
)

func FuzzOpen(f *testing.F) {
	// One fixed key (of the tests only), so that inputs found stay meaningful.
	text, err := os.ReadFile("testdata/fuzz-key.asc")
	if err != nil {
		f.Fatal(err)
	}
	key, err := pgp.ReadKey(text, nil)
	if err != nil {
		f.Fatal(err)
	}
	h := house{xa: key, xb: key, eve: key}
	armored := h.encrypt(f, plain)
	sealed, err := Seal(draft(), key, certs(key), now)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(sealed), multi(control, armored), multi(control, h.encrypt(f, sign(f, key, plain))), outerFields + sign(f, key, plain),
		outerFields + "\r\n" + armored, outerFields + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + armored,
		outerFields + "\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nhello\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\niQ==\r\n-----END PGP SIGNATURE-----\r\n",
		outerFields + "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nhello\r\n--m--\r\n", "", "\r\n", "From: a\r\n b\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	o := options(key, key)
	o.Limits.MaxPlaintext = 1 << 20
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Open(raw, o)
		if err != nil {
			if m != nil {
				t.Fatal("a message came with an error")
			}
			if !errors.Is(err, pgp.ErrCannotOpen) && !errors.Is(err, ErrStructure) && !errors.Is(err, ErrLimits) {
				t.Fatalf("unknown error: %v", err)
			}
			return
		}
		if (m.Form == Clear) != (m.Entity == nil) {
			t.Fatalf("form %s with an entity of %d bytes", m.Form, len(m.Entity))
		}
		if bytes.Count(m.Entity, []byte("\n")) != bytes.Count(m.Entity, []byte("\r\n")) || bytes.IndexByte(m.Entity, 0) >= 0 {
			t.Fatal("entity is no canonical text")
		}
		again, err := Open(raw, o)
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatal("opened twice, read in two ways")
		}
	})
}
