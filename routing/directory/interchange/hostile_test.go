package interchange

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// archive makes a ZIP of names and contents, in the given order.
func archive(t testing.TB, parts ...part) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeContainer(&b, parts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var contentTypes = part{"[Content_Types].xml", `<Types><Default Extension="xml" ContentType="application/xml"/></Types>`}

func wordPart(body string) part {
	return part{"word/document.xml", `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>` + body + `</w:body></w:document>`}
}

func TestHostileDocumentsAreRefused(t *testing.T) {
	good := sampleList()
	sheetWith := func(shared, rows string) []byte {
		return archive(t, contentTypes, part{"xl/sharedStrings.xml", "<sst>" + shared + "</sst>"},
			part{"xl/workbook.xml", `<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" r:id="r1"/></sheets></workbook>`},
			part{"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="r1" Target="worksheets/sheet1.xml"/></Relationships>`},
			part{"xl/worksheets/sheet1.xml", `<worksheet><sheetData>` + rows + `</sheetData></worksheet>`})
	}
	sheet := func(rows string) []byte { return sheetWith("", rows) }
	bomb := wordPart("<w:p><w:r><w:t>" + strings.Repeat(" ", 40<<20) + "</w:t></w:r></w:p>")
	manyParts := make([]part, maxParts+1)
	for i := range manyParts {
		manyParts[i] = part{fmt.Sprintf("p%d", i), ""}
	}
	big := strings.Repeat("<w:p><w:r><w:t>0123456789abcdefghijklmnopqrstuvwxyz</w:t></w:r></w:p>", 10)
	var huge strings.Builder
	for i := 0; huge.Len() < maxPart+1; i++ { // does not shrink so well
		fmt.Fprintf(&huge, "<w:p w:id=\"%x\">%s</w:p>", i*7919, big[:i%500])
	}
	tests := []struct {
		name string
		data []byte
		code string
	}{
		{"cut off", good[:len(good)/2], RefusedDamaged},
		{"a bomb", archive(t, contentTypes, bomb), RefusedBomb},
		{"a part too large", archive(t, contentTypes, part{"word/document.xml", huge.String()}), RefusedTooLarge},
		{"too many parts", archive(t, manyParts...), RefusedTooLarge},
		{"a file too large", append([]byte("a,b\n"), make([]byte, MaxFileBytes)...), RefusedTooLarge},
		{"macros", archive(t, contentTypes, wordPart(""), part{"word/vbaProject.bin", "x"}), RefusedMacros},
		{"macros by type", archive(t, part{"[Content_Types].xml", `<Types><Override ContentType="application/vnd.ms-word.document.macroEnabled.main+xml"/></Types>`}, wordPart("")), RefusedMacros},
		{"entities", archive(t, contentTypes, part{"word/document.xml", `<!DOCTYPE w [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><w:document><w:body>&b;</w:body></w:document>`}), RefusedEntities},
		{"an external entity", archive(t, contentTypes, part{"word/document.xml", `<!DOCTYPE w SYSTEM "file:///etc/passwd"><w:document/>`}), RefusedEntities},
		{"an unknown entity", archive(t, contentTypes, wordPart("&xxe;")), RefusedDamaged},
		{"nesting", archive(t, contentTypes, wordPart(strings.Repeat("<w:sdt>", 5000))), RefusedTooDeep},
		{"nested tables", archive(t, contentTypes, wordPart(strings.Repeat("<w:tbl><w:tr><w:tc>", 60))), RefusedTooDeep},
		{"no end", archive(t, contentTypes, part{"word/document.xml", `<w:document><w:body><w:tbl><w:tr>`}), RefusedDamaged},
		{"wide spans", archive(t, contentTypes, wordPart("<w:tbl><w:tr>"+strings.Repeat(`<w:tc><w:tcPr><w:gridSpan w:val="400"/></w:tcPr></w:tc>`, 3)+"</w:tr></w:tbl>")), RefusedTooLarge},
		{"a way out", archive(t, contentTypes, wordPart(""), part{"../../etc/cron.d/x", "x"}), RefusedDamaged},
		{"a part twice", archive(t, contentTypes, wordPart(""), wordPart("")), RefusedDamaged},
		{"no office file", archive(t, contentTypes, part{"a.txt", "x"}), RefusedFormat},
		{"no types", archive(t, wordPart("")), RefusedDamaged},
		{"row a million", sheet(`<row r="1000000"><c r="A1000000" t="inlineStr"><is><t>x</t></is></c></row>`), RefusedTooLarge},
		{"column XFD", sheet(`<row r="1"><c r="XFD1" t="inlineStr"><is><t>x</t></is></c></row>`), RefusedTooLarge},
		{"one text in a thousand cells", sheetWith("<si><t>"+strings.Repeat("x ", 100<<10)+"</t></si>", strings.Repeat(`<row><c t="s"><v>0</v></c></row>`, 1000)), RefusedTooLarge},
		{"a cell nowhere", sheet(`<row r="1"><c r="1A"><v>1</v></c></row>`), RefusedDamaged},
		{"a PDF", []byte("%PDF-1.7"), RefusedFormat},
		{"nothing", []byte(" \n"), RefusedDamaged},
		{"bytes", []byte("a\x00b\x00\x00\x00\xff\xd8,"), RefusedFormat},
		{"a quotation mark", []byte("country,institution,e-mail\nAlphaland,\"Police,x\n"), RefusedDamaged},
		{"too many columns", []byte(strings.Repeat("a,", maxColumns+1)), RefusedTooLarge},
		{"half a card", []byte("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\n"), RefusedDamaged},
		{"an old card", []byte("BEGIN:VCARD\r\nVERSION:2.1\r\nEND:VCARD\r\n"), RefusedFormat},
		{"no property", []byte("BEGIN:VCARD\r\nVERSION:4.0\r\nnothing\r\nEND:VCARD\r\n"), RefusedDamaged},
		{"JSON of another kind", []byte(`{"a": [1, 2]}`), RefusedDamaged},
		{"an old office file", append([]byte("\xd0\xcf\x11\xe0"), utf16le("Workbook")...), RefusedFormat},
		{"an encrypted one", append([]byte("\xd0\xcf\x11\xe0"), utf16le("EncryptedPackage")...), RefusedEncrypted},
		{"a .doc with macros", append([]byte("\xd0\xcf\x11\xe0"), utf16le("WordDocument_VBA_PROJECT")...), RefusedMacros},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := refusedWith(t, "list", tt.data, tt.code)
			if !strings.HasPrefix(err.Error(), "list") || !strings.Contains(err.Error(), "; ") {
				t.Errorf("the refusal does not name the file or what to do: %v", err)
			}
		})
	}
}

