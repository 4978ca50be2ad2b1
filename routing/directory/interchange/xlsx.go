package interchange

import (
	"encoding/xml"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// xlsx reads the sheets of a workbook (ECMA-376 part 1, section 18).
type xlsx struct {
	c       *container
	strings []string
	dates   map[int]bool // styles that show a number as a date
	from    time.Time    // day 0
}

func readXlsx(c *container) ([]*grid, error) {
	const workbook = "xl/workbook.xml"
	w := &xlsx{c: c, dates: map[int]bool{}, from: time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)}
	relations, err := c.relations(workbook)
	if err != nil {
		return nil, err
	}
	if err := w.sharedStrings(); err != nil {
		return nil, err
	}
	if err := w.styles(); err != nil {
		return nil, err
	}
	x, err := c.xml(workbook)
	if err != nil {
		return nil, err
	}
	var grids []*grid
	err = x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "workbookPr":
			if v := attr(e, "date1904"); v == "1" || v == "true" {
				w.from = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
			}
		case "sheet":
			name := attr(e, "name")
			at := Place{File: c.file, Table: "sheet " + quote(name)}
			if s := attr(e, "state"); s == "hidden" || s == "veryHidden" {
				c.log.add(CellHidden, at, "", "", "the sheet is hidden: it was left out", "show it, look at it, and import again")
				return nil
			}
			part := relations[relationID(e)]
			if !strings.Contains(part, "worksheets/") {
				return nil // a chart
			}
			g, err := w.sheet(part, at)
			if err != nil {
				return err
			}
			g.file, g.name, g.caption = c.file, at.Table, name
			grids = append(grids, g)
		}
		return nil
	})
	return grids, err
}

func relationID(e xml.StartElement) string {
	for _, a := range e.Attr {
		if a.Name.Local == "id" && strings.Contains(a.Name.Space, "relationships") {
			return a.Value
		}
	}
	return ""
}

func (w *xlsx) sharedStrings() error {
	const part = "xl/sharedStrings.xml"
	if w.c.parts[part] == nil {
		return nil
	}
	x, err := w.c.xml(part)
	if err != nil {
		return err
	}
	return x.each(func(e xml.StartElement) error {
		if e.Name.Local != "si" {
			return nil
		}
		if len(w.strings) >= maxCells {
			return refuse(RefusedTooLarge, x.here(), "it has too many texts", "split it")
		}
		s, err := richText(x)
		w.strings = append(w.strings, s)
		return err
	})
}

// richText joins the runs of a text; readings of East Asian signs are left out.
func richText(x *xmlReader) (string, error) {
	var b strings.Builder
	for depth := x.depth; x.depth >= depth; {
		tok, err := x.next()
		if err != nil {
			return "", x.cut(err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "t":
			s, err := x.text()
			if err != nil {
				return "", err
			}
			b.WriteString(s)
		case "rPh":
			if err := x.skip(); err != nil {
				return "", err
			}
		}
	}
	return unescapeX(b.String()), nil
}

// Spreadsheets write a character that XML cannot hold as _x000D_.
var escapedX = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

func unescapeX(s string) string {
	if !strings.Contains(s, "_x") {
		return strings.ReplaceAll(s, "\r\n", "\n")
	}
	s = escapedX.ReplaceAllStringFunc(s, func(m string) string {
		n, _ := strconv.ParseUint(m[2:6], 16, 32)
		return string(rune(n))
	})
	return strings.ReplaceAll(s, "\r\n", "\n")
}

// styles finds the styles whose format shows a day.
func (w *xlsx) styles() error {
	const part = "xl/styles.xml"
	if w.c.parts[part] == nil {
		return nil
	}
	x, err := w.c.xml(part)
	if err != nil {
		return err
	}
	custom := map[string]bool{}
	inCells, style := false, 0
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "numFmt":
			code := quotedFormat.ReplaceAllString(strings.ToLower(attr(e, "formatCode")), "")
			custom[attr(e, "numFmtId")] = strings.Contains(code, "y") && strings.Contains(code, "d")
		case "cellXfs":
			inCells = true
		case "cellStyles", "dxfs":
			inCells = false
		case "xf":
			if !inCells {
				return nil
			}
			id := attr(e, "numFmtId")
			n, _ := strconv.Atoi(id)
			w.dates[style] = n >= 14 && n <= 17 || n == 22 || custom[id]
			style++
		}
		return nil
	})
}

var quotedFormat = regexp.MustCompile(`"[^"]*"|\[[^\]]*\]|\\.`)

