package interchange

import (
	"fmt"
	"strings"
)

// reader turns tables into records.
type reader struct {
	v   *Vocabulary
	log *log
}

// maxHeading is how far down the row of headings is looked for.
const maxHeading = 10

// read understands one table.
func (r *reader) read(g *grid) (Table, []record) {
	t := Table{File: g.file, Name: g.name, Layout: NoLayout}
	row, across := r.headingRow(g)
	column, down := r.labelColumn(g)
	var records []record
	switch {
	case across >= 2 && across >= down:
		t.Layout = Rows
		records = r.rows(g, row, &t)
	case down >= 2:
		t.Layout = Transposed
		if r.valueColumns(g, column) == 1 {
			t.Layout = Labels
		}
		records = r.columns(g, column, &t)
	default:
		if g.empty() {
			return t, nil
		}
		r.log.add(NotAList, g.place(0, 0), "", "", "no names of columns or labels were found in this table",
			"if it lists contact points, name its columns as in docs/directory.md")
	}
	t.Entries = len(records)
	return t, records
}

func (g *grid) empty() bool {
	for _, r := range g.rows {
		for _, c := range r {
			if strings.TrimSpace(c.text) != "" {
				return false
			}
		}
	}
	return true
}

// headingRow finds the row with most names of columns, and how many different
// ones it has.
func (r *reader) headingRow(g *grid) (row, score int) {
	for i := range min(len(g.rows), maxHeading) {
		if n := r.headings(func(yield func(cell) bool) {
			for _, c := range g.rows[i] {
				if !yield(c) {
					return
				}
			}
		}); n > score {
			row, score = i, n
		}
	}
	return row, score
}

// labelColumn finds which of the first two columns holds most labels.
func (r *reader) labelColumn(g *grid) (column, score int) {
	for j := range min(g.width(), 2) {
		if n := r.headings(func(yield func(cell) bool) {
			for i := range g.rows {
				if c := g.at(i, j); !c.above && !yield(c) {
					return
				}
			}
		}); n > score {
			column, score = j, n
		}
	}
	return column, score
}

// headings counts the different fields that cells name, or 0 when most cells
// name none.
func (r *reader) headings(cells func(yield func(cell) bool)) int {
	matched, filled := 0, 0
	fields := map[string]bool{}
	for c := range cells {
		text := strings.TrimSpace(c.text)
		if text == "" {
			continue
		}
		filled++
		if len(text) > 120 {
			continue
		}
		field, _, leftOut := r.v.column(text)
		if leftOut {
			field = fold(text)
		}
		if field != "" {
			matched++
			fields[field] = true
		}
	}
	if matched*2 < filled {
		return 0
	}
	return len(fields)
}

// heading takes one name of a column, reports doubts, and returns its field.
func (r *reader) heading(g *grid, row, column int, t *Table, taken map[string]bool) string {
	text := strings.TrimSpace(g.at(row, column).text)
	if text == "" {
		return ""
	}
	field, guessed, leftOut := r.v.column(text)
	at := g.place(row, column)
	switch {
	case leftOut:
		r.log.add(LeftOutColumn, at, "", "", "the Directory does not hold "+quote(text), "nothing to do")
	case field == "":
		r.log.add(UnknownColumn, at, "", "", quote(text)+" is not understood", "if it matters, name it as in docs/directory.md and import again")
	case taken[field] && !isList(field):
		r.log.add(SecondColumn, at, "", field, quote(text)+" would be the second column for "+field, "keep one of the two")
		field = ""
	case guessed:
		r.log.add(GuessedColumn, at, "", field, quote(text)+" was taken for "+field, "check it")
	}
	taken[field] = true
	t.Columns = append(t.Columns, Column{text, field, guessed})
	return field
}

// rows reads a heading row and one record per row below it.
func (r *reader) rows(g *grid, heading int, t *Table) []record {
	fieldOf := make([]string, len(g.rows[heading]))
	taken := map[string]bool{}
	for j := range fieldOf {
		fieldOf[j] = r.heading(g, heading, j, t, taken)
	}
	var records []record
	var party value
	for i := heading + 1; i < len(g.rows); i++ {
		rec := record{place: g.place(i, 0)}
		rec.place.Column = 0
		for j, field := range fieldOf {
			if field != "" {
				r.take(&rec, field, g, i, j)
			}
		}
		if r.repeatsHeading(g, heading, i) || len(rec.fields) == 0 {
			continue
		}
		// A title across the table, such as the name of a country.
		if len(rec.fields) == 1 && g.uniform(i) {
			if p, ok := r.partyIn(strings.TrimSpace(g.at(i, 0).text)); ok {
				party = value{text: p, place: g.place(i, 0)}
				continue
			}
		}
		if own, ok := rec.first(fieldParty); ok {
			party = own
		} else if party.text != "" && rec.hasPoint() && rec.fields[fieldID] == nil {
			r.log.add(GuessedParty, rec.place, "", fieldParty, "the row names no Party: "+quote(party.text)+" of a row above was taken", "check it")
			rec.add(fieldParty, party)
		}
		records = append(records, rec)
	}
	r.caption(g, records)
	return records
}

