package intake

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/banner"
	"relais.example/gateway/mimeindex"
	"relais.example/routing/request"
	"relais.example/routing/verdict"
	"relais.example/test/desk"
	"relais.example/test/gateway"
)

// field returns the values of a header field of what staff see.
func field(raw []byte, name string) string {
	var out []string
	mimeindex.Build(raw).Header(raw, func(n, value string) bool {
		if strings.EqualFold(n, name) {
			out = append(out, value)
		}
		return true
	})
	return strings.Join(out, " | ")
}

func TestStaffSeeWhatTheSignatureIsWorth(t *testing.T) {
	d := desk.Open(t)
	expiring := func(in time.Duration) func(*arrival) {
		return func(a *arrival) {
			key, err := pgp.GenerateKey("x", desk.Beta, pgp.Curve25519, a.at.Add(-time.Hour).Truncate(time.Second), in+time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			a.message.Signature.Signer = key.Certificate()
		}
	}
	html := func(s string) func(*arrival) {
		return func(a *arrival) { a.message.Entity = []byte("Content-Type: text/html\r\n\r\n" + s + "\r\n") }
	}
	tests := []struct {
		name   string
		change func(*arrival)
		field  string
		want   string // beginning of the field
	}{
		{"signer", func(*arrival) {}, "Signer", "XB-1; " + d.Keys["XB-1"].Certificate().Fingerprint() + "; Unité XB-1; Country of XB-1"},
		{"headers that are signed", func(*arrival) {}, "Covered", "whole; signed header: From To"},
		{"none is", func(a *arrival) { a.message.Protected = nil }, "Covered", "whole; no header is signed"},
		{"signed To names us", func(*arrival) {}, "Addressed", "us-by-header; "},
		{"the signature names our key", func(a *arrival) { a.message.Signature.Intended = pgp.IntendedForUs }, "Addressed", "us-by-key; "},
		{"nothing signed names us", func(a *arrival) { a.message.Protected = nil }, "Addressed", "unstated; "},
		{"signed for others", func(a *arrival) { a.message.Signature.Intended = pgp.IntendedOthers }, "Addressed", "others; "},
		{"fresh", func(*arrival) {}, "Signed-At", facts(d).message.Signature.Created.Format("2006-01-02T15:")},
		{"old", func(a *arrival) {
			a.message.Signature.Created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			a.at = a.message.Signature.Created.AddDate(0, 0, 4)
		}, "Signed-At", "2026-01-02T03:04:05Z; old; 4 days before"},
		{"future", func(a *arrival) {
			a.message.Signature.Created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			a.at = a.message.Signature.Created.Add(-time.Hour)
		}, "Signed-At", "2026-01-02T03:04:05Z; future; 60 min after"},
		{"good key", func(*arrival) {}, "Key", "ok; "},
		{"key that ends soon", expiring(59 * 24 * time.Hour), "Key", "expires-soon; "},
		{"key that ends later", expiring(61 * 24 * time.Hour), "Key", "ok; "},
		{"key that hangs on SHA-1", func(a *arrival) {
			g := gateway.NewGPG(t)
			g.Run("", "--cert-digest-algo", "SHA1", "--quick-generate-key", "old@betaland.example", "future-default", "default", "never")
			certs, err := pgp.ParseCertificates([]byte(g.Run("", "--armor", "--export", "old@betaland.example")))
			if err != nil {
				t.Fatal(err)
			}
			a.at = time.Now().Add(time.Minute)
			a.message.Signature.Signer, a.message.Signature.Created = certs[0], a.at
		}, "Key", "weak-self-signatures; "},
		{"cipher", func(a *arrival) { a.message.Cipher = "AES-256" }, "Encrypted", "yes; AES-256"},
		{"in clear", func(a *arrival) { a.message.Encrypted = false }, "Encrypted", "no; "},
		{"quiet", func(*arrival) {}, "Warning", ""},
		{"imitation in text", func(a *arrival) { a.message.Entity = []byte("\r\n[RELAIS-1] Note by the gateway\r\n") }, "Warning", "imitation; "},
		{"imitation in base64", func(a *arrival) {
			a.message.Entity = []byte("Content-Transfer-Encoding: base64\r\n\r\nW1JFTEFJUy0xXSBOb3Rl\r\n")
		}, "Warning", "imitation; "},
		{"remote image", html(`<img alt="" SRC = 'https://t.example/x.png'>`), "Warning", "remote-content; the HTML asks for remote content (1)"},
		{"remote styles", html(`<link rel=stylesheet href="//t.example/x.css"><div style="background:url( http://t.example/y )"><style>@import "http://t.example/z";</style>`), "Warning", "remote-content; the HTML asks for remote content (3)"},
		{"a link is no load", html(`<a href="https://t.example/">x</a><img src="cid:1"><img src="data:image/png;base64,xx">`), "Warning", ""},
		{"a renamed line", func(a *arrival) { a.message.Entity = []byte("\r\nX-Relais-Verdict: x\r\nX-RELAIS-y\r\n") }, "Warning", "imitation; "},
		{"results in our name", func(a *arrival) {
			a.message.Entity = []byte("\r\nAuthentication-Results: " + desk.Hostname + "; pgp=pass\r\nand\r\nauthentication-results: x." + desk.Hostname + "\r\n")
		},
			"Warning", "renamed; names that only the gateway may use (X-Relais-...) begin with X-Sender- here (2)"},
		{"what another gateway says of its answer", func(a *arrival) { a.message.Entity = []byte("X-Relais-Reply: final\r\n\r\nHello\r\n") }, "Warning", ""},
		{"encoded too often", func(a *arrival) {
			inner := "Subject: x\r\n\r\nHello\r\n"
			for range maxWrapped + 1 {
				inner = letterWith("quoted-printable", strings.ReplaceAll(inner, "=", "=3D"))
			}
			a.message.Entity = []byte(inner)
		}, "Warning", "not-looked-at; "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := facts(d)
			a.message.Entity = []byte("\r\nHello\r\n")
			tt.change(a)
			raw := shown(d, a)
			if got := field(raw, "X-Relais-"+tt.field); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("X-Relais-%s: %s; want %q", tt.field, got, tt.want)
			}
		})
	}
}

func TestNobodySigned(t *testing.T) {
	d := desk.Open(t)
	a := facts(d)
	a.in.o.Vault = d.Vault
	a.message.Entity, a.message.Signature = []byte("\r\nHello\r\n"), pgp.Signature{State: pgp.SignatureNone}
	a.class.Kinds = []request.Kind{request.Unclassified}
	a.outline = mimeindex.Outline(a.message.Entity)
	raw := a.render(verdict.Verdict{Action: verdict.Quarantine, Reason: verdict.UnsignedListed}, plan{}, "")
	if got := field(raw, "X-Relais-Signer") + field(raw, "X-Relais-Covered") + field(raw, "X-Relais-Addressed"); got != "none; nobody signed the messagenone" || !bytes.Contains(raw, []byte("HELD (unsigned-listed)")) {
		t.Errorf("%q in\n%s", got, raw)
	}
}

func TestNoteIsInTheLanguageOfTheDesk(t *testing.T) {
	d := desk.Open(t)
	for language, want := range map[banner.Language]string{banner.English: "Note by the gateway\r\nACCEPTED (ok)", banner.French: "Note de la passerelle\r\nACCEPTÉ (ok)"} {
		a := facts(d)
		a.desk.Banner, a.message.Entity = language, []byte("\r\nHello\r\n")
		if raw := shown(d, a); !bytes.Contains(raw, []byte(want)) {
			t.Errorf("%s: %q is not in\n%s", language, want, raw)
		}
	}
}
