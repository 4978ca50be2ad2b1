package interchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"relais.example/routing/directory"
)

const list = "Pays;Autorité;Courriel;Langues\r\nAlphalande;Police nationale;cyber@police.alphaland.example;français\r\n"

// CSV comes with any separator and in any of the usual encodings.
func TestSeparatorsAndEncodings(t *testing.T) {
	encoded := func(e interface{ Bytes([]byte) ([]byte, error) }) []byte {
		b, err := e.Bytes([]byte(list))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tests := []struct {
		name    string
		data    []byte
		guessed bool
	}{
		{"semicolons", []byte(list), false},
		{"commas", []byte(strings.ReplaceAll(list, ";", ",")), false},
		{"tabs", []byte(strings.ReplaceAll(list, ";", "\t")), false},
		{"the separator named", []byte("sep=;\r\n" + list), false},
		{"UTF-8 with mark", []byte("\ufeff" + list), false},
		{"UTF-16 with mark", encoded(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder()), false},
		{"UTF-16, big end first", encoded(unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()), false},
		{"windows-1252", encoded(charmap.Windows1252.NewEncoder()), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := importFile(t, "list.csv", tt.data, nil)
			cp := pointsOf(r.Draft)["XA-1"]
			if cp == nil || cp.Institution != "Police nationale" || !slices.Equal(cp.LanguagesIn, []string{"fr"}) || cp.Addresses[0] != "cyber@police.alphaland.example" {
				t.Fatalf("%+v, %v", cp, r.Findings)
			}
			if hasFinding(r, GuessedEncoding, Place{}) != tt.guessed {
				t.Errorf("findings %v", r.Findings)
			}
		})
	}
}

func TestDoubtfulCellsAreNamed(t *testing.T) {
	head := []string{"country", "institution", "e-mail", "role", "phone", "languages_in", "hours", "zone", "competences", "backup", "certificates", "convention", "formal confirmation", "preservation_max_days", "reservations", "unit"}
	good := []string{"Alphaland", "Office", "a@b.example", "police", "+999 1 555 0100 (office)", "en", "24/7", "UTC", "PRESERVATION", "", "", "2004-07-01", "yes", "90", "CONV 29.4", "Unit"}
	tests := []struct {
		column int
		text   string
		code   string
		taken  func(*directory.Document, *directory.ContactPoint) bool // what the draft must hold nevertheless
	}{
		{0, "Atlantis", UnknownParty, nil},
		{0, "Alphaland / Betaland", UnknownParty, nil},
		{1, "Off\u200bice", DoubtfulText, func(_ *directory.Document, cp *directory.ContactPoint) bool { return cp.Institution == "Office" }},
		{1, strings.Repeat("x", 501), DoubtfulText, func(_ *directory.Document, cp *directory.ContactPoint) bool { return cp.Institution == "" }},
		{2, "a@b", DoubtfulAddress, func(_ *directory.Document, cp *directory.ContactPoint) bool { return len(cp.Addresses) == 0 }},
		{3, "judge", UnknownRole, func(_ *directory.Document, cp *directory.ContactPoint) bool { return cp.Role == "" }},
		{3, "special police branch", GuessedRole, func(_ *directory.Document, cp *directory.ContactPoint) bool { return cp.Role == directory.Police }},
		{4, "extension 12", DoubtfulPhone, func(_ *directory.Document, cp *directory.ContactPoint) bool { return len(cp.Phones) == 0 }},
		{4, "01 555 01 00", DoubtfulPhone, func(_ *directory.Document, cp *directory.ContactPoint) bool { return cp.Phones[0].Number == "" }},
		{4, "+999 (0)1 555 0100 (fax)", GuessedPhone, func(_ *directory.Document, cp *directory.ContactPoint) bool {
			return cp.Phones[0] == directory.Phone{Number: "+999 1 555 0100", Use: "fax", Written: "+999 (0)1 555 0100"}
		}},
		{4, "+999 1 555 0100", GuessedUse, nil},
		{5, "Klingon", UnknownLanguage, func(_ *directory.Document, cp *directory.ContactPoint) bool { return cp.LanguagesIn == nil }},
		{6, "often", UnknownHours, func(_ *directory.Document, cp *directory.ContactPoint) bool { return cp.Hours == "" }},
		{7, "Alphaville time", UnknownZone, func(_ *directory.Document, cp *directory.ContactPoint) bool { return cp.Zone == "" }},
		{7, "UTC+03:00", GuessedZone, func(_ *directory.Document, cp *directory.ContactPoint) bool { return cp.Zone == "Etc/GMT-3" }},
		{8, "PRESERVATION, extradition", UnknownKind, func(_ *directory.Document, cp *directory.ContactPoint) bool { return len(cp.Competences) == 1 }},
		{8, "requests for preservation of data", GuessedKind, nil},
		{9, "the ministry", DoubtfulID, nil},
		{10, "0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567", FingerprintOnly, nil},
		{10, "-----BEGIN PGP PUBLIC KEY BLOCK-----\nxx\n-----END PGP PUBLIC KEY BLOCK-----", UnreadableKey, nil},
		{11, "some day in 2004", DoubtfulDate, func(d *directory.Document, _ *directory.ContactPoint) bool {
			return d.Parties[0].Convention.From.IsZero()
		}},
		{11, "03/04/2004", GuessedDate, func(d *directory.Document, _ *directory.ContactPoint) bool {
			return d.Parties[0].Convention.From.String() == "2004-04-03"
		}},
		{12, "perhaps", UnknownYesNo, nil},
		{13, "30 + 60", DoubtfulNumber, nil},
		{14, "Article 29(4)", UnknownReservation, nil},
		{15, "=1+1", CellFormula, func(_ *directory.Document, cp *directory.ContactPoint) bool { return cp.Unit == "" }},
		{15, "@SUM(A1)", CellFormula, nil},
		{15, "-cmd|' /C calc'!A0", CellFormula, nil},
	}
	for _, tt := range tests {
		t.Run(tt.code+" "+tt.text[:min(len(tt.text), 20)], func(t *testing.T) {
			row := slices.Clone(good)
			row[tt.column] = tt.text
			var b strings.Builder
			b.WriteString(strings.Join(head, ",") + "\n")
			for i, s := range row {
				if i > 0 {
					b.WriteString(",")
				}
				b.WriteString(`"` + strings.ReplaceAll(s, `"`, `""`) + `"`)
			}
			r := importFile(t, "list.csv", []byte(b.String()+"\n"), nil)
			at := Place{"list.csv", "", 2, tt.column + 1}
			if tt.code == UnknownParty {
				at.Column = 0 // the whole row
			}
			if !hasFinding(r, tt.code, at) {
				t.Fatalf("no finding %s at %s: %v", tt.code, at, r.Findings)
			}
			if tt.taken != nil && !tt.taken(r.Draft, pointsOf(r.Draft)["XA-1"]) {
				t.Errorf("the draft holds %+v", r.Draft.Parties)
			}
		})
	}
}

