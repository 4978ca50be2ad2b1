package interchange

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const maxText = 500 // characters, as the Directory allows

// conflict reports whether another file has already said something else of the
// field; the first then counts. Values of one record are joined before.
func conflict(set map[string]string, field string, values []value, l *log, entry string) bool {
	var texts []string
	for _, v := range values {
		texts = append(texts, v.text)
	}
	said := strings.Join(texts, "\n")
	before, seen := set[field]
	if seen && before != said {
		l.add(Conflict, values[0].place, entry, field, quote(said)+" differs from what was read before", "the first counts; mend one of the two")
		return true
	}
	set[field] = said
	return seen
}

// fillParty takes over what a record says of its Party.
func (a *assembler) fillParty(p *partyDraft, r *record) {
	for _, field := range slices.Sorted(maps.Keys(r.fields)) {
		values := r.fields[field]
		if !ofParty(field) || field == fieldParty || conflict(p.set, field, values, a.log, p.Code) {
			continue
		}
		v := values[0]
		if lang, ok := strings.CutPrefix(field, fieldNames); ok {
			if p.Names == nil {
				p.Names = map[string]string{}
			}
			if name, ok := a.text(p.Code, field, v, false); ok {
				p.Names[lang] = name
			}
			continue
		}
		switch field {
		case fieldConvention:
			a.date(p.Code, field, v, &p.Convention.From)
		case fieldConventionEnd:
			a.date(p.Code, field, v, &p.Convention.Until)
		case fieldSecond:
			a.date(p.Code, field, v, &p.SecondProtocol.From)
		case fieldSecondEnd:
			a.date(p.Code, field, v, &p.SecondProtocol.Until)
		case fieldReservations:
			p.Reservations = a.reservations(p.Code, values)
		case fieldMaxDays:
			a.number(p.Code, field, v, &p.PreservationMaxDays)
		case fieldRenewals:
			a.number(p.Code, field, v, &p.PreservationRenewals)
		case fieldFormal:
			switch folded := fold(v.text); {
			case a.v.yes[folded] != "":
				p.FormalConfirmation = true
			case a.v.no[folded] != "":
				p.FormalConfirmation = false
			default:
				a.log.add(UnknownYesNo, v.place, p.Code, field, quote(v.text)+" is neither yes nor no", "write yes or no")
			}
		case fieldPartySource:
			p.Provenance = a.provenances(p.Code, field, values)
		}
	}
}

// fillPoint takes over what a record says of its contact point.
func (a *assembler) fillPoint(cp *pointDraft, r *record) {
	cp.files[a.file] = true
	if vs := r.fields[fieldLanguages]; vs != nil {
		for _, f := range []string{fieldLanguagesIn, fieldLanguagesOut} {
			if r.fields[f] == nil {
				r.fields[f] = vs
			}
		}
	}
	a.fillPhones(cp, r)
	for _, field := range slices.Sorted(maps.Keys(r.fields)) {
		values := r.fields[field]
		if ofParty(field) || field == fieldID || field == fieldLanguages || field == fieldPhones || strings.HasPrefix(field, fieldPhoneUsePrefix) ||
			conflict(cp.set, field, values, a.log, cp.ID) {
			continue
		}
		a.fillField(cp, field, values)
	}
	cp.fold()
	if cp.Role == "" {
		a.guessRole(cp, r.place)
	}
}

