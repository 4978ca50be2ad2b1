package interchange

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
	"relais.example/routing/request"
)

var now = time.Date(2026, 2, 1, 9, 0, 0, 0, time.UTC)

func vocabulary(t interface {
	Fatal(...any)
	Helper()
}) *Vocabulary {
	t.Helper()
	v, err := DefaultVocabulary()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// keys are made once: making one takes longer than a whole round trip.
var keys = sync.OnceValue(func() []string {
	var list []string
	for i := range 12 {
		k, err := pgp.GenerateKey(fmt.Sprintf("Key %d", i), fmt.Sprintf("key%d@example.org", i), pgp.Curve25519, now.AddDate(-1, 0, 0), 0)
		if err != nil {
			panic(err)
		}
		list = append(list, string(k.Certificate().Armor()))
	}
	return list
})

// Texts that a careless format loses: signs of each format, formulas, blank
// marks, escapes.
var nasty = rapid.SampledFrom([]string{
	"-", "n/a", "=cmd|'/C calc'!A0", "+1", "@SUM(A1)", "'quoted", "''=x", "a;b,c\td", `back\slash \n`, `"quotes" and ""`,
	"a | b \\| c", "<w:t>&amp;</w:t>", "_x000D_ _x005F_", "Prosecutor's Office", "Бюро", "警察", "Unité « cyber »", "none", "x", "24/7", "BEGIN:VCARD", "Betaland", "Party", "ID", "tel:+999", "Mo-Fr", "e\u0301",
})

func text(label string) *rapid.Generator[string] {
	plain := rapid.StringOfN(rapid.RuneFrom([]rune(`abcXYZ éüñß,;:"'\|&<>=+-@/()#%_.0123456789`)), 1, 40, -1)
	return rapid.Custom(func(t *rapid.T) string {
		s := rapid.OneOf(plain, nasty).Draw(t, label)
		s = strings.TrimSpace(strings.ReplaceAll(s, "\t", " "))
		if s == "" {
			return "x y"
		}
		return s
	})
}

func some[T any](t *rapid.T, label string, most int, g *rapid.Generator[T]) []T {
	n := rapid.IntRange(0, most).Draw(t, label+" count")
	if n == 0 {
		return nil
	}
	return rapid.SliceOfN(g, n, n).Draw(t, label)
}

func distinct[T comparable](list []T) []T {
	var out []T
	for _, v := range list {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func day(t *rapid.T, label string) directory.Date {
	return directory.Date{Time: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(1, 20000).Draw(t, label))}
}

func provenance(t *rapid.T, known []string) map[string]directory.Provenance {
	m := map[string]directory.Provenance{}
	for _, f := range some(t, "provenance of", 3, rapid.SampledFrom(known)) {
		p := directory.Provenance{Source: text("source").Draw(t, "source")}
		if rapid.Bool().Draw(t, "verified") {
			p.Verified = day(t, "verified on")
			p.VerifiedBy = text("by").Draw(t, "by")
		}
		m[f] = p
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// drawDocument makes a document without faults that uses every field.
func drawDocument(t *rapid.T) *directory.Document {
	doc := &directory.Document{Format: directory.Format, Version: 1, Issued: now}
	partyFields, pointFields := directory.ProvenanceFields()
	languages := rapid.SampledFrom([]string{"en", "fr", "es", "pt-BR", "et", "sr", "or", "fra"})
	certificates := slices.Clone(keys())
	for i, code := range distinct(rapid.SliceOfN(rapid.StringMatching(`[A-Z]{2}`), 1, 4).Draw(t, "codes")) {
		p := directory.Party{Code: code, Names: map[string]string{"en": text("name").Draw(t, "en")}}
		for _, lang := range some(t, "names", 2, rapid.SampledFrom([]string{"fr", "de", "pt-BR"})) {
			p.Names[lang] = text("name").Draw(t, lang)
		}
		if rapid.Bool().Draw(t, "bound") {
			p.Convention.From = day(t, "from")
			if rapid.Bool().Draw(t, "left") {
				p.Convention.Until = directory.Date{Time: p.Convention.From.AddDate(3, 0, 0)}
			}
			p.SecondProtocol.From = day(t, "second")
		}
		p.Reservations = distinct(some(t, "reservations", 2, rapid.SampledFrom([]string{"CONV 29.4", "SAP 7.9.a", "SAP 9.1.b"})))
		p.PreservationMaxDays = rapid.IntRange(0, 3660).Draw(t, "days")
		p.PreservationRenewals = rapid.IntRange(0, 100).Draw(t, "renewals")
		p.FormalConfirmation = rapid.Bool().Draw(t, "formal")
		p.Provenance = provenance(t, partyFields)
		for j := range rapid.IntRange(0, 3).Draw(t, "contact points") {
			id := fmt.Sprintf("%s-%d", code, j*7+1)
			cp := directory.ContactPoint{
				ID: id, Role: rapid.SampledFrom([]directory.Role{directory.Police, directory.Prosecutor, directory.Ministry, directory.Mixed}).Draw(t, "role"),
				Institution: text("institution").Draw(t, "institution"), Addresses: []string{fmt.Sprintf("=cp.%d.%d@%s.example", i, j, strings.ToLower(code))},
				LanguagesIn: distinct(some(t, "in", 3, languages)), LanguagesOut: distinct(some(t, "out", 3, languages)),
				Hours: rapid.SampledFrom([]string{"", "24/7", "Mo-Fr 08:00-18:00; Sa 09:00-12:00"}).Draw(t, "hours"), Zone: rapid.SampledFrom([]string{"Europe/Paris", "UTC", "Etc/GMT-2"}).Draw(t, "zone"),
				Competences: distinct(some(t, "kinds", 4, rapid.SampledFrom(request.Kinds()))), Provenance: provenance(t, pointFields),
			}
			if rapid.Bool().Draw(t, "has unit") {
				cp.Unit = text("unit").Draw(t, "unit")
			}
			cp.Postal = strings.Join(some(t, "postal", 4, text("postal line")), "\n")
			if rapid.Bool().Draw(t, "second address") {
				cp.Addresses = append(cp.Addresses, fmt.Sprintf("+duty'%d.%d@%s.example", i, j, strings.ToLower(code)))
			}
			for range rapid.IntRange(0, 3).Draw(t, "phones") {
				ph := directory.Phone{
					Number: rapid.SampledFrom([]string{"+999 1 555 0100", "+999-2.555 0199 ext 12", "+9991555000"}).Draw(t, "number"),
					Use:    rapid.SampledFrom(phoneUses).Draw(t, "use"),
				}
				if rapid.Bool().Draw(t, "written") {
					ph.Written = text("written").Draw(t, "written")
				}
				cp.Phones = append(cp.Phones, ph)
			}
			if rapid.IntRange(0, 3).Draw(t, "has key") == 0 && len(certificates) > 1 {
				n := rapid.IntRange(1, 2).Draw(t, "keys")
				cp.CertificatesArmored, certificates = slices.Clone(certificates[:n]), certificates[n:]
				cp.Vouchers = append(cp.Vouchers, directory.Voucher{
					Fingerprint: fingerprintOf(cp.CertificatesArmored[0]), How: directory.CallBack, By: text("by").Draw(t, "voucher"),
					At: now.In(time.FixedZone("", 3600)), EmergenciesFrom: now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "cool-down")) * time.Hour),
				})
			}
			if j > 0 {
				cp.Backup = p.ContactPoints[0].ID
			}
			p.ContactPoints = append(p.ContactPoints, cp)
		}
		doc.Parties = append(doc.Parties, p)
	}
	return doc
}

func encode(t interface{ Fatal(...any) }, doc *directory.Document) string {
	raw, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// What is exported and imported again is the same document, byte for byte, and
// leaves nothing to ask about.
func TestExportAndImportGiveTheSameDraft(t *testing.T) {
	v := vocabulary(t)
	for _, format := range []Format{JSON, CSV, XLSX, DOCX, VCard} {
		t.Run(string(format), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				doc := drawDocument(t)
				if p := doc.Check(); len(p) > 0 {
					t.Fatalf("the generator made a faulty document: %v", p)
				}
				var b bytes.Buffer
				if err := Export(&b, doc, format, v); err != nil {
					t.Fatal(err)
				}
				r, err := Import(t.Context(), []File{{Name: "list." + string(format), Data: b.Bytes()}}, Options{Vocabulary: v, Issued: now})
				if err != nil {
					t.Fatal(err)
				}
				if got, want := encode(t, r.Draft), encode(t, doc); got != want {
					t.Fatalf("changed by the round trip:\n%v\nfindings: %v", directory.DiffDocuments(doc, r.Draft), r.Findings)
				}
				for _, f := range r.Findings {
					if f.Code != GuessedCode {
						t.Fatalf("a finding about our own export: %s", f)
					}
				}
				again, err := Import(t.Context(), []File{{Name: "list", Data: b.Bytes()}}, Options{Vocabulary: v, Current: doc, Issued: now, Source: "list"})
				if err != nil {
					t.Fatal(err)
				}
				if len(again.Changes) > 0 {
					t.Fatalf("importing what is in force changed it: %v", again.Changes)
				}
			})
		})
	}
}