func TestCertainFormsAreUnderstood(t *testing.T) {
	v := vocabulary(t)
	for text, want := range map[string]string{
		"24/7": "24/7", "H24": "24/7", "24h/24, 7j/7": "24/7", "24 heures sur 24": "24/7", "Mo-Fr 08:00-18:00; Sa 09:00-12:00": "Mo-Fr 08:00-18:00; Sa 09:00-12:00",
		"Monday to Friday 9am-5pm": "Mo-Fr 09:00-17:00", "lundi - vendredi : 8h30 à 17h": "Mo-Fr 08:30-17:00", "Mon–Fri 9.00–17.30\nSat 10:00-12:00": "Mo-Fr 09:00-17:30; Sa 10:00-12:00",
		"9-5": "", "Mon-Fri 9:00 am-17": "", "Mon-Fri 25:00-26:00": "", "weekdays": "",
	} {
		if got, _ := v.hours(text); got != want {
			t.Errorf("hours(%q) = %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"Tel. (24/7): +999 1 555 0100":                       "+999 1 555 0100 (out-of-hours)",
		"+999 1 555 0100 / +999 1 555 0101 (fax)":            "+999 1 555 0100 (office)|+999 1 555 0101 (fax)",
		"Mob.: (+999) 1-555-0100":                            "+999 1-555-0100 (mobile); written: (+999) 1-555-0100",
		"+999 1 555 0100 ext. 12 (bureau)":                   "+999 1 555 0100 ext 12 (office); written: +999 1 555 0100 ext. 12",
		"Portable : +999\u00a01\u00a0555\u00a001\u00a000":    "+999 1 555 01 00 (mobile)",
		"duty officer +999/1/5550100, mobile +999 1 5550101": "+999 1 5550100 (out-of-hours); written: +999/1/5550100|+999 1 5550101 (mobile)",
	} {
		found, rest := v.phones(text, "")
		var got []string
		for _, p := range found {
			got = append(got, writePhone(p.Phone))
		}
		if strings.Join(got, "|") != want || len(rest) > 0 {
			t.Errorf("phones(%q) = %q, %q, want %q", text, got, rest, want)
		}
	}
	for text, want := range map[string]string{"1.7.2004": "2004-07-01", "1er juillet 2004": "2004-07-01", "July 2004": "", "31/12/2004": "2004-12-31", "1st Feb 2010": "2010-02-01"} {
		if got, _, _ := v.date(text); got.String() != want {
			t.Errorf("date(%q) = %s, want %s", text, got, want)
		}
	}
	for heading, want := range map[string]string{
		"PAYS": "party", "E-Mail:": "addresses", "Téléphone (24/7)": "phones.out-of-hours", "Country / Pays": "party", "Name (pt-BR)": "name_pt-BR", "Telephone 2": "phones",
		"24/7 number": "phones.out-of-hours", "Colour": "", "Adresse électronique": "addresses", "Institution (official name)": "institution",
	} {
		if got, _, _ := v.column(heading); got != want {
			t.Errorf("column(%q) = %q, want %q", heading, got, want)
		}
	}
}

func current(t *testing.T) *directory.Document {
	t.Helper()
	doc := &directory.Document{Format: directory.Format, Version: 7, Issued: now, Parties: []directory.Party{
		{Code: "XA", Names: map[string]string{"en": "Alphaland", "fr": "Alphalande"}, ContactPoints: []directory.ContactPoint{
			{
				ID: "XA-1", Role: directory.Police, Institution: "National Police", Addresses: []string{"cyber@police.alphaland.example"}, Unit: "Old Unit",
				CertificatesArmored: []string{keys()[0]}, Provenance: map[string]directory.Provenance{"unit": {Source: "letter"}, "role": {Source: "declaration"}},
			},
			{ID: "XA-4", Role: directory.Prosecutor, Institution: "Prosecutor General", Addresses: []string{"pg@justice.alphaland.example"}},
		}},
		{Code: "XB", Names: map[string]string{"en": "Betaland"}, ContactPoints: []directory.ContactPoint{
			{ID: "XB-1", Role: directory.Police, Institution: "National Police", Addresses: []string{"cyber@police.betaland.example"}},
		}},
	}}
	if p := doc.Check(); len(p) > 0 {
		t.Fatal(p)
	}
	return doc
}

// Files are laid over the current version: what they do not say stays.
func TestFilesAreLaidOverTheCurrentVersion(t *testing.T) {
	csv := "country,institution,unit,e-mail\n" +
		"Alphaland,National Police,New Unit,CYBER@police.alphaland.example\n" + // by address
		"Alphaland,PROSECUTOR general,,new@justice.alphaland.example\n" + // by institution
		"Alphaland,Ministry of Justice,,mj@justice.alphaland.example\n" // new
	r := importFile(t, "list.csv", []byte(csv), func(o *Options) { o.Current, o.Parties, o.Source = current(t), nil, "List of 2026" })
	points := pointsOf(r.Draft)
	if r.Draft.Version != 8 || len(points) != 4 {
		t.Fatalf("version %d, %d contact points", r.Draft.Version, len(points))
	}
	xa1 := points["XA-1"]
	if xa1.Unit != "New Unit" || len(xa1.CertificatesArmored) != 1 {
		t.Errorf("XA-1 %+v", xa1)
	}
	if p := xa1.Provenance; p["unit"].Source != "List of 2026" || p["role"].Source != "declaration" {
		t.Errorf("provenance %+v", p)
	}
	if xa4 := points["XA-4"]; xa4.Addresses[0] != "new@justice.alphaland.example" || xa4.Role != directory.Prosecutor || !hasFinding(r, GuessedEntry, Place{"list.csv", "", 3, 0}) {
		t.Errorf("XA-4 %+v", points["XA-4"])
	}
	if xa5 := points["XA-5"]; xa5 == nil || xa5.Role != directory.Ministry || !hasFinding(r, GuessedNumber, Place{"list.csv", "", 4, 0}) {
		t.Errorf("XA-5 %+v", points["XA-5"])
	}
	if !hasFinding(r, NotNamed, Place{File: "current version"}) || points["XB-1"] == nil {
		t.Error("the contact point that no file names")
	}
	var changed []string
	for _, c := range r.Changes {
		changed = append(changed, c.Entry+" "+c.Field)
		if c.Key {
			t.Errorf("a list without keys changed one: %s", c)
		}
	}
	if !slices.Contains(changed, "XA-1 unit") || !slices.Contains(changed, "XA-5 ") {
		t.Errorf("changes %v", changed)
	}
	replaced := importFile(t, "list.csv", []byte(csv), func(o *Options) { o.Current, o.Parties, o.Replace = current(t), nil, true })
	if len(replaced.Draft.Parties) != 1 {
		t.Errorf("with replace the draft holds %+v", replaced.Draft.Parties)
	}
}

func TestTwoClaimsAreFindings(t *testing.T) {
	doc := func(csv string) *Result { return importFile(t, "list.csv", []byte(csv), nil) }
	one := doc("party,id,institution,role,e-mail\nXA,XA-1,A,police,x@y.example\nXA,XA-2,B,police,X@Y.example\nXA,XA-1,C,police,z@y.example\n")
	if !slices.ContainsFunc(one.Problems, func(p directory.Problem) bool { return p.Code == directory.CodeSharedMail && p.Entry == "XA-2" }) {
		t.Errorf("one address, two contact points: %v", one.Problems)
	}
	if !hasFinding(one, TwoEntries, Place{"list.csv", "", 4, 0}) {
		t.Errorf("one identifier twice: %v", one.Findings)
	}
	key := strings.ReplaceAll(keys()[1], `"`, `""`)
	two := doc("party,id,institution,role,e-mail,certificates\nXA,XA-1,A,police,a@y.example,\"" + key + "\"\nXA,XA-2,B,police,b@y.example,\"" + key + "\"\n")
	if !slices.ContainsFunc(two.Problems, func(p directory.Problem) bool { return p.Code == directory.CodeSharedKey && p.Entry == "XA-2" }) {
		t.Errorf("one key, two contact points: %v", two.Problems)
	}
	// Two files that disagree: the first counts.
	r, err := Import(t.Context(), []File{{"a.csv", []byte("party,id,unit\nXA,XA-1,One\n")}, {"b.csv", []byte("party,id,unit,postal\nXA,XA-1,Two,Street\n")}}, Options{Vocabulary: vocabulary(t), Issued: now})
	if err != nil {
		t.Fatal(err)
	}
	cp := pointsOf(r.Draft)["XA-1"]
	if cp.Unit != "One" || cp.Postal != "Street" || !hasFinding(r, Conflict, Place{"b.csv", "", 2, 3}) {
		t.Errorf("%+v, %v", cp, r.Findings)
	}
}

// A card as an address book writes it, version 3.
func TestACardOfAnAddressBook(t *testing.T) {
	card := "BEGIN:VCARD\r\nVERSION:3.0\r\nN:;;;;\r\nFN:Cybercrime Unit\r\nORG:National Police\\; Headquarters;Cybercrime Unit\r\nitem1.EMAIL;TYPE=INTERNET,pref:cyber@police\r\n .alphaland.example\r\n" +
		"TEL;TYPE=CELL:+999 1 555 0199\r\nTEL;TYPE=WORK,FAX:+999 1 555 0101\r\nADR;TYPE=WORK:;;1 Harbour Street;Alphaville;;1000;Alphaland\r\nTZ:Europe/Paris\r\nLANG:fr\r\nNOTE:call at night\r\n" +
		"KEY:http://keys.example/1.asc\r\nEND:VCARD\r\n"
	r := importFile(t, "card.vcf", []byte(card), nil)
	cp := pointsOf(r.Draft)["XA-1"]
	if cp == nil {
		t.Fatal(r.Findings)
	}
	if cp.Institution != "National Police; Headquarters" || cp.Unit != "Cybercrime Unit" || cp.Addresses[0] != "cyber@police.alphaland.example" || cp.Role != directory.Police ||
		cp.Postal != "1 Harbour Street\n1000 Alphaville\nAlphaland" || cp.Zone != "Europe/Paris" || len(cp.Phones) != 2 || cp.Phones[0].Use != "mobile" || cp.Phones[1].Use != "fax" || cp.LanguagesOut[0] != "fr" {
		t.Errorf("%+v", cp)
	}
	if !hasFinding(r, IgnoredProperty, Place{"card.vcf", "", 13, 0}) || !hasFinding(r, ExternalReference, Place{"card.vcf", "", 14, 0}) {
		t.Errorf("findings %v", r.Findings)
	}
}

// A spreadsheet never takes a cell of an exported CSV for a formula.
func TestExportedCSVHoldsNoFormulas(t *testing.T) {
	doc := current(t)
	cp := &doc.Parties[0].ContactPoints[0]
	cp.Institution, cp.Unit, cp.Postal = "=HYPERLINK(1)", "@SUM(A1)", "-1+1|cmd"
	cp.Phones = []directory.Phone{{Number: "+999 1 555 0100", Use: "office"}}
	var b bytes.Buffer
	if err := Export(&b, doc, CSV, vocabulary(t)); err != nil {
		t.Fatal(err)
	}
	g, err := readCSV("x", b.Bytes(), &log{})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range g.rows {
		for _, c := range row {
			if c.text != "" && strings.ContainsRune("=+-@", rune(c.text[0])) {
				t.Errorf("a cell begins with %q", c.text[:1])
			}
		}
	}
}

func TestThePrintableFormRunsNothing(t *testing.T) {
	doc := current(t)
	doc.Parties[0].ContactPoints[0].Institution = `<script>alert("x")</script>`
	var b bytes.Buffer
	if err := Export(&b, doc, HTML, vocabulary(t)); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if strings.Contains(page, "<script") || !strings.Contains(page, "&lt;script&gt;") || !strings.Contains(page, "default-src &#39;none&#39;") && !strings.Contains(page, "default-src 'none'") {
		t.Error("the page is not safe")
	}
	for _, want := range []string{"XA-1", "Alphaland", "cyber@police.alphaland.example", fingerprintOf(keys()[0])} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestTheReportIsForPeopleAndPrograms(t *testing.T) {
	r := importFile(t, "list.csv", []byte("country,institution,e-mail,colour\nAlphaland,National Police,cyber@police.alphaland.example,red\nNowhere,x,y@z.example,\n"), func(o *Options) { o.Current = current(t) })
	var text, js bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"read: list.csv: rows, 2 entries", `"colour": left out`, `"country": party`, "list.csv: row 3: unknown-country", "list.csv: row 1, column 4: unknown-column"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	if err := r.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	var back struct {
		LeftOut []Finding `json:"left_out"`
	}
	if err := json.Unmarshal(js.Bytes(), &back); err != nil || len(back.LeftOut) == 0 || back.LeftOut[0].Code == "" {
		t.Errorf("%v\n%s", err, js.Bytes())
	}
}

func TestTheListOfFindingsIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("country,institution,e-mail\n")
	for i := range maxFindings * 2 {
		fmt.Fprintf(&b, "Nowhere %d,x,y\n", i)
	}
	r := importFile(t, "list.csv", []byte(b.String()), nil)
	if len(r.Findings) != maxFindings || r.Findings[maxFindings-1].Code != TooMany {
		t.Errorf("%d findings, the last %+v", len(r.Findings), r.Findings[len(r.Findings)-1])
	}
}

// Words that are codes of countries too, "is" and "to", name none in a title.
func TestATitleNamesAPartyOnlyByItsName(t *testing.T) {
	r := &reader{v: vocabulary(t).with(nil, partyMap40()), log: &log{}}
	for title, want := range map[string]string{
		"This list is confidential": "", "What to do in an emergency": "", "Part II: Alphaland": "XA", "Alphaland and Betaland": "", "Alphalande": "XA", "IS": "",
	} {
		if got, _ := r.partyIn(title); got != want {
			t.Errorf("%q names %q, want %q", title, got, want)
		}
	}
}

// Entries of a JSON file replace the listed ones whole; a Party that is named
// without contact points stays when the others are taken out.
func TestEntriesInJSONAreTakenWhole(t *testing.T) {
	doc := `{"format": 1, "version": 1, "issued": "2026-02-01T09:00:00Z", "parties": [
		{"code": "XA", "names": {"en": "Alphaland"}, "contact_points": [{"id": "XA-1", "role": "mixed", "institution": "Police", "addresses": ["cyber@police.alphaland.example"]}]},
		{"code": "XB", "names": {"en": "Betaland"}}]}`
	r := importFile(t, "list.json", []byte(doc), func(o *Options) { o.Current, o.Parties, o.Replace = current(t), nil, true })
	if len(r.Draft.Parties) != 2 || len(pointsOf(r.Draft)) != 1 || r.Draft.Version != 8 {
		t.Fatalf("%+v", r.Draft)
	}
	if cp := pointsOf(r.Draft)["XA-1"]; cp.Unit != "" || cp.CertificatesArmored != nil || cp.Role != directory.Mixed {
		t.Errorf("%+v", cp)
	}
	if !slices.ContainsFunc(r.Changes, func(c directory.Change) bool { return c.Entry == "XA-1" && c.Key }) {
		t.Error("the key that went is not marked")
	}
}
