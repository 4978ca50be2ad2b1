// Package interchange reads lists of contact points as they are sent round
// (.docx, .doc, .xlsx, CSV, vCard, JSON) into a draft of the Directory, and
// writes the Directory in the forms that people and other programs use.
//
// Nothing is invented: a cell that is not understood is left out and reported
// with its place; what is guessed is reported too. Files are hostile until read:
// every size, depth and count is bounded, macros and entities are refused, and
// nothing outside a file is ever fetched.
package interchange

import (
	"fmt"
	"time"

	"relais.example/routing/directory"
)

// Options say what an import starts from.
type Options struct {
	Current    *directory.Document // the version in force; nil: start empty. It is not changed
	Vocabulary *Vocabulary         // required; see [DefaultVocabulary]
	Parties    map[string]string   // names of Parties to their codes, beside those known
	Source     string              // written as provenance of what changes; "" writes none
	Issued     time.Time           // of the draft
	Replace    bool                // contact points that no file names leave the draft
}

// Result is a draft and how it came about.
type Result struct {
	Draft    *directory.Document
	Tables   []Table             // what was read, in order
	Findings []Finding           // what was guessed, left out or doubtful
	Problems []directory.Problem // faults that the draft still has: it cannot be signed with them
	Changes  []directory.Change  // from the current version to the draft
}

// Table is one table, sheet or file, and how it was understood.
type Table struct {
	File    string   `json:"file"`
	Name    string   `json:"name,omitempty"` // "table 2", the name of a sheet
	Layout  Layout   `json:"layout"`
	Columns []Column `json:"columns,omitempty"`
	Entries int      `json:"entries"` // contact points and Parties found
}

// Layout says how a table is laid out.
type Layout string

// The closed set of layouts.
const (
	Rows       Layout = "rows"       // a heading row, then one row per contact point
	Labels     Layout = "labels"     // labels in the first column, values in the second
	Transposed Layout = "transposed" // labels in the first column, one column per contact point
	Cards      Layout = "cards"      // vCard
	Document   Layout = "document"   // a Directory as JSON
	NoLayout   Layout = "not-a-list" // no names of columns were found: left out
)

// Column is one column, or one label, and the field it was taken for.
type Column struct {
	Heading string `json:"heading"`
	Field   string `json:"field,omitempty"` // "" when left out
	Guessed bool   `json:"guessed,omitempty"`
}

// Place says where in a file something stands. Rows and columns count from 1.
type Place struct {
	File   string `json:"file"`
	Table  string `json:"table,omitempty"`
	Row    int    `json:"row,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String returns the place as people read it:
//
//	contacts.docx: table 2: row 5, column 3
func (p Place) String() string {
	s := p.File
	if p.Table != "" {
		s += ": " + p.Table
	}
	switch {
	case p.Row > 0 && p.Column > 0:
		s += fmt.Sprintf(": row %d, column %d", p.Row, p.Column)
	case p.Row > 0:
		s += fmt.Sprintf(": row %d", p.Row)
	}
	return s
}
