package interchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
)

// File is one file to import.
type File struct {
	Name string // as findings name it
	Data []byte
}

// Import reads files into a draft. The first file that says something of a
// field counts. A file that cannot be read whole is a [*RefusedError], and
// nothing is imported.
func Import(ctx context.Context, files []File, o Options) (*Result, error) {
	if o.Vocabulary == nil {
		return nil, errors.New("importing contact points: no vocabulary; this is a fault of the program")
	}
	l := &log{}
	v := o.Vocabulary.with(o.Current, o.Parties)
	a, err := newAssembler(o, v, l)
	if err != nil {
		return nil, err
	}
	result := &Result{}
	for _, f := range files {
		a.file = f.Name
		tables, err := a.read(ctx, f)
		if err != nil {
			return nil, err
		}
		result.Tables = append(result.Tables, tables...)
	}
	result.Draft = a.finish()
	result.Problems = result.Draft.Check()
	result.Changes = directory.DiffDocuments(o.Current, result.Draft)
	result.Findings = l.list
	return result, nil
}

// with returns the vocabulary together with the names of Parties that an
// import knows besides.
func (v *Vocabulary) with(current *directory.Document, parties map[string]string) *Vocabulary {
	own := *v
	own.countries = maps.Clone(v.countries)
	if current != nil {
		for _, p := range current.Parties {
			for _, name := range p.Names {
				if folded := fold(name); folded != "" {
					own.countries[folded] = p.Code
				}
			}
		}
	}
	for name, code := range parties {
		own.countries[fold(name)] = code
	}
	return &own
}

// read recognises a file by its content and puts what it holds into the draft.
func (a *assembler) read(ctx context.Context, f File) ([]Table, error) {
	at := Place{File: f.Name}
	if len(f.Data) > MaxFileBytes {
		return nil, refuse(RefusedTooLarge, at, fmt.Sprintf("it has more than %d bytes", MaxFileBytes), "split it")
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(f.Data, []byte("\xef\xbb\xbf")))
	var grids []*grid
	var err error
	switch {
	case len(text) == 0:
		return nil, refuse(RefusedDamaged, at, "it is empty", "fetch it again")
	case bytes.HasPrefix(f.Data, []byte("PK\x03\x04")):
		grids, err = a.office(f)
	case bytes.HasPrefix(f.Data, []byte("\xd0\xcf\x11\xe0")):
		grids, err = readDoc(ctx, f.Name, f.Data, a.log)
	case text[0] == '{':
		return a.json(f, text)
	case len(text) > 11 && strings.EqualFold(string(text[:11]), "BEGIN:VCARD"):
		return a.cards(f, text)
	case bytes.HasPrefix(f.Data, []byte("%PDF")) || bytes.HasPrefix(f.Data, []byte(`{\rtf`)):
		return nil, refuse(RefusedFormat, at, "PDF and RTF are not read", "save the list as .docx, .xlsx, CSV, vCard or JSON")
	default:
		var g *grid
		g, err = readCSV(f.Name, f.Data, a.log)
		grids = append(grids, g)
	}
	if err != nil {
		return nil, err
	}
	var tables []Table
	r := &reader{v: a.v, log: a.log}
	for _, g := range grids {
		t, records := r.read(g)
		tables = append(tables, t)
		for _, rec := range records {
			a.record(rec)
		}
	}
	return tables, nil
}

func (a *assembler) office(f File) ([]*grid, error) {
	c, err := openContainer(f.Name, f.Data, a.log)
	if err != nil {
		return nil, err
	}
	switch {
	case c.parts["word/document.xml"] != nil:
		return readDocx(c)
	case c.parts["xl/workbook.xml"] != nil:
		return readXlsx(c)
	}
	return nil, refuse(RefusedFormat, Place{File: f.Name}, "it is a ZIP archive, but neither .docx nor .xlsx", "save the list as .docx, .xlsx, CSV, vCard or JSON")
}

func (a *assembler) json(f File, text []byte) ([]Table, error) {
	doc, _, err := directory.ReadDraft(text)
	if err != nil {
		return nil, refuse(RefusedDamaged, Place{File: f.Name}, "it is no Directory in JSON: "+err.Error(), "see docs/directory.md for the format")
	}
	t := Table{File: f.Name, Layout: Document}
	for _, p := range doc.Parties {
		t.Entries += 1 + len(p.ContactPoints)
	}
	a.document(doc)
	return []Table{t}, nil
}

func (a *assembler) cards(f File, text []byte) ([]Table, error) {
	records, err := readVCards(f.Name, text, a.log)
	if err != nil {
		return nil, err
	}
	for _, rec := range records {
		a.record(rec)
	}
	return []Table{{File: f.Name, Layout: Cards, Entries: len(records)}}, nil
}

// armorKey turns a binary certificate into the form of the Directory.
func armorKey(raw []byte) (string, error) {
	certs, err := pgp.ParseCertificates(raw)
	if err != nil {
		return "", err
	}
	if len(certs) != 1 {
		return "", fmt.Errorf("%d certificates", len(certs))
	}
	return string(certs[0].Armor()), nil
}
