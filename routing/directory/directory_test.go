package directory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/request"
)

var now = time.Date(2026, 2, 1, 9, 0, 0, 0, time.UTC)

// newKey makes a key that was created a year before now.
func newKey(t testing.TB, name string, validFor time.Duration) *pgp.Key {
	t.Helper()
	k, err := pgp.GenerateKey(name, strings.ToLower(name)+"@example.org", pgp.Curve25519, now.AddDate(-1, 0, 0), validFor)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func armor(k *pgp.Key) string { return string(k.Certificate().Armor()) }

func day(s string) Date {
	d, err := ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// invented returns a document of three Parties; the contact points of Alphaland
// and Betaland have certificates.
func invented(t testing.TB) *Document {
	t.Helper()
	return &Document{
		Format: Format, Version: 7, Issued: now,
		Parties: []Party{
			{
				Code: "XA", Names: map[string]string{"en": "Alphaland", "fr": "Alphalande"},
				Convention: Treaty{From: day("2004-07-01")}, SecondProtocol: Treaty{From: day("2025-01-01")},
				Reservations: []string{"CONV 29.4"}, PreservationMaxDays: 90, PreservationRenewals: 1, FormalConfirmation: true,
				ContactPoints: []ContactPoint{
					{
						ID: "XA-1", Role: Police, Institution: "National Police of Alphaland", Unit: "Cybercrime Unit",
						Postal: "1 Alpha Street\nAlphaville", Phones: []Phone{{Number: "+999 1 555 0100", Use: "office"}, {Number: "+999 1 555 0199", Use: "out-of-hours"}},
						Addresses:   []string{"cyber@police.alphaland.example", "duty@police.alphaland.example"},
						LanguagesIn: []string{"en", "fr"}, LanguagesOut: []string{"en"}, Hours: "24/7", Zone: "Europe/Paris",
						Backup: "XA-2", CertificatesArmored: []string{armor(newKey(t, "XA-1", 0))},
					},
					{
						ID: "XA-2", Role: Prosecutor, Institution: "Parquet général", Addresses: []string{"parquet@justice.alphaland.example"},
						Competences:         []request.Kind{request.StoredDataMLA, request.EmergencyMLA},
						CertificatesArmored: []string{armor(newKey(t, "XA-2", 0))},
					},
				},
			},
			{
				Code: "XB", Names: map[string]string{"en": "Betaland", "fr": "Bêtalande"}, Convention: Treaty{From: day("2010-03-01")},
				ContactPoints: []ContactPoint{{
					ID: "XB-1", Role: Prosecutor, Institution: "Office of the Prosecutor General", Unit: "Cybercrime Department",
					Addresses: []string{"cyber@prosecution.betaland.example"}, Hours: "Mo-Fr 08:00-18:00; Sa 09:00-12:00", Zone: "America/Bogota",
					CertificatesArmored: []string{armor(newKey(t, "XB-1", 0))},
				}},
			},
			{
				Code: "XC", Names: map[string]string{"en": "Gammaland"}, Convention: Treaty{From: day("2015-01-01"), Until: day("2025-06-01")},
				ContactPoints: []ContactPoint{{ID: "XC-1", Role: Ministry, Institution: "Ministry of Justice", Addresses: []string{"cp@justice.gammaland.example"}}},
			},
		},
	}
}

func mustNew(t testing.TB, doc *Document) *Directory {
	t.Helper()
	d, err := New(doc)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func encode(t testing.TB, doc *Document) []byte {
	t.Helper()
	b, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLookups(t *testing.T) {
	d := mustNew(t, invented(t))
	xa1, ok := d.ContactPoint("XA-1")
	if !ok || xa1.Party != "XA" {
		t.Fatalf("ContactPoint(XA-1) = %v, %v", xa1, ok)
	}
	for _, addr := range []string{"cyber@police.alphaland.example", "CYBER@Police.Alphaland.EXAMPLE", "Duty@police.alphaland.example"} {
		if cp, ok := d.ByAddress(addr); !ok || cp != xa1 {
			t.Errorf("ByAddress(%q) = %v, %v", addr, cp, ok)
		}
	}
	if _, ok := d.ByAddress("stranger@police.alphaland.example"); ok {
		t.Error("an unlisted address was found")
	}
	fpr := xa1.Certificates()[0].Fingerprint()
	if cp, ok := d.BySigner(fpr); !ok || cp != xa1 {
		t.Errorf("BySigner = %v, %v", cp, ok)
	}
	if d.Ring().Certificate(fpr) == nil {
		t.Error("the ring lacks the certificate of XA-1")
	}
	if got, want := d.Counts(), (Counts{3, 4, 3}); got != want {
		t.Errorf("Counts() = %v, want %v", got, want)
	}
	if !xa1.Handles(request.Preservation) {
		t.Error("a contact point without competences must handle everything")
	}
	xa2, _ := d.ContactPoint("XA-2")
	if xa2.Handles(request.Preservation) || !xa2.Handles(request.StoredDataMLA) {
		t.Error("competences of XA-2 not respected")
	}
}

func TestLookAlikeAddressIsNotFound(t *testing.T) {
	doc := invented(t)
	doc.Parties[0].ContactPoints[0].Addresses = []string{"kontakt@police.alphaland.example", "Éric@police.alphaland.example"}
	d := mustNew(t, doc)
	if _, ok := d.ByAddress("\u212Aontakt@police.alphaland.example"); ok { // Kelvin sign
		t.Error("the Kelvin sign was taken for a k")
	}
	if _, ok := d.ByAddress("e\u0301ric@police.alphaland.example"); !ok {
		t.Error("the decomposed, lower-case form of É must match")
	}
}

// RFC 6531: the same domain in its Unicode form.
func TestDomainOutsideASCIIIsFound(t *testing.T) {
	doc := invented(t)
	doc.Parties[0].ContactPoints[0].Addresses = []string{"müller@xn--bcher-kva.example", "cyber@police.alphaland.example"}
	d := mustNew(t, doc)
	for addr, want := range map[string]bool{
		"müller@xn--bcher-kva.example": true, "müller@bücher.example": true, "MÜLLER@BÜCHER.example": true, "müller@bu\u0308cher.example": true,
		"müller@bucher.example": false, "müller@b\u00fccher.example.": false, "müller@b\u0443cher.example": false, "müller@bücher\u3002example": false,
		"cyber@police.alphaland.example": true, "cyber@p\u043elice.alphaland.example": false, "cyber@police.alpha\u00adland.example": false,
		"cyber@police.alphaland\uff0eexample": false, "cyber@poli\u200dce.alphaland.example": false, "cyber@\uff50olice.alphaland.example": false,
		"cyber@police.alp\u210aaland.example": false, "ü@": false, "ü": false,
	} {
		if _, ok := d.ByAddress(addr); ok != want {
			t.Errorf("%q (%+q): found %v", addr, addr, ok)
		}
	}
}

func TestInForceBetween(t *testing.T) {
	d := mustNew(t, invented(t))
	at := func(s string) time.Time { return day(s).Time }
	tests := []struct {
		protocol, a, b string
		at             time.Time
		want           bool
	}{
		{Convention, "XA", "XB", at("2010-03-01"), true},
		{Convention, "XA", "XB", at("2010-03-01").Add(-time.Second), false},
		{Convention, "XA", "XC", at("2025-05-31"), true},
		{Convention, "XA", "XC", at("2025-06-01"), false},
		{SecondProtocol, "XA", "XB", at("2026-01-01"), false},
		{SecondProtocol, "XA", "XA", at("2026-01-01"), true},
		{Convention, "XA", "XZ", at("2026-01-01"), false},
		{"OTHER", "XA", "XB", at("2026-01-01"), false},
	}
	for _, tt := range tests {
		if got := d.InForceBetween(tt.protocol, tt.a, tt.b, tt.at); got != tt.want {
			t.Errorf("InForceBetween(%s, %s, %s, %s) = %v, want %v", tt.protocol, tt.a, tt.b, tt.at, got, tt.want)
		}
	}
}

func TestExpiredCertificateStaysListedWithWarning(t *testing.T) {
	doc := invented(t)
	year := 365 * 24 * time.Hour
	old := newKey(t, "Old", year-24*time.Hour) // expired the day before now
	doc.Parties[1].ContactPoints[0].CertificatesArmored = []string{armor(old)}
	d := mustNew(t, doc)
	xb1, _ := d.ContactPoint("XB-1")
	if len(xb1.Certificates()) != 1 {
		t.Fatal("the expired certificate is gone")
	}
	_, err := xb1.EncryptionCertificates(now, pgp.DefaultPolicy())
	if err == nil || !strings.Contains(err.Error(), "key expired on 2026-01-31") {
		t.Errorf("EncryptionCertificates: %v", err)
	}
	want := fmt.Sprintf("directory: entry XB-1: certificates[0]: fingerprint %s: key expired on 2026-01-31; ask the contact point for a new key",
		old.Certificate().Fingerprint())
	found := d.Health(HealthOptions{At: now, Policy: pgp.DefaultPolicy()})
	if len(found) != 4 || found[0].String() != want || codesOf(found) != "key-expired cannot-receive cannot-sign no-key" {
		t.Errorf("Health() = %v\nwant first %s", found, want)
	}
}

func codesOf(found []Finding) string {
	var list []string
	for _, f := range found {
		list = append(list, f.Code)
	}
	return strings.Join(list, " ")
}

func TestExpiriesAreTheSoonestOfEachUse(t *testing.T) {
	doc := invented(t)
	dayLong := 24 * time.Hour
	near, far := newKey(t, "Near", 400*dayLong), newKey(t, "Far", 700*dayLong)
	gone, longGone, lastGone := newKey(t, "Gone", 300*dayLong), newKey(t, "LongGone", 100*dayLong), newKey(t, "LastGone", 200*dayLong)
	doc.Parties[0].ContactPoints[0].CertificatesArmored = []string{armor(far), armor(near), armor(gone)}
	doc.Parties[0].ContactPoints[1].CertificatesArmored = []string{armor(longGone), armor(lastGone)}
	d := mustNew(t, doc)
	got := d.Expiries(now)
	if len(got) != 4 {
		t.Fatalf("Expiries() = %v", got)
	}
	for i, use := range []string{Signing, Encryption} {
		if e := got[i]; e.ContactPoint != "XA-1" || e.Use != use || e.Fingerprint != near.Certificate().Fingerprint() ||
			!e.Ends.Equal(now.AddDate(-1, 0, 0).Add(400*dayLong)) {
			t.Errorf("%s of XA-1: %v", use, e)
		}
		if e := got[2+i]; e.ContactPoint != "XA-2" || e.Use != use || !e.Ends.Equal(now.AddDate(-1, 0, 0).Add(200*dayLong)) {
			t.Errorf("all expired, %s: got %v, want the one that expired last", use, e)
		}
	}
}

func TestEncodeParseRoundTrip(t *testing.T) {
	a := mustNew(t, invented(t))
	first := encode(t, a.Document())
	parsed, err := Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	if second := encode(t, parsed); string(first) != string(second) {
		t.Errorf("encoding changed:\n%s\n%s", first, second)
	}
	if changes := Diff(a, mustNew(t, parsed)); len(changes) != 0 {
		t.Errorf("Diff after a round trip: %v", changes)
	}
}
