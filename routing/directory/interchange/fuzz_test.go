package interchange

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"relais.example/routing/directory"
)

// tryImport imports whatever comes, with nothing but the files themselves: no
// converter is run. It must end with a draft or a refusal, and every finding
// must name its file.
func tryImport(t *testing.T, v *Vocabulary, name string, data []byte) {
	if len(data) > 1<<20 || bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")) {
		return
	}
	r, err := Import(context.Background(), []File{{name, data}}, Options{Vocabulary: v, Issued: now, Parties: partyMap40()})
	var refused *RefusedError
	if err != nil {
		if !errors.As(err, &refused) || refused.Place.File != name || refused.Code == "" {
			t.Fatalf("not a refusal: %v", err)
		}
		return
	}
	for _, f := range r.Findings {
		if f.Place.File != name || f.Code == "" || f.Advice == "" {
			t.Fatalf("an incomplete finding: %+v", f)
		}
	}
	if len(r.Findings) > maxFindings {
		t.Fatalf("%d findings", len(r.Findings))
	}
	// The draft can be written, read again, and compared.
	raw, err := r.Draft.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, problems, err := directory.ReadDraft(raw)
	if err != nil {
		t.Fatalf("the draft cannot be read: %v", err)
	}
	if len(problems) != len(r.Problems) {
		t.Fatalf("%d faults, and %d after writing and reading", len(r.Problems), len(problems))
	}
	if len(problems) > 0 {
		return
	}
	// A draft without faults survives every form.
	for _, f := range []Format{CSV, XLSX, DOCX, VCard} {
		var b bytes.Buffer
		if err := Export(&b, again, f, v); err != nil {
			t.Fatal(err)
		}
		back, err := Import(context.Background(), []File{{"again", b.Bytes()}}, Options{Vocabulary: v, Issued: now})
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if got := encode(t, back.Draft); got != encode(t, r.Draft) && back.Draft.Version == again.Version {
			t.Fatalf("%s changed the draft: %v", f, directory.DiffDocuments(again, back.Draft))
		}
	}
}

func FuzzDocx(f *testing.F) {
	f.Add([]byte(`<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Country</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>E-mail</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:tcPr><w:vMerge/><w:gridSpan w:val="2"/></w:tcPr><w:p/></w:tc></w:tr></w:tbl>`))
	f.Add([]byte(`<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>x</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:tbl><w:tr><w:tc/></w:tr></w:tbl></w:tc></w:tr></w:tbl>`))
	f.Add([]byte(`]]><!DOCTYPE x [<!ENTITY a "b">]>&a;`))
	f.Add([]byte(`<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Party</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>XA</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>Name (en)</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>Alphaland</w:t></w:r></w:p></w:tc></w:tr></w:tbl>`))
	v := vocabulary(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		tryImport(t, v, "list.docx", archive(t, contentTypes, wordPart(string(body))))
	})
}

func FuzzXlsx(f *testing.F) {
	f.Add([]byte(`<row r="1"><c r="A1" t="inlineStr"><is><t>Country</t></is></c><c r="B1" t="s"><v>0</v></c></row><row><c><f>1+1</f><v>2</v></c><c s="1"><v>38000</v></c></row>`), []byte(`<si><t>E-mail</t></si>`))
	f.Add([]byte(`</sheetData><mergeCells><mergeCell ref="A1:B9"/></mergeCells><sheetData>`), []byte(`<si><r><t>a_x000D_</t></r></si>`))
	v := vocabulary(f)
	f.Fuzz(func(t *testing.T, rows, shared []byte) {
		tryImport(t, v, "list.xlsx", archive(t, contentTypes,
			part{"xl/workbook.xml", `<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" r:id="r1"/></sheets></workbook>`},
			part{"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="r1" Target="worksheets/sheet1.xml"/></Relationships>`},
			part{"xl/styles.xml", `<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>`},
			part{"xl/sharedStrings.xml", "<sst>" + string(shared) + "</sst>"},
			part{"xl/worksheets/sheet1.xml", "<worksheet><sheetData>" + string(rows) + "</sheetData></worksheet>"}))
	})
}

// Whole files of every kind, recognised by what they begin with.
func FuzzFile(f *testing.F) {
	f.Add([]byte(list))
	f.Add([]byte("party,id,name_en,role,institution,addresses,phones\nXA,XA-1,Alphaland,police,'=x,a@b.example,+999 1 555 0100 (fax)\n"))
	f.Add([]byte("\xff\xfea\x00,\x00"))
	f.Add([]byte("sep=;\na;b"))
	f.Add(smallList())
	f.Add([]byte(`{"format":1,"version":1,"issued":"2026-02-01T09:00:00Z","parties":[{"code":"XA","names":{"en":"A"}}]}`))
	v := vocabulary(f)
	f.Fuzz(func(t *testing.T, data []byte) { tryImport(t, v, "list", data) })
}

func FuzzVCard(f *testing.F) {
	f.Add([]byte("VERSION:4.0\r\nFN:x\r\nUID:XA-1\r\nORG:a\\;b;c\r\nEMAIL:a@b.example\r\nX-RELAIS-PARTY:XA\r\nX-RELAIS-NAME-EN:Alphaland\r\nX-RELAIS-ROLE:police\r\n"))
	f.Add([]byte("VERSION:3.0\r\nitem1.TEL;TYPE=\"a:b\",fax:+999 1\r\n 555 0100\r\nADR:;;a;b;c;d;Alphaland\r\nKEY;ENCODING=b:AAAA\r\n"))
	f.Add([]byte("X-RELAIS-VOUCHERS:a | b\r\nX-RELAIS-PROVENANCE:unit | x | 2026-01-01 | y\r\nLANG:fr\r\n"))
	v := vocabulary(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		tryImport(t, v, "card.vcf", []byte("BEGIN:VCARD\r\n"+string(body)+"\r\nEND:VCARD\r\n"))
	})
}
