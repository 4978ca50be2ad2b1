package interchange

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// readCSV reads fields separated by commas, semicolons or tabs (RFC 4180 for
// the rest), in UTF-8, UTF-16 or windows-1252.
func readCSV(file string, data []byte, l *log) (*grid, error) {
	at := Place{File: file}
	text, err := decodeText(at, data, l)
	if err != nil {
		return nil, err
	}
	if strings.ContainsRune(text, 0) {
		return nil, refuse(RefusedFormat, at, "it holds zero bytes, so it is no text", "save the list as .xlsx, .docx, CSV, vCard or JSON")
	}
	g := &grid{file: file}
	comma, skipped := ',', 0
	if first, rest, _ := strings.Cut(text, "\n"); len(strings.TrimSpace(first)) == 5 && strings.HasPrefix(strings.ToLower(first), "sep=") {
		comma, text, skipped = rune(first[4]), rest, 1
	} else {
		comma = separator(text)
	}
	if !strings.ContainsRune(",;\t|", comma) {
		return nil, refuse(RefusedDamaged, at, "its first line names a separator that is not known", "separate by commas, semicolons or tabs")
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = comma, -1
	cells := 0
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return g, nil
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			p := Place{File: file, Row: parse.Line + skipped, Column: parse.Column}
			return nil, refuse(RefusedDamaged, p, parse.Err.Error(), "mend the quotation marks, or save it again as CSV")
		}
		if err != nil {
			return nil, refuse(RefusedDamaged, at, err.Error(), "save it again as CSV")
		}
		// Rows are counted by lines, so that the findings name them.
		line, _ := r.FieldPos(0)
		line += skipped
		if cells += len(fields); line > maxRows || len(fields) > maxColumns || cells > maxCells {
			return nil, refuse(RefusedTooLarge, Place{File: file, Row: line}, "the table is too large", fmt.Sprintf("at most %d lines and %d columns are read: split it", maxRows, maxColumns))
		}
		for len(g.rows) < line-1 {
			g.rows = append(g.rows, nil)
		}
		row := make([]cell, len(fields))
		for i, f := range fields {
			if len(f) > maxCellBytes {
				return nil, refuse(RefusedTooLarge, Place{File: file, Row: line, Column: i + 1}, "a field is too long", "look for a quotation mark that is not closed")
			}
			row[i] = cell{text: strings.ReplaceAll(f, "\r", ""), formula: looksLikeFormula(strings.TrimSpace(f))}
		}
		g.rows = append(g.rows, row)
	}
}

// decodeText returns the file as UTF-8 text without byte order mark.
func decodeText(at Place, data []byte, l *log) (string, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	little := bytes.HasPrefix(data, []byte("\xff\xfe")) || looksUTF16(data, 1)
	if little || bytes.HasPrefix(data, []byte("\xfe\xff")) || looksUTF16(data, 0) {
		order := unicode.BigEndian
		if little {
			order = unicode.LittleEndian
		}
		text, err := unicode.UTF16(order, unicode.UseBOM).NewDecoder().Bytes(data)
		if err != nil || len(data)%2 == 1 {
			return "", refuse(RefusedDamaged, at, "it is no whole UTF-16 text", "save it as UTF-8")
		}
		return string(text), nil
	}
	if utf8.Valid(data) {
		return string(data), nil
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(data)
	if err != nil {
		return "", refuse(RefusedDamaged, at, "its characters are in no encoding that is read", "save it as UTF-8")
	}
	l.add(GuessedEncoding, at, "", "", "the file is not UTF-8: it was read as windows-1252 (Western Europe)", "look at the letters with accents, or save it as UTF-8")
	return string(text), nil
}

// looksUTF16 reports whether every other byte of the beginning is zero.
func looksUTF16(data []byte, zero int) bool {
	n := min(len(data), 64) &^ 1
	if n < 4 {
		return false
	}
	for i := 0; i < n; i += 2 {
		if data[i+zero] != 0 || data[i+1-zero] == 0 {
			return false
		}
	}
	return true
}

// separator finds what separates the fields: the sign that comes most often,
// outside quotation marks, in the first lines.
func separator(text string) rune {
	count := map[rune]int{}
	quoted := false
	for i, r := range text {
		if i > 64<<10 || r == '\n' && !quoted && i > 8<<10 {
			break
		}
		switch {
		case r == '"':
			quoted = !quoted
		case !quoted && strings.ContainsRune(",;\t", r):
			count[r]++
		}
	}
	best := ','
	for _, r := range []rune{';', '\t'} {
		if count[r] > count[best] {
			best = r
		}
	}
	return best
}
