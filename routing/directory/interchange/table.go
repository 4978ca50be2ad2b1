package interchange

import (
	"strings"
	"unicode/utf8"
)

// grid is a table as it stands in a file, before anything is understood.
type grid struct {
	file, name string
	caption    string // the text before it, which may name the Party
	rows       [][]cell
}

// cell is one cell. Merged cells repeat the text of the first.
type cell struct {
	text    string
	formula bool
	above   bool // merged with the cell above
}

func (g *grid) place(row, column int) Place {
	return Place{g.file, g.name, row + 1, column + 1}
}

func (g *grid) width() int {
	w := 0
	for _, r := range g.rows {
		w = max(w, len(r))
	}
	return w
}

// at returns a cell; one outside the table is empty.
func (g *grid) at(row, column int) cell {
	if row < 0 || row >= len(g.rows) || column >= len(g.rows[row]) {
		return cell{}
	}
	return g.rows[row][column]
}

// value is a text together with where it stood.
type value struct {
	text    string
	literal bool // it was escaped by an export: no blank mark
	formula bool
	place   Place
}

// record is one contact point or Party as a file gives it: texts by field.
type record struct {
	fields map[string][]value
	place  Place
}

func (r *record) add(field string, v value) {
	if r.fields == nil {
		r.fields = map[string][]value{}
	}
	r.fields[field] = append(r.fields[field], v)
}

func (r *record) first(field string) (value, bool) {
	if len(r.fields[field]) == 0 {
		return value{}, false
	}
	return r.fields[field][0], true
}

// hasPoint reports whether the record says anything of a contact point.
func (r *record) hasPoint() bool {
	for f := range r.fields {
		if !ofParty(f) {
			return true
		}
	}
	return false
}

// special reports whether a text would be read as a formula, as a blank, or as
// an escaped text.
func special(s string, v *Vocabulary) bool {
	return s != "" && strings.ContainsRune("=+-@'", rune(s[0])) || v.blanks[strings.ToLower(s)]
}

// escape marks a text with an apostrophe in front where it would be read as
// something else: a blank mark, an escaped text, and, in a file that a
// spreadsheet opens, a formula.
func escape(s string, v *Vocabulary, spreadsheet bool) string {
	switch {
	case v.blanks[strings.ToLower(s)], strings.HasPrefix(s, "'") && special(s[1:], v):
		return "'" + s
	case spreadsheet && s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])):
		return "'" + s
	}
	return s
}

// unescape takes the apostrophe of escape away again.
func unescape(s string, v *Vocabulary) (text string, literal bool) {
	if strings.HasPrefix(s, "'") && special(s[1:], v) {
		return s[1:], true
	}
	return s, false
}

// looksLikeFormula reports whether a spreadsheet would compute the text of a
// CSV cell. A telephone number in international form is none.
func looksLikeFormula(s string) bool {
	if s == "" {
		return false
	}
	if s[0] == '=' || s[0] == '@' {
		return true
	}
	if s[0] != '+' && s[0] != '-' || len(s) == 1 {
		return false
	}
	next, _ := utf8.DecodeRuneInString(s[1:])
	return next >= 'A' && next <= 'Z' || next >= 'a' && next <= 'z' || strings.ContainsRune("@=", next) || strings.ContainsAny(s, "|!")
}
