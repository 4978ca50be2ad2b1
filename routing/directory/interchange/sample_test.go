package interchange

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"relais.example/routing/directory"
)

var update = flag.Bool("update", false, "write the sample files anew")

// The invented Parties of the sample, with codes that ISO 3166-1 leaves to
// users.
var lands = func() map[string]string {
	names := strings.Fields(`Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda My Ny Xi Omikron Pi Rho Sigma Tau Ypsilon Phi Chi Psi Omega Bravo Charlie
		Echo Foxtrot Golf Hotel Juliet Kilo Mike Oscar Papa Romeo Tango Uniform Victor Yankee`)
	m := map[string]string{}
	for i, n := range names {
		code := "X" + string(rune('A'+i))
		if i >= 26 {
			code = "Q" + string(rune('M'+i-26))
		}
		m[code] = n + "land"
	}
	return m
}()

func codes() []string {
	var list []string
	for i := range 40 {
		if i < 26 {
			list = append(list, "X"+string(rune('A'+i)))
		} else {
			list = append(list, "Q"+string(rune('M'+i-26)))
		}
	}
	return list
}

// partyMap gives the names in English and French.
func partyMap40() map[string]string {
	m := map[string]string{}
	for code, name := range lands {
		m[name], m[name+"e"] = code, code
	}
	return m
}

// tc is a cell of the sample: its text, the columns it spans, whether it is
// merged with the one above ("|") or begins such a merge ("^").
type tc struct {
	text, merge string
	span        int
}

func docxTable(b *strings.Builder, rows [][]tc) {
	width := 0
	for _, row := range rows {
		width = max(width, len(row))
	}
	each := 14000 / width
	b.WriteString(`<w:tbl><w:tblPr><w:tblW w:w="14000" w:type="dxa"/></w:tblPr><w:tblGrid>` + strings.Repeat(fmt.Sprintf(`<w:gridCol w:w="%d"/>`, each), width) + "</w:tblGrid>")
	for _, row := range rows {
		b.WriteString("<w:tr>")
		for _, c := range row {
			fmt.Fprintf(b, `<w:tc><w:tcPr><w:tcW w:w="%d" w:type="dxa"/>`, each*max(c.span, 1))
			if c.span > 1 {
				fmt.Fprintf(b, `<w:gridSpan w:val="%d"/>`, c.span)
			}
			switch c.merge {
			case "^":
				b.WriteString(`<w:vMerge w:val="restart"/>`)
			case "|":
				b.WriteString(`<w:vMerge/>`)
			}
			b.WriteString("</w:tcPr>")
			for line := range strings.SplitSeq(c.text, "\n") { // a paragraph per line, as people type
				b.WriteString("<w:p>")
				docxRun(b, line)
				b.WriteString("</w:p>")
			}
			b.WriteString("</w:tc>")
		}
		b.WriteString("</w:tr>")
	}
	b.WriteString("</w:tbl><w:p/>")
}

func docxFile(body string) []byte {
	var b bytes.Buffer
	err := writeContainer(&b, []part{
		{"[Content_Types].xml", xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`},
		{"_rels/.rels", xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`},
		{"word/document.xml", xmlHead + `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>` + body + `<w:sectPr><w:pgSz w:w="16838" w:h="11906" w:orient="landscape"/></w:sectPr></w:body></w:document>`},
	})
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}

