package interchange

import (
	"slices"
	"strings"
)

// The fields of a list: columns of the exported tables, labels of the exported
// documents, meanings of the headings in columns.yaml. Several headings may
// give one field.
const (
	fieldParty          = "party"
	fieldNames          = "name_" // and a language: "name_en"
	fieldConvention     = "convention_from"
	fieldConventionEnd  = "convention_until"
	fieldSecond         = "second_protocol_from"
	fieldSecondEnd      = "second_protocol_until"
	fieldReservations   = "reservations"
	fieldMaxDays        = "preservation_max_days"
	fieldRenewals       = "preservation_renewals"
	fieldFormal         = "formal_confirmation"
	fieldPartySource    = "party_provenance"
	fieldID             = "id"
	fieldRole           = "role"
	fieldInstitution    = "institution"
	fieldUnit           = "unit"
	fieldPostal         = "postal"
	fieldPhones         = "phones"
	fieldAddresses      = "addresses"
	fieldLanguagesIn    = "languages_in"
	fieldLanguagesOut   = "languages_out"
	fieldLanguages      = "languages" // both, when a list does not tell them apart
	fieldHours          = "hours"
	fieldZone           = "zone"
	fieldCompetences    = "competences"
	fieldBackup         = "backup"
	fieldCertificates   = "certificates"
	fieldVouchers       = "vouchers"
	fieldSource         = "provenance"
	fieldPhoneUsePrefix = "phones."
)

var phoneUses = []string{"office", "out-of-hours", "mobile", "fax"}

// partyFields and pointFields are in the order of the exports.
var (
	partyFields = []string{
		fieldParty, fieldNames + "en", fieldNames + "fr", fieldConvention, fieldConventionEnd, fieldSecond, fieldSecondEnd,
		fieldReservations, fieldMaxDays, fieldRenewals, fieldFormal, fieldPartySource,
	}
	pointFields = []string{
		fieldID, fieldRole, fieldInstitution, fieldUnit, fieldPostal, fieldPhones, fieldAddresses, fieldLanguagesIn, fieldLanguagesOut,
		fieldHours, fieldZone, fieldCompetences, fieldBackup, fieldCertificates, fieldVouchers, fieldSource,
	}
	fields = slices.Concat(partyFields, pointFields, []string{
		fieldPhoneUsePrefix + "office", fieldPhoneUsePrefix + "out-of-hours", fieldPhoneUsePrefix + "mobile", fieldPhoneUsePrefix + "fax",
	})
)

// ofParty reports whether a field belongs to the Party rather than to the
// contact point.
func ofParty(field string) bool {
	return slices.Contains(partyFields, field) || strings.HasPrefix(field, fieldNames)
}

// isList reports whether several columns may give the field together.
func isList(field string) bool {
	switch field {
	case fieldPhones, fieldAddresses, fieldLanguages, fieldLanguagesIn, fieldLanguagesOut, fieldCompetences, fieldCertificates,
		fieldVouchers, fieldSource, fieldPartySource, fieldReservations, fieldPostal:
		return true
	}
	return strings.HasPrefix(field, fieldPhoneUsePrefix)
}

// labels are the headings of the documents that people read. columns.yaml knows
// each of them.
var labels = map[string]string{
	fieldParty: "Party", fieldNames + "en": "Name (en)", fieldNames + "fr": "Name (fr)",
	fieldConvention: "Convention in force from", fieldConventionEnd: "Convention in force until",
	fieldSecond: "Second Protocol in force from", fieldSecondEnd: "Second Protocol in force until",
	fieldReservations: "Reservations", fieldMaxDays: "Preservation, at most (days)", fieldRenewals: "Preservation renewals",
	fieldFormal: "Formal confirmation", fieldPartySource: "Provenance of the Party",
	fieldID: "Identifier", fieldRole: "Role", fieldInstitution: "Institution", fieldUnit: "Unit", fieldPostal: "Postal address",
	fieldPhones: "Telephones", fieldAddresses: "E-mail addresses", fieldLanguagesIn: "Languages read", fieldLanguagesOut: "Languages written",
	fieldHours: "Office hours", fieldZone: "Time zone", fieldCompetences: "Competences", fieldBackup: "Backup contact point",
	fieldCertificates: "OpenPGP certificate", fieldVouchers: "Key vouchers", fieldSource: "Provenance of the entry",
}

func label(field string) string {
	if l, ok := labels[field]; ok {
		return l
	}
	if lang, ok := strings.CutPrefix(field, fieldNames); ok {
		return "Name (" + lang + ")"
	}
	return field
}
