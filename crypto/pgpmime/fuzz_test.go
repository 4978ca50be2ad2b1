package pgpmime

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

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

// What the walk cuts is what stands in the body, in order, and no limit is
// passed.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{
		"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nhello\r\n--m--\r\n",
		"Content-Type: multipart/mixed; boundary=m\r\n\r\npre\r\n--m\r\n\r\na\r\n--m \r\n\r\nb\r\n--mm\r\n--m--\r\nepilogue",
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/alternative; boundary=ab\r\n\r\n--ab\r\n\r\nx\r\n--ab--\r\n--a--",
		"Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/signed; boundary=s; protocol=\"application/pgp-signature\"\r\n\r\n--s\r\n",
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9=\r\n",
		"Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe9\r\n", "Content-Type: multipart/x; boundary=\"\"\r\n\r\n--\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	limits := DefaultLimits()
	f.Fuzz(func(t *testing.T, entity []byte) {
		s := &scanner{limits: limits}
		h, body, err := s.header(entity)
		if err != nil {
			return
		}
		if err := s.walk(h, body, 1); err != nil && !errors.Is(err, ErrLimits) {
			t.Fatalf("unknown error: %v", err)
		}
		if s.parts > limits.MaxParts+1 {
			t.Fatalf("%d parts", s.parts)
		}
		for _, form := range entityForms {
			form.undo(entity)
		}
		_, params, err := h.contentType()
		if err != nil || params["boundary"] == "" {
			return
		}
		m, err := splitParts(body, params["boundary"], limits.MaxParts)
		if err != nil {
			return
		}
		end := 0
		for i, part := range m.parts {
			if m.starts[i] < end || !bytes.Equal(body[m.starts[i]:m.starts[i]+len(part)], part) {
				t.Fatalf("part %d of %q is not where it is said to be", i, body)
			}
			end = m.starts[i] + len(part)
		}
	})
}

// A header is read whole or not at all, and no value smuggles a line.
func FuzzHeader(f *testing.F) {
	for _, seed := range []string{
		"From: a@b.example\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n x\r\n", "Subject: =?utf-8?b?DQpCY2M6IHg=?=\r\n", "X: a\r\n\tb\r\n",
		"From: j\xc3\xbcrgen@b.example\r\n", "Subject: a\r\nSubject: a\r\n", " folded first\r\n", "no colon\r\n", "a:b\rc\r\n", "Content-Type: text/plain; charset*0*=utf-8''a; charset*1=b\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		h, err := parseHeader(block)
		if err != nil {
			if h != nil || !errors.Is(err, ErrStructure) {
				t.Fatalf("%v with %v", err, h)
			}
			return
		}
		var again bytes.Buffer
		for _, field := range h {
			if !isFieldName(field.Name) || strings.ContainsAny(field.Value, "\r\n\x00") {
				t.Fatalf("%q", field)
			}
			if text := h.Text(field.Name); strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f }) || !utf8.ValidString(text) {
				t.Fatalf("%q", text)
			}
			again.WriteString(field.Name + ": " + field.Value + "\r\n")
		}
		h.contentType()
		if second, err := parseHeader(again.Bytes()); err != nil || !reflect.DeepEqual(h, second) {
			t.Fatalf("read as %q, written and read again as %q, %v", h, second, err)
		}
		fields, at := cutFields(block)
		if !bytes.Equal(bytes.Join(fields, nil), block) || at >= len(fields) {
			t.Fatalf("cut into %q", fields)
		}
	})
}

// A text body is opened as one block and nothing else, or not at all.
func FuzzInline(f *testing.F) {
	text, err := os.ReadFile("testdata/fuzz-key.asc")
	if err != nil {
		f.Fatal(err)
	}
	key, err := pgp.ReadKey(text, nil)
	if err != nil {
		f.Fatal(err)
	}
	h := house{xa: key, xb: key, eve: key}
	armored := h.encrypt(f, "hello\nworld")
	signed := "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- -dash\nhello \n-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"
	for _, seed := range []string{
		armored, armored + armored, "hello\n" + armored, armored + "hello", strings.Replace(armored, "\r\n", "\r\nCharset: shift_jis\r\n", 1),
		signed, signed + signed, armored + signed, strings.Replace(signed, "hello", "-----BEGIN PGP MESSAGE-----", 1), "", "-----BEGIN PGP MESSAGE-----",
	} {
		f.Add([]byte(seed), "utf-8")
		f.Add([]byte(seed), "iso-2022-jp")
	}
	o := options(key, key)
	o.Limits.MaxPlaintext = 1 << 20
	f.Fuzz(func(t *testing.T, body []byte, charset string) {
		m := &Message{}
		err := m.openInline(body, map[string]string{"charset": charset}, o)
		if err != nil {
			if !errors.Is(err, pgp.ErrCannotOpen) && !errors.Is(err, ErrStructure) && !errors.Is(err, ErrLimits) {
				t.Fatalf("unknown error: %v", err)
			}
			return
		}
		if m.Form == "" {
			if m.Entity != nil || bytes.HasPrefix(bytes.TrimSpace(body), beginMessage) {
				t.Fatalf("taken for no PGP, with the entity %q", m.Entity)
			}
			return
		}
		if blocks(bytes.TrimSpace(body)) != 1 || m.Entity == nil || m.Protected != nil {
			t.Fatalf("%s of %d blocks: %q", m.Form, blocks(body), m.Entity)
		}
		head, _ := splitHeader(m.Entity)
		if bytes.Count(head, []byte("\r\n")) != 2 {
			t.Fatalf("the header made for the text is %q", head)
		}
	})
}
