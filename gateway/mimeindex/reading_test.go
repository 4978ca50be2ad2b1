package mimeindex

import (
	"bytes"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
)

func TestReading(t *testing.T) {
	const two = "Content-Type: multipart/alternative; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nOrdre =C3=A9mis=\r\n !\r\n" +
		"--b\r\nContent-Type: text/html\r\n\r\n<p>Ordre</p>\r\n"
	for _, c := range []struct{ name, raw, want string }{
		{"plain text before html", two + "--b--\r\n", "Ordre émis !"},
		{"all plain texts", two + "--b\r\n\r\nend\r\n--b--\r\n", "Ordre émis !\nend"},
		{"html alone", "Content-Type: text/html\r\n\r\n<style>x</style><p>a &amp; b</p>", "  a & b\n"},
		{"no attachment", "Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nlist", ""},
		{"no header at all", "\r\nhello", "hello"},
		{"at most 20 bytes", "\r\n" + strings.Repeat("é", 30), strings.Repeat("é", 10)},
	} {
		if got := Reading([]byte(c.raw), 20); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if got := Build([]byte(c.raw)).Reading([]byte(c.raw), 20); got != c.want {
			t.Errorf("%s: with an index %q, want %q", c.name, got, c.want)
		}
	}
}

func TestQuotedPrintableKeepsWhatIsBroken(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a=3D=e9b", "a=\xe9b"},
		{"soft=\r\nbreak", "softbreak"},
		{"soft with blanks= \t\r\nbehind", "soft with blanksbehind"},
		{"blanks at the end \t\r\nof a line", "blanks at the end\r\nof a line"},
		{"a=XYb=", "a=XYb"},
		{"50 = 5*10=4", "50 = 5*10=4"},
		{"bell \a and line\nfeed\n", "bell \a and line\nfeed\n"},
		{"==3D=", "==3D"[:1] + "="},
		{strings.Repeat("x", 9000) + "=\n=41", strings.Repeat("x", 9000) + "A"},
	} {
		if got := string(decodeQuotedPrintable([]byte(c.in))); got != c.want {
			t.Errorf("%.40q: %.40q, want %.40q", c.in, got, c.want)
		}
	}
}

// FuzzQuotedPrintable compares with the standard library where that finds
// nothing to object to.
func FuzzQuotedPrintable(f *testing.F) {
	for _, seed := range []string{"a=3D=\r\nb \r\n", "=e9=E9\n", "=\n=", " \t=20\r\n\r\n", "=0D=0A"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4000 {
			return // its lines are bounded
		}
		got := decodeQuotedPrintable(in)
		want, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(in)))
		if err == nil && !bytes.Equal(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	})
}

func BenchmarkReading(b *testing.B) {
	var body bytes.Buffer
	w := quotedprintable.NewWriter(&body)
	io.WriteString(w, strings.Repeat("The provider keeps connection logs for fourteen days only, and they are needed as évidence.\r\n", 88))
	w.Close()
	raw := append([]byte("From: a <a@b.example>\r\nDate: Mon, 2 Jan 2026 10:00:00 +0000\r\nSubject: x\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"), body.Bytes()...)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		Reading(raw, 256<<10)
	}
}

func TestBase64WithoutItsPaddingIsRead(t *testing.T) {
	for body, want := range map[string]string{"SGk": "Hi", "SGk=": "Hi", "SA": "H", "S": "", "S=G=k": "Hi", "": ""} {
		raw := []byte("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body)
		if got := Reading(raw, 100); got != want {
			t.Errorf("%q is read as %q, want %q", body, got, want)
		}
	}
}
