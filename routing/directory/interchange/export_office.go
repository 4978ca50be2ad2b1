package interchange

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"relais.example/routing/directory"
)

const xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

// part is one file of a container.
type part struct{ name, content string }

// writeContainer writes parts as a ZIP archive. The same parts always give the
// same bytes.
func writeContainer(w io.Writer, parts []part) error {
	z := zip.NewWriter(w)
	for _, p := range parts {
		f, err := z.CreateHeader(&zip.FileHeader{Name: p.name, Method: zip.Deflate})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(f, p.content); err != nil {
			return err
		}
	}
	return z.Close()
}

// xmlText returns s with the signs of XML escaped.
func xmlText(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return ""
	}
	return b.String()
}

// writeXlsx writes one sheet with one row per contact point. All cells are
// texts, so none is a formula.
func writeXlsx(w io.Writer, doc *directory.Document, v *Vocabulary) error {
	columns := columnsOf(doc)
	// A cell holds so many characters; what is longer goes on in further
	// columns of the same name.
	wide := map[string]int{}
	if err := rowsOf(doc, func(t texts) error {
		for _, c := range columns {
			wide[c] = max(wide[c], len(chunks(t[c])))
		}
		return nil
	}); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(xmlHead + `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>`)
	row := 0
	write := func(cells []string) {
		row++
		fmt.Fprintf(&b, `<row r="%d">`, row)
		for i, s := range cells {
			if s != "" {
				fmt.Fprintf(&b, `<c r="%s%d" t="inlineStr" s="%d"><is><t xml:space="preserve">%s</t></is></c>`, columnName(i), row, min(row, 2)-1, xmlText(escapeX(s)))
			}
		}
		b.WriteString("</row>")
	}
	var head []string
	for _, c := range columns {
		head = append(head, c)
		for i := 1; i < wide[c]; i++ {
			head = append(head, c+" "+strconv.Itoa(i+1))
		}
	}
	write(head)
	err := rowsOf(doc, func(t texts) error {
		var cells []string
		for _, c := range columns {
			list := chunks(escape(t[c], v, false))
			for len(list) < max(wide[c], 1) {
				list = append(list, "")
			}
			cells = append(cells, list...)
		}
		write(cells)
		return nil
	})
	if err != nil {
		return err
	}
	b.WriteString("</sheetData></worksheet>")
	return writeContainer(w, []part{
		{"[Content_Types].xml", xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>`},
		{"_rels/.rels", xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", xmlHead + `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Contact points" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>`},
		{"xl/styles.xml", xmlHead + `<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><fonts count="2"><font><sz val="10"/><name val="Calibri"/></font><font><b/><sz val="10"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/><xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf></cellXfs></styleSheet>`},
		{"xl/worksheets/sheet1.xml", b.String()},
	})
}

// maxCellUnits is what a cell of a workbook may hold, in UTF-16 units, with
// some room.
const maxCellUnits = 32_000

// chunks cuts a text at line ends into pieces that fit a cell.
func chunks(s string) []string {
	if len(s) <= maxCellUnits {
		return []string{s}
	}
	var list []string
	var b strings.Builder
	units := 0
	for line := range strings.SplitAfterSeq(s, "\n") {
		n := len(utf16.Encode([]rune(line)))
		if units+n > maxCellUnits && b.Len() > 0 {
			list = append(list, strings.TrimSuffix(b.String(), "\n"))
			b.Reset()
			units = 0
		}
		b.WriteString(line)
		units += n
	}
	return append(list, b.String())
}

func columnName(i int) string {
	name := ""
	for i++; i > 0; i = (i - 1) / 26 {
		name = string(rune('A'+(i-1)%26)) + name
	}
	return name
}

var wouldUnescape = regexp.MustCompile(`_(x[0-9A-Fa-f]{4}_)`)

// escapeX protects a text that looks like an escaped character.
func escapeX(s string) string { return wouldUnescape.ReplaceAllString(s, "_x005F_$1") }

// writeDocx writes a document to read and print: a heading and a table of
// labels and values for each Party and each contact point.
func writeDocx(w io.Writer, doc *directory.Document, v *Vocabulary) error {
	var b strings.Builder
	b.WriteString(xmlHead + `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>`)
	heading(&b, "Title", "Directory of contact points")
	heading(&b, "Normal", fmt.Sprintf("Version %d of %s. Confidential.", doc.Version, doc.Issued.UTC().Format("2006-01-02")))
	names := nameFields(doc)
	for i := range doc.Parties {
		p := &doc.Parties[i]
		heading(&b, "Heading1", strings.TrimSpace(p.Names["en"]+" ("+p.Code+")"))
		list := append([]string{fieldParty}, names...)
		for _, f := range partyFields {
			if !slices.Contains(list, f) {
				list = append(list, f)
			}
		}
		labelTable(&b, partyTexts(p), list, v)
		for j := range p.ContactPoints {
			cp := &p.ContactPoints[j]
			heading(&b, "Heading2", cp.ID+" "+cp.Institution)
			labelTable(&b, pointTexts(cp), pointFields, v)
		}
	}
	b.WriteString(`<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1134" w:right="1134" w:bottom="1134" w:left="1134" w:header="567" w:footer="567" w:gutter="0"/></w:sectPr></w:body></w:document>`)
	return writeContainer(w, []part{
		{"[Content_Types].xml", xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/><Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/></Types>`},
		{"_rels/.rels", xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`},
		{"word/_rels/document.xml.rels", xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>`},
		{"word/styles.xml", xmlHead + docxStyles},
		{"word/document.xml", b.String()},
	})
}

const docxStyles = `<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Calibri" w:hAnsi="Calibri"/><w:sz w:val="20"/></w:rPr></w:rPrDefault></w:docDefaults><w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style><w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:rPr><w:b/><w:sz w:val="40"/></w:rPr></w:style><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:pPr><w:keepNext/><w:spacing w:before="360" w:after="120"/><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:b/><w:sz w:val="32"/></w:rPr></w:style><w:style w:type="paragraph" w:styleId="Heading2"><w:name w:val="heading 2"/><w:pPr><w:keepNext/><w:spacing w:before="240" w:after="80"/><w:outlineLvl w:val="1"/></w:pPr><w:rPr><w:b/><w:sz w:val="24"/></w:rPr></w:style><w:style w:type="paragraph" w:styleId="Key"><w:name w:val="Key"/><w:rPr><w:rFonts w:ascii="Courier New" w:hAnsi="Courier New"/><w:sz w:val="10"/></w:rPr></w:style></w:styles>`

func heading(b *strings.Builder, style, text string) {
	b.WriteString(`<w:p><w:pPr><w:pStyle w:val="` + style + `"/></w:pPr>`)
	docxRun(b, text)
	b.WriteString("</w:p>")
}

// labelTable writes the fields that have a value.
func labelTable(b *strings.Builder, t texts, list []string, v *Vocabulary) {
	border := ""
	for _, side := range []string{"top", "left", "bottom", "right", "insideH", "insideV"} {
		border += `<w:` + side + ` w:val="single" w:sz="4" w:color="808080"/>`
	}
	b.WriteString(`<w:tbl><w:tblPr><w:tblW w:w="9600" w:type="dxa"/><w:tblBorders>` + border + `</w:tblBorders></w:tblPr><w:tblGrid><w:gridCol w:w="2600"/><w:gridCol w:w="7000"/></w:tblGrid>`)
	for _, f := range list {
		if t[f] == "" {
			continue
		}
		style := "Normal"
		if f == fieldCertificates {
			style = "Key"
		}
		b.WriteString(`<w:tr><w:tc><w:tcPr><w:tcW w:w="2600" w:type="dxa"/></w:tcPr><w:p>`)
		docxRun(b, label(f))
		b.WriteString(`</w:p></w:tc><w:tc><w:tcPr><w:tcW w:w="7000" w:type="dxa"/></w:tcPr><w:p><w:pPr><w:pStyle w:val="` + style + `"/></w:pPr>`)
		docxRun(b, escape(t[f], v, false))
		b.WriteString(`</w:p></w:tc></w:tr>`)
	}
	b.WriteString(`</w:tbl>`)
}

func docxRun(b *strings.Builder, text string) {
	b.WriteString("<w:r>")
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteString("<w:br/>")
		}
		b.WriteString(`<w:t xml:space="preserve">` + xmlText(line) + `</w:t>`)
	}
	b.WriteString("</w:r>")
}
