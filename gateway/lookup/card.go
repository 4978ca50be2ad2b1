package lookup

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/emersion/go-vcard"

	"relais.example/routing/directory"
)

// card writes a contact point as vCard 3.0 (RFC 2426): the version that
// Thunderbird, Outlook and Apple's programs all read.
func card(d *directory.Directory, cp *directory.ContactPoint) vcard.Card {
	party, _ := d.Party(cp.Party)
	c := vcard.Card{}
	add := func(field, value string, params vcard.Params) {
		if value != "" {
			c.Add(field, &vcard.Field{Value: value, Params: params})
		}
	}
	name := fmt.Sprintf("%s %s", cp.ID, cp.Institution)
	add(vcard.FieldVersion, "3.0", nil)
	add(vcard.FieldUID, "urn:relais:contact-point:"+cp.ID, nil)
	add(vcard.FieldFormattedName, name, nil)
	add(vcard.FieldName, component(name)+";;;;", nil)
	add(vcard.FieldOrganization, component(cp.Institution)+";"+component(cp.Unit), nil)
	add(vcard.FieldTitle, fmt.Sprintf("%s contact point of %s", cp.Role, party.Names["en"]), nil)
	add(vcard.FieldCategories, "24/7 Network", nil)
	for i, a := range cp.Addresses {
		params := vcard.Params{vcard.ParamType: {"INTERNET", "WORK"}}
		if i == 0 {
			params.Add(vcard.ParamType, "PREF")
		}
		add(vcard.FieldEmail, a, params)
	}
	for _, p := range cp.Phones {
		kind := map[string][]string{"office": {"WORK", "VOICE"}, "out-of-hours": {"WORK", "VOICE", "PREF"}, "mobile": {"CELL"}, "fax": {"WORK", "FAX"}}[p.Use]
		add(vcard.FieldTelephone, p.Number, vcard.Params{vcard.ParamType: kind})
	}
	if cp.Postal != "" {
		add(vcard.FieldAddress, ";;"+component(strings.ReplaceAll(cp.Postal, "\n", ", "))+";;;;"+component(party.Names["en"]), vcard.Params{vcard.ParamType: {"WORK"}})
	}
	for _, cert := range cp.Certificates() {
		add(vcard.FieldKey, base64.StdEncoding.EncodeToString(bytes.TrimSpace(cert.Armor())), vcard.Params{"ENCODING": {"b"}, vcard.ParamType: {"PGP"}})
	}
	add(vcard.FieldNote, notes(cp), nil)
	add(vcard.FieldRevision, d.Issued().UTC().Format("2006-01-02T15:04:05Z"), nil)
	return c
}

// notes says what a vCard has no field for.
func notes(cp *directory.ContactPoint) string {
	var lines []string
	add := func(name string, values ...string) {
		if text := strings.Join(values, ", "); text != "" {
			lines = append(lines, name+": "+text)
		}
	}
	add("Hours", strings.TrimSpace(cp.Hours+" "+cp.Zone))
	add("Languages", cp.LanguagesIn...)
	var kinds []string
	for _, k := range cp.Competences {
		kinds = append(kinds, string(k))
	}
	add("Handles", kinds...)
	add("Backup", cp.Backup)
	for _, cert := range cp.Certificates() {
		add("Key", directory.KeyText(cert))
	}
	return strings.Join(lines, "\n")
}

// component makes s one part of a structured value. The encoder cannot write a
// semicolon inside one.
func component(s string) string { return strings.ReplaceAll(s, ";", ",") }
