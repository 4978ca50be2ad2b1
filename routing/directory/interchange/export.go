package interchange

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"relais.example/routing/directory"
)

// Format is a form in which the Directory is written.
type Format string

// The closed set of formats.
const (
	JSON  Format = "json"
	CSV   Format = "csv"
	XLSX  Format = "xlsx"
	DOCX  Format = "docx"
	VCard Format = "vcf"
	HTML  Format = "html"
)

// Formats lists every format.
func Formats() []Format { return []Format{JSON, CSV, XLSX, DOCX, VCard, HTML} }

// Export writes the Directory. All formats but HTML can be imported again and
// give the same entries. Exports are as confidential as the Directory.
func Export(w io.Writer, doc *directory.Document, f Format, v *Vocabulary) error {
	if v == nil {
		return errors.New("exporting the directory: no vocabulary; this is a fault of the program")
	}
	var err error
	switch f {
	case JSON:
		var raw []byte
		if raw, err = doc.Encode(); err == nil {
			_, err = w.Write(raw)
		}
	case CSV:
		err = writeCSV(w, doc, v)
	case XLSX:
		err = writeXlsx(w, doc, v)
	case DOCX:
		err = writeDocx(w, doc, v)
	case VCard:
		err = writeVCards(w, doc)
	case HTML:
		err = writeHTML(w, doc)
	default:
		return fmt.Errorf("exporting the directory: unknown format %q; write json, csv, xlsx, docx, vcf or html", f)
	}
	if err != nil {
		return fmt.Errorf("exporting the directory as %s: %w", f, err)
	}
	return nil
}

// texts are the fields of an entry as texts, in the form that the import reads.
type texts map[string]string

func partyTexts(p *directory.Party) texts {
	t := texts{
		fieldParty: p.Code, fieldConvention: p.Convention.From.String(), fieldConventionEnd: p.Convention.Until.String(),
		fieldSecond: p.SecondProtocol.From.String(), fieldSecondEnd: p.SecondProtocol.Until.String(),
		fieldReservations: strings.Join(p.Reservations, ", "), fieldPartySource: provenanceLines(p.Provenance),
	}
	for lang, name := range p.Names {
		t[fieldNames+lang] = name
	}
	if p.PreservationMaxDays != 0 {
		t[fieldMaxDays] = strconv.Itoa(p.PreservationMaxDays)
	}
	if p.PreservationRenewals != 0 {
		t[fieldRenewals] = strconv.Itoa(p.PreservationRenewals)
	}
	t[fieldFormal] = "no"
	if p.FormalConfirmation {
		t[fieldFormal] = "yes"
	}
	return t
}

func pointTexts(cp *directory.ContactPoint) texts {
	var phones, kinds, vouchers []string
	for _, p := range cp.Phones {
		phones = append(phones, writePhone(p))
	}
	for _, k := range cp.Competences {
		kinds = append(kinds, string(k))
	}
	for _, v := range cp.Vouchers {
		vouchers = append(vouchers, writeVoucher(v))
	}
	return texts{
		fieldID: cp.ID, fieldRole: string(cp.Role), fieldInstitution: cp.Institution, fieldUnit: cp.Unit, fieldPostal: cp.Postal,
		fieldPhones: strings.Join(phones, "\n"), fieldAddresses: strings.Join(cp.Addresses, "\n"),
		fieldLanguagesIn: strings.Join(cp.LanguagesIn, ", "), fieldLanguagesOut: strings.Join(cp.LanguagesOut, ", "),
		fieldHours: cp.Hours, fieldZone: cp.Zone, fieldCompetences: strings.Join(kinds, ", "), fieldBackup: cp.Backup,
		fieldCertificates: strings.Join(cp.CertificatesArmored, ""), fieldVouchers: strings.Join(vouchers, "\n"), fieldSource: provenanceLines(cp.Provenance),
	}
}

func provenanceLines(m map[string]directory.Provenance) string {
	var list []string
	for _, field := range slices.Sorted(maps.Keys(m)) {
		list = append(list, writeProvenance(field, m[field]))
	}
	return strings.Join(list, "\n")
}

// nameFields lists the name columns of all languages that occur.
func nameFields(doc *directory.Document) []string {
	langs := map[string]bool{"en": true, "fr": true}
	for _, p := range doc.Parties {
		for lang := range p.Names {
			langs[lang] = true
		}
	}
	var list []string
	for _, lang := range slices.Sorted(maps.Keys(langs)) {
		list = append(list, fieldNames+lang)
	}
	return list
}

// columnsOf lists the columns of a table of the whole Directory.
func columnsOf(doc *directory.Document) []string {
	list := []string{fieldParty}
	list = append(list, nameFields(doc)...)
	for _, f := range partyFields {
		if f != fieldParty && !strings.HasPrefix(f, fieldNames) {
			list = append(list, f)
		}
	}
	return append(list, pointFields...)
}

// rowsOf calls f for each contact point, with its Party, and for each Party
// without one.
func rowsOf(doc *directory.Document, f func(texts) error) error {
	for i := range doc.Parties {
		p := &doc.Parties[i]
		party := partyTexts(p)
		if len(p.ContactPoints) == 0 {
			if err := f(party); err != nil {
				return err
			}
		}
		for j := range p.ContactPoints {
			row := pointTexts(&p.ContactPoints[j])
			maps.Copy(row, party)
			if err := f(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeCSV writes commas and UTF-8 with a byte order mark, by which
// spreadsheets know it. No cell can be taken for a formula.
func writeCSV(w io.Writer, doc *directory.Document, v *Vocabulary) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = false
	columns := columnsOf(doc)
	if err := out.Write(columns); err != nil {
		return err
	}
	err := rowsOf(doc, func(t texts) error {
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = escape(t[c], v, true)
		}
		return out.Write(row)
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}