// uniform reports whether a row of several cells says the same in all.
func (g *grid) uniform(row int) bool {
	filled := map[string]bool{}
	for _, c := range g.rows[row] {
		if s := strings.TrimSpace(c.text); s != "" {
			filled[s] = true
		}
	}
	return len(filled) == 1 && len(g.rows[row]) > 1
}

func (r *reader) repeatsHeading(g *grid, heading, row int) bool {
	same := 0
	for j, c := range g.rows[heading] {
		if strings.TrimSpace(c.text) == "" {
			continue
		}
		if fold(c.text) != fold(g.at(row, j).text) {
			return false
		}
		same++
	}
	return same > 0
}

func (r *reader) valueColumns(g *grid, labels int) int {
	n := 0
	for j := labels + 1; j < g.width(); j++ {
		for i := range g.rows {
			if strings.TrimSpace(g.at(i, j).text) != "" {
				n++
				break
			}
		}
	}
	return n
}

// columns reads labels down one column, and one record per column beside it. A
// label that comes again starts the next contact point.
func (r *reader) columns(g *grid, labels int, t *Table) []record {
	var records []record
	width := g.width()
	fieldOf := make([]string, len(g.rows))
	starts := []int{0}
	taken := map[string]bool{}
	for i := range g.rows {
		if c := g.at(i, labels); c.above && i > 0 { // the label reaches down
			fieldOf[i] = fieldOf[i-1]
			continue
		}
		field, _, _ := r.v.column(strings.TrimSpace(g.at(i, labels).text))
		if (field == fieldID || field == fieldInstitution || field == fieldParty) && taken[field] {
			starts, taken = append(starts, i), map[string]bool{}
		}
		fieldOf[i] = r.heading(g, i, labels, t, taken)
	}
	for n, from := range starts {
		to := len(g.rows)
		if n+1 < len(starts) {
			to = starts[n+1]
		}
		for j := labels + 1; j < width; j++ {
			rec := record{place: g.place(from, j)}
			for i := from; i < to; i++ {
				if fieldOf[i] != "" {
					r.take(&rec, fieldOf[i], g, i, j)
				}
			}
			if len(rec.fields) > 0 {
				records = append(records, rec)
			}
		}
	}
	// A second contact point of the same table keeps the Party of the first.
	var party value
	for i := range records {
		if own, ok := records[i].first(fieldParty); ok {
			party = own
		} else if party.text != "" && records[i].hasPoint() && records[i].fields[fieldID] == nil {
			r.log.add(GuessedParty, records[i].place, "", fieldParty, "no Party is named: "+quote(party.text)+" was taken from the entry before", "check it")
			records[i].add(fieldParty, party)
		}
	}
	r.caption(g, records)
	return records
}

// take puts one cell into a record, unless it is blank or a formula.
func (r *reader) take(rec *record, field string, g *grid, row, column int) {
	c := g.at(row, column)
	v := value{text: strings.TrimSpace(c.text), place: g.place(row, column)}
	if c.formula {
		r.log.add(CellFormula, v.place, "", field, "the cell holds a formula, whose value is not taken", "write the value itself")
		return
	}
	v.text, v.literal = unescape(v.text, r.v)
	if !v.literal && r.v.isBlank(v.text) {
		return
	}
	rec.add(field, v)
}

// caption lets the text before a table name the Party of records that name
// none.
func (r *reader) caption(g *grid, records []record) {
	code, ok := r.partyIn(g.caption)
	if !ok {
		return
	}
	for i := range records {
		if _, has := records[i].first(fieldParty); has || records[i].fields[fieldID] != nil {
			continue
		}
		r.log.add(GuessedParty, records[i].place, code, fieldParty, "the Party was taken from the heading "+quote(g.caption), "check it")
		records[i].add(fieldParty, value{text: code, place: records[i].place})
	}
}

// partyIn finds the one Party that a heading names.
func (r *reader) partyIn(text string) (string, bool) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 200 {
		return "", false
	}
	if code, ok := r.v.country(text); ok {
		return code, true
	}
	code := r.v.countries.inside(fold(text))
	return code, code != ""
}

// describe says in words what became of a table.
func (t Table) describe() string {
	name := t.File
	if t.Name != "" {
		name += ": " + t.Name
	}
	if t.Layout == NoLayout {
		return name + ": not understood, left out"
	}
	return fmt.Sprintf("%s: %s, %d entries", name, t.Layout, t.Entries)
}