// sampleList writes a list as it is sent round: 80 contact points of 40 Parties
// in three layouts, with the slips that people make.
func sampleList() []byte {
	var b strings.Builder
	heading(&b, "Title", "24/7 Network: points of contact / Réseau 24/7 : points de contact")
	all := codes()

	// 1: one row per contact point, two for each of 20 Parties.
	heading(&b, "Heading1", "Part I")
	rows := [][]tc{{
		{text: "Country / Pays"}, {text: "Authority / Autorité"}, {text: "Unit"}, {text: "Type"}, {text: "Contact person"},
		{text: "Telephone (office hours)"}, {text: "24/7 phone"}, {text: "E-mail"}, {text: "Working languages"}, {text: "Office hours"}, {text: "Time zone"},
	}}
	for i, code := range all[:20] {
		name, low := lands[code], strings.ToLower(lands[code])
		rows = append(rows, []tc{
			{text: name + " / " + name + "e", merge: "^"}, {text: "National Police of " + name}, {text: "Cybercrime Unit"}, {text: "Law enforcement"}, {text: "Chief Inspector of the day"},
			{text: fmt.Sprintf("+999 %d 555 0100", i+1)}, {text: fmt.Sprintf("+999 %d 555 0199 / +999 %d 555 0198", i+1, i+1)},
			{text: "cyber@police." + low + ".example\nduty@police." + low + ".example"}, {text: "English, French"}, {text: "24/7"}, {text: "Europe/Paris"},
		}, []tc{
			{merge: "|"}, {text: "Prosecutor General's Office of " + name}, {text: "International Cooperation"}, {text: "Prosecution"}, {text: "-"},
			{text: fmt.Sprintf("+999 %d 555 0200", i+1)}, {text: "n/a"}, {text: "cooperation@prosecution." + low + ".example"}, {text: "en; fr"}, {text: "Mon-Fri 9:00-17:30"}, {text: "UTC"},
		})
	}
	rows[1][5].text = "(0)1 555 0100"                // XA-1: no country code
	rows[2][8].text = "English, Klingon"             // XA-2
	rows[3][9].text = "during the day, except lunch" // XB-1
	rows[4][7].text = "cooperation(at)prosecution"   // XB-2: no address
	rows[5][5].text = "00 999 3 555 0100"            // XC-1
	rows[6][10].text = "GMT+2"                       // XC-2
	rows = append(rows, []tc{{text: "Utopia"}, {text: "National Police"}, {}, {}, {}, {}, {}, {text: "cyber@police.utopia.example"}, {}, {}, {}})
	docxTable(&b, rows)

	// 2: one table per Party with labels in French and the country in front, two
	// contact points in each.
	heading(&b, "Heading1", "Part II")
	for i, code := range all[20:30] {
		name, low := lands[code], strings.ToLower(lands[code])
		heading(&b, "Heading2", name+"e")
		n := i + 21
		docxTable(&b, [][]tc{
			{{text: "Autorité"}, {text: "Police nationale de " + name + "e"}},
			{{text: "Rôle"}, {text: "Police"}},
			{{text: "Adresse postale"}, {text: fmt.Sprintf("%d rue du Port\n1000 %sville", n, name)}},
			{{text: "Tél. :"}, {text: fmt.Sprintf("Bureau : +999 %d 555 0100\nAstreinte : +999 %d 555 0199", n, n)}},
			{{text: "Télécopie"}, {text: fmt.Sprintf("+999 %d 555 0101", n)}},
			{{text: "Courriel"}, {text: "cyber@police." + low + ".example"}},
			{{text: "Langues de travail"}, {text: "français et anglais"}},
			{{text: "Horaires"}, {text: "24h/24 7j/7"}},
			{{text: "Fuseau horaire"}, {text: "Europe/Paris"}},
			{{text: "Autorité"}, {text: "Parquet général de " + name + "e"}},
			{{text: "Rôle"}, {text: "Parquet"}},
			{{text: "Tél. :"}, {text: fmt.Sprintf("+999 %d 555 0300 (portable)", n)}},
			{{text: "Courriel"}, {text: "parquet@justice." + low + ".example"}},
			{{text: "Langues de travail"}, {text: "français"}},
			{{text: "Horaires"}, {text: "lundi à vendredi 9h-17h30"}},
			{{text: "Fuseau horaire"}, {text: "Europe/Paris"}},
			{{text: "Couleur du bâtiment"}, {text: "rose"}},
		})
	}

	// 3: transposed, five contact points side by side.
	heading(&b, "Heading1", "Part III")
	for at := 30; at < 40; at += 5 {
		for _, kind := range []string{"police", "ministry"} {
			labels := []string{"Party", "Institution", "Role", "Telephone", "E-mail address", "Languages", "Competent for", "Convention in force since", "Preservation period"}
			var table [][]tc
			for _, l := range labels {
				table = append(table, []tc{{text: l}})
			}
			for i, code := range all[at : at+5] {
				name, low, n := lands[code], strings.ToLower(lands[code]), at+i+1
				institution := map[string]string{"police": "Federal Police of " + name, "ministry": "Ministry of Justice of " + name}[kind]
				competent := map[string]string{"police": "preservation; expedited disclosure; Article 35 technical advice", "ministry": "mutual assistance, EMERGENCY_MLA"}[kind]
				for row, text := range []string{
					code, institution, kind, fmt.Sprintf("Tel. +999 %d 555 0%s", n, map[string]string{"police": "100", "ministry": "200"}[kind]),
					"cp@" + kind + "." + low + ".example", "EN/FR", competent, "1 July 2004", "90 days",
				} {
					table[row] = append(table[row], tc{text: text})
				}
			}
			docxTable(&b, table)
		}
	}
	heading(&b, "Normal", "This list is confidential.")
	docxTable(&b, [][]tc{{{text: "Drawn up by"}, {text: "the Secretariat"}}})
	return docxFile(b.String())
}

