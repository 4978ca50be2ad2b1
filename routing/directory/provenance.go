package directory

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Provenance says where the value of one field comes from and who last made
// sure of it. What a Party declared to the treaty office and what its contact
// point says of itself may differ, so each field has its own.
type Provenance struct {
	Source     string `json:"source,omitempty"`      // such as "declaration of 2010-07-12"
	Verified   Date   `json:"verified,omitzero"`     // day on which somebody last made sure
	VerifiedBy string `json:"verified_by,omitempty"` // who did; an office rather than a person
}

// ProvenanceFields lists the fields of a Party and of a contact point that may
// have a [Provenance], by their names in JSON, sorted.
func ProvenanceFields() (party, contactPoint []string) {
	return provenanceFields(reflect.TypeFor[Party]()), provenanceFields(reflect.TypeFor[ContactPoint]())
}

func provenanceFields(t reflect.Type) []string {
	var list []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		switch name {
		case "", "-", "code", "id", "contact_points", "vouchers", "provenance":
		default:
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func (c *checker) provenance(entry string, of reflect.Type, m map[string]Provenance) {
	if len(m) == 0 {
		return
	}
	known := provenanceFields(of)
	for _, field := range slices.Sorted(maps.Keys(m)) {
		place, p := "provenance."+cut(field), m[field]
		if !slices.Contains(known, field) {
			c.add(CodeUnknownField, entry, "provenance", fmt.Sprintf("%q is no field with a provenance", cut(field)), "write one of "+strings.Join(known, ", "))
			continue
		}
		if p == (Provenance{}) {
			c.add(CodeMissing, entry, place, "it says nothing", "give source, verified or verified_by, or leave the field out")
		}
		if p.VerifiedBy != "" && p.Verified.IsZero() {
			c.add(CodeMissing, entry, place+".verified", "somebody verified it, but the day is missing", "add the day, such as 2026-02-01")
		}
		c.text(entry, place+".source", p.Source, false)
		c.text(entry, place+".verified_by", p.VerifiedBy, false)
	}
}

func provenanceText(m map[string]Provenance) string {
	var list []string
	for _, field := range slices.Sorted(maps.Keys(m)) {
		p := m[field]
		var parts []string
		if p.Source != "" {
			parts = append(parts, p.Source)
		}
		if !p.Verified.IsZero() {
			parts = append(parts, strings.TrimSpace("verified "+p.Verified.String()+" "+p.VerifiedBy))
		}
		list = append(list, field+": "+strings.Join(parts, ", "))
	}
	return strings.Join(list, "; ")
}