func (a *assembler) fillField(cp *pointDraft, field string, values []value) {
	v := values[0]
	switch field {
	case fieldRole:
		a.role(cp, v)
	case fieldInstitution:
		if s, ok := a.text(cp.ID, field, v, false); ok {
			cp.Institution = s
		}
	case fieldUnit:
		if s, ok := a.text(cp.ID, field, v, false); ok {
			cp.Unit = s
		}
	case fieldPostal:
		for _, more := range values[1:] {
			v.text += "\n" + more.text
		}
		if s, ok := a.text(cp.ID, field, v, true); ok {
			cp.Postal = s
		}
	case fieldAddresses:
		cp.Addresses = a.addresses(cp.ID, values)
	case fieldLanguagesIn:
		cp.LanguagesIn = a.languages(cp.ID, field, values)
	case fieldLanguagesOut:
		cp.LanguagesOut = a.languages(cp.ID, field, values)
	case fieldHours:
		if h, ok := a.v.hours(v.text); ok {
			cp.Hours = h
		} else {
			a.log.add(UnknownHours, v.place, cp.ID, field, quote(v.text)+" are no office hours that are understood", `write "24/7" or "Mo-Fr 08:00-18:00; Sa 09:00-12:00"`)
		}
	case fieldZone:
		name, guessed, ok := zone(v.text)
		switch {
		case !ok:
			a.log.add(UnknownZone, v.place, cp.ID, field, quote(v.text)+" is no time zone that is understood", "write an IANA name such as Europe/Paris")
		case guessed:
			a.log.add(GuessedZone, v.place, cp.ID, field, quote(v.text)+" was read as "+name+", which knows no summer time", "write an IANA name such as Europe/Paris")
			fallthrough
		default:
			cp.Zone = name
		}
	case fieldCompetences:
		cp.Competences = a.competences(cp.ID, values)
	case fieldBackup:
		if idForm.MatchString(v.text) {
			cp.Backup = v.text
		} else {
			a.log.add(DoubtfulID, v.place, cp.ID, field, quote(v.text)+" is no identifier", "write the identifier of the backup, such as XA-2")
		}
	case fieldCertificates:
		cp.CertificatesArmored = a.certificates(cp.ID, values)
	case fieldVouchers:
		cp.Vouchers = nil
		for _, line := range allLines(values) {
			voucher, err := readVoucher(line.text)
			if err != nil {
				a.log.add(DoubtfulRecord, line.place, cp.ID, field, "the voucher is not understood: "+err.Error(), "write it as relais directory export does")
				continue
			}
			cp.Vouchers = append(cp.Vouchers, voucher)
		}
	case fieldSource:
		cp.Provenance = a.provenances(cp.ID, field, values)
	}
}

// fillPhones joins the columns that give telephones, in the order of the file.
func (a *assembler) fillPhones(cp *pointDraft, r *record) {
	var all []value
	use := map[Place]string{}
	for field, values := range r.fields {
		if field != fieldPhones && !strings.HasPrefix(field, fieldPhoneUsePrefix) {
			continue
		}
		for _, v := range values {
			use[v.place] = strings.TrimPrefix(strings.TrimPrefix(field, fieldPhones), ".")
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return
	}
	slices.SortStableFunc(all, func(x, y value) int { return comparePlaces(x.place, y.place) })
	if conflict(cp.set, fieldPhones, all, a.log, cp.ID) {
		return
	}
	cp.Phones = nil
	for _, v := range all {
		found, rest := a.v.phones(v.text, use[v.place])
		for _, p := range found {
			field := fmt.Sprintf("phones[%d]", len(cp.Phones))
			cp.Phones = append(cp.Phones, p.Phone)
			switch {
			case p.Number == "":
				a.log.add(DoubtfulPhone, v.place, cp.ID, field, quote(p.Written)+" has no country code: it was kept as written, without an international number", "write the number as +999 1 555 0100")
			case p.guessedNumber:
				a.log.add(GuessedPhone, v.place, cp.ID, field, quote(p.Written)+" was read as "+p.Number, "check it")
			}
			if p.guessedUse {
				a.log.add(GuessedUse, v.place, cp.ID, field, "nothing says what the number is for: office", "write (office), (out-of-hours), (mobile) or (fax) behind it")
			}
		}
		for _, s := range rest {
			a.log.add(DoubtfulPhone, v.place, cp.ID, fieldPhones, quote(s)+" is no telephone number: it was left out", "write the number as +999 1 555 0100")
		}
	}
}

func comparePlaces(a, b Place) int {
	if a.Row != b.Row {
		return a.Row - b.Row
	}
	return a.Column - b.Column
}