const sampleFile = "testdata/contacts.docx"

func TestTheSampleIsWhatTheGeneratorWrites(t *testing.T) {
	want := sampleList()
	if *update {
		if err := os.WriteFile(sampleFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(sampleFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s is not what sampleList writes: run go test -update (%v)", sampleFile, err)
	}
}

func importFile(t *testing.T, name string, data []byte, change func(*Options)) *Result {
	t.Helper()
	o := Options{Vocabulary: vocabulary(t), Issued: now, Parties: partyMap40()}
	if change != nil {
		change(&o)
	}
	r, err := Import(t.Context(), []File{{name, data}}, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func pointsOf(doc *directory.Document) map[string]*directory.ContactPoint {
	m := map[string]*directory.ContactPoint{}
	for i := range doc.Parties {
		for j := range doc.Parties[i].ContactPoints {
			m[doc.Parties[i].ContactPoints[j].ID] = &doc.Parties[i].ContactPoints[j]
		}
	}
	return m
}

// checkSample asserts what must come out of the sample, whoever wrote the file.
func checkSample(t *testing.T, r *Result) {
	t.Helper()
	points := pointsOf(r.Draft)
	if len(points) != 80 || len(r.Draft.Parties) != 40 {
		t.Fatalf("%d contact points of %d Parties, want 80 of 40\n%v", len(points), len(r.Draft.Parties), r.Findings)
	}
	xb1, xu1, xu2, qr1, qr2 := points["XB-1"], points["XU-1"], points["XU-2"], points["QR-1"], points["QR-2"]
	if xb1 == nil || xu1 == nil || xu2 == nil || qr1 == nil || qr2 == nil {
		t.Fatal("contact points are missing")
	}
	type got struct{ role, institution, unit, postal, phones, addresses, in, hours, zone, kinds string }
	describe := func(cp *directory.ContactPoint) got {
		var phones, kinds []string
		for _, p := range cp.Phones {
			phones = append(phones, writePhone(p))
		}
		for _, k := range cp.Competences {
			kinds = append(kinds, string(k))
		}
		return got{string(cp.Role), cp.Institution, cp.Unit, cp.Postal, strings.Join(phones, "|"), strings.Join(cp.Addresses, "|"), strings.Join(cp.LanguagesIn, "|"), cp.Hours, cp.Zone, strings.Join(kinds, "|")}
	}
	for _, tt := range []struct {
		cp   *directory.ContactPoint
		want got
	}{
		{points["XD-1"], got{"police", "National Police of Deltaland", "Cybercrime Unit", "", "+999 4 555 0100 (office)|+999 4 555 0199 (out-of-hours)|+999 4 555 0198 (out-of-hours)", "cyber@police.deltaland.example|duty@police.deltaland.example", "en|fr", "24/7", "Europe/Paris", ""}},
		{points["XD-2"], got{"prosecutor", "Prosecutor General's Office of Deltaland", "International Cooperation", "", "+999 4 555 0200 (office)", "cooperation@prosecution.deltaland.example", "en|fr", "Mo-Fr 09:00-17:30", "UTC", ""}},
		{xu1, got{"police", "Police nationale de Philande", "", "21 rue du Port\n1000 Philandville", "+999 21 555 0100 (office)|+999 21 555 0199 (out-of-hours)|+999 21 555 0101 (fax)", "cyber@police.philand.example", "fr|en", "24/7", "Europe/Paris", ""}},
		{xu2, got{"prosecutor", "Parquet général de Philande", "", "", "+999 21 555 0300 (mobile)", "parquet@justice.philand.example", "fr", "Mo-Fr 09:00-17:30", "Europe/Paris", ""}},
		{qr1, got{"police", "Federal Police of Kiloland", "", "", "+999 32 555 0100 (office)", "cp@police.kiloland.example", "en|fr", "", "", "PRESERVATION|PARTIAL_DISCLOSURE|TECH_ADVICE"}},
		{qr2, got{"ministry", "Ministry of Justice of Kiloland", "", "", "+999 32 555 0200 (office)", "cp@ministry.kiloland.example", "en|fr", "", "", "STORED_DATA_MLA|EMERGENCY_MLA"}},
	} {
		if d := describe(tt.cp); d != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.cp.ID, d, tt.want)
		}
	}
	if i := slices.IndexFunc(r.Draft.Parties, func(p directory.Party) bool { return p.Code == "QR" }); r.Draft.Parties[i].Convention.From.String() != "2004-07-01" || r.Draft.Parties[i].PreservationMaxDays != 90 {
		t.Errorf("the Party of the transposed table: %+v", r.Draft.Parties[i])
	}
	// What is not certain is not made up.
	if p := points["XA-1"].Phones[0]; p.Number != "" || p.Written == "" {
		t.Errorf("a number without country code became %+v", p)
	}
	if xb1.Hours != "" || len(points["XB-2"].Addresses) != 0 || slices.Contains(points["XA-2"].LanguagesIn, "tlh") {
		t.Error("something was made up")
	}
	want := []string{DoubtfulPhone, UnknownLanguage, UnknownHours, DoubtfulAddress, GuessedPhone, GuessedZone, UnknownParty, LeftOutColumn, UnknownColumn, GuessedParty, NotAList}
	for _, code := range want {
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == code }) {
			t.Errorf("no finding %s", code)
		}
	}
}