func TestAnEncryptedPartIsRefused(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range []part{contentTypes, wordPart("")} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: p.name, Flags: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(p.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	// The writer clears the flag: set it where the central directory has it.
	data := b.Bytes()
	at := bytes.Index(data, []byte("PK\x01\x02"))
	data[at+8] |= 1
	refusedWith(t, "list", data, RefusedEncrypted)
}

// What a file hides or fetches is reported and not followed.
func TestWhatIsHiddenOrElsewhereIsReported(t *testing.T) {
	hidden := `<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret </w:t></w:r>`
	row := func(cells ...string) string {
		s := "<w:tr>"
		for _, c := range cells {
			s += "<w:tc><w:p>" + c + "</w:p></w:tc>"
		}
		return s + "</w:tr>"
	}
	run := func(s string) string { return "<w:r><w:t>" + s + "</w:t></w:r>" }
	data := archive(t, contentTypes,
		part{"word/_rels/document.xml.rels", `<Relationships><Relationship Id="a" Type="http://x/attachedTemplate" Target="http://evil.example/t.dotm" TargetMode="External"/><Relationship Id="b" Type="http://x/hyperlink" Target="mailto:a@b.example" TargetMode="External"/></Relationships>`},
		part{"word/embeddings/oleObject1.bin", "x"},
		wordPart("<w:tbl>"+row(run("Country"), run("Institution"), run("E-mail"))+
			row(run("Alphaland"), hidden+run("Police ")+`<w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins>`+run("new")+`</w:ins>`, run("cyber@police.alphaland.example"))+
			`<w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p>`+run("Betaland")+`</w:p></w:tc></w:tr></w:tbl>`))
	r := importFile(t, "list.docx", data, nil)
	for _, code := range []string{ExternalReference, Embedded, CellHidden, CellDeleted} {
		if !hasFinding(r, code, Place{}) {
			t.Errorf("no finding %s: %v", code, r.Findings)
		}
	}
	if n := len(r.Draft.Parties); n != 1 || r.Draft.Parties[0].ContactPoints[0].Institution != "Police new" {
		t.Errorf("draft %+v", r.Draft.Parties)
	}
}

// A list of very many rows for one Party ends soon: beyond what a Party may have
// nothing is compared with everything.
func TestAnEndlessListEnds(t *testing.T) {
	var b strings.Builder
	b.WriteString("country,institution,e-mail\n")
	for i := range 50_000 {
		fmt.Fprintf(&b, "Alphaland,Office %d,cp%d@police.example\n", i, i)
	}
	r := importFile(t, "list.csv", []byte(b.String()), nil)
	if n := len(r.Draft.Parties[0].ContactPoints); n != maxPoints {
		t.Errorf("%d contact points", n)
	}
}