func (w *xlsx) sheet(part string, at Place) (*grid, error) {
	x, err := w.c.xml(part)
	if err != nil {
		return nil, err
	}
	g := &grid{}
	row := 0
	var merges []string
	err = x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "row":
			row++
			if r, err := strconv.Atoi(attr(e, "r")); err == nil {
				row = r
			}
			if row < 1 || row > maxRows {
				return refuse(RefusedTooLarge, at, fmt.Sprintf("a row has the number %d, at most %d are read", row, maxRows), "split it, or delete the empty rows")
			}
			if h := attr(e, "hidden"); h == "1" || h == "true" {
				w.c.log.add(CellHidden, Place{at.File, at.Table, row, 0}, "", "", "the row is hidden: it was left out", "show it, look at it, and import again")
				return x.skip()
			}
			for len(g.rows) < row {
				g.rows = append(g.rows, nil)
			}
		case "c":
			return w.cell(x, e, g, row, at)
		case "mergeCell":
			if len(merges) < maxRows {
				merges = append(merges, attr(e, "ref"))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return g, w.merge(g, merges, at)
}

func (w *xlsx) cell(x *xmlReader, e xml.StartElement, g *grid, row int, at Place) error {
	if row < 1 || row > len(g.rows) {
		return refuse(RefusedDamaged, at, "a cell stands outside the rows", saveAgain)
	}
	cells := &g.rows[row-1]
	column := len(*cells) + 1
	if ref := attr(e, "r"); ref != "" {
		c, _, ok := cellRef(ref)
		if !ok {
			return refuse(RefusedDamaged, at, "a cell has the place "+quote(ref), saveAgain)
		}
		column = c
	}
	if column > maxColumns {
		return refuse(RefusedTooLarge, Place{at.File, at.Table, row, column}, fmt.Sprintf("a row has more than %d columns", maxColumns), "split it, or delete the empty columns")
	}
	c := cell{}
	kind := attr(e, "t")
	style, _ := strconv.Atoi(attr(e, "s"))
	for depth := x.depth; x.depth >= depth; {
		tok, err := x.next()
		if err != nil {
			return x.cut(err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "f":
			c.formula = true
			err = x.skip()
		case "is":
			c.text, err = richText(x)
		case "v":
			var s string
			if s, err = x.text(); err == nil {
				c.text = w.value(s, kind, style)
			}
		}
		if err != nil {
			return err
		}
	}
	if c.text == "" && !c.formula {
		return nil
	}
	if err := w.c.cell(c.text, Place{at.File, at.Table, row, column}); err != nil {
		return err
	}
	for len(*cells) < column {
		if err := w.c.cell("", at); err != nil {
			return err
		}
		*cells = append(*cells, cell{})
	}
	(*cells)[column-1] = c
	return nil
}

// value turns what is stored into what is shown.
func (w *xlsx) value(s, kind string, style int) string {
	switch kind {
	case "s":
		if i, err := strconv.Atoi(strings.TrimSpace(s)); err == nil && i >= 0 && i < len(w.strings) {
			return w.strings[i]
		}
		return ""
	case "b":
		if s == "1" {
			return "yes"
		}
		return "no"
	case "e":
		return ""
	case "d":
		day, _, _ := strings.Cut(s, "T")
		return day
	case "str":
		return unescapeX(s)
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil:
		return s
	case w.dates[style] && f >= 1 && f < 3_000_000:
		return w.from.AddDate(0, 0, int(f)).Format(time.DateOnly)
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		return strconv.FormatInt(int64(f), 10) // 9.99E+11 is a telephone
	}
	return s
}

// merge lets merged cells repeat the first one's text.
func (w *xlsx) merge(g *grid, refs []string, at Place) error {
	for _, ref := range refs {
		a, b, ok := strings.Cut(ref, ":")
		left, top, okA := cellRef(a)
		right, bottom, okB := cellRef(b)
		if !ok || !okA || !okB || top > len(g.rows) {
			continue
		}
		bottom, right = min(bottom, len(g.rows)), min(right, maxColumns)
		first := g.at(top-1, left-1)
		if first.text == "" {
			continue
		}
		for i := top - 1; i < bottom; i++ {
			for j := left - 1; j < right; j++ {
				if err := w.c.cell(first.text, at); err != nil {
					return err
				}
				for len(g.rows[i]) <= j {
					g.rows[i] = append(g.rows[i], cell{})
				}
				c := first
				c.above = i > top-1
				g.rows[i][j] = c
			}
		}
	}
	return nil
}

// cellRef reads a place such as "BC12".
func cellRef(s string) (column, row int, ok bool) {
	i := 0
	for ; i < len(s) && s[i] >= 'A' && s[i] <= 'Z' && i < 4; i++ {
		column = column*26 + int(s[i]-'A') + 1
	}
	row, err := strconv.Atoi(s[i:])
	return column, row, err == nil && column > 0 && row > 0
}
