package pgpmime

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
)

var now = time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)

func newKey(t testing.TB, address string) *pgp.Key {
	t.Helper()
	name, _, _ := strings.Cut(address, "@")
	k, err := pgp.GenerateKey(name, address, pgp.Curve25519, now.Add(-24*time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func certs(keys ...*pgp.Key) (c []*pgp.Certificate) {
	for _, k := range keys {
		c = append(c, k.Certificate())
	}
	return c
}

func options(key *pgp.Key, known ...*pgp.Key) Options {
	return Options{Keys: []*pgp.Key{key}, Ring: pgp.NewRing(certs(known...)...), Policy: pgp.DefaultPolicy(), At: now}
}

func draft() Draft {
	return Draft{
		From:       "Contact Point XB <cp@betaland.example>",
		To:         []string{"cp@alphaland.example"},
		Subject:    "Préservation urgente: compte de Müller",
		Date:       now,
		MessageID:  "<1@betaland.example>",
		InReplyTo:  "<0@alphaland.example>",
		References: []string{"<00@alphaland.example>", "<0@alphaland.example>"},
		Extra:      [][2]string{{"Cc", "second@betaland.example"}},
		Outside:    [][2]string{{"Auto-Submitted", "auto-replied"}},
		Body:       []byte("Bonjour,\nveuillez préserver " + strings.Repeat("très ", 400) + "\n"),
	}
}

func TestSealedMessageKeepsEverythingRealInside(t *testing.T) {
	xb, xa := newKey(t, "cp@betaland.example"), newKey(t, "cp@alphaland.example")
	d := draft()
	raw, err := Seal(d, xb, certs(xa), now)
	if err != nil {
		t.Fatal(err)
	}
	header, _ := splitHeader(raw)
	for _, secret := range []string{"rgente", "ller", "second@"} {
		if bytes.Contains(header, []byte(secret)) {
			t.Errorf("%q stands outside:\n%s", secret, header)
		}
	}
	for line := range bytes.Lines(raw) {
		if !bytes.HasSuffix(line, []byte("\r\n")) || len(line) > 1000 || !ascii(line) {
			t.Fatalf("line not fit for mail: %q", line)
		}
	}
	m, err := Open(raw, options(xa, xb))
	if err != nil {
		t.Fatal(err)
	}
	if m.Form != MIMEEncrypted || !m.Encrypted || !m.WholeSigned || m.Signature.State != pgp.SignatureGood ||
		m.Signature.Intended != pgp.IntendedForUs || m.Protection != "cipher" {
		t.Fatalf("facts: %+v", m)
	}
	for name, want := range map[string]string{
		"Subject": d.Subject, "From": `"Contact Point XB" <cp@betaland.example>`, "To": "<cp@alphaland.example>",
		"Message-ID": d.MessageID, "In-Reply-To": d.InReplyTo, "References": "<00@alphaland.example> <0@alphaland.example>",
		"Cc": "second@betaland.example", "Auto-Submitted": "auto-replied", "Date": "Tue, 24 Nov 2026 09:30:00 +0000",
	} {
		if got := m.Protected.Text(name); got != want {
			t.Errorf("protected %s: %q, want %q", name, got, want)
		}
	}
	if m.Outer.Get("Subject") != "..." || m.Outer.Get("Auto-Submitted") != "auto-replied" || m.Outer.Get("In-Reply-To") != d.InReplyTo {
		t.Errorf("outer: %v", m.Outer)
	}
	if v, protected := m.Field("subject"); !protected || len(v) != 1 {
		t.Errorf("field: %v %v", v, protected)
	}
	h, body := splitHeader(m.Entity)
	parsed, err := parseHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Values("HP-Outer")) != 8 || !strings.Contains(parsed.Get("Content-Type"), `hp="cipher"`) {
		t.Errorf("inner header: %s", h)
	}
	text, err := decodeBody(body, parsed)
	if err != nil || !bytes.Equal(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), d.Body) {
		t.Errorf("body: %v %q", err, text)
	}
}

func TestTwoSealsNeverShareABoundary(t *testing.T) {
	k := newKey(t, "cp@betaland.example")
	seen := map[string]bool{}
	for range 5 {
		d := draft()
		d.MessageID = ""
		raw, err := Seal(d, k, certs(k), now)
		if err != nil {
			t.Fatal(err)
		}
		h, _ := splitHeader(raw)
		parsed, _ := parseHeader(h)
		_, params, err := parsed.contentType()
		if err != nil || seen[params["boundary"]] || seen[parsed.Get("Message-ID")] {
			t.Fatalf("boundary or message id used twice: %v %v", err, params)
		}
		seen[params["boundary"]], seen[parsed.Get("Message-ID")] = true, true
	}
}

// Threat 9: a value with a line end is refused, not cleaned.
func TestSealRefusesHeaderInjection(t *testing.T) {
	k := newKey(t, "cp@betaland.example")
	for _, evil := range []string{"x\r\nBcc: eve@evil.example", "x\rBcc: y", "x\ny", "x\x00y"} {
		for name, set := range map[string]func(*Draft){
			"from":          func(d *Draft) { d.From = evil + " <cp@betaland.example>" },
			"from address":  func(d *Draft) { d.From = "cp@betaland.example" + evil },
			"to":            func(d *Draft) { d.To = []string{"cp@alphaland.example", evil + " <a@b.example>"} },
			"subject":       func(d *Draft) { d.Subject = evil },
			"outer subject": func(d *Draft) { d.OuterSubject = evil },
			"message id":    func(d *Draft) { d.MessageID = "<" + evil + "@b>" },
			"in-reply-to":   func(d *Draft) { d.InReplyTo = "<" + evil + "@b>" },
			"references":    func(d *Draft) { d.References = []string{"<" + evil + "@b>"} },
			"extra value":   func(d *Draft) { d.Extra = [][2]string{{"X-A", evil}} },
			"extra name":    func(d *Draft) { d.Extra = [][2]string{{evil, "a"}} },
			"outside value": func(d *Draft) { d.Outside = [][2]string{{"X-A", evil}} },
			"content type":  func(d *Draft) { d.ContentType = "text/plain; name=\"" + evil + "\"" },
			"encoded word":  func(d *Draft) { d.From = fmt.Sprintf("=?utf-8?q?%s?= <a@b.example>", "a=0D=0AB:") },
		} {
			d := draft()
			set(&d)
			if out, err := Seal(d, k, certs(k), now); err == nil {
				t.Errorf("%s with %q was sealed:\n%s", name, evil, out)
			}
		}
	}
}

func TestSealRefusesWhatItWritesItself(t *testing.T) {
	k := newKey(t, "cp@betaland.example")
	for name, set := range map[string]func(*Draft){
		"no sender":      func(d *Draft) { d.From = "" },
		"two senders":    func(d *Draft) { d.From = "a@b.example, c@d.example" },
		"no recipient":   func(d *Draft) { d.To = nil },
		"no date":        func(d *Draft) { d.Date = time.Time{} },
		"second from":    func(d *Draft) { d.Extra = [][2]string{{"From", "x@y.example"}} },
		"second type":    func(d *Draft) { d.Extra = [][2]string{{"content-type", "text/html"}} },
		"bad message id": func(d *Draft) { d.MessageID = "1@betaland.example" },
		"long lines": func(d *Draft) {
			d.ContentType = `multipart/mixed; boundary="b"`
			d.Body = bytes.Repeat([]byte("x"), 2000)
		},
		"not utf-8":      func(d *Draft) { d.Body = []byte{0xff, 0xfe} },
		"non-ascii host": func(d *Draft) { d.To = []string{"a@bücher.example"} },
	} {
		d := draft()
		set(&d)
		if _, err := Seal(d, k, certs(k), now); err == nil {
			t.Errorf("%s: sealed", name)
		}
	}
	if _, err := Seal(draft(), k, nil, now); err == nil {
		t.Error("sealed to nobody")
	}
}

func TestSealedBodiesOfEveryKindComeBack(t *testing.T) {
	k := newKey(t, "cp@betaland.example")
	long := strings.Repeat("x", 5000)
	for _, c := range []struct{ contentType, body, want string }{
		{"", "short\n", "short\r\n"},
		{"", long, long},
		{"text/html; charset=utf-8", "<p>é</p>", "<p>é</p>"},
		{"application/pdf", "%PDF\x00\r\xff", "%PDF\x00\r\xff"},
		{`multipart/mixed; boundary="b"`, "--b\n\nhello é\n--b--\n", "--b\r\n\r\nhello é\r\n--b--\r\n"},
	} {
		d := draft()
		d.ContentType, d.Body, d.Subject = c.contentType, []byte(c.body), long+" =?utf-8?q?x?="
		raw, err := Seal(d, k, certs(k), now)
		if err != nil {
			t.Errorf("%s: %v", c.contentType, err)
			continue
		}
		m, err := Open(raw, options(k, k))
		if err != nil {
			t.Errorf("%s: %v", c.contentType, err)
			continue
		}
		block, body := splitHeader(m.Entity)
		h, err := parseHeader(block)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeBody(body, h)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v %q", c.contentType, err, got)
		}
		if m.Protected.Text("Subject") != d.Subject {
			t.Errorf("subject: %q", m.Protected.Text("Subject"))
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	k := newKey(b, "cp@betaland.example")
	d := draft()
	d.Body = bytes.Repeat([]byte("Please preserve the data of the account.\n"), 200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Seal(d, k, certs(k), now); err != nil {
			b.Fatal(err)
		}
	}
}
