package interchange

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// docx reads the tables of a word processor's document (ECMA-376 part 1,
// section 17).
type docx struct {
	c       *container
	x       *xmlReader
	grids   []*grid
	caption string
	tracked bool
	hidden  bool
}

func readDocx(c *container) ([]*grid, error) {
	x, err := c.xml("word/document.xml")
	if err != nil {
		return nil, err
	}
	d := &docx{c: c, x: x}
	err = d.blocks(0, func(text string) {
		if text = strings.TrimSpace(text); text != "" {
			d.caption = text
		}
	}, func(g *grid) {
		g.file, g.name, g.caption = c.file, fmt.Sprintf("table %d", len(d.grids)+1), d.caption
		d.grids = append(d.grids, g)
	})
	if err != nil {
		return nil, err
	}
	at := Place{File: c.file}
	if d.tracked {
		c.log.add(CellDeleted, at, "", "", "it was saved with tracked changes: what was struck out is left out, what was put in is taken", "accept the changes, save and import again")
	}
	if d.hidden {
		c.log.add(CellHidden, at, "", "", "it holds hidden text, which was left out", "show hidden text and look at it")
	}
	return d.grids, nil
}

// blocks reads paragraphs and tables up to the end of the element that began at
// depth, or of the part for 0.
func (d *docx) blocks(depth int, paragraph func(string), table func(*grid)) error {
	for {
		tok, err := d.x.next()
		if errors.Is(err, io.EOF) && depth == 0 {
			return nil
		}
		if err != nil {
			return d.x.cut(err)
		}
		switch e := tok.(type) {
		case xml.EndElement:
			if d.x.depth < depth {
				return nil
			}
		case xml.StartElement:
			switch e.Name.Local {
			case "p":
				var b strings.Builder
				if err := d.inline(&b, d.x.depth); err != nil {
					return err
				}
				paragraph(b.String())
			case "tbl":
				g, err := d.table()
				if err != nil {
					return err
				}
				table(g)
			case "del", "moveFrom":
				d.tracked = true
				err = d.x.skip()
			case "tcPr", "tblPr", "tblGrid", "sectPr", "Fallback":
				err = d.x.skip()
			}
			if err != nil {
				return err
			}
		}
	}
}

// inline collects the visible text of a paragraph.
func (d *docx) inline(b *strings.Builder, depth int) error {
	for d.x.depth >= depth {
		tok, err := d.x.next()
		if err != nil {
			return d.x.cut(err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "r":
			if err := d.run(b); err != nil {
				return err
			}
		case "del", "moveFrom":
			d.tracked = true
			if err := d.x.skip(); err != nil {
				return err
			}
		case "ins", "moveTo":
			d.tracked = true
		case "pPr", "Fallback":
			if err := d.x.skip(); err != nil {
				return err
			}
		}
		if b.Len() > maxCellBytes {
			return refuse(RefusedTooLarge, d.x.here(), "a paragraph is too long", "split it")
		}
	}
	return nil
}

// run collects the text of one run, unless it is hidden.
func (d *docx) run(out *strings.Builder) error {
	var b strings.Builder
	hidden := false
	for depth := d.x.depth; d.x.depth >= depth; {
		tok, err := d.x.next()
		if err != nil {
			return d.x.cut(err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "rPr":
			err = d.properties(func(e xml.StartElement) {
				if v := attr(e, "val"); e.Name.Local == "vanish" && v != "0" && v != "false" {
					hidden = true
				}
			})
		case "t":
			var s string
			s, err = d.x.text()
			b.WriteString(s)
		case "tab":
			b.WriteByte(' ')
		case "br", "cr":
			b.WriteByte('\n')
		case "noBreakHyphen":
			b.WriteByte('-')
		case "AlternateContent", "Choice":
		default:
			err = d.x.skip()
		}
		if err != nil {
			return err
		}
	}
	if hidden && strings.TrimSpace(b.String()) != "" {
		d.hidden = true
		return nil
	}
	out.WriteString(b.String())
	return nil
}

func (d *docx) properties(f func(xml.StartElement)) error {
	for depth := d.x.depth; d.x.depth >= depth; {
		tok, err := d.x.next()
		if err != nil {
			return d.x.cut(err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			f(e)
		}
	}
	return nil
}

func (d *docx) table() (*grid, error) {
	g := &grid{}
	for depth := d.x.depth; d.x.depth >= depth; {
		tok, err := d.x.next()
		if err != nil {
			return nil, d.x.cut(err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "tblPr", "tblGrid":
			err = d.x.skip()
		case "tr":
			if len(g.rows) >= maxRows {
				return nil, refuse(RefusedTooLarge, d.x.here(), fmt.Sprintf("a table has more than %d rows", maxRows), "split it")
			}
			err = d.row(g)
		}
		if err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (d *docx) row(g *grid) error {
	var row []cell
	deleted := false
	for depth := d.x.depth; d.x.depth >= depth; {
		tok, err := d.x.next()
		if err != nil {
			return d.x.cut(err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "trPr":
			err = d.properties(func(e xml.StartElement) {
				switch e.Name.Local {
				case "gridBefore":
					row = append(row, make([]cell, span(e))...)
				case "del":
					deleted = true
				}
			})
		case "tblPrEx":
			err = d.x.skip()
		case "tc":
			row, err = d.cell(g, row)
		}
		if err != nil {
			return err
		}
	}
	if deleted {
		d.tracked = true
		return nil
	}
	g.rows = append(g.rows, row)
	return nil
}

// cell appends one cell to the row, as often as it spans columns.
func (d *docx) cell(g *grid, row []cell) ([]cell, error) {
	columns, merged := 1, false
	var text []string
	add := func(s string) { text = append(text, s) }
	nested := func(n *grid) {
		for _, r := range n.rows {
			var cells []string
			for _, c := range r {
				cells = append(cells, c.text)
			}
			text = append(text, strings.Join(cells, " "))
		}
	}
	depth := d.x.depth
	for d.x.depth >= depth {
		tok, err := d.x.next()
		if err != nil {
			return nil, d.x.cut(err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "tcPr":
			err = d.properties(func(e xml.StartElement) {
				switch e.Name.Local {
				case "gridSpan":
					columns = span(e)
				case "vMerge":
					merged = attr(e, "val") != "restart"
				}
			})
		case "p":
			var b strings.Builder
			err = d.inline(&b, d.x.depth)
			add(b.String())
		case "tbl":
			var n *grid
			if n, err = d.table(); err == nil {
				nested(n)
			}
		case "del", "moveFrom":
			d.tracked = true
			err = d.x.skip()
		case "Fallback":
			err = d.x.skip()
		}
		if err != nil {
			return nil, err
		}
	}
	c := cell{text: strings.TrimSpace(strings.Join(text, "\n")), above: merged}
	if merged && len(g.rows) > 0 {
		c.text = g.at(len(g.rows)-1, len(row)).text
	}
	if len(row)+columns > maxColumns {
		return nil, refuse(RefusedTooLarge, d.x.here(), fmt.Sprintf("a row has more than %d columns", maxColumns), "split it")
	}
	for range columns {
		if err := d.c.cell(c.text, d.x.here()); err != nil {
			return nil, err
		}
		row = append(row, c)
	}
	return row, nil
}

// span reads how many columns something takes.
func span(e xml.StartElement) int {
	n, err := strconv.Atoi(attr(e, "val"))
	if err != nil || n < 1 {
		return 1
	}
	return min(n, maxColumns)
}