func TestTheSampleOf80ContactPoints(t *testing.T) {
	r := importFile(t, "contacts.docx", sampleList(), nil)
	checkSample(t, r)
	layouts := map[Layout]int{}
	for _, table := range r.Tables {
		layouts[table.Layout]++
	}
	if layouts[Rows] != 1 || layouts[Labels] != 10 || layouts[Transposed] != 4 || layouts[NoLayout] != 1 {
		t.Errorf("layouts %v", layouts)
	}
	places := map[string]Place{
		DoubtfulPhone:   {"contacts.docx", "table 1", 2, 6},
		UnknownLanguage: {"contacts.docx", "table 1", 3, 9},
		UnknownHours:    {"contacts.docx", "table 1", 4, 10},
		DoubtfulAddress: {"contacts.docx", "table 1", 5, 8},
		GuessedPhone:    {"contacts.docx", "table 1", 6, 6},
		GuessedZone:     {"contacts.docx", "table 1", 7, 11},
		UnknownParty:    {"contacts.docx", "table 1", 42, 0},
		UnknownColumn:   {"contacts.docx", "table 2", 17, 1},
		NotAList:        {"contacts.docx", "table 16", 1, 1},
	}
	for code, at := range places {
		i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Code == code })
		if i < 0 || r.Findings[i].Place != at {
			t.Errorf("%s: want it at %s, got %+v", code, at, r.Findings)
			return
		}
	}
	for _, p := range r.Problems { // the four slips, and nothing else
		if p.Entry != "XA-1" && p.Entry != "XB-1" && p.Entry != "XB-2" {
			t.Errorf("open error %s", p)
		}
	}
	// The second time nothing changes: every entry is found again.
	again := importFile(t, "contacts.docx", sampleList(), func(o *Options) { o.Current, o.Parties = r.Draft, nil })
	if len(again.Changes) > 0 {
		t.Errorf("importing the same list again changes %v", again.Changes)
	}
}

// smallList is a list of two Parties with labels in front, as .doc files have.
func smallList() []byte {
	var b strings.Builder
	for i, code := range codes()[:2] {
		name, low := lands[code], strings.ToLower(lands[code])
		heading(&b, "Normal", name)
		docxTable(&b, [][]tc{
			{{text: "Autorité"}, {text: "Police nationale"}},
			{{text: "Courriel"}, {text: "cyber@police." + low + ".example"}},
			{{text: "Téléphone"}, {text: fmt.Sprintf("Bureau : +999 %d 555 0100\nAstreinte : +999 %d 555 0199", i+1, i+1)}},
			{{text: "Adresse"}, {text: "1 rue du Port\n1000 Ville"}},
		})
	}
	return docxFile(b.String())
}
